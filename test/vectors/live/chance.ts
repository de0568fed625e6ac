// Seeded random numbers for live cases, and the operand values that arithmetic goes wrong at.
// Why not generate/chance.mjs: that one is slow BigInt work, and its sequence is what the committed vectors were made from.

/** sfc32 (C. Doty-Humphrey, PractRand): 128 bits of state, passes PractRand, and quick on 32-bit integers. */
export class Chance {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 1;

  /** Every (seed, stream) pair gives a sequence of its own. */
  constructor(seed: number, stream = 0) {
    this.restart(seed, stream);
  }
  restart(seed: number, stream: number): void {
    this.#a = seed | 0;
    this.#b = stream | 0;
    this.#c = Math.floor(seed / 4294967296) | 0;
    this.#d = 1;
    for (let i = 0; i < 12; i++) this.u32();
  }
  /** Another sequence. */
  fork(seed: number, stream: number): Chance {
    return new Chance(seed, stream);
  }
  u32(): number {
    const t = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }
  below(n: number): number {
    return Math.floor((this.u32() / 4294967296) * n);
  }
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
  /** True once in `outOf`. */
  one(outOf: number): boolean {
    return this.below(outOf) === 0;
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
}

const edges = (width: number): readonly bigint[] => {
  const top = 1n << BigInt(width - 1);
  const all = (1n << BigInt(width)) - 1n;
  const list = [0n, 1n, 2n, 3n, 0xfn, 0x10n, top - 1n, top, top + 1n, all, all - 1n, 0x5555555555555555n & all, 0xaaaaaaaaaaaaaaaan & all];
  for (const narrow of [8, 16, 32]) {
    if (narrow >= width) continue;
    const n = 1n << BigInt(narrow);
    list.push(n - 1n, n, n / 2n - 1n, n / 2n, all - n / 2n + 1n, all - n + 1n);
  }
  return list;
};
const WIDTHS = [8, 16, 32, 64] as const;
const EDGES = new Map<number, readonly bigint[]>(WIDTHS.map((w) => [w, edges(w)]));

/** 64 bits: random, an edge value of some width under junk, or a small signed number. */
export const registerValue = (chance: Chance): bigint => {
  const kind = chance.below(8);
  if (kind < 3) return chance.u64();
  if (kind === 7) return BigInt.asUintN(64, BigInt(chance.below(256) - 128));
  const width = WIDTHS[kind - 3];
  const low = chance.pick(EDGES.get(width) as readonly bigint[]);
  return width === 64 ? low : ((chance.u64() >> BigInt(width)) << BigInt(width)) | low;
};
