// The pages of a memory that hold something: what a snapshot has of it. Most of a partition's map is never touched.
import { HOST_RAM } from '../../../shared/layout/host-memory.js';
import { PartitionMap } from '../../../shared/layout/partition.js';

export const PAGE = 4096;
const STRIDE = 1 << 20;
const ZEROS = Buffer.alloc(STRIDE);

/** First byte and the one behind the last. */
export type Range = readonly [from: number, to: number];

const MAX_PAGES = (PartitionMap.CODE_VERSIONS - PartitionMap.PAGE_FLAGS) / 4;

/** What of a partition's memory can hold anything, below guest RAM; `bytes`: of the whole memory. */
export const tableRanges = (bytes: number, lps: number): readonly Range[] => {
  const pages = Math.min(MAX_PAGES, Math.ceil((bytes - PartitionMap.RAM) / PAGE));
  return [
    [PartitionMap.HEADER, PartitionMap.DEVICES_END],
    [PartitionMap.PAGE_FLAGS, PartitionMap.PAGE_FLAGS + pages * 4],
    [PartitionMap.CODE_VERSIONS, PartitionMap.CODE_VERSIONS + pages * 4],
    [PartitionMap.VTLB, PartitionMap.VTLB_END],
    [PartitionMap.CODE_LINES, PartitionMap.CODE_LINES + pages * 8],
    [PartitionMap.LP_CONTEXTS, PartitionMap.LP_CONTEXTS + lps * PartitionMap.LP_CONTEXT_SIZE],
  ];
};
/** Guest RAM, overlay pages and the buffers of devices. */
export const ramRange = (bytes: number): Range => [PartitionMap.RAM, bytes];
/** All of host memory (layout/host-memory). */
export const hostRanges = (lps: number): readonly Range[] => [
  ...tableRanges(PartitionMap.RAM + HOST_RAM, lps),
  ramRange(PartitionMap.RAM + HOST_RAM),
];

/** Numbers of the pages in the ranges that are not all zero, in their order. */
export function* usedPages(memory: ArrayBufferLike, ranges: readonly Range[]): Generator<number> {
  for (const [from, to] of ranges) {
    for (let at = from - (from % PAGE); at < to; ) {
      const length = Math.min(STRIDE, Math.ceil((to - at) / PAGE) * PAGE, memory.byteLength - at);
      const stride = Buffer.from(memory, at, length);
      // Nearly all strides are empty, and one comparison tells.
      if (!ZEROS.subarray(0, length).equals(stride))
        for (let page = 0; page < length; page += PAGE)
          if (!ZEROS.subarray(0, PAGE).equals(stride.subarray(page, page + PAGE))) yield (at + page) / PAGE;
      at += length;
    }
  }
}

/** Makes the ranges zero again, as far as they have been touched. */
export const clearPages = (memory: ArrayBufferLike, ranges: readonly Range[]): void => {
  const bytes = new Uint8Array(memory);
  for (const page of [...usedPages(memory, ranges)]) bytes.fill(0, page * PAGE, (page + 1) * PAGE);
};
