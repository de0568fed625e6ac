// Earliest device events, published under the device lock and read without it before every entry into guest code.
// Why a sequence lock: a deadline is two words, and a reader must never see half of one. An odd sequence, or a changed one, sends the reader round again.
import { DeviceClockLayout, DeviceMap, NEVER } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';

const at = (name: keyof typeof DeviceClockLayout.at): number => (DeviceMap.CLOCK + DeviceClockLayout.at[name]) >>> 2;
const SEQUENCE = at('sequence');
const DEADLINE = at('deadline');
const RECEIVE_DUE = at('receiveDue');
const TWO_32 = 0x1_0000_0000;
/** A reader that keeps meeting writers gives up and takes the event as due: the lock will then tell. */
const TRIES = 8;

export class Deadlines {
  private readonly words: Uint32Array;
  /** Sequence at which the two below were read: while it stands they still hold, and one atomic load is enough. */
  private readAt = 1;
  /** What the last `load` has read, ns; NEVER = none. */
  deadline = 0;
  receiveDue = 0;

  constructor(views: Views) {
    this.words = views.u32;
  }

  load(): void {
    if (Atomics.load(this.words, SEQUENCE) === this.readAt) return;
    for (let i = 0; i < TRIES; i++) {
      const before = Atomics.load(this.words, SEQUENCE);
      this.deadline = Atomics.load(this.words, DEADLINE + 1) * TWO_32 + Atomics.load(this.words, DEADLINE);
      this.receiveDue = Atomics.load(this.words, RECEIVE_DUE + 1) * TWO_32 + Atomics.load(this.words, RECEIVE_DUE);
      if ((before & 1) === 0 && Atomics.load(this.words, SEQUENCE) === before) {
        this.readAt = before;
        return;
      }
    }
    this.readAt = 1;
    this.deadline = 0;
    this.receiveDue = 0;
  }

  /** Under the device lock only. */
  publish(deadline: number, receiveDue: number): void {
    const bounded = Math.min(deadline, NEVER);
    if (this.number(DEADLINE) === bounded && this.number(RECEIVE_DUE) === receiveDue) return;
    Atomics.add(this.words, SEQUENCE, 1);
    this.setNumber(DEADLINE, bounded);
    this.setNumber(RECEIVE_DUE, receiveDue);
    Atomics.add(this.words, SEQUENCE, 1);
  }

  /** Plain reads: the lock's holder is the only writer. */
  private number(index: number): number {
    return this.words[index + 1] * TWO_32 + this.words[index];
  }

  private setNumber(index: number, value: number): void {
    Atomics.store(this.words, index, value % TWO_32);
    Atomics.store(this.words, index + 1, Math.floor(value / TWO_32));
  }
}
