// Operands of the SIMD vectors, made from a number: the file of expected results need not hold them.
// Why not plain random bits: the rules of floats are about the few values that those never hit.

/** What the lanes of an instruction are, and so which values are worth trying. */
export const LANES = ['int', 'f32', 'f64'] as const;
export type Lanes = (typeof LANES)[number];

export const YMM_BYTES = 16 * 32;
export const MEMORY_BYTES = 128;

/** State before an instruction: everything that it can see. */
export interface SimdInput {
  readonly registers: BigUint64Array;
  readonly flags: number;
  readonly mxcsr: number;
  /** YMM0..YMM15, and MM0..MM7. */
  readonly ymm: Uint8Array;
  readonly mm: Uint8Array;
  /** What the memory operand's address names, and what follows. */
  readonly memory: Uint8Array;
}

/** A reproducible source of 32-bit numbers (mulberry32). */
export const numbers = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
};

const EDGES_8 = [0, 1, 0x7f, 0x80, 0x81, 0xff];
const F32_EDGES = [
  0, 0x80000000, 1, 0x007fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f812345,
  0xffa00001, 0x4f000000, 0xcf000000, 0x5f000000,
];
const F64_EDGES: readonly (readonly [number, number])[] = [
  [0, 0],
  [0x80000000, 0],
  [0, 1],
  [0x000fffff, 0xffffffff],
  [0x00100000, 0],
  [0x80100000, 0],
  [0x7fefffff, 0xffffffff],
  [0xffefffff, 0xffffffff],
  [0x7ff00000, 0],
  [0xfff00000, 0],
  [0x7ff80000, 0],
  [0xfff81234, 0x56789abc],
  [0x7ff01234, 0x56789abc],
  [0xfff40000, 1],
  [0x41dfffff, 0xffc00000],
  [0xc1e00000, 0],
  [0xc1e00000, 0x00200000],
  [0x43e00000, 0],
];

const fillBytes = (next: () => number, data: DataView): void => {
  for (let at = 0; at < data.byteLength; at += 8) {
    const kind = next() % 8;
    for (let i = 0; i < 8; i++)
      data.setUint8(
        at + i,
        kind < 5 ? next() >>> 24 : kind === 5 ? EDGES_8[next() % EDGES_8.length] : kind === 6 ? 0 : i < 4 ? next() % 70 : 0,
      );
    if (kind === 6) data.setUint8(at, next() % 70);
  }
};
const fill32 = (next: () => number, data: DataView): void => {
  for (let at = 0; at < data.byteLength; at += 4) {
    const kind = next() % 8;
    if (kind < 3) data.setFloat32(at, ((next() >>> 8) / 2 ** 22 - 2) * 2 ** ((next() % 8) - 3), true);
    else if (kind === 3) data.setUint32(at, F32_EDGES[next() % F32_EDGES.length], true);
    else if (kind === 4) data.setFloat32(at, (next() % 64) / 2 - 16, true);
    else if (kind === 5) data.setUint32(at, next() & 0x80ffffff, true);
    else data.setUint32(at, next(), true);
  }
};
const fill64 = (next: () => number, data: DataView): void => {
  for (let at = 0; at < data.byteLength; at += 8) {
    const kind = next() % 8;
    if (kind < 3) data.setFloat64(at, ((next() - 2 ** 31 + next() / 2 ** 32) / 2 ** 29) * 2 ** ((next() % 8) - 3), true);
    else if (kind === 3) {
      const [high, low] = F64_EDGES[next() % F64_EDGES.length];
      data.setUint32(at, low, true);
      data.setUint32(at + 4, high, true);
    } else if (kind === 4) data.setFloat64(at, (next() % 64) / 2 - 16, true);
    else {
      data.setUint32(at, next(), true);
      // Tiny ones, or any exponent, or one near single precision's limits.
      data.setUint32(
        at + 4,
        kind === 5 ? next() & 0x801fffff : kind === 6 ? next() : (next() & 0x800fffff) | ((1023 - 150 + (next() % 300)) << 20),
        true,
      );
    }
  }
};
const FILL = { int: fillBytes, f32: fill32, f64: fill64 } as const;

/** The same state for the same arguments, on every host. `plain`: MXCSR as after reset. */
export const simdInput = (seed: number, mode: 32 | 64, lanes: Lanes, plain: boolean): SimdInput => {
  const next = numbers(Math.imul(seed, 0x9e3779b1) ^ (mode << 24));
  const registers = new BigUint64Array(16);
  for (let n = 0; n < (mode === 64 ? 16 : 8); n++) {
    const kind = next() % 4;
    const wide = (BigInt(next()) << 32n) | BigInt(next());
    registers[n] = BigInt.asUintN(mode, kind === 0 ? BigInt(next() % 64) : kind === 1 ? BigInt.asUintN(64, -BigInt(next() % 64)) : wide);
  }
  const ymm = new Uint8Array(YMM_BYTES);
  const memory = new Uint8Array(MEMORY_BYTES);
  const mm = new Uint8Array(64);
  FILL[lanes](next, new DataView(ymm.buffer));
  FILL[lanes](next, new DataView(memory.buffer));
  // Outside 64-bit mode the upper eight cannot be seen.
  if (mode === 32) ymm.fill(0, YMM_BYTES / 2);
  FILL[lanes === 'f64' ? 'int' : lanes](next, new DataView(mm.buffer));
  const flags = next() & 0x8d5;
  let mxcsr = 0x1f80;
  const special = next() % 8;
  if (!plain && special >= 2) {
    mxcsr |= (next() & 3) << 13;
    mxcsr |= next() & 0x3f;
    if (next() % 3 === 0) mxcsr |= 0x8000;
    if (next() % 3 === 0) mxcsr |= 0x40;
    // Exceptions that are pending and unmasked at once would be raised by the next instruction of any kind that looks.
    if (special === 7) mxcsr = (mxcsr & ~0x3f) ^ ((next() & 0x3f) << 7);
  }
  return { registers, flags, mxcsr, ymm, mm, memory };
};
