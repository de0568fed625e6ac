// What Node is told for the threads of LPs, of what it was told for the process.
import { Worker } from 'node:worker_threads';
import { reasonOf } from '../../shared/protocol/errors.js';

const REQUIRE_OF_MODULES = '--experimental-require-module';
/** A flag of V8's, which no thread has a setting of its own for. */
const OF_PROCESS = '--no-opt';

/** Flags of V8 hold for the whole process, and Node refuses a thread that is given one: it names all that it refuses, before there is a thread. */
const refusedOf = (flags: readonly string[]): readonly string[] => {
  try {
    void new Worker('', { eval: true, execArgv: [...flags, OF_PROCESS] }).terminate();
    return [];
  } catch (error) {
    return reasonOf(error)
      .replace(/^.*flags: /, '')
      .split(', ');
  }
};

/** `flags`: of the process. */
export const threadArguments = (flags: readonly string[]): string[] => {
  const refused = flags.length === 0 ? [] : refusedOf(flags);
  // Piscina tries require() first. Where Node lets that load an ES module, a thread that is ended in the middle takes the whole process with it
  // (assertion in ModuleWrap::CreateRequiredModuleFacade, Node 20.20); import() does not.
  const noRequire = process.allowedNodeEnvironmentFlags.has(REQUIRE_OF_MODULES) ? [REQUIRE_OF_MODULES.replace('--', '--no-')] : [];
  return [...flags.filter((flag) => !refused.includes(flag)), ...noRequire];
};
