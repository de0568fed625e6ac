// A queue of frames in shared memory, from one writer to one reader: nothing is lost, `push` refuses when there is no room.
//
//   +0 head i32   bytes ever written, modulo 2^32; stored (seq-cst) after the frame that it counts
//   +4 tail i32   bytes ever taken
//   +64 data      `capacity` bytes, a power of two. A frame: u32 length, its bytes, padding to a multiple of 4; it may wrap round
import { assert } from '../kit/assert.js';
import type { Views } from './struct.js';

const HEADER_BYTES = 64;
export const FRAME_MAX = 1514;
export const frameQueueSize = (capacity: number): number => HEADER_BYTES + capacity;

export class FrameQueue {
  private readonly views: Views;
  private readonly head: number;
  private readonly tail: number;
  private readonly data: number;
  private readonly capacity: number;

  constructor(views: Views, base: number, capacity: number) {
    assert((capacity & (capacity - 1)) === 0, `frame queue capacity ${capacity} is no power of two`);
    this.views = views;
    this.head = base >>> 2;
    this.tail = (base + 4) >>> 2;
    this.data = base + HEADER_BYTES;
    this.capacity = capacity;
  }

  /** A hint by plain reads, for the reader's side: whoever pushes wakes the reader afterwards. */
  get empty(): boolean {
    return this.views.i32[this.head] === this.views.i32[this.tail];
  }
  /** Whether a frame of any length fits. */
  get hasRoom(): boolean {
    return this.capacity - this.used() >= spaceOf(FRAME_MAX);
  }

  push(frame: Uint8Array): boolean {
    if (this.capacity - this.used() < spaceOf(frame.length)) return false;
    const head = this.views.i32[this.head];
    this.views.u32[(this.data + this.at(head)) >>> 2] = frame.length;
    const from = this.at(head + 4);
    const first = Math.min(frame.length, this.capacity - from);
    this.views.u8.set(frame.subarray(0, first), this.data + from);
    this.views.u8.set(frame.subarray(first), this.data);
    Atomics.store(this.views.i32, this.head, (head + spaceOf(frame.length)) | 0);
    return true;
  }

  /** A copy of the oldest frame, or undefined. Why bounded: what is read may be hostile memory's; a length beyond what was pushed gives what there is. */
  pop(): Uint8Array | undefined {
    const used = this.used();
    if (used === 0) return undefined;
    const tail = this.views.i32[this.tail];
    const length = Math.min(this.views.u32[(this.data + this.at(tail)) >>> 2], used - 4);
    const frame = new Uint8Array(length);
    const from = this.at(tail + 4);
    const first = Math.min(length, this.capacity - from);
    frame.set(this.views.u8.subarray(this.data + from, this.data + from + first));
    frame.set(this.views.u8.subarray(this.data, this.data + length - first), first);
    Atomics.store(this.views.i32, this.tail, (tail + spaceOf(length)) | 0);
    return frame;
  }

  private used(): number {
    return (Atomics.load(this.views.i32, this.head) - Atomics.load(this.views.i32, this.tail)) >>> 0;
  }
  private at(position: number): number {
    return position & (this.capacity - 1);
  }
}

const spaceOf = (length: number): number => 4 + ((length + 3) & ~3);
