// hvd experiment and hvd compare: policies measured against each other on private machines.
import type { Command } from 'commander';
import type { CompareFlags, ExperimentRunFlags, ReportFlags, WorkerFlags } from '../lab/experiment.js';

export const addExperiment = (program: Command): void => {
  const experiment = program.command('experiment').description('measure combinations of settings on private machines');
  experiment
    .command('run <file>')
    .description('do the cells that are not done yet; the same command goes on where it was interrupted')
    .option('-j, --jobs <n>', 'cells at a time, each in a process of its own (default: as many as the host has processors for)')
    .option('--out <folder>', 'where results are kept (default: NAME.results)')
    .option('--quick', 'one seed, and only the ends of long axes')
    .option('--nats <url>', 'have them done by workers at that NATS server (JetStream)')
    .option('--json', 'print JSON')
    .action(async (file: string, flags: ExperimentRunFlags) => {
      const { experimentRun } = await import('../lab/experiment.js');
      process.exitCode = await experimentRun(file, flags);
    });
  experiment
    .command('worker')
    .description('do cells that others have queued, until Ctrl-C')
    .requiredOption('--nats <url>', 'the NATS server, e.g. nats://host:4222')
    .option('-j, --jobs <n>', 'cells at a time')
    .option('--idle <seconds>', 'end when there has been nothing to do for so long')
    .action(async (flags: WorkerFlags) => {
      const { experimentWorker } = await import('../lab/experiment.js');
      process.exitCode = await experimentWorker(flags);
    });
  experiment
    .command('report <folder>')
    .description('write report.html and report.md: table, charts, what others have published, how to do it again')
    .option('--against <folder>', 'also say what has changed since that run')
    .option('--html <file>', 'where the page goes')
    .option('--markdown <file>', 'where the Markdown goes')
    .action(async (folder: string, flags: ReportFlags) => {
      const { experimentReport } = await import('../lab/experiment.js');
      process.exitCode = experimentReport(folder, flags);
    });
};

export const addCompare = (program: Command): void => {
  program
    .command('compare')
    .description('play a load script with each of some settings on private machines: a table, the first setting is the baseline')
    .requiredOption('--load <script>', 'the script (YAML)')
    .option('--policy <settings...>', 'e.g. --policy spin.express=off,on')
    .option('--parameter <values...>', 'of the script, e.g. --parameter hold=200,2000')
    .option('--set <parameters...>', "values in place of the script's own")
    .option('--machine <file>', 'the machine (default: 2 LPs, deterministic clock)')
    .option('--lps <n>', 'logical processors')
    .option('--seeds <n>', 'seeds for each setting (default: 1)')
    .option('-j, --jobs <n>', 'cells at a time')
    .option('--out <folder>', 'keep the results there')
    .option('--json', 'print JSON')
    .action(async (flags: CompareFlags) => {
      const { compare } = await import('../lab/experiment.js');
      process.exitCode = await compare(flags);
    });
};
