// Going to rest against work that comes: a VP halts, and its LP sleeps, while other LPs post interrupts to it. Whoever sleeps through one is never woken: a deadlock.
import { hasPosted } from '../../daemon/hypervisor/apic/post.js';
import { freeGate, leaveGate, standAtRest } from '../../shared/layout/gate.js';
import { ClockMode, LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock, VpState } from '../../shared/layout/vp.js';
import type { Scenario, ScenarioThread } from './scenario.js';
import { type GuestCode, LP_PARTS, lpMachineWords, lpPartitionWords, powerUpLps, SmallLp } from './small-lp.js';

const VECTOR = 0x41;
const { READY, HALTED } = VpState;

/** The handler of what has been given it ends at once. How many that have been. */
const handled = (lp: SmallLp): number => {
  lp.apic.eoi();
  return lp.taken.length;
};
/** Halts until it has been given an interrupt. */
const waits = (): GuestCode => (lp) => (handled(lp) < 1 ? lp.halt() : lp.end());
/** Posts to VP 0; that is all. */
const posts = (): GuestCode => (lp) => {
  lp.post(0, VECTOR);
  lp.end();
};
const ends = (): GuestCode => (lp) => lp.end();
/** A ball that goes round so many times: who is given it passes it on, and halts until it comes again. VP 0 has it at first. */
const passesOn = (next: number, times: number) => (): GuestCode => {
  let passed = 0;
  return (lp) => {
    const held = handled(lp) + (lp.index === 0 ? 1 : 0);
    for (; passed < Math.min(held, times); passed++) lp.post(next, VECTOR);
    if (lp.taken.length < times) lp.halt();
    else lp.end();
  };
};

const small = new WeakMap<ScenarioThread, SmallLp>();
const of = (
  name: string,
  clockMode: number,
  programs: readonly (() => GuestCode)[],
  states: readonly number[],
  steps?: readonly number[],
): Scenario => ({
  name,
  spts: 16,
  atomics: lpPartitionWords(programs.length),
  machineAtomics: lpMachineWords(programs.length),
  setup: (machine) => powerUpLps(machine, clockMode, states, steps),
  prepare: (thread) => {
    const program = programs[thread.index];
    if (program !== undefined) small.set(thread, new SmallLp(thread.machine, thread.index, program(), thread.lpParts ?? LP_PARTS));
  },
  threads: programs.map(() => (thread) => small.get(thread)?.run()),
  check: ({ partition }) => {
    const late = programs.findIndex((_, index) => hasPosted(new VpBlock(partition, vpBlockAt(index))));
    return late < 0 ? null : `VP ${late} has not been given all that was posted to it`;
  },
});

/** All have something to do that nobody has told them; the last one comes to stand at rest, is let go, and tells them. */
const letGo = (name: string, lps: number): Scenario => {
  const programs = Array.from({ length: lps }, () => ends);
  const scenario = of(
    name,
    ClockMode.DETERMINISTIC,
    programs,
    programs.map(() => READY),
  );
  return {
    ...scenario,
    setup: (small) => {
      const { machine } = small;
      scenario.setup(small);
      for (let lp = 0; lp < lps; lp++) machine.i32[(lpBlockAt(lp) + LpLayout.at.turn) >>> 2] = AWAITS_NOTHING;
      freeGate(machine);
    },
    threads: programs.map((_, index) => (thread) => {
      const { machine } = thread.machine;
      if (index === lps - 1 && standAtRest(machine, index, () => true)) {
        leaveGate(machine, true);
        small.get(thread)?.endRest();
      }
      small.get(thread)?.run();
    }),
  };
};
/** Turn's published word. */
const AWAITS_NOTHING = 1;

const MODES = [
  ['realtime', ClockMode.REALTIME],
  ['quantum', ClockMode.QUANTUM],
  ['deterministic', ClockMode.DETERMINISTIC],
] as const;

export const IDLE_SCENARIOS: readonly Scenario[] = [
  ...MODES.flatMap(([mode, clock]) => [
    of(`${mode}: a VP that is about to halt against a post`, clock, [waits, posts], [READY, READY]),
    of(`${mode}: a VP that has halted against a post`, clock, [waits, posts], [HALTED, READY]),
    of(`${mode}: two VPs that wait for each other`, clock, [passesOn(1, 2), passesOn(0, 2)], [READY, HALTED]),
    of(`${mode}: three VPs that wait for one another`, clock, [passesOn(1, 2), passesOn(2, 2), passesOn(0, 2)], [READY, HALTED, HALTED]),
  ]),
  of(
    'deterministic: a post against an LP whose time is later',
    ClockMode.DETERMINISTIC,
    [waits, posts, ends],
    [HALTED, READY, READY],
    [0, 0, 9],
  ),
  letGo('deterministic: two LPs when one is let go from rest', 2),
  letGo('deterministic: three LPs when one is let go from rest', 3),
];
