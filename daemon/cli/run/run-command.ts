// What `hvd run` does with its flags: configuration in, private run, report out.
import { resolve } from 'node:path';
import { WATCHED_TEXT_MAX } from '../../../shared/layout/devices.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { PartitionConfig } from '../../../shared/protocol/messages.js';
import { defaultMachine, withPaths } from '../../root/config/machine-file.js';
import { partitionSchema } from '../../root/config/schema.js';
import { checkOptions, type MachineFlags, numeric, withFlags } from '../options.js';
import { printJson, printLine } from '../output.js';
import { onSignal } from '../signals.js';
import { Answers } from './answers.js';
import { ConsoleTail } from './console-tail.js';
import type { ObserveFlags } from './observe-flags.js';
import { type RunResult, runPrivately } from './private-run.js';

/** LPs of a machine that nobody gave a number for; the same on every host, so that runs compare. */
const DEFAULT_LPS_MAX = 4;
/** Console output that --json keeps, bytes: the newest. */
const CONSOLE_MAX = 16 << 20;
const NEWLINE = 10;
const DURATION_MAX_S = 1_000_000;

export interface RunFlags extends MachineFlags, ObserveFlags {
  readonly vps: string;
  readonly memory: string;
  readonly cpu?: string;
  readonly hv?: string;
  readonly append?: string;
  readonly initrd?: string;
  readonly until?: string;
  readonly timeout?: string;
  readonly runFor?: string;
  readonly json?: boolean;
  readonly debugExit?: boolean;
  readonly testdev?: boolean;
  readonly hash?: boolean;
}

/** Runs and reports; returns the exit status. */
export const runCommand = async (image: string, flags: RunFlags): Promise<number> => {
  const partition = partitionOf(image, flags);
  const lps = flags.lps ?? String(Math.min(partition.vps, DEFAULT_LPS_MAX));
  const machine = withFlags(defaultMachine(), { ...flags, lps });
  const timeoutMs = durationOf('--timeout', flags.timeout);
  const runForMs = durationOf('--run-for', flags.runFor);
  checkText(flags.until);
  const answers = new Answers(image, flags);
  const abort = new AbortController();
  const unlisten = onSignal(() => abort.abort());
  const output = new ConsoleTail(CONSOLE_MAX);
  let lineOpen = false;
  const onOutput = (bytes: Uint8Array): void => {
    if (flags.json === true) output.push(bytes);
    else process.stdout.write(bytes);
    lineOpen = bytes.at(-1) !== NEWLINE;
  };
  try {
    const hash = flags.hash === true;
    const result = await runPrivately({
      machine,
      partition,
      until: flags.until,
      timeoutMs,
      runForMs,
      debugExit: flags.debugExit === true,
      hash,
      onOutput,
      observe: answers.request,
      traceSink: answers.traceSink,
      signal: abort.signal,
    });
    // Whatever follows begins a line of its own.
    if (lineOpen && flags.json !== true) process.stdout.write('\n');
    report(result, flags, output, answers);
    return result.status;
  } finally {
    unlisten();
    answers.close();
  }
};

const report = (result: RunResult, flags: RunFlags, output: ConsoleTail, answers: Answers): void => {
  if (result.cause === 'triple-fault' || result.cause === 'crashed')
    process.stderr.write(`hvd: ${result.reason ?? result.cause}\n${result.registers.join('\n')}\n`);
  if (result.cause === 'timeout') process.stderr.write(`hvd: timeout after ${Math.round(result.elapsedMs / 1000)} s\n`);
  if (result.cause === 'time-up') process.stderr.write(`hvd: ${flags.runFor} s of the guest's time are over\n`);
  const consoleLost = result.consoleLost + output.lost;
  if (consoleLost > 0) process.stderr.write(`hvd: ${consoleLost} bytes of console output were lost\n`);
  if (flags.hash === true && result.traceHash === null)
    process.stderr.write("hvd: no hashes: the host's time ended the run, each time elsewhere (--run-for ends it in the guest's)\n");
  const { observed, ...rest } = result;
  const found = answers.finish(observed);
  if (flags.json === true) {
    printJson({ ...rest, consoleLost, ...found, console: output.text() });
    return;
  }
  answers.print(found);
  if (flags.hash === true && result.traceHash !== null) printLine(`trace ${result.traceHash} memory ${result.memoryHash}`);
};

const partitionOf = (image: string, flags: RunFlags): PartitionConfig => {
  const config = {
    name: 'guest',
    image,
    vps: numeric(flags.vps),
    memory: flags.memory,
    ...(flags.cpu === undefined ? {} : { cpu: flags.cpu }),
    ...(flags.hv === undefined ? {} : { hv: { features: flags.hv } }),
    ...(flags.append === undefined ? {} : { append: flags.append }),
    ...(flags.initrd === undefined ? {} : { initrd: resolve(flags.initrd) }),
    ...(flags.testdev === true ? { testdev: true } : {}),
  };
  return withPaths(checkOptions(partitionSchema, config), process.cwd());
};

const checkText = (until: string | undefined): void => {
  const bytes = Buffer.byteLength(until ?? '');
  if (until === '' || bytes > WATCHED_TEXT_MAX)
    throw new HvdError('usage', { what: `--until: expected 1 to ${WATCHED_TEXT_MAX} bytes of text, got ${bytes}` });
};

const durationOf = (option: string, text: string | undefined): number => {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= DURATION_MAX_S))
    throw new HvdError('usage', { what: `${option}: expected seconds up to ${DURATION_MAX_S}, got ${JSON.stringify(text)}` });
  return seconds * 1000;
};
