// Deliberate faults in the pass-through of device interrupts: each must be found by the random histories and by the exhaustive exploration.
import { PassThrough } from '../../daemon/hypervisor/apic/pass-through.js';
import type { PhysicalApic } from '../../daemon/machine/physical-apic.js';

class EndsHighest extends PassThrough {
  readonly #at: readonly [PhysicalApic, number];
  constructor(...all: ConstructorParameters<typeof PassThrough>) {
    super(...all);
    this.#at = [all[2], all[0]];
  }
  protected override endAtHardware(vector: number): void {
    this.#at[0].eoi(this.#at[1]);
    this.account(vector);
  }
}
class EndsTwice extends PassThrough {
  readonly #at: readonly [PhysicalApic, number];
  constructor(...all: ConstructorParameters<typeof PassThrough>) {
    super(...all);
    this.#at = [all[2], all[0]];
  }
  protected override endAtHardware(vector: number): void {
    super.endAtHardware(vector);
    this.#at[0].eoi(this.#at[1]);
  }
}
class NeverDrains extends PassThrough {
  protected override drain(): void {}
}
class DrainsOne extends PassThrough {
  #inside = false;
  protected override account(vector: number): void {
    super.account(vector);
    if (this.#inside) throw new Error('one is enough for it');
  }
  protected override drain(): void {
    this.#inside = false;
    try {
      this.#inside = true;
      super.drain();
    } catch {
      // The loop ends.
    } finally {
      this.#inside = false;
    }
  }
}
class TellsNobody extends PassThrough {
  protected override tell(): void {}
}
class NeverOpens extends PassThrough {
  protected override open(): void {}
}
export const PASS_THROUGH_MUTANTS: Readonly<Record<string, typeof PassThrough>> = {
  'ends the highest, whoever has finished': EndsHighest,
  'ends another one with each that it ends': EndsTwice,
  'forgets the ends that it has deferred': NeverDrains,
  'does one deferred end where several are due': DrainsOne,
  'does not tell the LP that has the vector in service': TellsNobody,
  'leaves the line of a late guest masked': NeverOpens,
};
