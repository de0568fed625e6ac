// VPs that are given from LP to LP (lp/schedule/balance) while others post to them, and while the LP that they are given to dies. A VP that nobody has, or a post that nobody
// sees, is a deadlock; queue-lp looks at each entry to guest code whether the VP may run there.
import { hasPosted } from '../../daemon/hypervisor/apic/post.js';
import { ClockMode, LpLayout, LpState, lpBlockAt } from '../../shared/layout/machine.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock, VpLayout, VpState } from '../../shared/layout/vp.js';
import {
  allEnded,
  endPartition,
  powerUpQueues,
  QUEUE_VPS,
  QueueLp,
  queueMachineWords,
  queuePartitionWords,
  type VpAtFirst,
  type VpCode,
} from './queue-lp.js';
import type { Scenario, ScenarioThread } from './scenario.js';
import { LP_PARTS, STEP_CYCLES } from './small-lp.js';
import type { SmallMachine } from './small-machine.js';
import { RUN_CYCLES } from './small-on-lp.js';

const VECTOR = 0x41;
const STEP_ENTRIES = STEP_CYCLES / RUN_CYCLES;
const { READY, HALTED } = VpState;

const ends: VpCode = (lp, vp) => lp.end(vp);
/** Halts until it has been given an interrupt. */
const waits: VpCode = (lp, vp, taken) => (taken < 1 ? lp.halt(vp) : lp.end(vp));
const posts =
  (to: number): VpCode =>
  (lp, vp) => {
    lp.post(to, VECTOR);
    lp.end(vp);
  };
/** Posts, and waits for one that comes back. */
const asks =
  (to: number): VpCode =>
  (lp, vp, taken, entries) => {
    if (entries === 0) lp.post(to, VECTOR);
    waits(lp, vp, taken, entries);
  };
/** Waits for an interrupt, and posts another one. */
const passesOn =
  (to: number): VpCode =>
  (lp, vp, taken, entries) => {
    if (taken > 0) lp.post(to, VECTOR);
    waits(lp, vp, taken, entries);
  };

/** Computes for longer than a step, tells VP 0 that it is to run, and goes on. */
const computes: VpCode = (lp, vp, _taken, entries) => {
  if (entries === STEP_ENTRIES + 1) lp.post(0, VECTOR);
  if (entries === 3 * STEP_ENTRIES) lp.end(vp);
};

const queues = new WeakMap<ScenarioThread, QueueLp>();
const of = (
  name: string,
  clockMode: number,
  vps: readonly VpAtFirst[],
  programs: readonly VpCode[],
  lps = 3,
  root?: (small: SmallMachine) => void,
): Scenario => ({
  name,
  spts: 16,
  atomics: queuePartitionWords(lps),
  machineAtomics: queueMachineWords(lps),
  setup: (small) => powerUpQueues(small, clockMode, lps, vps),
  prepare: (thread) => {
    if (thread.index < lps) queues.set(thread, new QueueLp(thread.machine, thread.index, programs, thread.lpParts ?? LP_PARTS));
  },
  threads: Array.from({ length: lps }, (_, lp) =>
    lp === lps - 1 && root !== undefined
      ? ({ machine }: ScenarioThread) => root(machine)
      : (thread: ScenarioThread) => queues.get(thread)?.run(),
  ),
  check: ({ partition }) => {
    if (!allEnded(partition)) return 'a VP has not come to its end';
    const late = Array.from({ length: QUEUE_VPS }, (_, vp) => vp).find((vp) => hasPosted(new VpBlock(partition, vpBlockAt(vp))));
    return late === undefined ? null : `VP ${late} has not been given all that was posted to it`;
  },
});

/** Root buries LP 1, and ends the partition if a VP of it is that LP's. */
const buries = (small: SmallMachine): void => {
  const { machine, partition } = small;
  const dead = 1;
  Atomics.store(machine.i32, (lpBlockAt(dead) + LpLayout.at.state) >>> 2, LpState.DEAD);
  const isIts = (vp: number): boolean => Atomics.load(partition.i32, (vpBlockAt(vp) + VpLayout.at.lp) >>> 2) === dead;
  if (Array.from({ length: QUEUE_VPS }, (_, vp) => vp).some(isIts)) endPartition(small);
};

const MODES = [
  ['realtime', ClockMode.REALTIME],
  ['quantum', ClockMode.QUANTUM],
  ['deterministic', ClockMode.DETERMINISTIC],
] as const;

export const GIFT_SCENARIOS: readonly Scenario[] = MODES.flatMap(([mode, clock]) => [
  of(
    `${mode}: a VP that is given to an idle LP, against a post`,
    clock,
    [
      { lp: 0, state: READY },
      { lp: 0, state: READY, home: 1 },
      { lp: 2, state: READY },
    ],
    [ends, waits, posts(1)],
  ),
  of(
    `${mode}: a halted VP that goes home, against a post`,
    clock,
    [
      { lp: 0, state: READY },
      { lp: 0, state: HALTED, home: 1, affinity: 0b10 },
      { lp: 2, state: READY },
    ],
    [ends, waits, posts(1)],
  ),
  of(
    `${mode}: VPs that are given to two LPs and wait for one another`,
    clock,
    [
      { lp: 0, state: READY },
      { lp: 0, state: READY, home: 1 },
      { lp: 0, state: READY, home: 2 },
    ],
    [asks(1), passesOn(2), passesOn(0)],
  ),
]).concat(
  of(
    'realtime: two LPs that give their VPs to a third',
    ClockMode.REALTIME,
    [
      { lp: 0, state: READY, home: 1, affinity: 0b10 },
      { lp: 1, state: READY },
      { lp: 2, state: READY, home: 1, affinity: 0b10 },
    ],
    [ends, ends, ends],
  ),
  of(
    'quantum: a VP that is given to an LP whose time is earlier',
    ClockMode.QUANTUM,
    [
      { lp: 0, state: HALTED, affinity: 0b01 },
      { lp: 0, state: READY },
      { lp: 1, state: READY },
    ],
    [waits, computes, ends],
    2,
  ),
  of(
    'quantum: a VP that is given to an LP that dies',
    ClockMode.QUANTUM,
    [
      { lp: 0, state: READY },
      { lp: 0, state: READY, home: 1 },
    ],
    [ends, ends],
    2,
    buries,
  ),
);
