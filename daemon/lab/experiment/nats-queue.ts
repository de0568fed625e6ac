// Cells for workers on other hosts, through NATS JetStream: a work queue of cells, a stream of results. A cell is delivered until somebody acknowledges it, and it is acknowledged
// after its result has been stored: a worker that is killed in the middle loses nothing, and a cell that is done twice gives the same result twice.
// The packages are optional: whoever needs no NATS needs none of them.
import type { JetStreamClient, JetStreamManager, JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { CELL_TRIES, CellChild, failedCell } from './cell-pool.js';
import type { Cell } from './matrix.js';
import type { CellResult } from './run-cell.js';

const CELLS = 'HVD_CELLS';
const RESULTS = 'HVD_RESULTS';
const WORKERS = 'hvd-workers';
/** A cell whose worker has not been heard of for so long is another's. */
const ACK_WAIT_MS = 15_000;
const FETCH_MS = 2_000;
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
  try {
    const connection = await transport.connect({ servers: url, maxReconnectAttempts: -1 });
    const manager = await library.jetstreamManager(connection);
    const { RetentionPolicy, AckPolicy } = library;
    await manager.streams.add({ name: CELLS, subjects: ['hvd.cells.>'], retention: RetentionPolicy.Workqueue, duplicate_window: 120e9 });
    await manager.streams.add({ name: RESULTS, subjects: ['hvd.results.>'], max_age: RESULTS_AGE_MS * 1e6, duplicate_window: 120e9 });
    await manager.consumers.add(CELLS, {
      durable_name: WORKERS,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_MS * 1e6,
      max_deliver: -1,
    });
    return { connection, manager, library, stream: library.jetstream(connection) };
  } catch (error) {
    throw new HvdError('nats.unreachable', { url, why: reasonOf(error) }, error);
  }
};

/** Has the cells done by whoever works at that queue. `run`: cells and results of the same experiment have it in common. Rejects when `signal` ends it. */
export const queueCells = async (
  cells: readonly Cell[],
  {
    url,
    run,
    tell,
    signal,
  }: { readonly url: string; readonly run: string; readonly tell: (result: CellResult) => void; readonly signal: AbortSignal },
): Promise<void> => {
  const { connection, stream, library } = await open(url);
  const close = (): void => void connection.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    const wanted = new Set(cells.map(({ id }) => id));
    const consumer = await stream.consumers.get(RESULTS, {
      filter_subjects: `hvd.results.${run}.>`,
      deliver_policy: library.DeliverPolicy.All,
    });
    // What somebody has queued and nobody has done yet is not queued again while the server remembers it; a cell that is done twice does no harm.
    for (const cell of cells)
      await stream.publish(`hvd.cells.${run}.${cell.id}`, JSON.stringify({ run, cell }), { msgID: `${run}.${cell.id}` });
    const messages = await consumer.consume();
    for await (const message of messages) {
      const result = message.json<CellResult>();
      if (!wanted.delete(result.id)) continue;
      tell(result);
      if (wanted.size === 0) break;
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
  const work = async (): Promise<void> => {
    const consumer = await stream.consumers.get(CELLS, WORKERS);
    let child: CellChild | undefined;
    let idleSince = performance.now();
    try {
      while (!signal.aborted && performance.now() - idleSince < idleMs) {
        const message = await consumer.next({ expires: FETCH_MS });
        if (message === null) continue;
        child ??= new CellChild(signal);
        const result = await doCell(message, child, stream);
        if (result === undefined) child = undefined;
        else
          tell(
            `${result.id} seed=${result.seed}: ${result.state === 'done' ? `${result.host.runMs} ms` : `${result.state}: ${result.why}`}`,
          );
        idleSince = performance.now();
      }
    } finally {
      child?.end();
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    await connection.close();
  }
};

const isJob = (value: unknown): value is { readonly run: string; readonly cell: Cell } =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as { run: unknown }).run === 'string' &&
  typeof (value as { cell: unknown }).cell === 'object';

/** Undefined: the process has ended; the cell is delivered again, to this worker or another. */
const doCell = async (message: JsMsg, child: CellChild, stream: JetStreamClient): Promise<CellResult | undefined> => {
  let job: unknown;
  try {
    job = message.json();
  } catch {
    job = undefined;
  }
  if (!isJob(job)) {
    // Nothing of ours: nobody can do it.
    message.term();
    return undefined;
  }
  const { run, cell } = job;
  const alive = setInterval(() => message.working(), ACK_WAIT_MS / 3);
  try {
    let result = await child.run(cell);
    if (result === undefined) {
      if (message.info.deliveryCount < CELL_TRIES) {
        message.nak();
        return undefined;
      }
      result = failedCell(cell, `its process ended ${CELL_TRIES} times: ${child.reason}`);
    }
    await stream.publish(`hvd.results.${run}.${cell.id}`, JSON.stringify(result), { msgID: `${run}.${cell.id}` });
    await message.ackAck();
    return result;
  } finally {
    clearInterval(alive);
  }
};
