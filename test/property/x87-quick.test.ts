// The short way of x87 arithmetic against the long one: an exception unmasked that cannot come sends the same operation the long way, which vectors of a real processor hold.
import test from 'ava';
import fc from 'fast-check';
import { type FloatCode, floatFunctions } from '../../daemon/machine/float-module.js';
import type { FloatFunction } from '../../daemon/translate/float-functions.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { VpBlock } from '../../shared/layout/vp.js';

const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
const views = viewsOf(memory.buffer);
const functions: Readonly<Record<FloatFunction, FloatCode>> = floatFunctions(memory);
const vp = new VpBlock(views, vpBlockAt(0));

const QUICK = 0x37f;
/** ZE unmasked: none of these operations divides. */
const LONG = 0x37b;
/** ModR/M of D8 with ST1: FADD, FMUL, FSUB, FSUBR. */
const REGISTER_FORMS = [0xc1, 0xc9, 0xe1, 0xe9] as const;
/** D8 and DC with memory. */
const MEMORY_FORMS = [0x00, 0x08, 0x20, 0x28] as const;

/** Control, status but for ES, ST0 and ST1 after the operation. */
const outcome = (control: number, registers: readonly bigint[], operate: () => void): string => {
  vp.fpuControl = control;
  vp.fpuStatus = 0;
  vp.fpuTop = 0;
  vp.fpuValid = 3;
  registers.forEach((value, i) => {
    views.u64[(vp.fpuRegisters >>> 3) + i * 2] = BigInt.asUintN(64, value);
    views.u64[(vp.fpuRegisters >>> 3) + i * 2 + 1] = value >> 64n;
  });
  operate();
  const held = [0, 1].map((i) =>
    ((views.u64[(vp.fpuRegisters >>> 3) + i * 2 + 1] << 64n) | views.u64[(vp.fpuRegisters >>> 3) + i * 2]).toString(16),
  );
  return `${vp.fpuStatus.toString(16)} ${vp.fpuValid} ${vp.fpuTop} ${held.join(' ')}`;
};

const significand = fc.oneof(
  fc.bigInt({ min: 1n << 63n, max: (1n << 64n) - 1n }),
  fc
    .tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 0, max: 63 }))
    .map(([a, b]) => (1n << 63n) | (1n << BigInt(a)) | (1n << BigInt(b))),
  fc.constantFrom(1n << 63n, (1n << 63n) + 1n, (1n << 64n) - 1n, (1n << 64n) - 2n),
);
const exponent = fc.oneof(
  fc.integer({ min: 0x3fff - 70, max: 0x3fff + 70 }),
  fc.constantFrom(0, 1, 2, 0x7ffd, 0x7ffe, 0x7fff),
  fc.integer({ min: 0, max: 0x7fff }),
);
const register = fc.tuple(fc.boolean(), exponent, significand).map(([negative, e, s]) => (BigInt(e | (negative ? 0x8000 : 0)) << 64n) | s);

test('the short way of x87 arithmetic gives what the long way gives', (t) => {
  fc.assert(
    fc.property(register, register, fc.constantFrom(...REGISTER_FORMS), fc.constantFrom(0, 0x400, 0x600), (st0, st1, form, destination) => {
      const run = (): bigint => functions.x87ArithmeticRegister(vp.base, 0n, BigInt(destination | form));
      return outcome(QUICK, [st0, st1], run) === outcome(LONG, [st0, st1], run);
    }),
    { numRuns: 20_000 },
  );
  const bits = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.double().map((d) => new BigUint64Array(new Float64Array([d]).buffer)[0]),
  );
  fc.assert(
    fc.property(register, bits, fc.constantFrom(...MEMORY_FORMS), fc.constantFrom(0, 0x400), (st0, operand, form, wide) => {
      const run = (): bigint => functions.x87ArithmeticMemory(vp.base, wide === 0 ? operand & 0xffff_ffffn : operand, BigInt(wide | form));
      return outcome(QUICK, [st0, 0n], run) === outcome(LONG, [st0, 0n], run);
    }),
    { numRuns: 20_000 },
  );
  t.pass();
});

test('a difference of numbers 65 binary places apart is rounded right', (t) => {
  // 2^64 - (1/2 + 2^-64): just below the middle between 2^64 - 1 and 2^64.
  const st0 = (0x403fn << 64n) | (1n << 63n);
  const st1 = (0x3ffen << 64n) | (1n << 63n) | 1n;
  const after = outcome(QUICK, [st0, st1], () => functions.x87ArithmeticRegister(vp.base, 0n, 0xe1n));
  t.is(after, '20 3 0 403effffffffffffffff 3ffe8000000000000001');
});
