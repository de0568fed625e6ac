// Where an experiment was done: for its report. No result depends on it.
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { hvdVersion } from '../../root/version.js';

export const environmentNow = (): Record<string, string> => ({
  hvd: hvdVersion(),
  node: `${process.versions.node} (V8 ${process.versions.v8})`,
  system: `${type()} ${release()} ${process.arch}`,
  processor: `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} for this process`,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
});
