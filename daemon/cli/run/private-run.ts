// Runs one partition in a machine of its own until it ends, says the text that is waited for, or the time is up.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObservationReport } from '../../../shared/layout/observation.js';
import { ExitCause, PartitionState } from '../../../shared/layout/partition.js';
import { RunExit } from '../../../shared/protocol/errors.js';
import type { MachineConfig, MachineStats, PartitionConfig, PartitionStats } from '../../../shared/protocol/messages.js';
import { readConsole, watchConsole } from '../../root/console.js';
import { silentLog } from '../../root/log.js';
import { Machine } from '../../root/machine.js';
import { Observation, type ObservationRequest } from '../../root/observation.js';
import type { Partition } from '../../root/partition.js';
import { dumpRegisters } from '../../root/registers.js';
import { hasEnded } from '../../root/stats.js';
import type { TraceSink } from './answer-file.js';
import { memoryHash, traceHash } from './hashes.js';

export interface RunRequest {
  readonly machine: MachineConfig;
  readonly partition: PartitionConfig;
  /** COM1 ends the run by saying this. */
  readonly until: string | undefined;
  /** In the host's time. */
  readonly timeoutMs: number;
  /** In the partition's own time; Infinity: no end. */
  readonly runForMs: number;
  /** A write to the debug-exit port gives the exit status. */
  readonly debugExit: boolean;
  readonly hash: boolean;
  /** COM1 as it comes. */
  readonly onOutput: (bytes: Uint8Array) => void;
  /** What to find out beyond the counters. */
  readonly observe?: ObservationRequest | undefined;
  /** Takes the trace as it comes. */
  readonly traceSink?: TraceSink | undefined;
  /** Ends the run from outside. */
  readonly signal: AbortSignal;
  readonly workerFile?: string | undefined;
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
const INTERRUPTED = 130;

export const runPrivately = async (request: RunRequest): Promise<RunResult> => {
  const machine = await Machine.start({ config: { ...request.machine, partitions: [] }, log: silentLog(), workerFile: request.workerFile });
  let draining: NodeJS.Timeout | undefined;
  try {
    const observation = request.observe && new Observation(machine.memory.lps.length, request.observe);
    const partition = await machine.add({ ...request.partition, autostart: false }, observation?.observe);
    if (request.until !== undefined) watchConsole(partition, Buffer.from(request.until));
    if (request.runForMs !== Number.POSITIVE_INFINITY) partition.body.header.endNsNum = Math.ceil(request.runForMs * 1e6);
    const drain = (): void => {
      const text = observation?.takeTrace();
      if (text !== undefined && text.length > 0) request.traceSink?.write(text);
    };
    draining = observation && setInterval(() => request.traceSink?.isReady === true && drain(), POLL_MS);
    const startedAt = performance.now();
    await machine.partitions.start(partition.name);
    const lost = await watch(partition, request, startedAt);
    const elapsedMs = Math.round(performance.now() - startedAt);
    const ended = hasEnded(partition.body.state);
    await (ended ? machine.partitions.settled(partition.name) : machine.partitions.stop(partition.name));
    const cause = ended ? causeOf(partition) : request.signal.aborted ? 'interrupted' : 'timeout';
    // The host's time ends a run each time elsewhere: a hash of that says nothing.
    const hash = request.hash && (ended || request.machine.clock !== 'deterministic');
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
    await machine.partitions.destroy(partition.name);
    drain();
    return { ...result, observed: { report: observation.report(), stats, traced: observation.traced, traceLost: observation.traceLost } };
  } finally {
    clearInterval(draining);
    await machine.stop();
  }
};

/** Passes COM1 on until the run is over; returns how many bytes of it were lost. */
const watch = async (partition: Partition, request: RunRequest, startedAt: number): Promise<number> => {
  let position = 0;
  let lost = 0;
  for (;;) {
    // The state first: what the guest said before it ended is then in the log.
    const over = hasEnded(partition.body.state) || request.signal.aborted || performance.now() - startedAt >= request.timeoutMs;
    const chunk = readConsole(partition, position);
    position = chunk.next;
    lost += chunk.lost;
    if (chunk.bytes.length > 0) request.onOutput(chunk.bytes);
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
      return INTERRUPTED;
    default:
      return RunExit.OK;
  }
};
