// What `hvd replay` does with its flags, and what it says of where the recording has led.
import { setTimeout as sleep } from 'node:timers/promises';
import { HvdError, RunExit } from '../../../shared/protocol/errors.js';
import { readConsole } from '../../root/console.js';
import { silentLog } from '../../root/log.js';
import { Replayer, type ReplayReport, type Until } from '../../root/record/replayer.js';
import { dumpRegisters } from '../../root/registers.js';
import { printJson, printLine } from '../output.js';
import { onSignal } from '../signals.js';

export interface ReplayFlags {
  readonly until?: string;
  /** Snapshot. */
  readonly from?: string;
  readonly console?: string;
  readonly json?: boolean;
}

const POLL_MS = 5;
const NEWLINE = 10;

/** Plays and reports; returns the exit status. */
export const replayCommand = async (file: string, flags: ReplayFlags): Promise<number> => {
  const replayer = await Replayer.start(file, silentLog(), untilOf(flags.until), undefined, flags.from);
  const unlisten = onSignal(() => replayer.interrupt());
  try {
    let isOver = false;
    const name = flags.console ?? replayer.guest;
    const console = flags.json === true || name === undefined ? undefined : passConsole(replayer, name, () => isOver);
    const outcome = await replayer.finished;
    isOver = true;
    await console;
    const report = replayer.report(outcome);
    const stopped = outcome === 'diverged' || outcome === 'until';
    const registers = stopped ? replayer.machine.partitions.all.flatMap(({ body }) => body.vps.map(dumpRegisters)) : [];
    if (flags.json === true) printJson({ ...report, registers });
    else print(file, report, registers);
    return statusOf(report);
  } finally {
    unlisten();
    await replayer.stop();
  }
};

const statusOf = ({ outcome }: ReplayReport): number =>
  outcome === 'diverged' ? RunExit.DIVERGED : outcome === 'interrupted' ? RunExit.INTERRUPTED : RunExit.OK;

const print = (file: string, report: ReplayReport, registers: readonly string[]): void => {
  const { outcome, divergence, recorded } = report;
  const say = (text: string): void => void process.stderr.write(`hvd: ${text}\n`);
  if (report.isOtherBuild) say(`${file}: recorded by another build of this version`);
  if (divergence !== undefined) say(`another course: ${divergence.where}: expected ${divergence.expected}; found ${divergence.found}`);
  if (outcome === 'cut') say(`${file}: the recording was cut at byte ${recorded.bytes}; it is the same up to there`);
  for (const line of registers) printLine(line);
  const events = report.events.reduce((sum, n) => sum + n, 0);
  const all = recorded.events.reduce((sum, n) => sum + n, 0);
  printLine(`${outcome}: ${report.inputs} of ${recorded.inputs} inputs, ${events} of ${all} events, cycle ${Math.max(...report.clocks)}`);
  printLine(`trace ${report.traceHash}`);
  for (const [name, hash] of Object.entries(report.memory)) printLine(`memory of ${name} ${hash}`);
};

/** Passes COM1 on as it comes; ends after the last of it. */
const passConsole = async (replayer: Replayer, name: string, isOver: () => boolean): Promise<void> => {
  let position = 0;
  let last = NEWLINE;
  for (;;) {
    const ends = isOver();
    const partition = replayer.machine.partitions.all.find((one) => one.name === name);
    if (partition !== undefined) {
      const chunk = readConsole(partition, position);
      position = chunk.next;
      last = chunk.bytes.at(-1) ?? last;
      if (chunk.bytes.length > 0) process.stdout.write(chunk.bytes);
    }
    if (ends) break;
    await sleep(POLL_MS);
  }
  if (last !== NEWLINE) process.stdout.write('\n');
};

const untilOf = (text: string | undefined): Until | undefined => {
  if (text === undefined) return undefined;
  const [first, second] = text.split(':').map((part) => (/^\d{1,15}$/.test(part) ? Number(part) : Number.NaN));
  if (Number.isNaN(first) || Number.isNaN(second ?? 0) || text.split(':').length > 2)
    throw new HvdError('recording.until', { why: `neither a cycle nor LP:EVENT: ${JSON.stringify(text)}` });
  return second === undefined ? { cycle: first! } : { lp: first!, event: second };
};
