// What is on its way to one client. Answers always go out; statistics and events are dropped while the client does not read, and it is told how many.
import type { Socket } from 'node:net';
import { encodeFrame } from '../../../shared/protocol/frames.js';

/** Bytes that may wait for a slow reader before event frames are dropped. */
export const EVENT_BACKLOG_MAX = 1 << 20;
/** Bytes that may wait before no more requests are read from the client. */
export const ANSWER_BACKLOG_MAX = 4 << 20;

export class Outbox {
  readonly #socket: Socket;
  #dropped = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** True while the client has so much to read that it gets no further answers. */
  get full(): boolean {
    return this.#socket.writableLength > ANSWER_BACKLOG_MAX;
  }

  answer(frame: Buffer): void {
    if (this.#socket.writable) this.#socket.write(frame);
  }

  /** Sends an event frame if there is room for it. */
  offer(ev: string, d: unknown): boolean {
    if (!this.#socket.writable || this.#socket.writableLength > EVENT_BACKLOG_MAX) return false;
    const frame = frameOf(ev, d);
    if (frame !== undefined) this.#socket.write(frame);
    return frame !== undefined;
  }

  /** Sends an event frame, or counts it as dropped. `lost`: records lost before it got here. */
  event(ev: string, d: unknown, lost = 0): void {
    this.#dropped += lost;
    if (!this.#socket.writable) return;
    const frame = this.#socket.writableLength > EVENT_BACKLOG_MAX ? undefined : frameOf(ev, d);
    if (frame === undefined) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0) {
      this.#socket.write(encodeFrame({ ev: 'dropped', d: { count: this.#dropped } }));
      this.#dropped = 0;
    }
    this.#socket.write(frame);
  }
}

// An event that is too long for a frame is lost like one that nobody reads: there is no request whose answer could say so.
const frameOf = (ev: string, d: unknown): Buffer | undefined => {
  try {
    return encodeFrame({ ev, d });
  } catch {
    return undefined;
  }
};
