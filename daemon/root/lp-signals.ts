// How root gets an LP's attention: its doorbell for one that sleeps, the kick words of every partition for one that runs guest code.
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { LpLayout } from '../../shared/layout/machine.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { MachineMemory } from './machine-memory.js';

export class LpSignals {
  readonly #memory: MachineMemory;
  readonly #partitions = new Set<Views>();

  constructor(memory: MachineMemory) {
    this.#memory = memory;
  }

  /** From now on `ring` kicks LPs out of this partition's guest code too. */
  add(partition: Views): void {
    this.#partitions.add(partition);
  }

  remove(partition: Views): void {
    this.#partitions.delete(partition);
  }

  /**
   * Makes the LP look at the mailbox, the partition states and its queue. `starting`: a partition whose guest code an LP may be in only because it has seen already
   * what it is rung for. It is not taken out of it again: where it leaves guest code would hang on the host's timing, and with it the course of a deterministic run.
   */
  ring(lp: number, starting?: Views): void {
    for (const partition of this.#partitions) {
      if (partition === starting) continue;
      const { i32 } = partition;
      const kick = (lpContextAt(lp) + LpContextLayout.at.kick) >>> 2;
      Atomics.store(i32, kick, KICKED);
      Atomics.notify(i32, kick);
    }
    const { i32 } = this.#memory.views;
    const doorbell = (this.#memory.lps[lp]!.base + LpLayout.at.doorbell) >>> 2;
    Atomics.add(i32, doorbell, 1);
    Atomics.notify(i32, doorbell);
  }

  ringAll(starting?: Views): void {
    for (let lp = 0; lp < this.#memory.lps.length; lp++) this.ring(lp, starting);
  }
}
