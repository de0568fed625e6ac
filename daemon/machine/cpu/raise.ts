// The ways a helper raises a guest fault. One preallocated object is thrown: no allocation, no stack trace.
// Why here: selector error codes are built in one place (SDM 3A 6.13).
import { Vector } from '../../../shared/abi/exceptions.js';
import type { Processor } from '../processor.js';

/** The index and TI bits of a selector: what selector error codes carry. */
export const SELECTOR_MASK = 0xfffc;

export const raise = (p: Processor, vector: number, error = -1): never => {
  throw p.fault.set(vector, error);
};
export const invalidOpcode = (p: Processor): never => raise(p, Vector.UD);
/** #GP(0), or #GP with a ready error code. */
export const generalProtection = (p: Processor, error = 0): never => raise(p, Vector.GP, error);
/** A fault with the selector as error code; `ext` is 1 during delivery of an event external to the program. */
export const raiseSelector = (p: Processor, vector: number, selector: number, ext = 0): never =>
  raise(p, vector, (selector & SELECTOR_MASK) | ext);
