// Shifts, rotates, double shifts, bit tests and scans, conditions (SETcc, CMOVcc), flag instructions.
import { ARITHMETIC, STATUS } from './chance.mjs';
import { bytesOf } from './encode.mjs';
import { DATA_PAGE } from './layout.mjs';

const NAMES = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sal', 'sar'];
const COUNTS = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 18, 24, 31, 32, 33, 47, 63, 64, 65, 127, 128, 255];

/** Flags that a shift or rotate leaves undefined with this count (SDM 2B, SAL/SAR/SHL/SHR and RCL/RCR/ROL/ROR). */
const shiftUndefined = (op, size, count) => {
  const masked = count & (size === 64 ? 63 : 31);
  if (masked === 0) return 0;
  if (op < 4) return masked === 1 ? 0 : STATUS.OF;
  const overflow = masked === 1 ? 0 : STATUS.OF;
  const carry = op !== 7 && masked >= size ? STATUS.CF : 0;
  return STATUS.AF | overflow | carry;
};

export const shifts = (b) => {
  NAMES.forEach((name, op) => {
    for (const size of b.sizes) {
      const w = size === 8 ? 0 : 1;
      const run = (opcode, count, kind, imm, fixed) =>
        b.form(name, {
          opcode: [opcode | w],
          size,
          kind,
          digit: op,
          a: b.value(size),
          imm,
          fixed: new Map(fixed),
          undefinedFlags: shiftUndefined(op, size, count),
        });
      const byCl = (count, kind) => run(0xd2, count, kind, [], [[1, b.wide(BigInt(count), 8)]]);
      for (const count of COUNTS) byCl(count, 'rr');
      for (let i = 0; i < 3; i++) byCl(b.chance.pick(COUNTS), 'rm');
      for (let i = 0; i < 8; i++) {
        const count = i < 5 ? 1 + b.chance.below(size) : b.chance.pick(COUNTS);
        run(0xc0, count, i < 6 ? 'rr' : 'rm', [count & 255], []);
      }
      for (let i = 0; i < 3; i++) run(0xd0, 1, i < 2 ? 'rr' : 'rm', [], []);
    }
  });
  for (const [name, base] of [
    ['shld', 0xa4],
    ['shrd', 0xac],
  ]) {
    for (const size of b.wideSizes) {
      for (let i = 0; i < 28; i++) {
        const count = i < 14 ? b.chance.below(size + 1) : b.chance.pick(COUNTS);
        const masked = count & (size === 64 ? 63 : 31);
        // Above the operand size the result itself is undefined.
        if (masked > size) continue;
        const undefinedFlags = masked === 0 ? 0 : STATUS.AF | (masked === 1 ? 0 : STATUS.OF);
        const byCl = i % 2 === 1;
        b.form(name, {
          opcode: [0x0f, base | (byCl ? 1 : 0)],
          size,
          kind: i % 5 === 4 ? 'rm' : 'rr',
          a: b.value(size),
          b: b.value(size),
          undefinedFlags,
          imm: byCl ? [] : [count & 255],
          fixed: byCl ? new Map([[1, b.wide(BigInt(count), 8)]]) : new Map(),
          taken: [1],
        });
      }
    }
  }
};

export const bitTests = (b) => {
  const ops = [
    ['bt', 0xa3, 4],
    ['bts', 0xab, 5],
    ['btr', 0xb3, 6],
    ['btc', 0xbb, 7],
  ];
  for (const [name, opcode, digit] of ops) {
    for (const size of b.wideSizes) {
      for (let i = 0; i < 6; i++) b.form(name, { opcode: [0x0f, opcode], size, kind: 'rr', a: b.value(size), b: b.value(size) });
      // The bit offset is signed and reaches beyond the operand: the byte it falls in lies in the page.
      for (let i = 0; i < 8; i++) {
        const offset = BigInt(b.chance.below(4096)) - 2048n;
        b.form(name, {
          opcode: [0x0f, opcode],
          size,
          kind: 'rm',
          a: b.value(size),
          target: DATA_PAGE + 0x800 + b.chance.below(64),
          b: BigInt.asUintN(size, offset),
          lock: name !== 'bt' && i % 3 === 0,
        });
      }
      for (let i = 0; i < 6; i++) {
        b.form(name, {
          opcode: [0x0f, 0xba],
          size,
          kind: i % 2 ? 'rm' : 'rr',
          digit,
          a: b.value(size),
          imm: [b.chance.below(256)],
          lock: name !== 'bt' && i === 5,
        });
      }
    }
  }
  for (const [name, opcode] of [
    ['bsf', 0xbc],
    ['bsr', 0xbd],
  ]) {
    for (const size of b.wideSizes) {
      for (let i = 0; i < 12; i++) {
        // With a zero source the destination is as before, but for the upper half of a 64-bit register after a 32-bit scan: that differs by processor.
        let a = i === 0 ? 0n : b.value(size);
        if (a === 0n && size === 32 && b.long) a = 0x00800100n;
        b.form(name, { opcode: [0x0f, opcode], size, kind: i % 4 === 3 ? 'rm' : 'rr', a, b: b.value(size) });
      }
    }
  }
  for (const [name, opcode] of [
    ['popcnt', 0xb8],
    ['tzcnt', 0xbc],
    ['lzcnt', 0xbd],
  ]) {
    for (const size of b.wideSizes) {
      for (let i = 0; i < 10; i++)
        b.form(name, {
          opcode: [0x0f, opcode],
          prefixes: [0xf3],
          size,
          kind: i % 4 === 3 ? 'rm' : 'rr',
          a: i === 0 ? 0n : b.value(size),
          b: b.value(size),
        });
    }
  }
};

/** Bits of `n` (0..31) as CF, PF, ZF, SF, OF. */
const combination = (n) => [STATUS.CF, STATUS.PF, STATUS.ZF, STATUS.SF, STATUS.OF].reduce((f, bit, i) => f | ((n >> i) & 1 ? bit : 0), 0);

export const conditions = (b) => {
  for (let cc = 0; cc < 16; cc++) {
    for (let n = 0; n < 32; n++) {
      b.form('setcc', {
        opcode: [0x0f, 0x90 | cc],
        size: 8,
        kind: n % 8 === 7 ? 'rm' : 'rr',
        digit: 0,
        a: b.value(8),
        flags: combination(n),
      });
      const distance = b.chance.below(256);
      if (n % 4 === 0 || b.chance.one(3)) {
        b.add('jcc', [0x70 | cc, ...bytesOf(BigInt(distance) - 128n === -2n ? 5n : BigInt(distance) - 128n, 1)], { flags: combination(n) });
      }
    }
    for (let i = 0; i < 4; i++) b.add('jcc', [0x0f, 0x80 | cc, ...bytesOf(BigInt(b.chance.below(3000)) - 1500n, 4)]);
    for (const size of b.wideSizes) {
      for (let i = 0; i < 5; i++)
        b.form('cmovcc', { opcode: [0x0f, 0x40 | cc], size, kind: i % 4 === 3 ? 'rm' : 'rr', a: b.value(size), b: b.value(size) });
    }
  }
  for (const [name, opcode] of [
    ['cmc', 0xf5],
    ['clc', 0xf8],
    ['stc', 0xf9],
    ['cld', 0xfc],
    ['std', 0xfd],
  ]) {
    for (let i = 0; i < 4; i++)
      b.add(name, [opcode], { flags: (b.chance.one(2) ? STATUS.DF : 0) | Number(b.chance.u64() & BigInt(ARITHMETIC)) });
  }
  for (let i = 0; i < 16; i++) {
    b.add('lahf', [0x9f], { registers: new Map([[0, b.wide(b.value(32), 32)]]) });
    b.add('sahf', [0x9e], { registers: new Map([[0, b.wide(b.value(32), 32)]]) });
    if (!b.long) b.add('salc', [0xd6], { registers: new Map([[0, b.wide(b.value(32), 32)]]) });
  }
};
