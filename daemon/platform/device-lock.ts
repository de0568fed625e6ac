// The lock of one partition's devices: a futex in the partition header, held only for the length of one device access, by LPs only.
// Reference: U. Drepper, Futexes Are Tricky, mutex 2.
import { PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';

const FREE = 0;
const HELD = 1;
/** Held, and somebody sleeps. */
const CONTENDED = 2;
/** Looks at the word before sleeping: a holder is done in well under a microsecond, unless the host took its core. */
const SPINS = 64;

export class DeviceLock {
  private readonly words: Int32Array;
  private readonly index: number;

  constructor(views: Views) {
    this.words = views.i32;
    this.index = (PartitionMap.HEADER + PartitionLayout.at.deviceLock) >>> 2;
  }

  lock(): void {
    if (Atomics.compareExchange(this.words, this.index, FREE, HELD) !== FREE) this.lockContended();
  }

  unlock(): void {
    if (Atomics.exchange(this.words, this.index, FREE) === CONTENDED) Atomics.notify(this.words, this.index, 1);
  }

  /** For root, after the worker that may hold the lock has died: opens it so that no other LP sleeps for ever. The partition is crashed by then. */
  breakOpen(): void {
    Atomics.store(this.words, this.index, FREE);
    Atomics.notify(this.words, this.index);
  }

  private lockContended(): void {
    for (let i = 0; i < SPINS; i++) {
      if (Atomics.load(this.words, this.index) === FREE && Atomics.compareExchange(this.words, this.index, FREE, HELD) === FREE) return;
    }
    // Leaves CONTENDED even when it finds the word free: at most one needless notify follows, never a lost one.
    while (Atomics.exchange(this.words, this.index, CONTENDED) !== FREE) Atomics.wait(this.words, this.index, CONTENDED);
  }
}
