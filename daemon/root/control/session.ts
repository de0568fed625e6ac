// One client's connection: hello first, then requests in order, answered in order. Whatever it sends, only this connection can suffer.
import type { Socket } from 'node:net';
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

/** Requests that one client may have waiting; more are not read until these are answered. */
export const REQUESTS_MAX = 64;
/** How long a connection may take to say hello, ms. */
export const HELLO_LIMIT_MS = 10_000;

export class Session {
  readonly #socket: Socket;
  readonly #service: Service;
  readonly #log: Log;
  readonly #drops: DropLog;
  readonly #outbox: Outbox;
  readonly #feeds: Feeds;
  readonly #consoles: ConsoleFeeds;
  readonly #reader = new FrameReader();
  readonly #requests: RequestFrame[] = [];
  readonly #helloTimer: NodeJS.Timeout;
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
    this.#feeds = new Feeds(service.machine, this.#outbox);
    this.#consoles = new ConsoleFeeds(service.machine, this.#outbox, service.keyboards);
    this.#helloTimer = setTimeout(() => this.#farewell(new HvdError('protocol.hello-first', { method: 'nothing' })), HELLO_LIMIT_MS);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#resume());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.end());
  }

  /** Drops the connection and its feeds. */
  end(): void {
    clearTimeout(this.#helloTimer);
    this.#feeds.stop();
    this.#consoles.stop();
    this.#requests.length = 0;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.take(chunk)) this.#requests.push(requestOf(frame));
    } catch (error) {
      this.#farewell(error);
      return;
    }
    if (this.#requests.length > REQUESTS_MAX) this.#socket.pause();
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (!this.#outbox.full && !this.#over) {
        const request = this.#requests.shift();
        if (request === undefined) break;
        await this.#serve(request);
      }
    } finally {
      this.#busy = false;
    }
    this.#resume();
  }

  #resume(): void {
    if (this.#outbox.full || this.#over || this.#socket.destroyed) return;
    if (this.#requests.length > 0) {
      if (!this.#busy) void this.#work();
      return;
    }
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  async #serve({ id, m, p }: RequestFrame): Promise<void> {
    let frame: Buffer;
    let fatal = false;
    try {
      frame = encodeFrame({ id, r: await this.#carryOut(m, p) });
    } catch (error) {
      if (!(error instanceof HvdError)) this.#log.error({ method: m, reason: reasonOf(error) }, 'request failed');
      frame = encodeFrame({ id, e: bodyOf(error) });
      fatal = !this.#greeted;
    }
    if (fatal) this.#sayLast(frame);
    else if (!this.#over) this.#outbox.answer(frame);
  }

  async #carryOut(method: string, params: unknown): Promise<unknown> {
    if (!this.#greeted && method !== 'hello') throw new HvdError('protocol.hello-first', { method });
    if (!isMethod(method)) throw new HvdError('request.unknown', { method });
    if (method === 'hello') {
      const { version } = parseParams('hello', params);
      if (version !== PROTOCOL_VERSION) throw new HvdError('protocol.version', { got: version, want: PROTOCOL_VERSION });
      this.#greeted = true;
      clearTimeout(this.#helloTimer);
      return { version: PROTOCOL_VERSION, server: `hvd ${this.#service.version}`, pid: process.pid };
    }
    if (method === 'subscribe') {
      const { stats, events } = parseParams('subscribe', params);
      this.#feeds.set(stats, events);
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
      await this.#service.machine.enter('console', input);
      return {};
    }
    const handle = HANDLERS[method] as (service: Service, params: unknown) => unknown;
    return await handle(this.#service, parseParams(method, params));
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
    this.#requests.length = 0;
    this.#feeds.stop();
    this.#consoles.stop();
    this.#socket.removeAllListeners('data');
    this.#socket.resume();
    this.#socket.end(frame, () => this.end());
  }
}

const requestOf = (frame: unknown): RequestFrame => {
  if (!isRecord(frame) || !Number.isSafeInteger(frame.id) || typeof frame.m !== 'string') throw new HvdError('protocol.not-a-request');
  return { id: frame.id as number, m: frame.m.slice(0, 64), p: frame.p };
};
