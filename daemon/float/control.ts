// How the operation at hand rounds and which exceptions it has raised: globals of the module, set at its beginning and read at its end.
// Why globals: an instance runs one operation at a time, for one LP, and WebAssembly functions have one result.
// References: SDM 1 4.9 (exceptions and their order), 8.1.5 (x87 control word), 10.2.3 (MXCSR).
import { FLOAT_FLAGS, MXCSR } from './layout';

/** Exceptions, as in the status words. */
export const INVALID: i32 = 1;
export const DENORMAL: i32 = 2;
export const ZERO_DIVIDE: i32 = 4;
export const OVERFLOW: i32 = 8;
export const UNDERFLOW: i32 = 16;
export const PRECISION: i32 = 32;
/** Those that come before a result is computed: unmasked, there is none. */
export const BEFORE: i32 = INVALID | DENORMAL | ZERO_DIVIDE;

/** Rounding controls, as in both control words. */
export const NEAREST: i32 = 0;
export const DOWN: i32 = 1;
export const UP: i32 = 2;
export const CHOP: i32 = 3;

export let rounding: i32 = NEAREST;
/** Exceptions that are masked. */
export let masked: i32 = 63;
/** MXCSR.DAZ: denormal operands are zeros. MXCSR.FTZ: denormal results are. */
export let denormalsAreZero: i32 = 0;
export let flushToZero: i32 = 0;
/** What an unmasked overflow or underflow adds to the exponent: 24576 for the x87's registers (SDM 1 8.5.4), 0 where no result is delivered. */
export let bias: i32 = 0;
/** Exceptions of this operation. */
export let raised: i32 = 0;
/** The result's magnitude was rounded up: the x87's C1. */
export let roundedUp: i32 = 0;

export function raise(flags: i32): void {
  raised |= flags;
}
export function withdraw(flags: i32): void {
  raised &= ~flags;
}
export function setRoundedUp(up: i32): void {
  roundedUp = up;
}
/** binary16 knows neither DAZ nor FTZ (SDM 2C VCVTPH2PS, VCVTPS2PH). */
export function keepDenormals(operands: bool, results: bool): void {
  if (operands) denormalsAreZero = 0;
  if (results) flushToZero = 0;
}
export function setRounding(mode: i32): void {
  rounding = mode;
}
/** Whether an exception has come that leaves the operation without a result. */
export function blocked(): bool {
  return (raised & ~masked & BEFORE) != 0;
}

/** An SSE operation under MXCSR begins. */
export function beginSse(vp: i32): void {
  const mxcsr = load<i32>(vp, MXCSR);
  rounding = (mxcsr >> 13) & 3;
  masked = (mxcsr >> 7) & 63;
  denormalsAreZero = mxcsr & 0x40;
  flushToZero = mxcsr & 0x8000;
  bias = 0;
  raised = 0;
}
/** It ends: its exceptions are added to the word FLOAT_FLAGS, for the caller to put into MXCSR or to raise. */
export function endSse(vp: i32): void {
  store<i32>(vp, load<i32>(vp, FLOAT_FLAGS) | raised, FLOAT_FLAGS);
}
/** An x87 operation begins: `control` is the control word. */
export function beginX87(control: i32): void {
  rounding = (control >> 10) & 3;
  masked = control & 63;
  denormalsAreZero = 0;
  flushToZero = 0;
  bias = 24576;
  raised = 0;
  roundedUp = 0;
}
