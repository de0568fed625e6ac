// Which super-mode the LP has to be in for a VP, and that it is: before guest code runs, after each intercept, and back in long super-mode whenever the hypervisor works.
// What a partition needs its file says (`super-mode`): `auto` follows the VP, mid-run too; `long` never leaves long super-mode, legacy code that boots a 64-bit
// kernel is run by the decoder flag alone; `legacy` is for processors without long mode. With policy `world.switch=direct` the flag is all there is, for everybody.
import { Efer } from '../../../shared/abi/registers.js';
import { SuperMode } from '../../../shared/layout/machine.js';
import { SuperModeChoice } from '../../../shared/layout/partition.js';
import { findPolicy, settingIn, WorldSwitching } from '../../../shared/protocol/policies.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

const POLICY = findPolicy('world.switch');

export class GuestWorld {
  readonly #on: PartitionOnLp;
  /** Guest code is being run, and by way of the page where it needs that. */
  #inRun = false;
  #isPaged = false;

  constructor(on: PartitionOnLp) {
    this.#on = on;
  }

  /** Before guest code is run. */
  begin(): void {
    const { wiring, views } = this.#on;
    if (wiring.world === undefined) return;
    this.#isPaged = settingIn(views, wiring.machine, POLICY) === WorldSwitching.PAGE;
    this.#inRun = true;
    this.resume();
  }
  /** It has been left: by a physical interrupt, at the end of its time, or since the VP waits. */
  end(): void {
    if (!this.#inRun) return;
    this.#inRun = false;
    this.#toLong();
  }

  /** Guest mode is left for the hypervisor. */
  intercepted(): void {
    if (this.#inRun) this.#toLong();
  }
  /** What the hypervisor had to do is done: guest code goes on, in the super-mode that it needs now. */
  resume(): void {
    this.#enter();
    this.#on.trace.resumed();
  }
  #enter(): void {
    if (!this.#inRun || !this.#isPaged || !this.#needsLegacy()) return;
    const { wiring, processor } = this.#on;
    const { world } = wiring;
    if (world === undefined || world.isLegacy) return;
    const cycles = world.toLegacy();
    processor.charge(cycles);
    processor.allTheWay = true;
    this.#on.trace.switched(SuperMode.LEGACY, cycles);
  }

  #needsLegacy(): boolean {
    const { header, processor } = this.#on;
    return header.superMode !== SuperModeChoice.LONG && (processor.vp.efer & Efer.LMA) === 0;
  }

  #toLong(): void {
    const { wiring, processor } = this.#on;
    const { world } = wiring;
    if (world === undefined || !world.isLegacy) return;
    const cycles = world.toLong(processor.vp);
    processor.charge(cycles);
    processor.allTheWay = false;
    this.#on.trace.switched(SuperMode.LONG, cycles);
  }
}

/** The functions, each followed by `resume`. */
export const resuming = <T extends object>(functions: T, world: GuestWorld): T => {
  const wrapped = Object.entries(functions).map(([name, f]: [string, (a: unknown, b: unknown, c: unknown) => unknown]) => {
    // None has more than three operands: a list of them would be made each time.
    const call = (a: unknown, b: unknown, c: unknown): unknown => {
      try {
        return f(a, b, c);
      } finally {
        world.resume();
      }
    };
    return [name, call] as const;
  });
  return Object.fromEntries(wrapped) as T;
};
