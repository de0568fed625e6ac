// Posting to a virtual APIC against its owner, who pulls (hypervisor/apic/post.ts): no request is lost, and each is of the kind that its poster said, whatever was said
// of the same vector before. The owner sleeps until there is a request and takes all that it has pulled, so that a lost one is a deadlock.
import { hasVector } from '../../daemon/hypervisor/apic/vector-set.js';
import { PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock, VpLayout } from '../../shared/layout/vp.js';
import { APIC_PARTS, type ApicParts } from './apic-mutants.js';
import type { Scenario, ScenarioThread } from './scenario.js';
import type { SmallMachine } from './small-machine.js';

const AT = VpLayout.at;
/** Vectors of one word. */
const FIRST = 0x41;
const SECOND = 0x42;
const WORD = FIRST >>> 5;
/** How each pulled request was: vector, and KIND bits. Words that only the scenario uses. */
const TAKEN = PartitionMap.DEVICES;
const TAKEN_MAX = 8;
const Kind = { LEVEL: 0x1000, AUTO: 0x2000 } as const;

const vpOf = (m: SmallMachine): VpBlock => new VpBlock(m.partition, vpBlockAt(0));
const wordAt = (field: 'newIrr' | 'newTmr' | 'newAuto' | 'autoVectors'): number => vpBlockAt(0) + AT[field] + WORD * 4;
const partsOf = ({ apic }: ScenarioThread): ApicParts => apic ?? APIC_PARTS;

const setup = (before?: (vp: VpBlock) => void) => (m: SmallMachine) => {
  const vp = vpOf(m);
  const { i32 } = m.partition;
  for (const field of ['newIrr', 'newTmr', 'newAuto', 'autoVectors', 'irr', 'tmr', 'autoEoi', 'isr'] as const)
    i32.fill(0, (vp.base + AT[field]) >>> 2, ((vp.base + AT[field]) >>> 2) + 8);
  i32.fill(0, TAKEN >>> 2, (TAKEN >>> 2) + TAKEN_MAX);
  before?.(vp);
};
/** The owner: until it has taken so many requests. */
const owner = (thread: ScenarioThread, requests: number): void => {
  const vp = vpOf(thread.machine);
  const { i32 } = thread.machine.partition;
  for (let taken = 0; taken < requests; ) {
    thread.words.awaitChange(wordAt('newIrr'), 0);
    partsOf(thread).pull(vp);
    for (const vector of [FIRST, SECOND]) {
      if (!hasVector(i32, vp.irr, vector)) continue;
      const kind = (hasVector(i32, vp.tmr, vector) ? Kind.LEVEL : 0) | (hasVector(i32, vp.autoEoi, vector) ? Kind.AUTO : 0);
      i32[(TAKEN >>> 2) + taken++] = vector | kind;
      i32[(vp.irr >>> 2) + WORD] &= ~(1 << (vector & 31));
    }
  }
};
const post = (thread: ScenarioThread, vector: number, kind: number): void => {
  partsOf(thread).post(vpOf(thread.machine), vector, (kind & Kind.LEVEL) !== 0, (kind & Kind.AUTO) !== 0);
};
const took =
  (...expected: readonly number[]) =>
  (m: SmallMachine): string | null => {
    const taken = [...m.partition.i32.subarray(TAKEN >>> 2, (TAKEN >>> 2) + expected.length)].sort((a, b) => a - b);
    const show = (values: readonly number[]): string => values.map((value) => value.toString(16)).join(' ');
    return taken.join() === [...expected].sort((a, b) => a - b).join() ? null : `the owner took ${show(taken)}, not ${show(expected)}`;
  };
const ATOMICS = (['newIrr', 'newTmr', 'newAuto', 'autoVectors'] as const).map(wordAt);
const common = { spts: 16, atomics: ATOMICS } as const;
/** What an earlier interrupt, long since taken, has left in the words of kinds. */
const earlier = (kind: 'newTmr' | 'newAuto') => (vp: VpBlock) => {
  vp.views.i32[((vp.base + AT[kind]) >>> 2) + WORD] = 1 << (FIRST & 31);
};

export const APIC_SCENARIOS: readonly Scenario[] = [
  {
    ...common,
    name: 'an edge that ends itself against the pull',
    setup: setup(),
    threads: [(t) => owner(t, 1), (t) => post(t, FIRST, Kind.AUTO)],
    check: took(FIRST | Kind.AUTO),
  },
  {
    ...common,
    name: 'an edge whose vector ended itself before',
    setup: setup(earlier('newAuto')),
    threads: [(t) => owner(t, 1), (t) => post(t, FIRST, 0)],
    check: took(FIRST),
  },
  {
    ...common,
    name: 'an edge whose vector was a level before',
    setup: setup(earlier('newTmr')),
    threads: [(t) => owner(t, 1), (t) => post(t, FIRST, Kind.AUTO)],
    check: took(FIRST | Kind.AUTO),
  },
  {
    ...common,
    name: 'two posters of one word against the pull',
    setup: setup(),
    threads: [(t) => owner(t, 2), (t) => post(t, FIRST, Kind.AUTO), (t) => post(t, SECOND, Kind.LEVEL)],
    check: took(FIRST | Kind.AUTO, SECOND | Kind.LEVEL),
  },
  {
    ...common,
    // The first has been pulled when the second is posted, or one interrupt stands for both; the second is no level's.
    name: 'a vector that the guest declares, against a post and the pull',
    setup: setup(),
    threads: [
      (t) => owner(t, 1),
      (t) => {
        Atomics.store(t.machine.partition.i32, wordAt('autoVectors') >>> 2, 1 << (FIRST & 31));
        post(t, FIRST, 0);
      },
    ],
    check: took(FIRST | Kind.AUTO),
  },
];
