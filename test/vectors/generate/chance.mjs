// Seeded random numbers and operand values: edges of each width first, for that is where flags go wrong.

/** xorshift128+ over BigInt: slow but the same everywhere. */
export class Chance {
  #a;
  #b = 0x9e3779b97f4a7c15n;

  constructor(seed) {
    this.#a = BigInt(seed) | 1n;
    for (let i = 0; i < 8; i++) this.u64();
  }

  u64() {
    let x = this.#a;
    const y = this.#b;
    this.#a = y;
    x ^= BigInt.asUintN(64, x << 23n);
    this.#b = x ^ y ^ (x >> 17n) ^ (y >> 26n);
    return BigInt.asUintN(64, this.#b + y);
  }

  below(n) {
    return Number((this.u64() >> 16n) % BigInt(n));
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  one(outOf) {
    return this.below(outOf) === 0;
  }
}

const EDGES = {};
for (const bits of [8, 16, 32, 64]) {
  const top = 1n << BigInt(bits - 1);
  const all = (1n << BigInt(bits)) - 1n;
  const set = [0n, 1n, 2n, 0xfn, 0x10n, top - 1n, top, top + 1n, all, all - 1n, 0x5555555555555555n & all, 0xaaaaaaaaaaaaaaaan & all];
  for (const narrow of [8, 16, 32]) {
    if (narrow >= bits) continue;
    const n = 1n << BigInt(narrow);
    set.push(n - 1n, n, n / 2n - 1n, n / 2n, all - n / 2n + 1n, all - n + 1n);
  }
  EDGES[bits] = set;
}

/** An operand value of `bits` bits: an edge value more often than not. */
export const operand = (chance, bits) => (chance.below(5) < 3 ? chance.pick(EDGES[bits]) : BigInt.asUintN(bits, chance.u64()));

/** `low` in the low bits of a register, junk above, so that lost or spilled upper halves show. */
export const widened = (chance, low, bits) => (bits === 64 ? low : ((chance.u64() >> BigInt(bits)) << BigInt(bits)) | low);

export const STATUS = { CF: 1, PF: 4, AF: 0x10, ZF: 0x40, SF: 0x80, DF: 0x400, OF: 0x800 };
export const ARITHMETIC = 0x8d5;
/** Random CF, PF, AF, ZF, SF, OF. */
export const statusFlags = (chance) => Number(chance.u64() & BigInt(ARITHMETIC));
