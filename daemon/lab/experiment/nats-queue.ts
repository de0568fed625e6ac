// Cells for workers on other hosts, through NATS JetStream: a work queue of cells, a stream of results. A cell is delivered until somebody acknowledges it, and it is acknowledged
// after its result has been stored: a worker that is killed in the middle loses nothing, and a cell that is done twice gives the same result twice.
// The packages are optional: whoever needs no NATS needs none of them.

import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamClient, JetStreamManager, JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { hvdVersion } from '../../root/version.js';
import { CELL_TRIES, CellChild, failedCell } from './cell-pool.js';
import { readResult } from './cell-result.js';
import { type Cell, isWholeCell } from './matrix.js';
import type { CellResult } from './run-cell.js';

const CELLS = 'HVD_CELLS';
const RESULTS = 'HVD_RESULTS';
/** Another version of hvd would come to other numbers: its workers have a queue of their own. */
const VERSION = hvdVersion().replaceAll(/[^A-Za-z0-9_-]/g, '_');
const WORKERS = `hvd-workers-${VERSION}`;
const CELL_SUBJECTS = `hvd.cells.${VERSION}`;
/** A cell whose worker has not been heard of for so long is another's. */
const ACK_WAIT_MS = 15_000;
const FETCH_MS = 2_000;
/** Between two tries while the server is away. */
const RETRY_MS = 1_000;
/** Results are kept for whoever comes late, a day. */
const RESULTS_AGE_MS = 86_400_000;

interface Queue {
  readonly connection: NatsConnection;
  readonly stream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly library: typeof import('@nats-io/jetstream');
}

/** Throws nats.absent, nats.unreachable. */
const open = async (url: string): Promise<Queue> => {
  let transport: typeof import('@nats-io/transport-node');
  let library: typeof import('@nats-io/jetstream');
  try {
    [transport, library] = await Promise.all([import('@nats-io/transport-node'), import('@nats-io/jetstream')]);
  } catch (error) {
    throw new HvdError('nats.absent', { why: reasonOf(error) }, error);
  }
  let connection: NatsConnection | undefined;
  try {
    connection = await transport.connect({ servers: url, maxReconnectAttempts: -1 });
    const manager = await library.jetstreamManager(connection);
    const { RetentionPolicy, AckPolicy } = library;
    await manager.streams.add({ name: CELLS, subjects: ['hvd.cells.>'], retention: RetentionPolicy.Workqueue, duplicate_window: 120e9 });
    await manager.streams.add({ name: RESULTS, subjects: ['hvd.results.>'], max_age: RESULTS_AGE_MS * 1e6, duplicate_window: 120e9 });
    await manager.consumers.add(CELLS, {
      durable_name: WORKERS,
      filter_subject: `${CELL_SUBJECTS}.>`,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_MS * 1e6,
      max_deliver: -1,
    });
    return { connection, manager, library, stream: library.jetstream(connection) };
  } catch (error) {
    await connection?.close();
    throw new HvdError('nats.unreachable', { url, why: reasonOf(error) }, error);
  }
};

/** Does it until it is done: the server may be away for a while. Told once. Rejects when `signal` ends it. */
const insist = async <T>(act: () => Promise<T>, signal: AbortSignal, tell: (text: string) => void): Promise<T> => {
  for (let tries = 0; ; tries++)
    try {
      return await act();
    } catch (error) {
      signal.throwIfAborted();
      if (tries === 0) tell(`the queue does not answer: ${reasonOf(error)}`);
      await sleep(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
};

export interface QueueOptions {
  readonly url: string;
  /** Cells and results of the same experiment have it in common. */
  readonly run: string;
  readonly tell: (result: CellResult) => void;
  readonly complain: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Has the cells done by whoever works at that queue. Rejects when `signal` ends it. */
export const queueCells = async (cells: readonly Cell[], { url, run, tell, complain, signal }: QueueOptions): Promise<void> => {
  const { connection, stream, manager, library } = await open(url);
  const close = (): void => void connection.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    const waiting = new Map(cells.map((cell) => [cell.id, cell]));
    const publish = (cell: Cell, msgID: string): Promise<unknown> =>
      insist(() => stream.publish(`${CELL_SUBJECTS}.${run}.${cell.id}`, JSON.stringify({ run, cell }), { msgID }), signal, complain);
    const { state } = await manager.streams.info(RESULTS);
    const consumer = await stream.consumers.get(RESULTS, {
      filter_subjects: `hvd.results.${run}.>`,
      deliver_policy: library.DeliverPolicy.All,
    });
    // What somebody has queued and nobody has done yet is not queued again while the server remembers it; a cell that is done twice does no harm.
    for (const cell of cells) await publish(cell, `${run}.${cell.id}`);
    const messages = await consumer.consume();
    for await (const message of messages) {
      const id = message.subject.split('.').at(-1)!;
      const cell = waiting.get(id);
      const result = cell && readResult(message.string(), id);
      if (result === undefined) continue;
      if (result.state !== 'done' && message.seq <= state.last_seq) {
        // An earlier run's failure: the cell has another chance.
        await publish(cell!, `${run}.${id}.${message.seq}`);
        continue;
      }
      waiting.delete(id);
      tell(result);
      if (waiting.size === 0) break;
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', close);
    await connection.close();
  }
};

export interface WorkerOptions {
  readonly url: string;
  readonly jobs: number;
  /** Ends when there has been nothing to do for so long; Infinity: never. */
  readonly idleMs: number;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Takes cells from the queue and does them, until the signal. */
export const workAt = async ({ url, jobs, idleMs, tell, signal }: WorkerOptions): Promise<void> => {
  const { connection, stream } = await open(url);
  const next = async (): Promise<JsMsg | null> => (await stream.consumers.get(CELLS, WORKERS)).next({ expires: FETCH_MS });
  const work = async (): Promise<void> => {
    let child: CellChild | undefined;
    let idleSince = performance.now();
    try {
      while (!signal.aborted && performance.now() - idleSince < idleMs) {
        const message = await insist(next, signal, tell);
        if (message === null) continue;
        const job = jobOf(message);
        if (job === undefined) {
          message.term();
          tell(`${message.subject}: no cell of hvd ${hvdVersion()}; left out`);
          continue;
        }
        child ??= new CellChild(signal);
        const alive = setInterval(() => message.working(), ACK_WAIT_MS / 3);
        try {
          let result = await child.run(job.cell);
          if (result === undefined) {
            const { reason } = child;
            child = undefined;
            // It is delivered again, to this worker or another. Whoever is told to end has killed its process itself.
            if (signal.aborted || message.info.deliveryCount < CELL_TRIES) {
              message.nak();
              continue;
            }
            result = failedCell(job.cell, `its process ended ${CELL_TRIES} times: ${reason}`);
          }
          await store(job.run, result, message);
        } finally {
          clearInterval(alive);
        }
        idleSince = performance.now();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      child?.end();
    }
  };
  const store = async (run: string, result: CellResult, message: JsMsg): Promise<void> => {
    const { id, seed, state, host, why } = result;
    const msgID = `${run}.${id}.${message.seq}`;
    await insist(() => stream.publish(`hvd.results.${run}.${id}`, JSON.stringify(result), { msgID }), signal, tell);
    // Not heard of by the server, it is done again.
    await message.ackAck().catch(() => false);
    tell(`${id} seed=${seed}: ${state === 'done' ? `${host.runMs} ms` : `${state}: ${why}`}`);
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    await connection.close();
  }
};

/** Undefined: nothing of ours; nobody can do it. */
const jobOf = (message: JsMsg): { readonly run: string; readonly cell: Cell } | undefined => {
  try {
    const job = message.json<{ readonly run: unknown; readonly cell: unknown } | null>();
    return job !== null && typeof job.run === 'string' && /^[0-9a-f]{16}$/.test(job.run) && isWholeCell(job.cell)
      ? { run: job.run, cell: job.cell }
      : undefined;
  } catch {
    return undefined;
  }
};
