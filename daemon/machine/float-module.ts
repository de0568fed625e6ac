// The floating-point functions of daemon/float: compiled once a process, an instance for each LP and partition memory.
// Why instances: the module keeps the operation at hand in globals, and works on the VP blocks of the memory that it is given.
import { readFileSync } from 'node:fs';
import { FLOAT_FUNCTIONS, type FloatFunction } from '../translate/float-functions.js';

/** (address of the VP block, a, b) -> 64 bits. */
export type FloatCode = (vp: number, a: bigint, b: bigint) => bigint;

const MODULE = new WebAssembly.Module(readFileSync(new URL('../float/float.wasm', import.meta.url)));

/** Functions by number, for the micro-op machine. */
export const functionTable = (functions: Readonly<Record<FloatFunction, FloatCode>>): WebAssembly.Table => {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: FLOAT_FUNCTIONS.length });
  FLOAT_FUNCTIONS.forEach((name, n) => {
    table.set(n, functions[name]);
  });
  return table;
};

/** The functions on one memory, by name. */
export const floatFunctions = (memory: WebAssembly.Memory): Readonly<Record<FloatFunction, FloatCode>> => {
  const { exports } = new WebAssembly.Instance(MODULE, { env: { memory } });
  for (const name of FLOAT_FUNCTIONS) if (typeof exports[name] !== 'function') throw new TypeError(`daemon/float has no function ${name}`);
  return exports as Record<FloatFunction, FloatCode>;
};
