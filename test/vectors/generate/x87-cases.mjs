// Cases for the x87: an instruction, a control word, a state of the stack, and operands out of a table whose values are mostly edges.

const hex = (n) => n.toString(16).padStart(2, '0');
const list = [];
const add = (family, ...codes) => {
  for (const code of codes) list.push({ family, code });
};
// D8..DF with memory (operand at RAX: ModR/M 00 reg 000) and with registers.
for (let reg = 0; reg < 8; reg++) {
  const name = ['add', 'mul', 'com', 'comp', 'sub', 'subr', 'div', 'divr'][reg];
  for (const first of ['d8', 'da', 'dc', 'de']) add(`f${name}`, first + hex(reg * 8));
  add(`f${name}`, `d8${hex(0xc1 + reg * 8)}`, `dc${hex(0xc2 + reg * 8)}`);
  add(`f${name}`, reg === 3 ? 'ded9' : `de${hex(0xc1 + reg * 8)}`);
}
add('fadd', 'd8c0');
add('fsqrt', 'd9fa', 'd9fa');
add('fchs', 'd9e0');
add('fabs', 'd9e1');
add('fld', 'd900', 'dd00', 'db28', 'd9c0', 'd9c3');
add('fild', 'df00', 'db00', 'df28');
add('fbld', 'df20');
add('fst', 'd910', 'd910', 'dd10', 'dd10', 'd918', 'd918', 'dd18', 'dd18', 'db38', 'ddd2', 'dddb', 'dfd1', 'dfd9', 'd9da');
add('fist', 'df10', 'db10', 'df18', 'db18', 'df38', 'df08', 'db08', 'dd08');
add('fbstp', 'df30', 'df30');
add('fucom', 'dde1', 'dde9', 'dae9');
add('fcomi', 'dbf1', 'dff1', 'dbe9', 'dfe9');
add('ftst', 'd9e4');
add('fxam', 'd9e5');
add('fxch', 'd9c9', 'd9cf');
add('constants', 'd9e8', 'd9e9', 'd9ea', 'd9eb', 'd9ec', 'd9ed', 'd9ee');
add('frndint', 'd9fc', 'd9fc');
add('fscale', 'd9fd', 'd9fd');
add('fxtract', 'd9f4', 'd9f4');
add('fprem', 'd9f8', 'd9f8', 'd9f8', 'd9f5', 'd9f5', 'd9f5');
add('fcmov', 'dac1', 'dbc1', 'dac9', 'dbc9', 'dad1', 'dbd1', 'dad9', 'dbd9');
add('stack', 'd9f6', 'd9f7', 'ddc1', 'ddc0', 'dfc1', 'd9d0');
add('control', 'd928', 'd938', 'dd38', 'dfe0', 'dbe2', 'dbe3', 'dbe0', 'dbe1', 'dbe4');

export const INSTRUCTIONS = list;
/** Results within one unit in the last place, and C1 their own affair. */
export const TRANSCENDENTAL = [
  { family: 'f2xm1', code: 'd9f0' },
  { family: 'fyl2x', code: 'd9f1' },
  { family: 'fptan', code: 'd9f2' },
  { family: 'fpatan', code: 'd9f3' },
  { family: 'fyl2xp1', code: 'd9f9' },
  { family: 'fsincos', code: 'd9fb' },
  { family: 'fsin', code: 'd9fe' },
  { family: 'fcos', code: 'd9ff' },
];

/** All masked: rounding x precision; then one exception unmasked after the other, and all. */
export const CONTROLS = [];
for (let rounding = 0; rounding < 4; rounding++)
  for (const precision of [3, 2, 0]) CONTROLS.push(0x7f | (precision << 8) | (rounding << 10));
for (let bit = 0; bit < 6; bit++) CONTROLS.push(0x37f & ~(1 << bit), 0x87f & ~(1 << bit));
CONTROLS.push(0x340, 0x17f);

const TOP = 1n << 63n;
const value = (sign, exponent, significand) => (BigInt(sign * 0x8000 + exponent) << 64n) | significand;
/** 256 extended values. */
export const table = (chance) => {
  const values = [];
  const significands = [
    TOP,
    TOP + 1n,
    TOP * 2n - 1n,
    TOP + (1n << 62n),
    TOP + (1n << 10n),
    TOP + (1n << 11n),
    TOP + (1n << 39n),
    TOP + (1n << 40n),
    TOP + 0x7ffn,
  ];
  for (const e of [0x3fff, 0x3ffe, 0x4000, 0x403d, 0x403e, 0x403f, 0x401e, 0x400d, 1, 2, 0x7ffe, 0x7ffd, 0x3f81, 0x3c01, 0x407e, 0x43fe])
    for (const s of significands.slice(0, e > 0x3ffd && e < 0x4041 ? 9 : 4)) values.push(value(chance.below(2), e, s));
  // Zeros, denormals, pseudo-denormals, infinities, NaNs of both kinds, unsupported encodings.
  for (const s of [0n, 1n, TOP >> 1n, TOP - 1n, TOP, TOP + 1n, 0x1234n]) values.push(value(0, 0, s), value(1, 0, s));
  for (const s of [TOP, TOP + 1n, TOP + (1n << 62n), TOP + (1n << 62n) + 5n, TOP + 0x1234n, TOP * 2n - 1n, 0n, 1n << 62n, 1n, TOP - 1n])
    values.push(value(chance.below(2), 0x7fff, s), value(chance.below(2), 0x7fff, s));
  for (const s of [0n, 1n, TOP >> 1n]) values.push(value(chance.below(2), 0x3fff, s), value(chance.below(2), 1, s));
  while (values.length < 256) {
    const kind = chance.below(7);
    const exponent =
      kind < 3
        ? 0x3ffa + chance.below(10)
        : kind === 3
          ? chance.below(70)
          : kind === 4
            ? 0x7ffe - chance.below(4)
            : kind === 5
              ? 0x3fff + chance.below(66)
              : [0x3f81, 0x3f6a, 0x3c01, 0x3bcd, 0x407e, 0x43fe][chance.below(6)] - chance.below(3);
    let s = chance.u64() | TOP;
    const cut = chance.below(4);
    if (cut === 0) s = (s >> 40n) << 40n;
    if (cut === 1) s = (s >> 11n) << 11n;
    values.push(value(chance.below(2), exponent, s));
  }
  return values.slice(0, 256);
};
/** 256 memory operands of 16 bytes: the formats of all widths meet all kinds of bits; the table's own values, narrower formats' edges, integers, digits. */
export const memories = (chance, values) => {
  const out = [];
  const narrow = (bits, exponents, fraction) => {
    const e = BigInt(exponents[chance.below(exponents.length)]);
    const f = [0n, 1n, (1n << fraction) - 1n, 1n << (fraction - 1n), chance.u64() & ((1n << fraction) - 1n)][chance.below(5)];
    return (BigInt(chance.below(2)) << (bits - 1n)) | (e << fraction) | f;
  };
  for (let i = 0; i < 256; i++) {
    const kind = chance.below(6);
    if (kind === 0) out.push(values[chance.below(256)]);
    else if (kind === 1) out.push(narrow(32n, [0, 1, 0x7e, 0x7f, 0x80, 0xfe, 0xff, 0x95], 23n));
    else if (kind === 2 || kind === 3) out.push(narrow(64n, [0, 1, 0x3fe, 0x3ff, 0x400, 0x7fe, 0x7ff, 0x432], 52n));
    else if (kind === 4) out.push(chance.u64() >> BigInt(chance.below(64)));
    else {
      let digits = 0n;
      for (let d = 0; d < 18; d++) digits = (digits << 4n) | BigInt(chance.below(10));
      out.push(digits | (BigInt(chance.below(2)) << 79n));
    }
  }
  return out.map((v) => BigInt.asUintN(80, v) | (0xa5a5a5a5a5a5n << 80n));
};

/** `stack`: which registers are empty, TOP, exceptions that are there already. */
export const STACKS = [
  // As nearly always: four full registers, room for more.
  { top: 4, tags: 0xf0, status: 0 },
  { top: 1, tags: 0x1e, status: 0x4700 },
  { top: 0, tags: 0xff, status: 0x3f },
  { top: 3, tags: 0x00, status: 0 },
  { top: 5, tags: 0xc0, status: 0x200 },
  { top: 6, tags: 0x40, status: 0x4100 },
  { top: 2, tags: 0xf0, status: 0x20 },
];
export const cases = (chance, instructions, count) =>
  Array.from({ length: count }, (_, i) => ({
    instruction: i % instructions.length,
    control: chance.one(3) ? 0 : chance.below(CONTROLS.length),
    stack: chance.below(4) > 0 ? chance.below(2) : chance.below(STACKS.length),
    flags: chance.below(16),
    // Registers: ST0 to ST3; the others are one.
    registers: [chance.below(256), chance.below(256), chance.below(256), chance.below(256)],
    memory: chance.below(256),
  }));
