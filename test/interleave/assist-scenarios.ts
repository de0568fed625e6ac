// Lazy EOI against interrupts that come: the marker in the assist page says that no EOI is required, while another LP posts. A guest that has ended its interrupt by the marker makes no
// intercept; if what was posted meanwhile waits for one, it waits for ever: a deadlock.
import { highestVector } from '../../daemon/hypervisor/apic/vector-set.js';
import { EOI_MARKER } from '../../shared/abi/apic.js';
import { ClockMode } from '../../shared/layout/machine.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock, VpState, vpCounterIndex } from '../../shared/layout/vp.js';
import type { Scenario, ScenarioThread } from './scenario.js';
import { type GuestCode, LP_PARTS, lpMachineWords, lpPartitionWords, powerUpLps, SmallLp } from './small-lp.js';
import { spaOf } from './small-machine.js';

/** Of three classes: a lower one waits for the EOI of a higher one, a higher one interrupts its handler. */
const LOW = 0x41;
const MIDDLE = 0x52;
/** Of the low one's class: it waits for its EOI, and is given first when both wait. */
const SAME = 0x43;
const PAGE = spaOf(20);

/**
 * Interrupts are on throughout, so that handlers nest. A handler's last instruction is the EOI as Linux has it (hv_apic_eoi_write): the marker is taken back; if it was not set, the APIC is
 * written. `idles`: what it does where it has nothing to do and has not been given all.
 */
const guest =
  (interrupts: number, idles: (lp: SmallLp, thread: ScenarioThread) => void) =>
  (thread: ScenarioThread): GuestCode => {
    const { i32 } = thread.machine.partition;
    let ended = 0;
    return (lp) => {
      while (!lp.isKicked) {
        if (ended < lp.taken.length) {
          ended++;
          if ((Atomics.exchange(i32, PAGE >>> 2, 0) & EOI_MARKER) !== 0) continue;
          lp.apic.eoi();
          // A store to its APIC that lets an interrupt come ends with that instruction.
          if (lp.apic.pendingVector() >= 0) return;
        } else if (lp.taken.length < interrupts) {
          idles(lp, thread);
          return;
        } else {
          lp.end();
          return;
        }
      }
    };
  };
/** It goes on with something else: only a kick makes it leave guest code. */
const computes = (lp: SmallLp, { words }: ScenarioThread): void => words.awaitChange(lp.kickWord, 0);
const halts = (lp: SmallLp): void => lp.halt();
const posts =
  (...vectors: readonly number[]) =>
  (): GuestCode =>
  (lp) => {
    for (const vector of vectors) lp.post(0, vector);
    lp.end();
  };

const small = new WeakMap<ScenarioThread, SmallLp>();
const of = (name: string, programs: readonly ((thread: ScenarioThread) => GuestCode)[], interrupts: number): Scenario => ({
  name,
  spts: 16,
  atomics: [...lpPartitionWords(programs.length), PAGE],
  machineAtomics: lpMachineWords(programs.length),
  setup: (machine) =>
    powerUpLps(
      machine,
      ClockMode.REALTIME,
      programs.map(() => VpState.READY),
    ),
  prepare: (thread) => {
    const program = programs[thread.index];
    const marker = thread.index === 0 ? PAGE : 0;
    if (program !== undefined)
      small.set(thread, new SmallLp(thread.machine, thread.index, program(thread), thread.lpParts ?? LP_PARTS, marker));
  },
  threads: programs.map(() => (thread) => small.get(thread)?.run()),
  check: ({ partition }) => {
    const { views, isr, irr, counters } = new VpBlock(partition, vpBlockAt(0));
    if (highestVector(views.i32, irr) >= 0) return 'an interrupt is requested still';
    if (highestVector(views.i32, isr) >= 0) return 'an interrupt is in service that has been ended';
    const of = (name: 'lazyEois' | 'apicEoiAccesses'): number => views.u32[(counters >>> 2) + vpCounterIndex[name]];
    const ended = of('lazyEois') + of('apicEoiAccesses');
    return ended === interrupts ? null : `${ended} EOIs of ${interrupts} interrupts`;
  },
});

export const ASSIST_SCENARIOS: readonly Scenario[] = [
  of('a guest that computes, against a lower interrupt behind a higher one', [guest(2, computes), posts(MIDDLE, LOW)], 2),
  of('a guest that computes, against a higher interrupt behind a lower one', [guest(2, computes), posts(LOW, MIDDLE)], 2),
  of('a guest that computes, against interrupts of one class', [guest(2, computes), posts(SAME, LOW)], 2),
  of('a guest that halts, against a lower interrupt behind a higher one', [guest(2, halts), posts(MIDDLE, LOW)], 2),
  of('a guest that halts, against a higher interrupt behind a lower one', [guest(2, halts), posts(LOW, MIDDLE)], 2),
  of('a guest that computes, against two LPs that post', [guest(2, computes), posts(MIDDLE), posts(LOW)], 2),
];
