// Cases for the SSE scalar operations: which operation, which MXCSR, which two operands out of tables whose values are mostly edges.
// Why tables: a case is four bytes, and every pair of edges has a chance to meet.

/** Functions of daemon/float by the harness's operation number; the width of their operands and of their result. */
export const OPERATIONS = [
  [0, 'f64Add', 64, 64],
  [1, 'f64Subtract', 64, 64],
  [2, 'f64Multiply', 64, 64],
  [3, 'f64Divide', 64, 64],
  [4, 'f32Add', 32, 32],
  [5, 'f32Subtract', 32, 32],
  [6, 'f32Multiply', 32, 32],
  [7, 'f32Divide', 32, 32],
  [8, 'f64SquareRoot', 64, 64],
  [9, 'f32SquareRoot', 32, 32],
  [10, 'f64Minimum', 64, 64],
  [11, 'f64Maximum', 64, 64],
  [12, 'f32Minimum', 32, 32],
  [13, 'f32Maximum', 32, 32],
  [14, 'f64CompareQuiet', 64, 64],
  [15, 'f64CompareSignaling', 64, 64],
  [16, 'f32CompareQuiet', 32, 64],
  [17, 'f32CompareSignaling', 32, 64],
  [18, 'f64ToF32', 64, 32],
  [19, 'f32ToF64', 32, 64],
  [20, 'f64ToI32', 64, 32],
  [21, 'f64ToI64', 64, 64],
  [22, 'f64TruncateToI32', 64, 32],
  [23, 'f64TruncateToI64', 64, 64],
  [24, 'f32ToI32', 32, 32],
  [25, 'f32ToI64', 32, 64],
  [26, 'f32TruncateToI32', 32, 32],
  [27, 'f32TruncateToI64', 32, 64],
  [28, 'i64ToF64', 64, 64],
  [29, 'i64ToF32', 64, 32],
  ...[0, 1, 2, 3, 4, 8, 12].flatMap((immediate) => [
    [32 + immediate, 'f64Round', 64, 64, immediate],
    [48 + immediate, 'f32Round', 32, 32, immediate],
  ]),
];

/** MXCSR values: all roundings with DAZ and FTZ on and off, then one exception unmasked after the other. */
export const CONTROLS = [];
for (let i = 0; i < 16; i++) CONTROLS.push(0x1f80 | ((i & 3) << 13) | (i & 4 ? 0x40 : 0) | (i & 8 ? 0x8000 : 0));
for (let bit = 7; bit < 13; bit++) CONTROLS.push(0x1f80 & ~(1 << bit), (0x1f80 & ~(1 << bit)) | 0xe040);

const edges64 = () => {
  const list = [];
  for (const e of [
    0, 1, 2, 0x3fe, 0x3ff, 0x400, 0x401, 0x41e, 0x41d, 0x433, 0x432, 0x43d, 0x43e, 0x43f, 0x380, 0x36a, 0x47e, 0x47f, 0x7fd, 0x7fe, 0x7ff,
  ])
    for (const f of [0n, 1n, 0x8000000000000n, 0xfffffffffffffn, 0xfffffe0000000n]) list.push((BigInt(e) << 52n) | f);
  return [...new Set(list)];
};
const edges32 = () => {
  const list = [];
  for (const e of [0, 1, 2, 0x7d, 0x7e, 0x7f, 0x80, 0x95, 0x96, 0x9c, 0x9d, 0x9e, 0xbd, 0xbe, 0xfd, 0xfe, 0xff])
    for (const f of [0, 1, 0x400000, 0x7fffff, 0x3fffff, 0x555555]) list.push(BigInt(e * 0x800000 + f));
  return [...new Set(list)];
};
/** 256 values: edges, then values near one, near the ends of the exponents, anywhere, and integers; each of either sign. */
const table = (chance, bits, edges) => {
  const fraction = bits === 64 ? 52n : 23n;
  const bias = bits === 64 ? 1023 : 127;
  const values = [...edges];
  while (values.length < 256) {
    const f = chance.u64() & ((1n << fraction) - 1n);
    const kind = chance.below(6);
    const e =
      kind < 3
        ? bias - 4 + chance.below(8)
        : kind === 3
          ? chance.below(4)
          : kind === 4
            ? 2 * bias - chance.below(3)
            : bias + chance.below(66);
    values.push((BigInt(e) << fraction) | (chance.one(3) ? (f >> 16n) << 16n : f));
  }
  return values.map((v) => (chance.one(2) ? v | (1n << BigInt(bits - 1)) : v));
};
export const tables = (chance) => ({ 64: table(chance, 64, edges64()), 32: table(chance, 32, edges32()) });

/** Of the operation's operand width, numbers of a case: operation index, control index, operand indexes. */
export const cases = (chance, count) =>
  Array.from({ length: count }, (_, i) => ({
    operation: i % OPERATIONS.length,
    control: chance.one(3) ? 0 : chance.below(CONTROLS.length),
    a: chance.below(256),
    b: chance.below(256),
  }));
