// The VP block's fields that the floating-point module works on, by the names that it knows their offsets by.
// Why here: AssemblyScript cannot import `struct`; its build makes constants of these (daemon/float/build.mjs).
import type { VpLayout } from './vp.js';

export const FLOAT_FIELDS: Readonly<Record<string, keyof typeof VpLayout.at>> = {
  MXCSR: 'mxcsr',
  FLOAT_FLAGS: 'floatFlags',
};
