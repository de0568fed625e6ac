// #UD: what does not exist, and what this processor does not have yet. The latter is told apart by its mnemonic, so that it can be counted.
import { Slot } from '../../../shared/layout/vp.js';
import { SysOp } from '../micro-op.js';
import type { Family } from './instruction-context.js';

/** Raises #UD and counts nothing: UD0, UD1, UD2, bad encodings. */
export const undefinedInstruction: Family = (x) => raise(x, 0);
/** Raises #UD; ARG0 names the mnemonic that was met. */
export const unimplemented: Family = (x) => raise(x, x.decoder.instruction.mnemonic);

const raise = (x: Parameters<Family>[0], mnemonic: number): void => {
  x.builder.move(Slot.ARG0, x.builder.constant(mnemonic));
  x.builder.sys({ op: SysOp.UD, width: 0, addressWidth: x.addressWidth }, true);
};
