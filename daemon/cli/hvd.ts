#!/usr/bin/env node
// The command hvd.
import { CommanderError } from 'commander';
import { ERRORS } from '../../shared/protocol/errors.js';
import { complain } from './complain.js';
import { createProgram } from './program.js';

// A reader that has seen enough (`hvd stats | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// What nobody can read any more need not be said.
process.stderr.on('error', () => {});

try {
  await createProgram().parseAsync();
} catch (error) {
  // commander has said what is wrong with the command line, or printed the help that was asked for.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : ERRORS.usage.exit;
  else process.exitCode = complain(error);
}
