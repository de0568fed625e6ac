// Random x87, MMX, SSE and AVX state: an FXSAVE image (SDM 1 10.5.1) and the upper halves of the YMM registers behind it.
import { Chance } from './chance.js';
import { VECTOR_BYTES } from './layout.js';

const DOUBLES = [
  0n,
  1n << 63n,
  0x3ff0_0000_0000_0000n,
  0xbff8_0000_0000_0000n,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0x7ff0_0000_0000_0001n,
  1n,
  0x0010_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x43e0_0000_0000_0000n,
  0x41df_ffff_ffc0_0000n,
  0x3fe0_0000_0000_0000n,
];
const SINGLES = [
  0, 0x8000_0000, 0x3f80_0000, 0xbfc0_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 1, 0x0080_0000, 0x7f7f_ffff, 0x4f00_0000,
  0x3f00_0000,
];
/** Sign and exponent, significand. */
const EXTENDED: readonly (readonly [number, bigint])[] = [
  [0, 0n],
  [0x8000, 0n],
  [0x3fff, 1n << 63n],
  [0xbfff, 3n << 62n],
  [0x7fff, 1n << 63n],
  [0xffff, 1n << 63n],
  [0x7fff, 3n << 62n],
  [0x7fff, (1n << 63n) | 1n],
  [0, 1n],
  [1, 1n << 63n],
  [0x7ffe, 0xffff_ffff_ffff_ffffn],
  [0x403e, 1n << 63n],
  [0x401e, 1n << 63n],
  [0x3ffe, 1n << 63n],
];

const word = (chance: Chance): bigint => {
  const kind = chance.below(4);
  if (kind === 0) return chance.u64();
  if (kind === 1) return chance.pick(DOUBLES);
  if (kind === 2) return (BigInt(chance.pick(SINGLES)) << 32n) | BigInt(chance.pick(SINGLES));
  // Ordinary numbers of near magnitude: sums that cancel and round.
  return ((0x3ffn + BigInt(chance.below(9) - 4)) << 52n) | (chance.u64() >> 12n) | (BigInt(chance.below(2)) << 63n);
};

export const VECTOR_SEEDS = 1 << 20;

/** Number of the state, then its bytes. Each is asked for once for every processor that it is put into. */
const recent = new Map<number, Uint8Array>();
const RECENT_MAX = 8192;

/** The state of a number: FCW … ST, MXCSR, XMM, upper halves of YMM. Not to be changed. */
export const vectorState = (seed: number): Uint8Array => {
  const known = recent.get(seed);
  if (known !== undefined) return known;
  if (recent.size === RECENT_MAX) recent.clear();
  const bytes = make(seed);
  recent.set(seed, bytes);
  return bytes;
};

const make = (seed: number): Uint8Array => {
  const chance = new Chance(seed, VECTOR_SEEDS);
  const bytes = new Uint8Array(VECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  // FCW: all exceptions masked (an unmasked one is delivered by the next instruction), any precision and rounding.
  view.setUint16(0, 0x007f | (chance.pick([0, 2, 3]) << 8) | (chance.below(4) << 10), true);
  // FSW: no exception pending; condition codes and TOP are free. Abridged tag: mostly full.
  view.setUint16(2, (chance.below(8) << 11) | (chance.u32() & 0x4700), true);
  bytes[4] = chance.one(3) ? chance.below(256) : 0xff;
  // MXCSR: masked, any rounding; sometimes DAZ and FTZ.
  view.setUint32(24, 0x1f80 | (chance.below(4) << 13) | (chance.one(6) ? 0x8000 : 0) | (chance.one(6) ? 0x40 : 0), true);
  for (let i = 0; i < 8; i++) {
    const [exponent, significand] = chance.one(2)
      ? chance.pick(EXTENDED)
      : ([(0x3fff + chance.below(130) - 65) | (chance.below(2) << 15), (1n << 63n) | chance.u64()] as const);
    view.setBigUint64(32 + i * 16, significand, true);
    view.setUint16(40 + i * 16, exponent, true);
  }
  for (let i = 160; i < 416; i += 8) view.setBigUint64(i, word(chance), true);
  for (let i = 512; i < VECTOR_BYTES; i += 8) view.setBigUint64(i, word(chance), true);
  return bytes;
};
