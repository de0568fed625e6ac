// Byte rings in shared memory: a log that keeps the newest bytes for any number of readers, and a queue from one writer to one reader.
// Why two: console output must never wait for a reader, console input must never lose a byte. Both are read without a lock.
//
//   +0 head i32   bytes ever written, modulo 2^32; stored (seq-cst) after the byte it counts
//   +4 tail i32   queue only: bytes ever taken, modulo 2^32
//   +8 full i32   log only: 1 once `capacity` bytes have been written (head alone cannot tell after 2^32 bytes)
//   +64 data      `capacity` bytes, a power of two; byte n lies at n mod capacity
import { assert } from '../kit/assert.js';
import { i32, struct, type Views } from './struct.js';

export const RingLayout = struct('Ring', { head: i32, tail: i32, full: i32 }, 64);
export const ringSize = (capacity: number): number => RingLayout.size + capacity;

const isPowerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/** What `ByteLog.read` found: `bytes`, the position to go on from, and how many bytes before them had already been overwritten. */
export interface LogChunk {
  readonly bytes: Uint8Array;
  readonly next: number;
  readonly lost: number;
}

/** A log: appends (one writer at a time, under its device's lock) never wait, the oldest bytes are lost. Positions count bytes ever written, modulo 2^32. */
export class ByteLog {
  private readonly views: Views;
  private readonly head: number;
  private readonly full: number;
  private readonly data: number;
  readonly capacity: number;

  constructor(views: Views, base: number, capacity: number) {
    assert(isPowerOfTwo(capacity), `ring capacity ${capacity} is no power of two`);
    this.views = views;
    this.head = (base + RingLayout.at.head) >>> 2;
    this.full = (base + RingLayout.at.full) >>> 2;
    this.data = base + RingLayout.size;
    this.capacity = capacity;
  }

  append(byte: number): void {
    const { i32: words, u8: bytes } = this.views;
    const head = words[this.head];
    bytes[this.data + (head & (this.capacity - 1))] = byte;
    const next = (head + 1) | 0;
    if (next === this.capacity) Atomics.store(words, this.full, 1);
    Atomics.store(words, this.head, next);
  }

  /** Whether the newest bytes are these; for the writer's side. */
  endsWith(bytes: Uint8Array): boolean {
    const { end } = this;
    if (this.held(end) < bytes.length) return false;
    const first = end - bytes.length;
    return bytes.every((byte, i) => this.views.u8[this.data + ((first + i) & (this.capacity - 1))] === byte);
  }

  /** Position after the newest byte. */
  get end(): number {
    return Atomics.load(this.views.i32, this.head) >>> 0;
  }

  /** Position of the oldest byte that can still be read. */
  get start(): number {
    const end = this.end;
    return (end - this.held(end)) >>> 0;
  }

  /** Copies what is there from position `from` on, at most `max` bytes. Never blocks the writer; bytes overwritten meanwhile are counted as lost. */
  read(from: number, max = this.capacity): LogChunk {
    const end = this.end;
    const held = this.held(end);
    const behind = (end - from) >>> 0;
    let lost = behind > held ? behind - held : 0;
    const first = (from + lost) >>> 0;
    const count = Math.min((end - first) >>> 0, max);
    const copy = new Uint8Array(count);
    for (let i = 0; i < count; i++) copy[i] = this.views.u8[this.data + ((first + i) & (this.capacity - 1))];
    // Whatever the writer has reached by now, plus the byte it may be storing, was unsafe to copy.
    const overrun = Math.min(count, Math.max(0, (this.end + 1 - this.capacity - first) | 0));
    lost += overrun;
    return { bytes: overrun === 0 ? copy : copy.subarray(overrun), next: (first + count) >>> 0, lost };
  }

  private held(end: number): number {
    return Atomics.load(this.views.i32, this.full) === 1 ? this.capacity - 1 : Math.min(end, this.capacity - 1);
  }
}

/** A queue: one writer, one reader (or readers that share a lock), nothing is lost: `push` refuses when full. */
export class ByteQueue {
  private readonly views: Views;
  private readonly head: number;
  private readonly tail: number;
  private readonly data: number;
  readonly capacity: number;

  constructor(views: Views, base: number, capacity: number) {
    assert(isPowerOfTwo(capacity), `ring capacity ${capacity} is no power of two`);
    this.views = views;
    this.head = (base + RingLayout.at.head) >>> 2;
    this.tail = (base + RingLayout.at.tail) >>> 2;
    this.data = base + RingLayout.size;
    this.capacity = capacity;
  }

  get length(): number {
    return (Atomics.load(this.views.i32, this.head) - Atomics.load(this.views.i32, this.tail)) >>> 0;
  }

  /** A hint by plain reads, for the reader's side: whoever pushes wakes the reader afterwards. */
  get empty(): boolean {
    return this.views.i32[this.head] === this.views.i32[this.tail];
  }

  push(byte: number): boolean {
    if (this.length >= this.capacity) return false;
    const head = this.views.i32[this.head];
    this.views.u8[this.data + (head & (this.capacity - 1))] = byte;
    Atomics.store(this.views.i32, this.head, (head + 1) | 0);
    return true;
  }

  /** Pushes as many of `bytes` as there is room for; returns how many. */
  write(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.capacity - this.length);
    const head = this.views.i32[this.head];
    for (let i = 0; i < count; i++) this.views.u8[this.data + ((head + i) & (this.capacity - 1))] = bytes[i];
    Atomics.store(this.views.i32, this.head, (head + count) | 0);
    return count;
  }

  /** Takes all that is there. */
  take(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    const tail = this.views.i32[this.tail];
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.views.u8[this.data + ((tail + i) & (this.capacity - 1))];
    Atomics.store(this.views.i32, this.tail, (tail + bytes.length) | 0);
    return bytes;
  }

  /** The oldest byte, or -1 when there is none. */
  pop(): number {
    if (this.length === 0) return -1;
    const tail = this.views.i32[this.tail];
    const byte = this.views.u8[this.data + (tail & (this.capacity - 1))];
    Atomics.store(this.views.i32, this.tail, (tail + 1) | 0);
    return byte;
  }
}
