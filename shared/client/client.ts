// The typed client of the control socket, for the CLI, hvtop and programs of others:
//   const hvd = await connect(); const stats = await hvd.request('stats', {}); hvd.on('stats', show); await hvd.close();
// It does not reconnect: the caller knows whether a lost daemon is an error.
import { createConnection, type Socket } from 'node:net';
import { HvdError, reasonOf } from '../protocol/errors.js';
import { encodeFrame, FrameReader, isRecord } from '../protocol/frames.js';
import { type ErrorBody, type Events, type Method, PROTOCOL_VERSION, type Requests } from '../protocol/messages.js';
import { checkSocketPath, defaultSocket } from './socket-path.js';

export interface ConnectOptions {
  /** Path of the socket; the default one when absent. */
  readonly socket?: string | undefined;
  /** Longest wait for the connection and for each answer, ms. */
  readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: HvdError) => void;
  readonly timer: NodeJS.Timeout;
}

type Listener = (payload: never) => void;

export class HvdClient {
  /** What the daemon said of itself. */
  server: Requests['hello'][1] = { version: PROTOCOL_VERSION, server: '', pid: 0 };
  readonly #socket: Socket;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #reader = new FrameReader();
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #closed: Promise<void>;
  #nextId = 1;
  #isCorked = false;
  #ended: HvdError | undefined;

  constructor(socket: Socket, path: string, timeoutMs: number) {
    this.#socket = socket;
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => {});
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#end(new HvdError('daemon.gone'));
        resolve();
      });
    });
  }

  /** Asks and waits for the answer. Rejects with HvdError: the daemon's own, or daemon.gone, or daemon.slow. */
  request<M extends Method>(method: M, params: Requests[M][0], timeoutMs = this.#timeoutMs): Promise<Requests[M][1]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new HvdError('daemon.slow', { method, ms: timeoutMs }));
      }, timeoutMs);
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, timer });
      try {
        const frame = encodeFrame({ id, m: method, p: params });
        this.#gather();
        this.#socket.write(frame);
      } catch (error) {
        clearTimeout(timer);
        this.#waiting.delete(id);
        reject(error instanceof Error ? error : new Error(reasonOf(error)));
      }
    });
  }

  /** Calls `listener` for each event of that name (after `subscribe`); `closed` once when the connection has ended. Returns the way to stop. */
  on<E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): () => void;
  on(event: 'closed', listener: () => void): () => void;
  on(event: string, listener: Listener): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set.add(listener));
    return () => set.delete(listener);
  }

  get closed(): boolean {
    return this.#ended !== undefined;
  }

  /** Ends the connection and waits until it has ended. Requests that wait are rejected. */
  async close(): Promise<void> {
    this.#end(new HvdError('daemon.gone'));
    this.#socket.destroy();
    await this.#closed;
  }

  // What is asked in one turn of the event loop goes out in one piece.
  #gather(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      this.#socket.uncork();
    });
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.take(chunk)) this.#dispatch(frame);
    } catch (error) {
      this.#end(error instanceof HvdError ? error : new HvdError('internal', { why: reasonOf(error) }));
      this.#socket.destroy();
    }
  }

  #dispatch(frame: unknown): void {
    if (!isRecord(frame)) throw new HvdError('protocol.not-a-request');
    if (typeof frame.ev === 'string') {
      this.#emit(frame.ev, frame.d);
      return;
    }
    const error = isErrorBody(frame.e) ? HvdError.fromBody(frame.e) : undefined;
    const waiting = typeof frame.id === 'number' ? this.#waiting.get(frame.id) : undefined;
    if (waiting === undefined) {
      // An error without a request is the daemon's farewell: what we sent was not a frame to it.
      if (error !== undefined) this.#end(error);
      return;
    }
    this.#waiting.delete(frame.id as number);
    clearTimeout(waiting.timer);
    if (error !== undefined) waiting.reject(error);
    else waiting.resolve(frame.r);
  }

  #emit(event: string, payload: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(payload as never);
  }

  #end(error: HvdError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(error);
    }
    this.#waiting.clear();
    this.#emit('closed', undefined);
  }

  get path(): string {
    return this.#path;
  }
}

const isErrorBody = (value: unknown): value is ErrorBody =>
  isRecord(value) && typeof value.code === 'string' && typeof value.message === 'string';

/** Connects and says hello. Rejects with daemon.absent when nothing listens, protocol.version when the daemon speaks another version. */
export const connect = async (options: ConnectOptions = {}): Promise<HvdClient> => {
  const path = options.socket ?? defaultSocket();
  checkSocketPath(path);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const client = new HvdClient(await open(path, timeoutMs), path, timeoutMs);
  try {
    client.server = await client.request('hello', { version: PROTOCOL_VERSION });
    if (client.server.version !== PROTOCOL_VERSION) {
      throw new HvdError('protocol.version', { got: client.server.version, want: PROTOCOL_VERSION });
    }
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
};

const open = (path: string, timeoutMs: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    const timer = setTimeout(() => socket.destroy(new Error('timeout')), timeoutMs);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(new HvdError('daemon.absent', { socket: path }, error));
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
