// The pages of a memory that hold something: what a snapshot has of it. Most of a partition's map is never touched.
import { HOST_RAM } from '../../../shared/layout/host-memory.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import { gptIndexAt, mappingsAt, sptHeaderAt, sptPageAt, trackAt, vtlbWord } from '../../../shared/layout/vtlb.js';

export const PAGE = 4096;
const STRIDE = 1 << 20;
const ZEROS = Buffer.alloc(STRIDE);

/** First byte and the one behind the last. */
export type Range = readonly [from: number, to: number];

const WHOLE_VTLB: readonly Range[] = [[PartitionMap.VTLB, PartitionMap.VTLB_END]];
const MAX_PAGES = (PartitionMap.CODE_VERSIONS - PartitionMap.PAGE_FLAGS) / 4;

const pagesOf = (bytes: number): number => Math.min(MAX_PAGES, Math.ceil((bytes - PartitionMap.RAM) / PAGE));
/** What of a partition's memory can hold anything, below guest RAM; `bytes`: of the whole memory. `vtlb`: what of the vTLB's arena is in use, where that is known. */
export const tableRanges = (bytes: number, lps: number, vtlb: readonly Range[] = WHOLE_VTLB): readonly Range[] => {
  const pages = pagesOf(bytes);
  return [
    [PartitionMap.HEADER, PartitionMap.DEVICES_END],
    [PartitionMap.PAGE_FLAGS, PartitionMap.PAGE_FLAGS + pages * 4],
    [PartitionMap.CODE_VERSIONS, PartitionMap.CODE_VERSIONS + pages * 4],
    ...vtlb,
    [PartitionMap.CODE_LINES, PartitionMap.CODE_LINES + pages * 8],
    [PartitionMap.LP_CONTEXTS, PartitionMap.LP_CONTEXTS + lps * PartitionMap.LP_CONTEXT_SIZE],
  ];
};
/** Of the arena, most is beyond the pool and never touched: looking at it would make the host find a page for each of its own. */
const vtlbRanges = (memory: ArrayBufferLike): readonly Range[] => {
  const pages = pagesOf(memory.byteLength);
  const [spts = 0] = new Uint32Array(memory, vtlbWord('sptCount'), 1);
  return [
    [PartitionMap.VTLB, gptIndexAt(pages)],
    [mappingsAt(0), mappingsAt(pages)],
    [trackAt(0), trackAt(pages)],
    [sptHeaderAt(0), sptHeaderAt(spts)],
    [sptPageAt(0), sptPageAt(spts)],
  ];
};
/** As `tableRanges`, of a memory that is there. */
export const usedTables = (memory: ArrayBufferLike, lps: number): readonly Range[] =>
  tableRanges(memory.byteLength, lps, vtlbRanges(memory));

/** Guest RAM, overlay pages and the buffers of devices. */
export const ramRange = (bytes: number): Range => [PartitionMap.RAM, bytes];
/** All of host memory (layout/host-memory); `memory`: what of it can hold anything. */
export const hostRanges = (lps: number, memory?: ArrayBufferLike): readonly Range[] => [
  ...tableRanges(PartitionMap.RAM + HOST_RAM, lps, memory && vtlbRanges(memory)),
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
