// What is on its way to one client. Answers always go out, those of one turn in one piece; statistics and events are dropped while the client does not read, and it is told how many.
import type { Socket } from 'node:net';
import { encodeFrame } from '../../../shared/protocol/frames.js';
import type { Events } from '../../../shared/protocol/messages.js';

/** Bytes that may wait for a slow reader before event frames are dropped. */
export const EVENT_BACKLOG_MAX = 1 << 20;
/** Bytes that may wait before no more requests are read from the client. */
export const ANSWER_BACKLOG_MAX = 4 << 20;
/** Bytes of answers that are collected. */
const PIECE_MAX = 1 << 16;

export class Outbox {
  readonly #socket: Socket;
  #answers: Buffer[] = [];
  #bytes = 0;
  #dropped = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** True while the client has so much to read that it gets no further answers. */
  get full(): boolean {
    return this.#socket.writableLength > ANSWER_BACKLOG_MAX;
  }

  /** Goes out with the next `flush`, which whoever answers calls before it waits for anything. */
  answer(frame: Buffer): void {
    this.#answers.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes >= PIECE_MAX) this.flush();
  }
  flush(): void {
    const answers = this.#answers;
    if (answers.length === 0) return;
    this.#answers = [];
    this.#bytes = 0;
    if (this.#socket.writable) this.#socket.write(answers.length === 1 ? answers[0]! : Buffer.concat(answers));
  }
  /** Sends the last frame of all and closes this direction; `done` when it is out. */
  end(frame: Buffer, done: () => void): void {
    this.flush();
    this.#socket.end(frame, done);
  }

  /** Sends an event frame if there is room for it. */
  offer<E extends keyof Events>(ev: E, d: Events[E]): boolean {
    if (!this.#hasRoom()) return false;
    const frame = eventFrame(ev, d);
    if (frame !== undefined) this.#send(frame);
    return frame !== undefined;
  }

  /** Sends an event frame (`eventFrame`), or counts it as dropped. `lost`: records lost before it got here. */
  event(frame: Buffer | undefined, lost = 0): void {
    this.#dropped += lost;
    if (!this.#socket.writable) return;
    if (frame === undefined || !this.#hasRoom()) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0) {
      this.#send(encodeFrame({ ev: 'dropped', d: { count: this.#dropped } }));
      this.#dropped = 0;
    }
    this.#send(frame);
  }

  #hasRoom(): boolean {
    return this.#socket.writable && this.#socket.writableLength <= EVENT_BACKLOG_MAX;
  }
  // What is answered already comes first.
  #send(frame: Buffer): void {
    this.flush();
    this.#socket.write(frame);
  }
}

/** Undefined for one that is too long for a frame: it is lost like one that nobody reads, for there is no request whose answer could say so. */
export const eventFrame = <E extends keyof Events>(ev: E, d: Events[E]): Buffer | undefined => {
  try {
    return encodeFrame({ ev, d });
  } catch {
    return undefined;
  }
};
