// A plain model of the micro-ops in BigInt, straight from the table's words: what translated blocks are run on in tests of the translator.
// It shares no code with the emitter, so that neither can hide the other's mistakes; memory is one small array at address 0.

import { IMMEDIATE_FORM, MICRO_OP_NAMES, OP_MASK } from '../../daemon/translate/micro-op.js';
import type { MicroOps } from '../../daemon/translate/micro-op-buffer.js';
import { SLOTS, Slot } from '../../shared/layout/vp.js';

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const s64 = (x: bigint): bigint => BigInt.asIntN(64, x);
const bool = (x: boolean): bigint => (x ? 1n : 0n);
const evenParity = (x: bigint): bigint => bool((x & 0xffn).toString(2).replaceAll('0', '').length % 2 === 0);
const AUX = 0x811n;

export interface Machine {
  readonly slots: bigint[];
  readonly memory: Uint8Array;
}
export const machine = (): Machine => ({ slots: new Array(SLOTS).fill(0n), memory: new Uint8Array(4096) });

/** The six arithmetic flags at their EFLAGS places. */
export const flagsOf = (m: Machine): bigint => {
  const r = m.slots[Slot.FLAG_RESULT];
  const aux = m.slots[Slot.FLAG_AUX];
  const parity = evenParity(r) ^ ((aux >> 2n) & 1n);
  const sign = (r >> 63n) ^ ((aux >> 7n) & 1n);
  return (aux & AUX) | (parity << 2n) | (bool(r === 0n) << 6n) | (sign << 7n);
};
export const setFlags = (m: Machine, flags: bigint): void => {
  m.slots[Slot.FLAG_AUX] = (flags & 0x895n) ^ ((flags >> 4n) & 4n);
  m.slots[Slot.FLAG_RESULT] = ((flags >> 6n) & 1n) ^ 1n;
};

type Values = { a: bigint; b: bigint; c: bigint; immediate: bigint; bits: number };
const binary: Record<string, (v: Values) => bigint> = {
  add: ({ a, b }) => a + b,
  sub: ({ a, b }) => a - b,
  and: ({ a, b }) => a & b,
  or: ({ a, b }) => a | b,
  xor: ({ a, b }) => a ^ b,
  mul: ({ a, b }) => a * b,
  shl: ({ a, b, bits }) => a << (b % BigInt(bits)),
  shr: ({ a, b, bits }) => BigInt.asUintN(bits, a) >> (b % BigInt(bits)),
  sar: ({ a, b, bits }) => BigInt.asIntN(bits, a) >> (b % BigInt(bits)),
  rotl: ({ a, b, bits }) => rotate(a, b, bits),
  rotr: ({ a, b, bits }) => rotate(a, BigInt(bits) - (b % BigInt(bits)), bits),
};
const rotate = (a: bigint, count: bigint, bits: number): bigint => {
  const x = BigInt.asUintN(bits, a);
  const n = count % BigInt(bits);
  return (x << n) | (x >> (BigInt(bits) - n));
};
const comparisons: Record<string, (a: bigint, b: bigint, signed: (x: bigint) => bigint) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  ltu: (a, b) => a < b,
  leu: (a, b) => a <= b,
  lts: (a, b, s) => s(a) < s(b),
  les: (a, b, s) => s(a) <= s(b),
};
const others: Record<string, (v: Values) => bigint> = {
  mov: ({ a }) => a,
  movi: ({ immediate }) => immediate,
  umulh: ({ a, b }) => (a * b) >> 64n,
  smulh: ({ a, b }) => (s64(a) * s64(b)) >> 64n,
  divu64: ({ a, b }) => a / b,
  remu64: ({ a, b }) => a % b,
  divs64: ({ a, b }) => s64(a) / s64(b),
  rems64: ({ a, b }) => s64(a) % s64(b),
  ins8: ({ a, b }) => (a & ~0xffn) | (b & 0xffn),
  ins8h: ({ a, b }) => (a & ~0xff00n) | ((b & 0xffn) << 8n),
  ins16: ({ a, b }) => (a & ~0xffffn) | (b & 0xffffn),
  ext8h: ({ a }) => (a >> 8n) & 0xffn,
  select: ({ a, b, c }) => (c !== 0n ? a : b),
  clz64: ({ a }) => BigInt(a === 0n ? 64 : 64 - a.toString(2).length),
  ctz64: ({ a }) => BigInt(a === 0n ? 64 : a.toString(2).length - 1 - a.toString(2).lastIndexOf('1')),
  ea16: ({ a, b, immediate }) => (a + b + immediate) & 0xffffn,
};

const carriesOf = (m: Machine, v: Values, result: bigint, subtract: boolean): void => {
  const { b, bits } = v;
  const a = subtract ? ~v.a : v.a;
  const vector = (a & b) | ((a | b) & (subtract ? result : ~result));
  const out = (n: number): bigint => (vector >> BigInt(n)) & 1n;
  setResult(m, result, bits, out(bits - 1) | (out(3) << 4n) | ((out(bits - 1) ^ out(bits - 2)) << 11n));
};
const setResult = (m: Machine, result: bigint, bits: number, aux: bigint): void => {
  m.slots[Slot.FLAG_RESULT] = u64(BigInt.asIntN(bits, result));
  m.slots[Slot.FLAG_AUX] = aux;
};
const readMemory = (m: Machine, at: bigint, bits: number): bigint => {
  let value = 0n;
  for (let i = bits / 8 - 1; i >= 0; i--) value = (value << 8n) | BigInt(m.memory[Number(u64(at + BigInt(i))) % m.memory.length]);
  return value;
};
const writeMemory = (m: Machine, at: bigint, bits: number, value: bigint): void => {
  for (let i = 0; i < bits / 8; i++) m.memory[Number(u64(at + BigInt(i))) % m.memory.length] = Number((value >> BigInt(8 * i)) & 0xffn);
};
const atomics: Record<string, (old: bigint, b: bigint) => bigint> = {
  xadd: (old, b) => old + b,
  xchg: (_, b) => b,
  aand: (old, b) => old & b,
  aor: (old, b) => old | b,
  axor: (old, b) => old ^ b,
};

/** How a block was left: the next RIP's distance from the block's start (branch) or its value, or the name of what stopped it. */
export type Left = { rip: bigint } | { taken: bigint } | { stopped: string };

/** Runs a finished block. */
export const runBlock = (m: Machine, ops: MicroOps): Left => {
  const { slots } = m;
  for (let i = 0; i < ops.count; i++) {
    const form = ops.op[i];
    const name = MICRO_OP_NAMES[form & OP_MASK];
    const immediate = u64((BigInt(ops.hi[i]) << 32n) | BigInt(ops.lo[i] >>> 0));
    const sized = /^([a-z]+?)(8|16|32|64)$/.exec(name);
    const base = sized?.[1] ?? name;
    const bits = Number(sized?.[2] ?? 64);
    const a = slots[ops.a[i]];
    const b = form & IMMEDIATE_FORM ? immediate : slots[ops.b[i]];
    const v: Values = { a, b, c: slots[ops.lo[i] & 0xff] ?? 0n, immediate, bits };
    const low = (x: bigint): bigint => BigInt.asUintN(bits, x);
    const set = (x: bigint): void => {
      slots[ops.d[i]] = u64(x);
    };
    const scaled = /^ea(32|64)s(\d)$/.exec(name);
    if (others[name]) set(others[name](v));
    else if (scaled) set(BigInt.asUintN(Number(scaled[1]), a + (b << BigInt(scaled[2])) + immediate));
    else if (comparisons[base]) set(bool(comparisons[base](low(a), low(b), (x) => BigInt.asIntN(bits, x))));
    else if (binary[base]) set(low(binary[base](v)));
    else if (base === 'zx') set(low(a));
    else if (base === 'sx') set(BigInt.asIntN(bits, a));
    else if (base === 'bswap')
      set(
        BigInt(
          `0x${low(a)
            .toString(16)
            .padStart(bits / 4, '0')
            .match(/../g)
            ?.reverse()
            .join('')}`,
        ),
      );
    else if (base === 'ld' || base === 'ldw') set(readMemory(m, a, bits));
    else if (base === 'st') writeMemory(m, a, bits, b);
    else if (atomics[base]) {
      const old = readMemory(m, a, bits);
      writeMemory(m, a, bits, atomics[base](old, b));
      set(old);
    } else if (base === 'cas') {
      const old = readMemory(m, a, bits);
      if (old === v.c) writeMemory(m, a, bits, b);
      set(old);
    } else if (base === 'fadd' || base === 'fsub') carriesOf(m, v, v.c, base === 'fsub');
    else if (base === 'fsum') carriesOf(m, v, a + b, false);
    else if (base === 'fcmp') carriesOf(m, v, a - b, true);
    else if (base === 'flogic') setResult(m, a, bits, 0n);
    else if (base === 'finc' || base === 'fdec') {
      const down = base === 'fdec';
      const edge = down ? low(-1n) >> 1n : 1n << BigInt(bits - 1);
      setResult(m, a, bits, (slots[Slot.FLAG_AUX] & 1n) | (bool((a & 15n) === (down ? 15n : 0n)) << 4n) | (bool(a === edge) << 11n));
    } else if (base === 'faux') setResult(m, a, bits, b);
    else if (base === 'fauxif') {
      if (v.c !== 0n) setResult(m, a, bits, b);
    } else if (name === 'fmerge') slots[Slot.FLAG_AUX] = (slots[Slot.FLAG_AUX] & ~b) | (a & b);
    else if (name === 'fset') setFlags(m, a);
    else if (name === 'fget') set(flagsOf(m));
    else if (conditionOf[name]) set(conditionOf[name](flagsOf(m)));
    else if (name === 'fence') continue;
    else if (name === 'trapif') {
      if (a !== 0n) return { stopped: `trap ${immediate & 0xffn}` };
    } else if (name === 'jump') return { rip: immediate };
    else if (name === 'jumpr') return { rip: a };
    else if (name === 'branch') return { taken: BigInt(a !== 0n ? ops.lo[i] : ops.hi[i]) };
    else return { stopped: name };
  }
  return { stopped: 'end of records' };
};
const flag = (flags: bigint, bit: bigint): bigint => (flags >> bit) & 1n;
const conditionOf: Record<string, (f: bigint) => bigint> = {
  fcarry: (f) => flag(f, 0n),
  fo: (f) => flag(f, 11n),
  fb: (f) => flag(f, 0n),
  fz: (f) => flag(f, 6n),
  fbe: (f) => flag(f, 0n) | flag(f, 6n),
  fs: (f) => flag(f, 7n),
  fp: (f) => flag(f, 2n),
  fl: (f) => flag(f, 7n) ^ flag(f, 11n),
  fle: (f) => (flag(f, 7n) ^ flag(f, 11n)) | flag(f, 6n),
};
