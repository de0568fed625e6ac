// Instruction bytes by hand: prefixes, REX, opcode, ModR/M, SIB, displacement, immediate (SDM 2A chapter 2).
// Why by hand and not by an assembler: an assembler never emits the redundant forms that guests still contain.
import { CODE_ENTRY, SEGMENT_BASE } from './layout.mjs';

export const bytesOf = (value, length) => {
  const out = [];
  let v = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < length; i++, v >>= 8n) out.push(Number(v & 0xffn));
  return out;
};

/** Register operand. */
export const register = (number) => ({ number });

/**
 * A random way to address `target`: {mod, rm, sib, displacement, prefixes, registers to set}. `taken` are registers that must keep their values.
 * `immediateBytes` is needed by RIP-relative forms, whose base is the end of the instruction.
 */
export const memory = (chance, mode, target, taken = [], options = {}) => {
  const free = (upTo, not = []) => {
    for (;;) {
      const n = chance.below(upTo);
      if (!taken.includes(n) && !not.includes(n)) return n;
    }
  };
  const count = mode === 64 ? 16 : 8;
  const registers = new Map();
  const prefixes = [];
  const form = options.form ?? chance.pick(['base', 'base8', 'base8', 'base32', 'sib', 'sib8', 'sib32', 'absolute', 'special', 'segment']);
  let displacement = 0n;
  const width = BigInt(mode);
  const where = BigInt(target);
  const small = () => BigInt(chance.below(256)) - 128n;
  const large = () => BigInt.asIntN(32, chance.u64() >> 7n);
  const set = (n, v) => registers.set(n, BigInt.asUintN(mode, v));
  const noBase = (mod, n) => mod === 0 && (n & 7) === 5;
  const simple = (mod, base, disp) => {
    displacement = disp;
    const dispBytes = mod === 0 ? [] : bytesOf(disp, mod === 1 ? 1 : 4);
    return (base & 7) === 4
      ? { mod, rm: 4, b: base >> 3, tail: [0x20 | (base & 7), ...dispBytes] }
      : { mod, rm: base & 7, b: base >> 3, tail: dispBytes };
  };
  const plain = (mod) => {
    let base;
    do base = free(count, [4]);
    while (noBase(mod, base));
    const disp = mod === 0 ? 0n : mod === 1 ? small() : large();
    set(base, where - disp);
    return simple(mod, base, disp);
  };
  const indexed = (mod) => {
    let base;
    do base = free(count, [4]);
    while (noBase(mod, base));
    const index = free(count, [4, base]);
    const scale = chance.below(4);
    const disp = mod === 0 ? 0n : mod === 1 ? small() : large();
    const indexValue = chance.one(2) ? BigInt(chance.below(4096)) : -BigInt(chance.below(4096));
    set(index, indexValue);
    set(base, where - disp - (BigInt.asIntN(64, indexValue) << BigInt(scale)));
    const dispBytes = mod === 0 ? [] : bytesOf(disp, mod === 1 ? 1 : 4);
    return { mod, rm: 4, b: base >> 3, x: index >> 3, tail: [(scale << 6) | ((index & 7) << 3) | (base & 7), ...dispBytes] };
  };
  const special = () => {
    const kind = chance.below(4);
    if (kind === 0) {
      // SIB without base: index * scale + disp32.
      const index = free(count, [4]);
      const scale = chance.below(4);
      const value = BigInt(chance.below(0x10000));
      set(index, value);
      return {
        mod: 0,
        rm: 4,
        x: index >> 3,
        tail: [(scale << 6) | ((index & 7) << 3) | 5, ...bytesOf(where - (value << BigInt(scale)), 4)],
      };
    }
    if (kind === 1 && mode === 64) {
      // 32-bit addressing: the sum wraps at 4 GiB and the upper halves do not count.
      prefixes.push(0x67);
      let base;
      do base = free(16, [4]);
      while ((base & 7) === 5);
      registers.set(base, ((chance.u64() << 32n) & 0xffffffff00000000n) | where);
      return simple(0, base, 0n);
    }
    if (kind === 2 && mode === 64) return { mod: 0, rm: 5, rip: true, tail: [] };
    if (kind === 3 && mode === 32) return word();
    return plain(1);
  };
  // 16-bit addressing, which reaches the data page only through the segment base.
  const word = () => {
    const pairs = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]];
    let rm = -1;
    for (let tries = 0; tries < 50 && rm < 0; tries++) {
      const candidate = chance.below(8);
      if (!pairs[candidate].some((r) => taken.includes(r))) rm = candidate;
    }
    const offset = where - BigInt(SEGMENT_BASE);
    if (rm < 0 || offset < 0n) return plain(2);
    prefixes.push(0x67, 0x64);
    const mod = rm === 6 ? 1 + chance.below(2) : chance.below(3);
    const disp = mod === 0 ? 0n : mod === 1 ? small() : BigInt(chance.below(65536));
    let rest = offset - disp;
    pairs[rm].forEach((r, i) => {
      const part = i === 0 && pairs[rm].length === 2 ? BigInt(chance.below(65536)) : rest;
      rest -= part;
      registers.set(r, (BigInt(chance.below(65536)) << 16n) | BigInt.asUintN(16, part));
    });
    return { mod, rm, tail: mod === 0 ? [] : bytesOf(disp, mod) };
  };
  const segment = () => {
    const inner = BigInt(target - SEGMENT_BASE);
    prefixes.push(mode === 64 ? 0x65 : 0x64);
    let base;
    do base = free(count, [4]);
    while (noBase(1, base));
    const disp = small();
    set(base, BigInt.asUintN(Number(width), inner - disp));
    return simple(1, base, disp);
  };
  const absolute = () => (mode === 64 ? { mod: 0, rm: 4, tail: [0x25, ...bytesOf(where, 4)] } : { mod: 0, rm: 5, tail: bytesOf(where, 4) });
  const forms = {
    base: () => plain(0),
    base8: () => plain(1),
    base32: () => plain(2),
    sib: () => indexed(0),
    sib8: () => indexed(1),
    sib32: () => indexed(2),
    absolute,
    special,
    segment,
    word,
    stack: () => {
      const disp = where - BigInt(options.stackPointer);
      return { mod: 2, rm: 4, tail: [0x24, ...bytesOf(disp, 4)] };
    },
  };
  return { ...forms[form](), prefixes, registers, target: where, displacement };
};

/**
 * Bytes of one instruction. `size` 16 adds 66h, 64 adds REX.W (unless `noW`); `reg` is the ModR/M reg field or an opcode digit; `rm` a register or memory.
 */
export const instruction = ({ mode, opcode, size = 32, reg = 0, rm, imm = [], prefixes = [], noW = false, rex = false, plus }) => {
  const w = size === 64 && !noW ? 8 : 0;
  const isRegister = rm !== undefined && rm.number !== undefined;
  const b = plus !== undefined ? plus >> 3 : isRegister ? rm.number >> 3 : (rm?.b ?? 0);
  const r = reg >> 3;
  const x = rm?.x ?? 0;
  const rexBits = w | (r << 2) | (x << 1) | b;
  const head = [...prefixes, ...(rm?.prefixes ?? [])];
  if (size === 16) head.push(0x66);
  if (mode === 64 && (rexBits || rex)) head.push(0x40 | rexBits);
  const op = [...opcode];
  if (plus !== undefined) op[op.length - 1] |= plus & 7;
  const out = [...head, ...op];
  if (rm !== undefined) {
    out.push(isRegister ? 0xc0 | ((reg & 7) << 3) | (rm.number & 7) : (rm.mod << 6) | ((reg & 7) << 3) | rm.rm);
    if (rm.rip) out.push(...bytesOf(rm.target - BigInt(CODE_ENTRY + out.length + 4 + imm.length), 4));
    else if (!isRegister) out.push(...rm.tail);
  }
  out.push(...imm);
  return out;
};
