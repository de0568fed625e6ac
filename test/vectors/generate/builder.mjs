// Collects vectors of one mode: an instruction, where its operands are, what they hold.
import { operand, statusFlags, widened } from './chance.mjs';
import { bytesOf, instruction, memory, register } from './encode.mjs';
import { DATA_PAGE, PATTERNS } from './layout.mjs';

export class Builder {
  constructor(mode, chance) {
    this.mode = mode;
    this.chance = chance;
    this.cases = [];
    this.sizes = mode === 64 ? [8, 16, 32, 64] : [8, 16, 32];
    this.wideSizes = this.sizes.slice(1);
    this.registerCount = mode === 64 ? 16 : 8;
    /** Operand size of pushes, near branches and addresses. */
    this.stackSize = mode;
  }

  get long() {
    return this.mode === 64;
  }

  /** Adds a vector. `registers`: number -> value; `memory`: [offset in the data page, bytes] pairs; `undefinedFlags` replaces iced's static answer. */
  add(family, code, { registers = new Map(), memory: initial = [], flags, undefinedFlags, pattern } = {}) {
    this.cases.push({
      family,
      mode: this.mode,
      code,
      registers,
      memory: initial,
      flags: flags ?? statusFlags(this.chance),
      undefinedFlags,
      pattern: pattern ?? this.chance.below(PATTERNS),
    });
  }

  /** A register number that is not RSP and not among `taken`. */
  free(taken = [], upTo = this.registerCount) {
    for (;;) {
      const n = this.chance.below(upTo);
      if (n !== 4 && !taken.includes(n)) return n;
    }
  }

  /** Whole-register value with `low` of `bits` bits at the bottom. */
  wide(low, bits) {
    return BigInt.asUintN(this.mode, widened(this.chance, low, bits));
  }

  value(bits) {
    return operand(this.chance, bits);
  }

  /** A place in the data page for `bytes` bytes, of any alignment. */
  place(bytes) {
    return DATA_PAGE + 0x200 + this.chance.below(0xc00 - bytes);
  }

  /**
   * The common case: opcode with ModR/M. `kind` 'rr' puts a register in r/m, 'rm' memory; `a` is the value in r/m, `b` the value of the reg field's
   * register (absent: reg is an opcode digit). 8-bit registers use AH..BH or SPL..DIL by turns.
   */
  form(family, spec) {
    const {
      opcode,
      size,
      kind,
      digit,
      a,
      b,
      imm = [],
      lock = false,
      prefixes = [],
      fixed = new Map(),
      noW,
      undefinedFlags,
      flags,
      sourceSize,
      special,
    } = spec;
    const taken = [...(spec.taken ?? []), ...fixed.keys()];
    const registers = new Map(fixed);
    const rmSize = sourceSize ?? size;
    const initial = [];
    let rex = false;
    const byteRegister = (value, notWholes) => {
      // [register field, whole register]: 4..7 without REX are AH, CH, DH, BH.
      const high = !this.long || this.chance.one(3);
      if (high && this.chance.one(2)) {
        const whole = [0, 1, 2, 3].find((n) => !notWholes.includes(n));
        if (whole !== undefined) {
          registers.set(whole, BigInt.asUintN(this.mode, (widened(this.chance, value, 8) << 8n) | (this.chance.u64() & 0xffn)));
          return { field: whole + 4, whole, high: true };
        }
      }
      const whole = this.long && !high ? this.free(notWholes) : [3, 2, 1, 0].find((n) => !notWholes.includes(n));
      registers.set(whole, this.wide(value, 8));
      return { field: whole, whole, high: false };
    };
    let regField = digit ?? 0;
    let usesHigh = false;
    let needsRex = false;
    if (digit === undefined) {
      if (size === 8 && !spec.regWide) {
        const r = byteRegister(b, taken);
        taken.push(r.whole);
        regField = r.field;
        usesHigh ||= r.high;
        needsRex ||= !r.high && r.field > 3;
      } else {
        const n = this.free(taken);
        taken.push(n);
        registers.set(n, this.wide(b ?? this.value(size), size));
        regField = n;
      }
    }
    let rm;
    if (kind === 'rr') {
      if (rmSize === 8 && !usesHigh && needsRex) {
        const n = this.free(taken);
        registers.set(n, this.wide(a, 8));
        rm = register(n);
      } else if (rmSize === 8) {
        const r = usesHigh
          ? (() => {
              const whole = [0, 1, 2, 3].find((n) => !taken.includes(n)) ?? 0;
              registers.set(whole, this.wide(a, 8));
              return { field: whole, whole, high: false };
            })()
          : byteRegister(a, taken);
        rm = register(r.field);
        usesHigh ||= r.high;
        needsRex ||= !r.high && r.field > 3;
      } else {
        const n = this.free(taken);
        registers.set(n, this.wide(a, rmSize));
        rm = register(n);
      }
      if (usesHigh && (regField > 7 || rm.number > 7 || needsRex || size === 64)) return this.form(family, spec);
    } else {
      const target = spec.target ?? this.place(rmSize / 8);
      const limit = usesHigh ? [...taken, 8, 9, 10, 11, 12, 13, 14, 15] : taken;
      rm = memory(this.chance, this.mode, target, [4, ...limit], spec.memory);
      for (const [n, v] of rm.registers) registers.set(n, v);
      if (target >= DATA_PAGE && target + rmSize / 8 <= DATA_PAGE + 4096) initial.push([target - DATA_PAGE, bytesOf(a, rmSize / 8)]);
      if (usesHigh && size === 64) return this.form(family, spec);
    }
    rex = needsRex;
    const code = instruction({
      mode: this.mode,
      opcode,
      size,
      reg: regField,
      rm,
      imm,
      noW,
      rex,
      prefixes: [...(lock ? [0xf0] : []), ...prefixes],
    });
    if (special) special(registers);
    this.add(family, code, { registers, memory: [...initial, ...(spec.extraMemory ?? [])], undefinedFlags, flags });
  }

  /** Immediate of the operand size: 32 bits at most, sign-extended by 64-bit instructions. */
  immediate(size) {
    const bits = Math.min(size, 32);
    return bytesOf(this.value(bits), bits / 8);
  }
}
