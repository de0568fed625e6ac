// How root gets an LP's attention: its doorbell for one that sleeps, the kick words of every partition for one that runs guest code.
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { ClockMode, LpLayout } from '../../shared/layout/machine.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { MachineMemory } from './machine-memory.js';

export class LpSignals {
  readonly #memory: MachineMemory;
  readonly #partitions = new Set<Views>();

  /** Every LP that is rung is kicked out of guest code. */
  readonly #kicks: boolean;

  constructor(memory: MachineMemory) {
    this.#memory = memory;
    this.#kicks = memory.header.clockMode !== ClockMode.DETERMINISTIC;
  }

  /** From now on `ring` kicks LPs out of this partition's guest code too. */
  add(partition: Views): void {
    this.#partitions.add(partition);
  }

  remove(partition: Views): void {
    this.#partitions.delete(partition);
  }

  /** Makes the LP look at the mailbox, the partition states and its queue. In deterministic mode at the end of its run: elsewhere the course would hang on the host's timing. */
  ring(lp: number): void {
    if (this.#kicks) this.#kick(lp);
    const { i32 } = this.#memory.views;
    const doorbell = (this.#memory.lps[lp]!.base + LpLayout.at.doorbell) >>> 2;
    Atomics.add(i32, doorbell, 1);
    Atomics.notify(i32, doorbell);
  }
  ringAll(): void {
    for (let lp = 0; lp < this.#memory.lps.length; lp++) this.ring(lp);
  }

  /** As `ringAll`, and out of guest code in any mode: the machine ends, or somebody has waited for too long. */
  forceAll(): void {
    for (let lp = 0; lp < this.#memory.lps.length; lp++) this.#kick(lp);
    this.ringAll();
  }

  #kick(lp: number): void {
    for (const { i32 } of this.#partitions) {
      const kick = (lpContextAt(lp) + LpContextLayout.at.kick) >>> 2;
      Atomics.store(i32, kick, KICKED);
      Atomics.notify(i32, kick);
    }
  }
}
