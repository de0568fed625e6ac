// What `hvd run` does with its flags: configuration in, private run, report out.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { PartitionConfig } from '../../../shared/protocol/messages.js';
import { defaultMachine, withPaths } from '../../root/config/machine-file.js';
import { partitionSchema } from '../../root/config/schema.js';
import { checkOptions, type MachineFlags, numeric, withFlags } from '../options.js';
import { printJson, printLine } from '../output.js';
import { onSignal } from '../signals.js';
import { ConsoleTail } from './console-tail.js';
import { accountOf, formatAccount } from './instruction-account.js';
import { type ObserveFlags, type ObservePlan, openTrace, planObservation } from './observe-flags.js';
import { type RunResult, runPrivately } from './private-run.js';
import { formatProfile, profileOf } from './profile.js';

/** LPs of a machine that nobody gave a number for; the same on every host, so that runs compare. */
const DEFAULT_LPS_MAX = 4;
/** Console output that --json keeps, bytes: the newest. */
const CONSOLE_MAX = 16 << 20;
const TIMEOUT_MAX_S = 1_000_000;

export interface RunFlags extends MachineFlags, ObserveFlags {
  readonly vps: string;
  readonly memory: string;
  readonly cpu?: string;
  readonly append?: string;
  readonly initrd?: string;
  readonly until?: string;
  readonly timeout?: string;
  readonly json?: boolean;
  readonly debugExit?: boolean;
  readonly hash?: boolean;
}

/** Runs and reports; returns the exit status. */
export const runCommand = async (image: string, flags: RunFlags): Promise<number> => {
  const partition = partitionOf(image, flags);
  const lps = flags.lps ?? String(Math.min(partition.vps, DEFAULT_LPS_MAX));
  const machine = withFlags(defaultMachine(), { ...flags, lps });
  const timeoutMs = timeoutOf(flags.timeout);
  const plan = planObservation(image, flags);
  const trace = openTrace(flags);
  const abort = new AbortController();
  const unlisten = onSignal(() => abort.abort());
  const output = new ConsoleTail(CONSOLE_MAX);
  const onOutput = (bytes: Uint8Array): void => {
    if (flags.json === true) output.push(bytes);
    else process.stdout.write(bytes);
  };
  try {
    const hash = flags.hash === true;
    const result = await runPrivately({
      machine,
      partition,
      until: flags.until,
      timeoutMs,
      debugExit: flags.debugExit === true,
      hash,
      onOutput,
      observe: plan.request,
      onTrace: (text) => void (trace ?? process.stderr).write(text),
      signal: abort.signal,
    });
    report(result, flags, output, plan);
    return result.status;
  } finally {
    unlisten();
    trace?.end();
  }
};

const report = (result: RunResult, flags: RunFlags, output: ConsoleTail, plan: ObservePlan): void => {
  if (result.cause === 'triple-fault' || result.cause === 'crashed')
    process.stderr.write(`hvd: ${result.reason ?? result.cause}\n${result.registers.join('\n')}\n`);
  if (result.cause === 'timeout') process.stderr.write(`hvd: timeout after ${Math.round(result.elapsedMs / 1000)} s\n`);
  const consoleLost = result.consoleLost + output.lost;
  if (consoleLost > 0) process.stderr.write(`hvd: ${consoleLost} bytes of console output were lost\n`);
  const { observed, ...rest } = result;
  const limit = plan.request?.trace?.limit ?? 0;
  if (observed && limit > 0 && observed.traced >= limit)
    process.stderr.write(`hvd: the trace ends at its limit of ${limit} instructions (--trace-limit)\n`);
  if (observed && observed.traceLost > 0) process.stderr.write(`hvd: ${observed.traceLost} lines of the trace were lost\n`);
  const count = observed && flags.count === true ? accountOf(observed.report, observed.stats) : undefined;
  const profile = observed && flags.profile !== undefined ? profileOf(observed.report, plan.symbols) : undefined;
  if (profile !== undefined && typeof flags.profile === 'string')
    writeFileSync(flags.profile, profile.folded.map((l) => `${l}\n`).join(''));
  if (flags.json === true) {
    const trace = observed && flags.traceInsns !== undefined ? { traced: observed.traced, lost: observed.traceLost } : undefined;
    printJson({ ...rest, consoleLost, count, profile, trace, console: output.text() });
    return;
  }
  for (const text of [profile && formatProfile(profile), count && formatAccount(count)]) if (text) process.stderr.write(`${text}\n`);
  if (flags.hash === true) printLine(`trace ${result.traceHash} memory ${result.memoryHash}`);
};

const partitionOf = (image: string, flags: RunFlags): PartitionConfig => {
  const config = {
    name: 'guest',
    image,
    vps: numeric(flags.vps),
    memory: flags.memory,
    ...(flags.cpu === undefined ? {} : { cpu: flags.cpu }),
    ...(flags.append === undefined ? {} : { append: flags.append }),
    ...(flags.initrd === undefined ? {} : { initrd: resolve(flags.initrd) }),
  };
  return withPaths(checkOptions(partitionSchema, config), process.cwd());
};

const timeoutOf = (text: string | undefined): number => {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= TIMEOUT_MAX_S))
    throw new HvdError('usage', { what: `--timeout: expected seconds up to ${TIMEOUT_MAX_S}, got ${JSON.stringify(text)}` });
  return seconds * 1000;
};
