// Runs one partition in a machine of its own until it ends, says the text that is waited for, or the time is up.
import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCause, PartitionState } from '../../../shared/layout/partition.js';
import { RunExit } from '../../../shared/protocol/errors.js';
import type { MachineConfig, PartitionConfig, PartitionStats } from '../../../shared/protocol/messages.js';
import { readConsole } from '../../root/console.js';
import { silentLog } from '../../root/log.js';
import { Machine } from '../../root/machine.js';
import type { Partition } from '../../root/partition.js';
import { dumpRegisters } from '../../root/registers.js';
import { hasEnded } from '../../root/stats.js';
import { memoryHash, traceHash } from './hashes.js';
import { TextSearch } from './text-search.js';

export interface RunRequest {
  readonly machine: MachineConfig;
  readonly partition: PartitionConfig;
  readonly until: string | undefined;
  readonly timeoutMs: number;
  /** A write to the debug-exit port gives the exit status. */
  readonly debugExit: boolean;
  readonly hash: boolean;
  /** COM1 as it comes. */
  readonly onOutput: (bytes: Uint8Array) => void;
  /** Ends the run from outside. */
  readonly signal: AbortSignal;
  readonly workerFile?: string | undefined;
}

export type RunCause = 'until' | 'power-off' | 'debug-exit' | 'reset' | 'timeout' | 'interrupted' | 'triple-fault' | 'crashed';

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
}

const POLL_MS = 5;
const INTERRUPTED = 130;

export const runPrivately = async (request: RunRequest): Promise<RunResult> => {
  const machine = await Machine.start({ config: { ...request.machine, partitions: [] }, log: silentLog(), workerFile: request.workerFile });
  try {
    const partition = await machine.add(request.partition);
    const startedAt = performance.now();
    const { seen, lost } = await watch(partition, request, startedAt);
    const elapsedMs = Math.round(performance.now() - startedAt);
    const ended = hasEnded(partition.body.state);
    if (!ended) await machine.partitions.stop(partition.name);
    const cause = seen ? 'until' : ended ? causeOf(partition) : request.signal.aborted ? 'interrupted' : 'timeout';
    const stats = machine.stats();
    const partitionStats = stats.partitions[0]!;
    const detail = partition.body.header.exitDetail;
    return {
      cause,
      status: statusOf(cause, detail, request.debugExit),
      reason: ended ? partition.body.reason : null,
      debugExit: cause === 'debug-exit' ? detail : null,
      elapsedMs,
      instructions: partitionStats.vps.reduce((total, vp) => total + vp.instructions, 0),
      cycles: Math.max(...stats.lps.map((lp) => lp.clock)),
      consoleLost: lost,
      traceHash: request.hash ? traceHash(machine.memory) : null,
      memoryHash: request.hash ? memoryHash(partition) : null,
      registers: cause === 'triple-fault' || cause === 'crashed' ? partition.body.vps.map(dumpRegisters) : [],
      partition: partitionStats,
    };
  } finally {
    await machine.stop();
  }
};

const watch = async (partition: Partition, request: RunRequest, startedAt: number): Promise<{ seen: boolean; lost: number }> => {
  const search = request.until === undefined ? undefined : new TextSearch(request.until);
  let position = 0;
  let lost = 0;
  for (;;) {
    // The state first: what the guest said before it ended is then in the log.
    const over = hasEnded(partition.body.state) || request.signal.aborted || performance.now() - startedAt >= request.timeoutMs;
    const chunk = readConsole(partition, position);
    position = chunk.next;
    lost += chunk.lost;
    if (chunk.bytes.length > 0) {
      request.onOutput(chunk.bytes);
      if (search?.feed(chunk.bytes) === true) return { seen: true, lost };
    }
    if (over) return { seen: false, lost };
    await sleep(POLL_MS);
  }
};

const causeOf = ({ body }: Partition): RunCause => {
  switch (body.header.exitCause) {
    case ExitCause.DEBUG_EXIT:
      return 'debug-exit';
    case ExitCause.RESET:
      return 'reset';
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
