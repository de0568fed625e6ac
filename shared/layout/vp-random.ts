// The random numbers of a virtual processor: the one door through which chance reaches a guest (RDRAND, RDSEED).
// Why a generator and not the host's entropy: a machine with the same seed and a deterministic clock repeats bit for bit. Its state is in the VP block, so a
// VP draws the same numbers on whatever LP it runs. Not for secrets: whoever knows the seed knows the numbers.
// xoshiro128** (Blackman, Vigna, prng.di.unimi.it): words of 32 bits need no BigInt. Its state comes from SplitMix64, as its authors recommend.
import { PartitionHeader, PartitionMap } from './partition.js';
import type { VpBlock } from './vp.js';

const GOLDEN_GAMMA = 0x9e37_79b9_7f4a_7c15n;
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
/** What SplitMix64 returns for the state before its step: a bijection of 64 bits. */
export const splitMix64 = (state: bigint): bigint => {
  let z = u64(state + GOLDEN_GAMMA);
  z = u64((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
  z = u64((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
  return z ^ (z >> 31n);
};

/** Seeds the VP from the machine's seed, its partition's id and its index, as the header has them: no two VPs of a machine start alike. */
export const seedRandom = (vp: VpBlock, index: number): void => {
  const { seed, id } = new PartitionHeader(vp.views, PartitionMap.HEADER);
  const key = splitMix64(splitMix64(BigInt(seed)) ^ (BigInt(id) << 32n) ^ BigInt(index));
  vp.views.u64[vp.random >>> 3] = splitMix64(key);
  vp.views.u64[(vp.random >>> 3) + 1] = splitMix64(key + GOLDEN_GAMMA);
};

/** The next 32 bits, unsigned. Owner LP only. */
export const nextRandom = (vp: VpBlock): number => {
  const { i32 } = vp.views;
  const at = vp.random >>> 2;
  const s0 = i32[at];
  const s1 = i32[at + 1];
  const s2 = i32[at + 2] ^ s0;
  const s3 = i32[at + 3] ^ s1;
  i32[at] = s0 ^ s3;
  i32[at + 1] = s1 ^ s2;
  i32[at + 2] = s2 ^ (s1 << 9);
  i32[at + 3] = (s3 << 11) | (s3 >>> 21);
  const product = Math.imul(s1, 5);
  return Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
};
