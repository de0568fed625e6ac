// A translated block in the arena: what the micro-op machine runs and counts, and what regions are made from.
//
//   +0 u32 instructions   +4 i32 runs left until it counts as hot   +8 i32 page frame   +12 u16 records, u16 x86 bytes   +16 records
//   after the last record, if that is an indirect jump: where it went in its last runs, OBSERVED x u64, 0 = nowhere yet
export const BLOCK_HEADER_SIZE = 16;
/** Offsets in it. GFN: that of all of the block's bytes, -1 when there are two or none. */
export const BlockHeader = { INSTRUCTIONS: 0, RUNS: 4, GFN: 8, SIZES: 12 } as const;
/** Targets of an indirect jump that are kept; a power of two. */
export const OBSERVED = 4;
