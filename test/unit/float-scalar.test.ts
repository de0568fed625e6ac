// The scalar operations of daemon/float against what a real processor did: result and flags, in all rounding modes, with DAZ and FTZ, masked and unmasked.
import test from 'ava';
import { floatFunctions } from '../../daemon/machine/float-module.js';
import { FLOAT_FUNCTIONS, type FloatFunction } from '../../daemon/translate/float-functions.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { loadScalarCases } from '../vectors/load-scalar.js';

const SHOWN_MAX = 20;

test('scalar operations give the result and the exceptions of a real processor', (t) => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const functions = floatFunctions(memory);
  const vp = new VpBlock(viewsOf(memory.buffer), vpBlockAt(0));
  const failures: string[] = [];
  const met = new Set<string>();
  const exceptions = new Set<number>();
  for (const c of loadScalarCases()) {
    met.add(c.operation);
    exceptions.add(c.flags);
    vp.mxcsr = c.mxcsr;
    vp.floatFlags = 0;
    const result = BigInt.asUintN(c.resultBits, functions[c.operation as FloatFunction](vp.base, c.a, c.b));
    if (vp.floatFlags === c.flags && (c.trapped || result === c.result)) continue;
    if (failures.length < SHOWN_MAX)
      failures.push(
        `${c.operation}(${c.a.toString(16)}, ${c.b.toString(16)}) under ${c.mxcsr.toString(16)}: ${result.toString(16)} ${vp.floatFlags}, not ${c.result.toString(16)} ${c.flags}`,
      );
  }
  t.deepEqual(failures, []);
  t.deepEqual([...met].sort(), FLOAT_FUNCTIONS.filter((name) => /^[fi](32|64)/.test(name)).sort());
  // IE DE ZE OE|PE UE|PE PE and combinations with DE.
  t.true(exceptions.size >= 9, `${[...exceptions]}`);
});

test('flags are added to those that are there', (t) => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const functions = floatFunctions(memory);
  const vp = new VpBlock(viewsOf(memory.buffer), vpBlockAt(0));
  vp.mxcsr = 0x1f80;
  vp.floatFlags = 1;
  functions.f64Divide(vp.base, 0x3ff0000000000000n, 0n);
  t.is(vp.floatFlags, 5);
});
