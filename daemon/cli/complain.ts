// How a command ends badly: one line on stderr, a hint where there is one, and the error's own exit status.
import { bodyOf, ERRORS, type ErrorCode, HvdError } from '../../shared/protocol/errors.js';

/** Prints the error; returns the exit status. */
export const complain = (error: unknown): number => {
  const { message, hint } = bodyOf(error);
  process.stderr.write(`hvd: ${message}${hint === undefined ? '' : ` (${hint})`}\n`);
  if (process.env.HVD_DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return error instanceof HvdError ? error.exit : ERRORS['internal' satisfies ErrorCode].exit;
};
