// One client's connection: hello first, then requests in order, answered in order. Whatever it sends, only this connection can suffer.
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { bodyOf, HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { encodeFrame, FrameReader, isRecord } from '../../../shared/protocol/frames.js';
import { PROTOCOL_VERSION, type RequestFrame } from '../../../shared/protocol/messages.js';
import type { Log } from '../log.js';
import { ConsoleFeeds } from './console-feeds.js';
import type { DropLog } from './drop-log.js';
import { Feeds } from './feeds.js';
import { HANDLERS, type Service } from './methods.js';
import { Outbox } from './outbox.js';
import { isMethod, parseParams } from './schemas.js';

/** Values in one request, all in all: far more than any has. */
export const REQUEST_VALUES_MAX = 1 << 16;
/** How long one client's requests are carried out before the others have their turn, ms. */
const TURN_MS = 1;
/** How long a connection may take to say hello, and to read why it is closed, ms. */
export const HELLO_LIMIT_MS = 10_000;

export class Session {
  readonly #socket: Socket;
  readonly #service: Service;
  readonly #log: Log;
  readonly #drops: DropLog;
  readonly #outbox: Outbox;
  readonly #feeds: Feeds;
  readonly #consoles: ConsoleFeeds;
  /** What has come in and is not carried out yet is bytes in here. */
  readonly #reader = new FrameReader(REQUEST_VALUES_MAX);
  #timer: NodeJS.Timeout;
  #greeted = false;
  #busy = false;
  /** The last word has been said: nothing more is read or carried out. */
  #over = false;

  constructor(socket: Socket, service: Service, log: Log, drops: DropLog) {
    this.#socket = socket;
    this.#service = service;
    this.#log = log;
    this.#drops = drops;
    this.#outbox = new Outbox(socket);
    this.#feeds = new Feeds(service.machine, this.#outbox, service.telemetry, service.recent);
    this.#consoles = new ConsoleFeeds(service.machine, this.#outbox, service.keyboards);
    this.#timer = setTimeout(() => this.#farewell(new HvdError('protocol.hello-first', { method: 'nothing' })), HELLO_LIMIT_MS);
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      this.#work();
    });
    socket.on('drain', () => this.#work());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.end());
  }

  /** Drops the connection and its feeds. */
  end(): void {
    clearTimeout(this.#timer);
    this.#service.machine.scripts.leave(this);
    this.#feeds.stop();
    this.#consoles.stop();
    this.#over = true;
    this.#socket.destroy();
  }

  // Requests are carried out one after the other, as long as they wait for nothing; then their answers go out together.
  #work(): void {
    if (this.#busy) {
      this.#readOn();
      return;
    }
    const end = performance.now() + TURN_MS;
    try {
      while (!this.#over && !this.#outbox.full && this.#reader.isReady()) {
        const waiting = this.#serve(requestOf(this.#reader.read()));
        if (waiting !== undefined || performance.now() > end) {
          this.#goOnAfter(waiting ?? nextTurn());
          break;
        }
      }
    } catch (error) {
      this.#farewell(error);
      return;
    }
    this.#outbox.flush();
    this.#readOn();
  }
  #goOnAfter(waiting: Promise<void>): void {
    this.#busy = true;
    void waiting.then(() => {
      this.#busy = false;
      this.#work();
    });
  }

  // While whole requests wait no more is read: what a client has in here is at most a frame and a chunk.
  #readOn(): void {
    if (this.#over || this.#socket.destroyed) return;
    const waits = this.#outbox.full || (this.#busy && this.#holdsRequest());
    if (waits) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }
  #holdsRequest(): boolean {
    try {
      return this.#reader.isReady();
    } catch {
      // It will be said when its turn has come.
      return true;
    }
  }

  /** Answers, at once or when what is returned resolves. */
  #serve({ id, m, p }: RequestFrame): Promise<void> | undefined {
    try {
      const result = this.#carryOut(m, p);
      if (result instanceof Promise)
        return result.then(
          (value) => this.#succeed(id, m, value),
          (error: unknown) => this.#fail(id, m, error),
        );
      this.#succeed(id, m, result);
    } catch (error) {
      this.#fail(id, m, error);
    }
    return undefined;
  }
  #succeed(id: number, method: string, result: unknown): void {
    if (this.#over) return;
    try {
      this.#outbox.answer(encodeFrame({ id, r: result }));
    } catch (error) {
      this.#fail(id, method, error);
    }
  }
  #fail(id: number, method: string, error: unknown): void {
    if (!(error instanceof HvdError)) this.#log.error({ method, reason: reasonOf(error) }, 'request failed');
    if (this.#over) return;
    const frame = encodeFrame({ id, e: bodyOf(error) });
    if (this.#greeted) this.#outbox.answer(frame);
    else this.#sayLast(frame);
  }

  /** A promise where something has to be waited for. */
  #carryOut(method: string, params: unknown): unknown {
    if (!this.#greeted && method !== 'hello') throw new HvdError('protocol.hello-first', { method });
    if (!isMethod(method)) throw new HvdError('request.unknown', { method });
    if (method === 'hello') {
      const { version } = parseParams('hello', params);
      if (version !== PROTOCOL_VERSION) throw new HvdError('protocol.version', { got: version, want: PROTOCOL_VERSION });
      this.#greeted = true;
      clearTimeout(this.#timer);
      return { version: PROTOCOL_VERSION, server: `hvd ${this.#service.version}`, pid: process.pid };
    }
    if (method === 'subscribe') {
      this.#feeds.set(parseParams('subscribe', params));
      return {};
    }
    if (method === 'load.progress') {
      this.#service.machine.scripts.tell(this, parseParams('load.progress', params));
      return {};
    }
    if (method === 'trace') {
      this.#feeds.trace(parseParams('trace', params).on);
      return this.#service.machine.traces.describe();
    }
    if (method === 'vm.console.attach') {
      const { name, write = false, force = false } = parseParams('vm.console.attach', params);
      return { writes: this.#consoles.attach(name, write, force) };
    }
    if (method === 'vm.console.write') {
      const input = parseParams('vm.console.write', params);
      if (!this.#consoles.mayWrite(input.name)) throw new HvdError('vm.console-busy', { name: input.name });
      return this.#service.machine.enter('console', input).then(() => ({}));
    }
    const handle = HANDLERS[method] as (service: Service, params: unknown) => unknown;
    return handle(this.#service, parseParams(method, params));
  }

  // The stream cannot be understood any more: says why, then closes.
  #farewell(error: unknown): void {
    const body = bodyOf(error);
    this.#drops.note(body.code);
    this.#sayLast(encodeFrame({ id: 0, e: body }));
  }

  // What the client has sent beyond this is thrown away, also requests that have been read already.
  #sayLast(frame: Buffer): void {
    this.#over = true;
    this.#service.machine.scripts.leave(this);
    this.#feeds.stop();
    this.#consoles.stop();
    this.#socket.removeAllListeners('data');
    this.#socket.resume();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(), HELLO_LIMIT_MS);
    this.#outbox.end(frame, () => this.end());
  }
}

const requestOf = (frame: unknown): RequestFrame => {
  if (!isRecord(frame) || !Number.isSafeInteger(frame.id) || typeof frame.m !== 'string') throw new HvdError('protocol.not-a-request');
  return { id: frame.id as number, m: frame.m.slice(0, 64), p: frame.p };
};
