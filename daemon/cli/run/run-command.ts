// What `hvd run` does with its flags: configuration in, private run, report out.
import { resolve } from 'node:path';
import { WATCHED_TEXT_MAX } from '../../../shared/layout/devices.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { PartitionConfig } from '../../../shared/protocol/messages.js';
import { defaultMachine, readPartitionFile, withPaths } from '../../root/config/machine-file.js';
import { preparedImage } from '../../root/config/prepared-images.js';
import { partitionSchema } from '../../root/config/schema.js';
import { bitsOf } from '../../root/gdb/register-set.js';
import { gdbAddress } from '../../root/gdb/server.js';
import { type DeviceFlags, withDevices } from '../device-flags.js';
import { checkOptions, type MachineFlags, numeric, withFlags } from '../options.js';
import { printJson, printLine } from '../output.js';
import { restored } from '../restored.js';
import { onSignal } from '../signals.js';
import type { RecordTo } from '../start/start-daemon.js';
import { AnswerFile } from './answer-file.js';
import { Answers } from './answers.js';
import { ConsoleTail } from './console-tail.js';
import type { ObserveFlags } from './observe-flags.js';
import { type RunRequest, type RunResult, runPrivately } from './private-run.js';

/** LPs of a machine that nobody gave a number for; the same on every host, so that runs compare. */
const DEFAULT_LPS_MAX = 4;
/** Console output that --json keeps, bytes: the newest. */
const CONSOLE_MAX = 16 << 20;
const NEWLINE = 10;
const DURATION_MAX_S = 1_000_000;

export interface RunFlags extends MachineFlags, ObserveFlags, DeviceFlags {
  readonly vps?: string;
  readonly memory?: string;
  readonly cpu?: string;
  readonly hv?: string;
  readonly bios?: string;
  readonly videoBios?: string;
  readonly firmwareLog?: string;
  readonly append?: string;
  readonly initrd?: string;
  readonly until?: string;
  readonly timeout?: string;
  readonly runFor?: string;
  readonly json?: boolean;
  readonly debugExit?: boolean;
  readonly testdev?: boolean;
  readonly superMode?: string;
  readonly hash?: boolean;
  readonly gdb?: string;
  readonly gdbBits?: string;
  /** Snapshot. */
  readonly restore?: string;
  /** Where the course is recorded. */
  readonly record?: RecordTo | undefined;
}

/** Runs and reports; returns the exit status. */
export const runCommand = async (image: string | undefined, flags: RunFlags): Promise<number> => {
  const { machine, guest } = flags.restore === undefined ? newGuest(image, flags) : restoredGuest(flags.restore, flags);
  const timeoutMs = durationOf('--timeout', flags.timeout);
  const runForMs = durationOf('--run-for', flags.runFor);
  checkText(flags.until);
  const answers = new Answers(image ?? flags.bios ?? '', flags);
  const firmwareLog = flags.firmwareLog === undefined ? undefined : new AnswerFile('--firmware-log', flags.firmwareLog);
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
      guest,
      until: flags.until,
      timeoutMs,
      runForMs,
      debugExit: flags.debugExit === true,
      hash,
      record: flags.record,
      onOutput,
      onFirmware: firmwareLog && ((bytes) => firmwareLog.write(Buffer.from(bytes))),
      observe: answers.request,
      traceSink: answers.traceSink,
      signal: abort.signal,
      gdb:
        flags.gdb === undefined
          ? undefined
          : {
              address: gdbAddress(flags.gdb),
              bits: bitsOf(flags.gdbBits),
              onListening: (address) => process.stderr.write(`hvd: waiting for GDB: target remote ${address}\n`),
            },
    });
    // Whatever follows begins a line of its own.
    if (lineOpen && flags.json !== true) process.stdout.write('\n');
    report(result, flags, output, answers);
    return result.status;
  } finally {
    unlisten();
    answers.close();
    firmwareLog?.close();
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

const newGuest = (image: string | undefined, flags: RunFlags): Pick<RunRequest, 'machine' | 'guest'> => {
  const partition = partitionOf(image, flags);
  const lps = flags.lps ?? String(Math.min(partition.vps, DEFAULT_LPS_MAX));
  return { machine: withFlags(defaultMachine(), { idle: idleOf(partition), ...flags, lps }), guest: partition };
};
const restoredGuest = (file: string, flags: RunFlags): Pick<RunRequest, 'machine' | 'guest'> => {
  const { restore, config } = restored(file, { ...flags, pin: false });
  const { length } = restore.partitions;
  if (length !== 1)
    throw new HvdError('snapshot.field', { file, field: 'partitions', why: `there are ${length}, and hvd run has 1: use hvd start` });
  return { machine: config, guest: restore };
};

/** The world outside has the host's time: a guest that waits for it must not be ahead. */
const idleOf = ({ devices = [] }: PartitionConfig): 'skip' | 'pace' =>
  devices.some((device) => device.kind === 'network' && device.to === 'user') ? 'pace' : 'skip';

/** Disks by flags that a BIOS finds without a driver of its own. */
const IDE_DRIVES = 2;
/** What a partition has that nobody said more of. */
const DEFAULTS = { name: 'guest', vps: 1, memory: '256M' };

/** A file, or by name an image that `hvd images` prepared: flags change what its partition file says, and add to its command line. */
const partitionOf = (image: string | undefined, flags: RunFlags): PartitionConfig => {
  if (image === undefined && flags.bios === undefined) throw new HvdError('usage', { what: 'expected an image, or --bios with a ROM' });
  const prepared = image === undefined ? undefined : preparedImage(image);
  const base = prepared === undefined ? { ...DEFAULTS, ...(image === undefined ? {} : { image }) } : readPartitionFile(prepared);
  const append = 'append' in base ? [base.append, flags.append].filter((part) => part !== undefined).join(' ') : flags.append;
  const config = {
    ...base,
    ...(flags.vps === undefined ? {} : { vps: numeric(flags.vps) }),
    ...(flags.memory === undefined ? {} : { memory: flags.memory }),
    ...(flags.cpu === undefined ? {} : { cpu: flags.cpu }),
    ...(flags.hv === undefined ? {} : { hv: { features: flags.hv } }),
    ...(append === undefined ? {} : { append }),
    ...(flags.initrd === undefined ? {} : { initrd: resolve(flags.initrd) }),
    ...(flags.bios === undefined ? {} : { bios: resolve(flags.bios) }),
    ...(flags.videoBios === undefined ? {} : { 'video-bios': resolve(flags.videoBios) }),
    ...withDevices('devices' in base ? base.devices : undefined, flags, flags.bios !== undefined || 'bios' in base ? IDE_DRIVES : 0),
    ...(flags.testdev === true ? { testdev: true } : {}),
    ...(flags.superMode === undefined ? {} : { 'super-mode': flags.superMode }),
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
