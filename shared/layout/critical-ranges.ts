// How VPs of a guest say, or show, that they are in critical sections: code in which they are, or a word of each that is not 0 then. Named in the partition's file, written by
// root before the partition starts, read by LPs (hypervisor/spin).
import { MAX_VPS, PartitionMap } from './partition.js';
import { VP_SCHEDULE_SIZE } from './schedule.js';
import { accessor, block, struct, u32, u64, type Views } from './struct.js';

export const RANGES_MAX = 16;
const RANGE_SIZE = 16;
const SectionsLayout = struct('CriticalSections', {
  count: u32,
  ranges: block(RANGES_MAX * RANGE_SIZE),
  /** WordBase of the VPs' words; linear address or offset; bytes from one VP's to the next; the bits that count. */
  wordBase: u32,
  wordOffset: u64,
  wordStride: u32,
  wordMask: u32,
});
const Sections = accessor(SectionsLayout);
const AT = PartitionMap.SCHEDULE + MAX_VPS * VP_SCHEDULE_SIZE;

/** Linear addresses: the first byte, and the one after the last. */
export interface VpRange {
  readonly from: bigint;
  readonly to: bigint;
}

export const vpRangesOf = (views: Views): VpRange[] => {
  const { count, ranges } = new Sections(views, AT);
  return Array.from({ length: count }, (_, i) => {
    const at = (ranges + i * RANGE_SIZE) >>> 3;
    return { from: views.u64[at], to: views.u64[at + 1] };
  });
};

export const writeVpRanges = (views: Views, all: readonly VpRange[]): void => {
  const header = new Sections(views, AT);
  for (const [i, { from, to }] of all.entries()) {
    const at = (header.ranges + i * RANGE_SIZE) >>> 3;
    views.u64[at] = from;
    views.u64[at + 1] = to;
  }
  header.count = all.length;
};

/** What the address of a VP's word counts from. */
export const WordBase = { NONE: 0, LINEAR: 1, FS: 2, GS: 3 } as const;
/** A word of 32 bits for each VP: it is in a critical section while any of the bits of `mask` is set. */
export interface VpWord {
  readonly base: number;
  readonly offset: bigint;
  readonly stride: number;
  readonly mask: number;
}

export const vpWordOf = (views: Views): VpWord => {
  const { wordBase, wordOffset, wordStride, wordMask } = new Sections(views, AT);
  return { base: wordBase, offset: wordOffset, stride: wordStride, mask: wordMask };
};

export const writeVpWord = (views: Views, { base, offset, stride, mask }: VpWord): void => {
  Object.assign(new Sections(views, AT), { wordBase: base, wordOffset: offset, wordStride: stride, wordMask: mask });
};
