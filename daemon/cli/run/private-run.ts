// Runs one partition in a machine of its own until it ends, says the text that is waited for, or the time is up.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObservationReport } from '../../../shared/layout/observation.js';
import { ExitCause, PartitionState } from '../../../shared/layout/partition.js';
import { HvdError, RunExit } from '../../../shared/protocol/errors.js';
import type { MachineConfig, MachineStats, PartitionConfig, PartitionStats } from '../../../shared/protocol/messages.js';
import { readCosts } from '../../root/config/machine-file.js';
import { readConsole, readFirmwareLog } from '../../root/console.js';
import { debugServiceOf } from '../../root/gdb/debug-service.js';
import type { Bits } from '../../root/gdb/register-set.js';
import { GdbServer } from '../../root/gdb/server.js';
import { silentLog } from '../../root/log.js';
import { Machine } from '../../root/machine.js';
import { Observation, type ObservationRequest } from '../../root/observation.js';
import type { Partition } from '../../root/partition.js';
import { memoryHash, traceHash } from '../../root/record/hashes.js';
import { Recorder } from '../../root/record/recorder.js';
import { dumpRegisters } from '../../root/registers.js';
import type { SnapshotScan } from '../../root/snapshot/scan.js';
import { hasEnded } from '../../root/stats.js';
import type { TraceSink } from './answer-file.js';

export interface RunRequest {
  readonly machine: MachineConfig;
  /** A new one, or a machine that has one already. */
  readonly guest: PartitionConfig | SnapshotScan;
  /** COM1 ends the run by saying this. */
  readonly until: string | undefined;
  /** In the host's time. */
  readonly timeoutMs: number;
  /** In the partition's own time; Infinity: no end. */
  readonly runForMs: number;
  /** A write to the debug-exit port gives the exit status. */
  readonly debugExit: boolean;
  readonly hash: boolean;
  /** Where the course is recorded. */
  readonly record?: { readonly file: string; readonly embed: boolean } | undefined;
  /** COM1 as it comes. */
  readonly onOutput: (bytes: Uint8Array) => void;
  /** What firmware says on its debug port. */
  readonly onFirmware?: ((bytes: Uint8Array) => void) | undefined;
  /** What to find out beyond the counters. */
  readonly observe?: ObservationRequest | undefined;
  /** Takes the trace as it comes. */
  readonly traceSink?: TraceSink | undefined;
  /** Ends the run from outside. */
  readonly signal: AbortSignal;
  readonly workerFile?: string | undefined;
  /** The first instruction waits for a debugger. */
  readonly gdb?:
    | { readonly address: number | string; readonly bits?: Bits | undefined; readonly onListening: (address: string) => void }
    | undefined;
}

export type RunCause = 'until' | 'power-off' | 'debug-exit' | 'reset' | 'time-up' | 'timeout' | 'interrupted' | 'triple-fault' | 'crashed';

export interface RunResult {
  readonly cause: RunCause;
  /** Exit status of the process. */
  readonly status: number;
  readonly reason: string | null;
  /** Value written to the debug-exit port. */
  readonly debugExit: number | null;
  readonly elapsedMs: number;
  readonly instructions: number;
  /** Highest LP clock. */
  readonly cycles: number;
  /** Bytes of COM1 that were overwritten before they could be read. */
  readonly consoleLost: number;
  readonly traceHash: string | null;
  readonly memoryHash: string | null;
  /** Of each VP, where the guest ended badly. */
  readonly registers: readonly string[];
  readonly partition: PartitionStats;
  readonly observed: Observed | undefined;
}

/** What was found out. */
export interface Observed {
  readonly report: ObservationReport;
  readonly stats: MachineStats;
  readonly traced: number;
  readonly traceLost: number;
}

const POLL_MS = 5;

export const runPrivately = async (request: RunRequest): Promise<RunResult> => {
  const config = { ...request.machine, partitions: [] };
  const restore = 'head' in request.guest ? request.guest : undefined;
  const costs = restore?.head.costs ?? readCosts();
  const recorder = request.record && new Recorder({ ...request.record, what: 'run', config, costs, restore });
  const result = await runIn(request, config, recorder);
  // Its end is written when the machine stops.
  if (recorder?.failure !== undefined) throw new HvdError('recording.write', { file: recorder.file, why: recorder.failure });
  return result;
};

const runIn = async (request: RunRequest, config: MachineConfig, recorder: Recorder | undefined): Promise<RunResult> => {
  const restore = 'head' in request.guest ? request.guest : undefined;
  const machine = await Machine.start({ config, log: silentLog(), workerFile: request.workerFile, recorder, restore });
  let draining: NodeJS.Timeout | undefined;
  let gdb: GdbServer | undefined;
  try {
    const observation = request.observe && new Observation(machine.memory.lps.length, request.observe);
    const endNs = request.runForMs === Number.POSITIVE_INFINITY ? undefined : Math.ceil(request.runForMs * 1e6);
    const partition =
      'head' in request.guest
        ? machine.partitions.all[0]!
        : await machine.enter(
            'vm.create',
            { config: { ...request.guest, autostart: false }, until: request.until, endNs },
            { observe: observation?.observe },
          );
    // What it had said before is not said again.
    const heard = restore === undefined ? 0 : readConsole(partition, 0).next;
    const drain = (): void => {
      const text = observation?.takeTrace();
      if (text !== undefined && text.length > 0) request.traceSink?.write(text);
    };
    draining = observation && setInterval(() => request.traceSink?.isReady === true && drain(), POLL_MS);
    const startedAt = performance.now();
    gdb = await begin(machine, partition, request);
    const lost = await watch(partition, request, startedAt, heard);
    const elapsedMs = Math.round(performance.now() - startedAt);
    const ended = hasEnded(partition.body.state);
    await (ended ? machine.partitions.settled(partition.name) : machine.enter('vm.stop', { name: partition.name }));
    const cause = ended ? causeOf(partition) : request.signal.aborted ? 'interrupted' : 'timeout';
    // The host's time ends a run each time elsewhere: a hash of that says nothing.
    const hash = request.hash && (ended || recorder !== undefined || request.machine.clock !== 'deterministic');
    const stats = machine.stats();
    const partitionStats = stats.partitions[0]!;
    const detail = partition.body.header.exitDetail;
    const result = {
      cause,
      status: statusOf(cause, detail, request.debugExit),
      reason: ended ? partition.body.reason : null,
      debugExit: cause === 'debug-exit' ? detail : null,
      elapsedMs,
      instructions: partitionStats.vps.reduce((total, vp) => total + vp.instructions, 0),
      cycles: Math.max(...stats.lps.map((lp) => lp.clock)),
      consoleLost: lost,
      traceHash: hash ? traceHash(machine.memory) : null,
      memoryHash: hash ? memoryHash(partition) : null,
      registers: cause === 'triple-fault' || cause === 'crashed' ? partition.body.vps.map(dumpRegisters) : [],
      partition: partitionStats,
    };
    if (observation === undefined) return { ...result, observed: undefined };
    // The LPs write their reports when they are told to forget the partition.
    await machine.enter('vm.destroy', { name: partition.name });
    drain();
    return { ...result, observed: { report: observation.report(), stats, traced: observation.traced, traceLost: observation.traceLost } };
  } finally {
    clearInterval(draining);
    await gdb?.close();
    await machine.stop();
  }
};

/** Starts the partition: at once, or held at its first instruction when a debugger has come. */
const begin = async (machine: Machine, partition: Partition, { gdb, signal }: RunRequest): Promise<GdbServer | undefined> => {
  const start = (): Promise<unknown> => machine.enter('vm.start', { name: partition.name });
  if (gdb === undefined) {
    const { state } = partition.body;
    if (state === PartitionState.CREATED) await start();
    else if (state === PartitionState.PAUSED) await machine.enter('vm.resume', { name: partition.name });
    return undefined;
  }
  let came: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    came = resolve;
  });
  const service = debugServiceOf(machine, silentLog(), { bits: gdb.bits }, async ({ body }) => {
    if (body.state === PartitionState.CREATED) await start();
    came();
  });
  const server = await GdbServer.listen(gdb.address, service);
  gdb.onListening(server.address);
  signal.addEventListener('abort', () => came(), { once: true });
  if (!signal.aborted) await begun;
  return server;
};

/** Passes COM1 on until the run is over; returns how many bytes of it were lost. */
const watch = async (partition: Partition, request: RunRequest, startedAt: number, from: number): Promise<number> => {
  let position = from;
  let lost = 0;
  let said = 0;
  for (;;) {
    // The state first: what the guest said before it ended is then in the log.
    const over = hasEnded(partition.body.state) || request.signal.aborted || performance.now() - startedAt >= request.timeoutMs;
    const chunk = readConsole(partition, position);
    position = chunk.next;
    lost += chunk.lost;
    if (chunk.bytes.length > 0) request.onOutput(chunk.bytes);
    if (request.onFirmware !== undefined) {
      const { bytes, next } = readFirmwareLog(partition, said);
      said = next;
      if (bytes.length > 0) request.onFirmware(bytes);
    }
    if (over) return lost;
    await sleep(POLL_MS);
  }
};

const causeOf = ({ body }: Partition): RunCause => {
  switch (body.header.exitCause) {
    case ExitCause.DEBUG_EXIT:
      return 'debug-exit';
    case ExitCause.RESET:
      return 'reset';
    case ExitCause.TEXT_SEEN:
      return 'until';
    case ExitCause.TIME_UP:
      return 'time-up';
    case ExitCause.TRIPLE_FAULT:
      return 'triple-fault';
    // By a debugger.
    case ExitCause.STOPPED:
      return 'interrupted';
    default:
      return body.state === PartitionState.POWERED_OFF ? 'power-off' : 'crashed';
  }
};

const statusOf = (cause: RunCause, detail: number, debugExit: boolean): number => {
  switch (cause) {
    case 'debug-exit':
      return debugExit ? ((detail << 1) | 1) & 0xff : RunExit.OK;
    case 'time-up':
    case 'timeout':
      return RunExit.TIMEOUT;
    case 'triple-fault':
      return RunExit.TRIPLE_FAULT;
    case 'crashed':
      return RunExit.CRASHED;
    case 'interrupted':
      return RunExit.INTERRUPTED;
    default:
      return RunExit.OK;
  }
};
