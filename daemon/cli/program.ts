// All commands of hvd in one tree.
import { Command } from 'commander';
import { hvdVersion } from '../root/version.js';
import { addCompletion, addMan } from './commands/completion.js';
import { addConsole } from './commands/console.js';
import { addDevice } from './commands/device.js';
import { addDoctor } from './commands/doctor.js';
import { addCompare, addExperiment } from './commands/experiment.js';
import { addImages } from './commands/images.js';
import { addLoad } from './commands/load.js';
import { addPolicy } from './commands/policy.js';
import { addPort } from './commands/port.js';
import { addRecord } from './commands/record.js';
import { addReplay } from './commands/replay.js';
import { addRun } from './commands/run.js';
import { addSchema } from './commands/schema.js';
import { addSnapshot } from './commands/snapshot.js';
import { addStart } from './commands/start.js';
import { addStats } from './commands/stats.js';
import { addStatus } from './commands/status.js';
import { addStop } from './commands/stop.js';
import { addTop } from './commands/top.js';
import { addTrace } from './commands/trace.js';
import { addVm } from './commands/vm.js';

export const createProgram = (): Command => {
  const program = new Command('hvd').description('a laboratory for hypervisors: x86 guests on simulated processors').version(hvdVersion());
  // Before the commands: they inherit it.
  program.exitOverride().configureOutput({ outputError: (text, write) => write(`hvd: ${text.replace(/^error: /, '')}`) });
  for (const add of [
    addStart,
    addStop,
    addStatus,
    addVm,
    addConsole,
    addPolicy,
    addDevice,
    addPort,
    addLoad,
    addExperiment,
    addCompare,
    addStats,
    addTrace,
    addImages,
    addRun,
    addRecord,
    addReplay,
    addSnapshot,
    addTop,
    addSchema,
    addDoctor,
    addCompletion,
    addMan,
  ])
    add(program);
  return program;
};
