// Arithmetic and logic, multiplication and division, decimal adjustment.
import { ARITHMETIC, STATUS } from './chance.mjs';
import { bytesOf, instruction } from './encode.mjs';

const GROUP1 = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];

const times = (n, f) => {
  for (let i = 0; i < n; i++) f(i);
};

export const arithmetic = (b) => {
  GROUP1.forEach((name, op) => {
    for (const size of b.sizes) {
      const w = size === 8 ? 0 : 1;
      const v = () => ({ a: b.value(size), b: b.value(size) });
      times(size === 8 ? 6 : 7, () => b.form(name, { opcode: [(op << 3) | w], size, kind: 'rr', ...v() }));
      times(4, () => b.form(name, { opcode: [(op << 3) | w], size, kind: 'rm', ...v() }));
      times(2, () => b.form(name, { opcode: [(op << 3) | 2 | w], size, kind: 'rr', ...v() }));
      times(3, () => b.form(name, { opcode: [(op << 3) | 2 | w], size, kind: 'rm', ...v() }));
      times(3, () => {
        const code = instruction({ mode: b.mode, opcode: [(op << 3) | 4 | w], size, imm: b.immediate(size) });
        b.add(name, code, { registers: new Map([[0, b.wide(b.value(size), size)]]) });
      });
      for (const [opcode, immediateSize] of size === 8
        ? [[0x80, 8]]
        : [
            [0x81, size],
            [0x83, 8],
          ]) {
        times(3, () => b.form(name, { opcode: [opcode], size, kind: 'rr', digit: op, a: b.value(size), imm: b.immediate(immediateSize) }));
        times(2, () => b.form(name, { opcode: [opcode], size, kind: 'rm', digit: op, a: b.value(size), imm: b.immediate(immediateSize) }));
      }
      if (op !== 7) times(2, () => b.form(`lock-${name}`, { opcode: [(op << 3) | w], size, kind: 'rm', lock: true, ...v() }));
    }
  });
  for (const size of b.sizes) {
    const w = size === 8 ? 0 : 1;
    const v = () => ({ a: b.value(size), b: b.value(size) });
    times(4, () => b.form('test', { opcode: [0x84 | w], size, kind: 'rr', ...v() }));
    times(2, () => b.form('test', { opcode: [0x84 | w], size, kind: 'rm', ...v() }));
    times(2, () =>
      b.form('test', { opcode: [0xf6 | w], size, kind: 'rr', digit: b.chance.below(2), a: b.value(size), imm: b.immediate(size) }),
    );
    times(2, () =>
      b.form('test', { opcode: [0xf6 | w], size, kind: 'rm', digit: b.chance.below(2), a: b.value(size), imm: b.immediate(size) }),
    );
    times(2, () =>
      b.add('test', instruction({ mode: b.mode, opcode: [0xa8 | w], size, imm: b.immediate(size) }), {
        registers: new Map([[0, b.wide(b.value(size), size)]]),
      }),
    );
    for (const [name, base, digit] of [
      ['not', 0xf6, 2],
      ['neg', 0xf6, 3],
      ['inc', 0xfe, 0],
      ['dec', 0xfe, 1],
    ]) {
      times(8, () => b.form(name, { opcode: [base | w], size, kind: 'rr', digit, a: b.value(size) }));
      times(4, () => b.form(name, { opcode: [base | w], size, kind: 'rm', digit, a: b.value(size) }));
      times(2, () => b.form(`lock-${name}`, { opcode: [base | w], size, kind: 'rm', digit, a: b.value(size), lock: true }));
    }
    if (!b.long && size !== 8) {
      for (let n = 0; n < 16; n++) {
        const at = n & 7;
        if (at === 4) continue;
        times(2, () =>
          b.add(n < 8 ? 'inc' : 'dec', instruction({ mode: 32, opcode: [0x40 + n], size }), {
            registers: new Map([[at, b.wide(b.value(size), size)]]),
          }),
        );
      }
    }
  }
  wideOperand(b);
  multiply(b);
  divide(b);
  if (!b.long) decimal(b);
};

/** ADCX/ADOX chains are not in the base set; CBW..CDQE and CWD..CQO are. */
const wideOperand = (b) => {
  for (const size of b.wideSizes) {
    for (const opcode of [0x98, 0x99]) {
      times(6, () =>
        b.add(opcode === 0x98 ? 'cbw' : 'cwd', instruction({ mode: b.mode, opcode: [opcode], size }), {
          registers: new Map([[0, b.wide(b.value(size), size)]]),
        }),
      );
    }
  }
};

const multiply = (b) => {
  for (const size of b.sizes) {
    const w = size === 8 ? 0 : 1;
    for (const [name, digit] of [
      ['mul', 4],
      ['imul', 5],
    ]) {
      times(14, (i) => {
        b.form(name, {
          opcode: [0xf6 | w],
          size,
          kind: i % 4 === 3 ? 'rm' : 'rr',
          digit,
          a: b.value(size),
          taken: [2],
          fixed: new Map([[0, b.wide(b.value(size), size)]]),
        });
      });
    }
    if (size === 8) continue;
    times(8, (i) => b.form('imul2', { opcode: [0x0f, 0xaf], size, kind: i % 3 === 2 ? 'rm' : 'rr', a: b.value(size), b: b.value(size) }));
    times(5, (i) =>
      b.form('imul3', {
        opcode: [0x69],
        size,
        kind: i % 3 === 2 ? 'rm' : 'rr',
        a: b.value(size),
        b: b.value(size),
        imm: b.immediate(size),
      }),
    );
    times(5, (i) =>
      b.form('imul3', { opcode: [0x6b], size, kind: i % 3 === 2 ? 'rm' : 'rr', a: b.value(size), b: b.value(size), imm: b.immediate(8) }),
    );
  }
};

const divide = (b) => {
  for (const size of b.sizes) {
    const bits = BigInt(size);
    const w = size === 8 ? 0 : 1;
    const half = (v) => BigInt.asUintN(size, v);
    for (const [name, digit] of [
      ['div', 6],
      ['idiv', 7],
    ]) {
      const one = (i, divisor, high, low) => {
        const registers =
          size === 8
            ? new Map([[0, b.wide((high << 8n) | low, 16)]])
            : new Map([
                [0, b.wide(low, size)],
                [2, b.wide(high, size)],
              ]);
        b.form(name, { opcode: [0xf6 | w], size, kind: i % 4 === 3 ? 'rm' : 'rr', digit, a: divisor, taken: [2], fixed: registers });
      };
      times(6, (i) => one(i, b.value(size), b.value(size), b.value(size)));
      // Quotients that fit: the dividend is made from one.
      times(12, (i) => {
        const signed = name === 'idiv';
        const divisor = b.value(size) || 1n;
        const quotient = b.value(size);
        const d = signed ? BigInt.asIntN(size, divisor) : divisor;
        const q = signed ? BigInt.asIntN(size, quotient) : quotient;
        const rest = d === 0n ? 0n : BigInt.asUintN(size, b.chance.u64()) % (d < 0n ? -d : d);
        const dividend = BigInt.asUintN(size * 2, q * d + rest);
        one(i, divisor, half(dividend >> bits), half(dividend));
      });
      // At the edge of overflow, and zero.
      const top = 1n << (bits - 1n);
      one(0, 0n, 0n, 5n);
      one(3, 0n, 0n, 5n);
      one(0, half(-1n), half(-1n), top);
      one(0, half(-1n), half(-1n), top + 1n);
      one(0, 1n, 0n, top);
      one(0, 1n, 0n, top - 1n);
      one(0, 1n, half(-1n), top);
      one(0, 2n, 1n, half(-1n));
      one(0, 2n, 2n, 0n);
      one(0, 7n, half(-1n), half(-3n));
    }
  }
};

/** DAA..AAD; AAM and AAD with any base. */
const decimal = (b) => {
  const adjust = (name, code, flags, al, ah = 0n, undefinedFlags = undefined) =>
    b.add(name, code, { registers: new Map([[0, b.wide((ah << 8n) | al, 16)]]), flags, undefinedFlags });
  for (const [name, opcode] of [
    ['daa', 0x27],
    ['das', 0x2f],
    ['aaa', 0x37],
    ['aas', 0x3f],
  ]) {
    for (const flags of [0, STATUS.CF, STATUS.AF, STATUS.CF | STATUS.AF]) {
      for (const al of [
        0x00, 0x05, 0x09, 0x0a, 0x0f, 0x10, 0x59, 0x5a, 0x5f, 0x60, 0x79, 0x7f, 0x80, 0x99, 0x9a, 0x9f, 0xa0, 0xf9, 0xfa, 0xff,
      ]) {
        adjust(name, [opcode], flags | (b.chance.one(2) ? STATUS.OF : 0), BigInt(al), b.value(8));
      }
    }
  }
  times(24, (i) => adjust('aam', [0xd4, i < 12 ? 10 : i === 12 ? 0 : b.chance.below(256)], ARITHMETIC, b.value(8), b.value(8)));
  times(24, (i) => adjust('aad', [0xd5, i < 12 ? 10 : b.chance.below(256)], 0, b.value(8), b.value(8)));
};

/** Loads, stores and exchanges that change no flag. */
export const moves = (b) => {
  for (const size of b.sizes) {
    const w = size === 8 ? 0 : 1;
    const v = () => ({ a: b.value(size), b: b.value(size) });
    times(4, () => b.form('mov', { opcode: [0x88 | w], size, kind: 'rr', ...v() }));
    times(8, () => b.form('mov', { opcode: [0x88 | w], size, kind: 'rm', ...v() }));
    times(4, () => b.form('mov', { opcode: [0x8a | w], size, kind: 'rr', ...v() }));
    times(20, () => b.form('mov', { opcode: [0x8a | w], size, kind: 'rm', ...v() }));
    times(3, () => b.form('mov', { opcode: [0xc6 | w], size, kind: 'rr', digit: 0, a: b.value(size), imm: b.immediate(size) }));
    times(4, () => b.form('mov', { opcode: [0xc6 | w], size, kind: 'rm', digit: 0, a: b.value(size), imm: b.immediate(size) }));
    for (let n = 0; n < b.registerCount; n++) {
      if (n === 4 && size !== 8) continue;
      const whole = size === 8 && !b.long ? n & 3 : n;
      b.add(
        'mov',
        instruction({
          mode: b.mode,
          opcode: [size === 8 ? 0xb0 : 0xb8],
          size,
          plus: n,
          imm: bytesOf(b.value(size), size / 8),
          rex: size === 8 && n > 3 && b.long,
        }),
        {
          registers: new Map(whole === 4 ? [] : [[whole, b.wide(b.value(size), size)]]),
        },
      );
    }
    if (size === 8)
      for (let n = 4; n < 8; n++) b.add('mov', [0xb0 + n, b.chance.below(256)], { registers: new Map([[n - 4, b.wide(b.value(32), 32)]]) });
    for (const opcode of [0xa0, 0xa2]) {
      times(3, () => {
        const target = b.place(8);
        const short = b.long && b.chance.one(3);
        const code = instruction({
          mode: b.mode,
          opcode: [opcode | w],
          size,
          prefixes: short ? [0x67] : [],
          imm: bytesOf(target, b.long && !short ? 8 : 4),
        });
        b.add('mov-moffs', code, { registers: new Map([[0, b.wide(b.value(size), size)]]) });
      });
    }
    times(4, () => b.form('xchg', { opcode: [0x86 | w], size, kind: 'rr', ...v() }));
    times(4, (i) => b.form('xchg', { opcode: [0x86 | w], size, kind: 'rm', lock: i === 3, ...v() }));
    times(4, () => b.form('xadd', { opcode: [0x0f, 0xc0 | w], size, kind: 'rr', ...v() }));
    times(4, (i) => b.form('xadd', { opcode: [0x0f, 0xc0 | w], size, kind: 'rm', lock: i > 1, ...v() }));
    times(12, (i) => {
      const a = b.value(size);
      const accumulator = i % 2 ? a : b.value(size);
      b.form('cmpxchg', {
        opcode: [0x0f, 0xb0 | w],
        size,
        kind: i % 3 === 0 ? 'rr' : 'rm',
        lock: i % 3 === 2,
        a,
        b: b.value(size),
        fixed: new Map([[0, b.wide(accumulator, size)]]),
      });
    });
    if (size === 8) continue;
    for (let n = 0; n < b.registerCount; n++) {
      if (n === 4) continue;
      b.add('xchg', instruction({ mode: b.mode, opcode: [0x90], size, plus: n }), {
        registers: new Map([[0, b.wide(b.value(size), size)], ...(n === 0 ? [] : [[n, b.wide(b.value(size), size)]])]),
      });
    }
    for (const [name, opcode] of [
      ['movzx', 0xb6],
      ['movsx', 0xbe],
    ]) {
      for (const sourceSize of [8, 16]) {
        times(4, () =>
          b.form(name, {
            opcode: [0x0f, opcode | (sourceSize === 8 ? 0 : 1)],
            size,
            regWide: true,
            sourceSize,
            kind: 'rr',
            a: b.value(sourceSize),
            b: b.value(size),
          }),
        );
        times(4, () =>
          b.form(name, {
            opcode: [0x0f, opcode | (sourceSize === 8 ? 0 : 1)],
            size,
            regWide: true,
            sourceSize,
            kind: 'rm',
            a: b.value(sourceSize),
            b: b.value(size),
          }),
        );
      }
    }
    if (b.long) {
      times(4, () =>
        b.form('movsxd', {
          opcode: [0x63],
          size,
          sourceSize: Math.min(size, 32),
          kind: 'rr',
          a: b.value(Math.min(size, 32)),
          b: b.value(size),
        }),
      );
      times(4, () =>
        b.form('movsxd', {
          opcode: [0x63],
          size,
          sourceSize: Math.min(size, 32),
          kind: 'rm',
          a: b.value(Math.min(size, 32)),
          b: b.value(size),
        }),
      );
    }
    times(10, () => b.form('movbe', { opcode: [0x0f, 0x38, b.chance.one(2) ? 0xf0 : 0xf1], size, kind: 'rm', ...v() }));
    times(14, () => b.form('lea', { opcode: [0x8d], size, kind: 'rm', ...v() }));
    if (size === 32) {
      for (let n = 0; n < b.registerCount; n++) {
        if (n !== 4)
          b.add('bswap', instruction({ mode: b.mode, opcode: [0x0f, 0xc8], size: 32, plus: n }), {
            registers: new Map([[n, b.wide(b.value(32), 32)]]),
          });
        if (n !== 4 && b.long)
          b.add('bswap', instruction({ mode: 64, opcode: [0x0f, 0xc8], size: 64, plus: n }), { registers: new Map([[n, b.value(64)]]) });
      }
    }
  }
  wideCompare(b);
  addresses(b);
};

const wideCompare = (b) => {
  for (const size of b.long ? [32, 64] : [32]) {
    times(16, (i) => {
      const memoryLow = b.value(size);
      const memoryHigh = b.value(size);
      const match = i % 2 === 0;
      const bytes = size / 4;
      // CMPXCHG16B wants its operand aligned, else #GP(0): some are not.
      const target = size === 64 ? (b.place(16) & ~15) + (i === 7 ? 8 : 0) : b.place(8);
      b.form(size === 64 ? 'cmpxchg16b' : 'cmpxchg8b', {
        opcode: [0x0f, 0xc7],
        size,
        kind: 'rm',
        digit: 1,
        lock: i % 4 > 1,
        target,
        sourceSize: bytes * 8,
        a: (memoryHigh << BigInt(size)) | memoryLow,
        fixed: new Map([
          [0, b.wide(match ? memoryLow : b.value(size), size)],
          [2, b.wide(match ? memoryHigh : b.value(size), size)],
          [3, b.wide(b.value(size), size)],
          [1, b.wide(b.value(size), size)],
        ]),
        extraMemory: size === 64 ? [[target - 0x10000000, [...bytesOf(memoryLow, 8), ...bytesOf(memoryHigh, 8)]]] : [],
      });
    });
  }
};

/** LEA with registers of any value: every ModR/M and SIB shape, 16-bit shapes with 67h, wrap-around. */
const addresses = (b) => {
  const all = () =>
    new Map([...Array(b.registerCount).keys()].filter((n) => n !== 4).map((n) => [n, BigInt.asUintN(b.mode, b.value(b.mode))]));
  for (let mod = 0; mod < 3; mod++) {
    for (let rm = 0; rm < 8; rm++) {
      for (const prefix of b.long ? [[], [0x67]] : [[], [0x67]]) {
        const short = prefix.length > 0 && !b.long;
        const sib = rm === 4 && !short;
        const size = b.chance.pick(b.wideSizes);
        const displacementBytes = mod === 1 ? 1 : mod === 2 || (mod === 0 && rm === (short ? 6 : 5)) ? (short ? 2 : 4) : 0;
        for (let k = 0; k < (sib ? 16 : 2); k++) {
          const sibByte = b.chance.below(256);
          const rexBits = b.long ? b.chance.below(8) & 3 : 0;
          const dispBytes = sib && mod === 0 && (sibByte & 7) === 5 ? 4 : displacementBytes;
          const head = [
            ...prefix,
            ...(size === 16 ? [0x66] : []),
            ...(b.long && (rexBits || size === 64) ? [0x40 | rexBits | (size === 64 ? 8 : 0)] : []),
          ];
          const code = [...head, 0x8d, (mod << 6) | (6 << 3) | rm, ...(sib ? [sibByte] : []), ...bytesOf(b.chance.u64(), dispBytes)];
          b.add('lea-forms', code, { registers: all() });
        }
      }
    }
  }
  b.add('nop', [0x0f, 0x1f, 0x40, 0x00], { registers: all() });
  b.add('nop', [0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], { registers: all() });
  b.add('nop', [0x90]);
  b.add('nop', [0x66, 0x90]);
  b.add('pause', [0xf3, 0x90]);
  b.add('xlat', [0xd7], {
    registers: new Map([
      [3, BigInt(0x10000200)],
      [0, b.wide(0x80n, 8)],
    ]),
  });
  b.add('xlat', [0xd7], {
    registers: new Map([
      [3, BigInt(0x10000200)],
      [0, b.wide(0xffn, 8)],
    ]),
  });
  b.add('xlat', instruction({ mode: b.mode, opcode: [0xd7], size: 32, prefixes: [b.long ? 0x65 : 0x64] }), {
    registers: new Map([
      [3, 0x200n],
      [0, b.wide(0x7fn, 8)],
    ]),
  });
};
