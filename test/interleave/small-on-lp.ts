// A partition as one LP of the small machine has it: its VPs with their virtual APICs, how they are posted to and reached, and guest code, which is a function. What a run has to do
// with memory, devices and accounts is left out.
import type { EoiAssist } from '../../daemon/hypervisor/apic/eoi-assist.js';
import { VirtualApic } from '../../daemon/hypervisor/apic/virtual-apic.js';
import type { PartitionOnLp } from '../../daemon/hypervisor/partition-on-lp.js';
import type { reach } from '../../daemon/hypervisor/reach.js';
import type { LpClock } from '../../daemon/lp/lp-clock.js';
import { Kick } from '../../daemon/machine/kick.js';
import { Rflags } from '../../shared/abi/registers.js';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { MachineHeader } from '../../shared/layout/machine.js';
import { lpContextAt, vpBlockAt } from '../../shared/layout/partition.js';
import { SpinKind } from '../../shared/layout/schedule.js';
import { VpBlock, VpLayout } from '../../shared/layout/vp.js';
import type { SmallMachine } from './small-machine.js';

export interface OnSmallLpParts {
  readonly small: SmallMachine;
  readonly lp: number;
  readonly clock: LpClock;
  /** What a mutant may replace. */
  readonly Assist: typeof EoiAssist;
  readonly reach: typeof reach;
  /** VPs that the LP may come to run, and the address of their assist page, 0 none. */
  readonly vps: readonly number[];
  readonly marker: number;
  /** Guest code of the VP: entered by it, left by a return. */
  run(vp: number): void;
  /** What is posted to the VP is about to be taken. */
  takes?(vp: number): void;
  /** Whether a kicked VP's run ends for what the LP has to do. */
  isWanted?(began: number, now: number): boolean;
  wake(lp: number): void;
}
export type OnSmallLp = PartitionOnLp & { apics: VirtualApic[] };

/** What an entry to guest code takes. */
export const RUN_CYCLES = 100;

export const onSmallLp = (parts: OnSmallLpParts): OnSmallLp => {
  const { small, lp, clock } = parts;
  const { machine, partition, lps } = small;
  const { i32 } = partition;
  const { frequencyHz } = new MachineHeader(machine, 0);
  const vps = Array.from({ length: lps }, (_, vp) => new VpBlock(partition, vpBlockAt(vp)));
  const kick = new Kick(partition, lpContextAt(lp));
  const word = ({ base }: VpBlock, name: 'lp' | 'state'): number => (base + VpLayout.at[name]) >>> 2;
  const context = { budget: 0 };
  const on = {
    lp,
    wiring: { lp, realtime: false, isWanted: parts.isWanted ?? (() => false) },
    vps,
    vpCount: lps,
    schedules: [],
    header: { endNsNum: 0 },
    platform: { nextDeadline: () => Number.POSITIVE_INFINITY },
    clock: { beginRun() {}, endRun() {}, began: 0, cycles: () => clock.cycles, cyclesAt: (ns: number) => ns, now: () => 0 },
    trace: { begin() {} },
    world: { begin() {}, end() {} },
    mmu: { load() {} },
    ends: {
      brokenInvariant: (error: unknown) => {
        throw error;
      },
    },
    processor: {
      context,
      retired: 0,
      code: { translations: 0, compilations: 0 },
      load() {},
      takeKick: () => kick.take(),
      get remaining() {
        return context.budget;
      },
      run: () => {
        context.budget -= RUN_CYCLES;
        parts.run(on.current);
        return 0;
      },
    },
    current: -1,
    spinning: SpinKind.NONE,
    extended: false,
    eoiPolicy: 0,
    isRunning: true,
    detects: () => false,
    lpOf: (vp: VpBlock) => Atomics.load(i32, word(vp, 'lp')),
    setLp: (vp: VpBlock, owner: number) => void Atomics.store(i32, word(vp, 'lp'), owner),
    stateOf: (vp: VpBlock) => Atomics.load(i32, word(vp, 'state')),
    setState: (vp: VpBlock, state: number) => void Atomics.store(i32, word(vp, 'state'), state),
    systemFlags: () => Rflags.IF,
    hasExtInt: () => false,
    takePosted: (vp: number) => {
      parts.takes?.(vp);
      on.apics[vp].pull();
      return 0;
    },
    count() {},
    vpBlock: (vp: number) => vps[vp],
    kick: (vp: number) => parts.reach(on, vps[vp]),
    now: () => clock.cycles,
    setKick: (other: number) => void Atomics.store(i32, (lpContextAt(other) + LpContextLayout.at.kick) >>> 2, KICKED),
    told() {},
    wake: (other: number) => parts.wake(other),
    apics: [],
  } as unknown as OnSmallLp;
  for (const vp of parts.vps)
    on.apics[vp] = new VirtualApic(vps[vp], on, frequencyHz, () => undefined, { Assist: parts.Assist, marker: () => parts.marker });
  return on;
};
