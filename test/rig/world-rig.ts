// One LP with host memory and nothing else: what changes its super-mode, with a physical APIC that tests post to and a guest's registers to be left behind.
import { hostLp } from '../../daemon/hypervisor/world/host-tables.js';
import { WorldSwitch } from '../../daemon/hypervisor/world/world-switch.js';
import { PhysicalApic } from '../../daemon/machine/physical-apic.js';
import { createHostMemory, type HostLp } from '../../shared/layout/host-memory.js';
import { LpBlock, lpBlockAt, machineMemorySize } from '../../shared/layout/machine.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { TEST_HOT_RUNS } from './hot-runs.js';

export interface WorldRig {
  readonly world: WorldSwitch;
  readonly apic: PhysicalApic;
  readonly block: LpBlock;
  /** Machine memory. */
  readonly buffer: SharedArrayBuffer;
  /** Host memory. */
  readonly views: Views;
  readonly own: HostLp;
  /** Vectors that have come to the hypervisor, in order. */
  readonly handled: number[];
  /** What the guest leaves in the registers. */
  readonly guest: VpBlock;
  /** Long to legacy and back, in cycles. */
  trip(): number;
}

/** `looked`: instructions are run one at a time, and it is called before each. */
export const worldRig = (tiers: 'cold' | 'hot' | 'both', costs: Readonly<Record<string, number>> = {}, looked?: () => void): WorldRig => {
  const lp = 0;
  const buffer = new SharedArrayBuffer(machineMemorySize(lp + 1));
  const machine = viewsOf(buffer);
  const memory = createHostMemory(lp + 1);
  const views = viewsOf(memory.buffer);
  const apic = new PhysicalApic(machine, () => undefined);
  const handled: number[] = [];
  const world = new WorldSwitch({
    memory,
    machine,
    lp,
    costs,
    processor: { tiers, hotRuns: TEST_HOT_RUNS, ...(looked === undefined ? {} : { looked, lookCycles: 0, blockInstructions: 1 }) },
    interrupts: {
      isRequested: () => apic.interrupts(lp),
      acknowledge: () => apic.take(lp),
      handle: (vector) => {
        handled.push(vector);
        apic.eoi(lp);
      },
    },
  });
  const guest = new VpBlock(viewsOf(new ArrayBuffer(vpBlockAt(1))), vpBlockAt(0));
  return {
    world,
    apic,
    buffer,
    views,
    handled,
    guest,
    block: new LpBlock(machine, lpBlockAt(lp)),
    own: hostLp(views, lp),
    trip: () => world.toLegacy() + world.toLong(guest),
  };
};
