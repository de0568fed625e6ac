// RCPPS and RSQRTPS: processors differ in the bits, and may (SDM 2B): the relative error stays below 1.5 x 2^-12, and special values are fixed.
import test from 'ava';
import { floatFunctions } from '../../daemon/machine/float-module.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { VectorInteger } from '../../shared/layout/vector-integer.js';
import { VectorSlot, VpBlock, VpLayout } from '../../shared/layout/vp.js';

const ERROR_MAX = 1.5 * 2 ** -12;

const machine = (): ((operation: number, bits: number) => number) => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const functions = floatFunctions(memory);
  const vp = new VpBlock(viewsOf(memory.buffer), vpBlockAt(0));
  const { u32 } = vp.views;
  const at = (slot: number): number => (vp.base + VpLayout.at.vectors + slot * 16) >>> 2;
  return (operation, bits) => {
    u32.fill(bits, at(VectorSlot.SCRATCH + 1), at(VectorSlot.SCRATCH + 1) + 4);
    functions.vectorInteger(vp.base, BigInt(operation), 0n);
    return u32[at(VectorSlot.RESULT) + 3];
  };
};
const asFloat = (bits: number): number => new Float32Array(new Uint32Array([bits]).buffer)[0];

test('approximations of normal numbers are within the architecture’s error', (t) => {
  const approximate = machine();
  let worst = 0;
  for (let bits = 0x0800_0000; bits < 0x7600_0000; bits += 0x9_4321) {
    const x = asFloat(bits);
    worst = Math.max(worst, Math.abs(asFloat(approximate(VectorInteger.RECIPROCAL, bits)) * x - 1));
    worst = Math.max(worst, Math.abs(asFloat(approximate(VectorInteger.RECIPROCAL_ROOT, bits)) * Math.sqrt(x) - 1));
  }
  t.true(worst > 0 && worst < ERROR_MAX, `${worst}`);
});

test('approximations of special values', (t) => {
  const approximate = machine();
  const { RECIPROCAL, RECIPROCAL_ROOT } = VectorInteger;
  const cases: readonly (readonly [operation: number, bits: number, result: number])[] = [
    [RECIPROCAL, 0x0000_0000, 0x7f80_0000],
    [RECIPROCAL, 0x8000_0000, 0xff80_0000],
    [RECIPROCAL, 0x0000_0001, 0x7f80_0000],
    [RECIPROCAL, 0xff80_0000, 0x8000_0000],
    [RECIPROCAL, 0x7f7f_ffff, 0x0000_0000],
    [RECIPROCAL, 0x7f81_2345, 0x7fc1_2345],
    [RECIPROCAL_ROOT, 0x8000_0000, 0xff80_0000],
    [RECIPROCAL_ROOT, 0x8000_0001, 0xff80_0000],
    [RECIPROCAL_ROOT, 0xbf80_0000, 0xffc0_0000],
    [RECIPROCAL_ROOT, 0x7f80_0000, 0x0000_0000],
    [RECIPROCAL_ROOT, 0xffc1_2345, 0xffc1_2345],
  ];
  for (const [operation, bits, result] of cases) t.is(approximate(operation, bits), result, `${operation} of ${bits.toString(16)}`);
});
