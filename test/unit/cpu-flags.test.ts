// RFLAGS as one register over the lazily kept parts, and the flags of comparisons against a wide-integer model.
import test from 'ava';
import fc from 'fast-check';
import {
  readArithmeticFlags,
  rflags,
  setRflags,
  setZeroFlag,
  writeArithmeticFlags,
  writeCompareFlags,
} from '../../daemon/machine/cpu/flags.js';
import { Slot } from '../../shared/layout/vp.js';
import { TestProcessor } from './cpu-processor.js';

const BITS = [1, 4, 0x10, 0x40, 0x80, 0x800];
const combination = (n: number): number => BITS.reduce((flags, bit, i) => flags | ((n >> i) & 1 ? bit : 0), 0);

test('every combination of the six arithmetic flags is read back as written', (t) => {
  const p = new TestProcessor();
  for (let n = 0; n < 64; n++) {
    writeArithmeticFlags(p.vp, combination(n) | 0x3302);
    t.is(readArithmeticFlags(p.vp), combination(n));
  }
});

test('system and arithmetic flags do not disturb each other, and bit 1 is always set', (t) => {
  const p = new TestProcessor();
  for (let n = 0; n < 64; n++) {
    setRflags(p.vp, 0x4_7600 | combination(n));
    t.is(rflags(p.vp), 0x4_7602 | combination(n));
    t.is(Number(p.slot(Slot.FLAG_SYSTEM)), 0x4_7602);
  }
});

test('setting ZF leaves the other five flags', (t) => {
  const p = new TestProcessor();
  for (let n = 0; n < 64; n++) {
    for (const on of [false, true]) {
      writeArithmeticFlags(p.vp, combination(n));
      setZeroFlag(p.vp, on);
      t.is(readArithmeticFlags(p.vp), (combination(n) & ~0x40) | (on ? 0x40 : 0));
    }
  }
});

test('flags are derived from result and deltas as translated code leaves them', (t) => {
  const p = new TestProcessor();
  p.set(Slot.FLAG_RESULT, -1n);
  p.set(Slot.FLAG_AUX, 0);
  t.is(readArithmeticFlags(p.vp), 0x84, 'all ones: SF and PF');
  p.set(Slot.FLAG_AUX, 0x895);
  t.is(readArithmeticFlags(p.vp), 0x811, 'deltas turn SF and PF off, CF AF OF are direct');
  p.set(Slot.FLAG_RESULT, 0x1_0000_0000n);
  p.set(Slot.FLAG_AUX, 0);
  t.is(readArithmeticFlags(p.vp), 0x04, 'ZF looks at all 64 bits');
});

const parity = (byte: number): boolean => byte.toString(2).replaceAll('0', '').length % 2 === 0;

test('flags of a comparison agree with subtraction on wide integers', (t) => {
  const p = new TestProcessor();
  const edge = fc.constantFrom(
    0n,
    1n,
    0x7fn,
    0x80n,
    0xffn,
    0x7fffn,
    0x8000n,
    0x7fff_ffffn,
    0x8000_0000n,
    0xffff_ffffn,
    0x7fff_ffff_ffff_ffffn,
    1n << 63n,
  );
  const value = fc.oneof(edge, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
  fc.assert(
    fc.property(fc.constantFrom(0, 1, 2, 3) as fc.Arbitrary<0 | 1 | 2 | 3>, value, value, (width, x, y) => {
      const bits = 8 << width;
      const a = BigInt.asUintN(bits, x);
      const b = BigInt.asUintN(bits, y);
      writeCompareFlags(p.vp, width, Number(a & 0xffff_ffffn), Number(a >> 32n), Number(b & 0xffff_ffffn), Number(b >> 32n));
      const r = BigInt.asUintN(bits, a - b);
      const signed = BigInt.asIntN(bits, a) - BigInt.asIntN(bits, b);
      const wanted =
        (a < b ? 1 : 0) |
        (parity(Number(r & 0xffn)) ? 4 : 0) |
        ((a & 15n) < (b & 15n) ? 0x10 : 0) |
        (r === 0n ? 0x40 : 0) |
        (r >> BigInt(bits - 1) ? 0x80 : 0) |
        (signed !== BigInt.asIntN(bits, signed) ? 0x800 : 0);
      return readArithmeticFlags(p.vp) === wanted && BigInt.asIntN(64, p.slot(Slot.FLAG_RESULT)) === BigInt.asIntN(bits, r);
    }),
    { numRuns: 3000 },
  );
  t.pass();
});
