// `npm run bench -- --suite spin`: locks of a guest that has more VPs than LPs, with each way to find spins and each thing to do about them (US20100031254A1).
// Deterministic clock, virtual cycles: the same tables on every host. Against the same guest with an LP for each VP, of which overcommit leaves 1/ratio.
// VPs think for random times, and what is counted begins later. Without that a cell says when the first holder of the lock happens to be preempted: until then all
// goes as if there were an LP for each, and a difference of a percent in anything moves that moment by milliseconds.

import type { RunReport } from './policy-experiments.js';
import { commandOf, runGuest } from './policy-suite.js';
import type { PairRow } from './spin-pairs.js';
import { type Counted, countBetween } from './spin-run.js';

type Policies = Readonly<Record<string, string>>;

const LPS = 2;
const EXTENDS = { 'spin.extend': '1x100000' };
const EXPRESSES = { 'spin.express': 'on' };
const MECHANISMS: readonly (readonly [name: string, policies: Policies])[] = [
  ['none', {}],
  ['extension', EXTENDS],
  ['express', EXPRESSES],
  ['both', { ...EXTENDS, ...EXPRESSES }],
  ['gang', { 'sched.policy': 'gang' }],
];
/** What the hypervisor recommends (CPUID 40000004H.EBX). Fewer looks take less than a lock is held, and the guest asks to be descheduled where the holder runs. */
const RECOMMENDED_TRIES = 4095;
/** The last value: how the guest waits, if not with PAUSEs. */
const DETECTORS = [
  ['off', ''],
  ['pause', ''],
  ['hypercall', `,notify=${RECOMMENDED_TRIES}`],
  ['idle', `,idle=${RECOMMENDED_TRIES}`],
  ['loop', ''],
] as const;
const COSTLY = [
  'spin.detect=pause+hypercall+idle+ipi+loop',
  'spin.detect=pause+hypercall+idle+ipi+loop spin.extend=1x100000 spin.express=on',
];
const LOOKS_FOR_NOTHING = { 'spin.detect': 'off' };
const LOCKS = ['ticket', 'queued'] as const;
/** Loop iterations of two instructions. */
const HOLDS = [100, 1000, 10_000];
const RATIOS = [2, 4];
/** The guest's boot is over by then. */
const BOOTED_CYCLES = 5_000_000;
/** For each VP of an LP: the more of them, the later is the first collapse. */
const WARM_CYCLES = 5_000_000;
/** The longer locks are held, the fewer acquisitions there are, and the more is chance: it is to be less than some percent. */
const measuredCycles = (hold: number): number => (hold >= 10_000 ? 40_000_000 : 20_000_000);

interface Block {
  readonly ratio: number;
  readonly lock: number;
  readonly hold: number;
}
export interface SpinCell {
  readonly detector: string;
  /** Acquisitions against those without overcommit, divided by the ratio. */
  readonly throughput: number;
  /** Of the guest's instructions those that a VP alone would not have needed for as many acquisitions: they are of loops that wait. */
  readonly spun: number;
  readonly holderPreemptions: number;
  /** Cycles from asking to having that 99 of 100 acquisitions take at most, of the VP where they are the most. */
  readonly latencyP99: number;
  /** Jain's index of the VPs' acquisitions. */
  readonly fairness: number;
}
export interface SpinRow extends Block {
  readonly mechanism: string;
  readonly cells: readonly SpinCell[];
}

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
const operations = ({ partition }: RunReport): number[] => partition.load.map((job) => job.operations);

const percent = (value: number): string => `${Math.round(100 * value)} %`;
const count = (value: number): string => Math.round(value).toLocaleString('en-US');
const blockName = ({ ratio, lock, hold }: Block): string => `${ratio}:1, ${LOCKS[lock]}, ${count(2 * hold)}`;

/** VPs ask for the lock so often that it is held for a third of the time, if nobody waits. */
const measureRun = ({ ratio, lock, hold }: Block, vps: number, lps: number, policies: Policies, way = ',random=1'): Promise<Counted> => {
  const from = BOOTED_CYCLES + ratio * WARM_CYCLES;
  return countBetween({
    vps,
    lps,
    append: `job=spinlock:kind=${lock},hold=${hold},think=${3 * LPS * ratio * hold},off=1${way}`,
    policies,
    from,
    to: from + measuredCycles(hold),
  });
};

const measureBlock = async (block: Block, say: (text: string) => void): Promise<SpinRow[]> => {
  const vps = LPS * block.ratio;
  say(`\r${blockName(block)}: alone`.padEnd(60));
  // Random times are as long as these in the mean.
  const alone = await measureRun(block, 1, 1, LOOKS_FOR_NOTHING, ',random=0');
  const needed = sum(alone.instructions) / sum(alone.operations);
  const ideal = sum((await measureRun(block, vps, vps, LOOKS_FOR_NOTHING)).operations) / block.ratio;
  const rows: SpinRow[] = [];
  for (const [mechanism, policies] of MECHANISMS) {
    const cells: SpinCell[] = [];
    for (const [detector, way] of DETECTORS) {
      say(`\r${blockName(block)}: ${mechanism}, ${detector}`.padEnd(60));
      const counted = await measureRun(block, vps, LPS, { 'spin.detect': detector, ...policies }, `,random=1${way}`);
      const each = counted.operations;
      cells.push({
        detector,
        throughput: sum(each) / ideal,
        spun: Math.max(0, 1 - (needed * sum(each)) / sum(counted.instructions)),
        holderPreemptions: sum(counted.holderPreemptions),
        latencyP99: Math.max(...counted.latencyP99),
        fairness: sum(each) ** 2 / (each.length * Math.max(1, sum(each.map((one) => one * one)))),
      });
    }
    rows.push({ ...block, mechanism, cells });
  }
  return rows;
};

export interface CostRow {
  readonly setting: string;
  /** Units of work of VPs that never spin, against all mechanisms off. */
  readonly work: number;
}
/** What the mechanisms cost where nobody spins: four VPs that compute on two LPs. */
export const measureCost = async (): Promise<CostRow[]> => {
  const work = async (setting: string): Promise<number> => {
    const guest = { image: 'workload64', vps: 4, lps: LPS, hv: 'linux', append: 'job=compute milliseconds=400' };
    return sum(operations(await runGuest(commandOf({ guest }, setting))));
  };
  const off = await work('spin.detect=off');
  const rows: CostRow[] = [];
  for (const setting of COSTLY) rows.push({ setting, work: (await work(setting)) / off });
  return rows;
};

/** `quick`: two VPs to an LP and locks held for 2,000 cycles only. `only`: blocks of the table whose name contains it. */
export const measureSpin = async (quick: boolean, only: string | undefined, say: (text: string) => void): Promise<SpinRow[]> => {
  const rows: SpinRow[] = [];
  for (const ratio of quick ? RATIOS.slice(0, 1) : RATIOS)
    for (const hold of quick ? HOLDS.slice(1, 2) : HOLDS)
      for (const lock of LOCKS.keys()) {
        const block = { ratio, lock, hold };
        if (only === undefined || blockName(block).includes(only)) rows.push(...(await measureBlock(block, say)));
      }
  say('\r\x1b[K');
  return rows;
};

const HEAD = [
  `| VPs:LPs, lock, held for | done about spins | ${DETECTORS.map(([name]) => (name === 'off' ? 'not looked for' : name)).join(' | ')} |`,
  `| --- | --- | ${DETECTORS.map(() => '---:').join(' | ')} |`,
];
const cellText = ({ throughput, spun, holderPreemptions, latencyP99, fairness }: SpinCell): string =>
  `**${percent(throughput)}**<br>${percent(spun)}, ${holderPreemptions}, ${count(latencyP99)}, ${fairness.toFixed(2)}`;
const nameOf = (row: SpinRow): string => `| ${blockName(row)} | ${row.mechanism} |`;

/** A table that was written before, with the rows in place of those of the same name. */
export const mergedSpins = (table: string, rows: readonly SpinRow[]): string => {
  const known = new Map<string, string>();
  const keyOf = (line: string): string => line.split('|').slice(0, 3).join('|').concat('|');
  for (const line of table.split('\n')) if (/^\| \d+:1, /.test(line)) known.set(keyOf(line), line);
  for (const row of rows) known.set(nameOf(row), `${nameOf(row)} ${row.cells.map(cellText).join(' | ')} |`);
  const names = RATIOS.flatMap((ratio) =>
    HOLDS.flatMap((hold) =>
      [...LOCKS.keys()].flatMap((lock) => MECHANISMS.map(([mechanism]) => nameOf({ ratio, lock, hold, mechanism, cells: [] }))),
    ),
  );
  return [...HEAD, ...names.flatMap((name) => known.get(name) ?? [])].join('\n');
};

export const pairMarkdown = (pairs: readonly PairRow[]): string =>
  [
    '| two partitions of two VPs on two LPs, ticket locks of their own | found by | of the ideal | fairness of the partitions |',
    '| --- | --- | ---: | ---: |',
    ...pairs.map((row) => `| ${row.mechanism} | ${row.detector} | ${percent(row.throughput)} | ${row.fairness.toFixed(2)} |`),
  ].join('\n');
export const costMarkdown = (costs: readonly CostRow[]): string =>
  [
    '| nobody spins: work done with | against all off | bar |',
    '| --- | ---: | --- |',
    ...costs.map(({ setting, work }) => `| \`${setting}\` | ${(100 * work).toFixed(2)} % | ≥ 99.5 % |`),
  ].join('\n');
