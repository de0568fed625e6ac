// hvd load: jobs for guests that take them, changed while they run: the workload guests, and Linux guests with the agent.
import type { Command } from 'commander';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { LoadRecordFlags } from '../lab/load-record.js';
import type { LoadRunFlags } from '../lab/load-run.js';
import { type ClientFlags, listingOptions, socketOption, withDaemon } from '../with-daemon.js';
import { addLoadList } from './load-list.js';

interface LoadFlags extends ClientFlags {
  readonly vps?: string;
}

export const addLoad = (program: Command): void => {
  const load = program.command('load').description('jobs of the workload guests and of Linux guests with the agent, and scripts of loads');
  addLoadList(load);
  listingOptions(load.command('run <script>'))
    .description(
      'play a load script (YAML), or a program (TypeScript, JavaScript) that drives the daemon; status 1 if an assertion does not hold',
    )
    .option('--set <parameters...>', "values in place of the script's own, e.g. --set hold=200 vm=w64a")
    .option('--keep', 'leave policies, jobs and partitions as they are at the end')
    .action(async (file: string, flags: LoadRunFlags) => {
      const { loadRun } = await import('../lab/load-run.js');
      process.exitCode = await loadRun(file, flags);
    });
  socketOption(load.command('record'))
    .description('write what is done to the machine, in hvtop or by commands, as a load script')
    .requiredOption('-o, --output <file>', 'the script')
    .option('--seconds <n>', 'end after so long (default: at Ctrl-C)')
    .action(async (flags: LoadRecordFlags) => {
      const { loadRecord } = await import('../lab/load-record.js');
      await loadRecord(flags);
    });
  socketOption(load.command('set <partition> <job> [parameters...]'))
    .description('run a job, e.g.: hvd load set w64a spinlock hold=200 think=500')
    .option('--vps <list>', 'VPs that run it, e.g. 0,2,3 (default: all)')
    .action(async (name: string, job: string, parameters: string[], flags: LoadFlags) => {
      const params = { name, job, vps: parseVps(flags.vps), parameters: parseParameters(parameters) };
      await withDaemon(flags, (hvd) => hvd.request('load.set', withoutUndefined(params)));
    });
  socketOption(load.command('stop <partition>'))
    .description('let VPs idle')
    .option('--vps <list>', 'VPs that stop (default: all)')
    .action(async (name: string, flags: LoadFlags) => {
      await withDaemon(flags, (hvd) => hvd.request('load.stop', withoutUndefined({ name, vps: parseVps(flags.vps) })));
    });
};

export const parseVps = (list: string | undefined): number[] | undefined => {
  if (list === undefined) return undefined;
  if (!/^\d+(,\d+)*$/.test(list)) throw new HvdError('usage', { what: `--vps: expected numbers as in 0,2,3, got ${JSON.stringify(list)}` });
  return list.split(',').map(Number);
};

const parseParameters = (parameters: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    parameters.map((parameter) => {
      const match = /^([A-Za-z]\w*)=(\d+)$/.exec(parameter);
      if (match === null) throw new HvdError('usage', { what: `${JSON.stringify(parameter)}: expected a parameter as in hold=200` });
      return [match[1]!, Number(match[2])];
    }),
  );

// msgpack has no undefined: an absent key must be absent.
const withoutUndefined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
