// `npm run bench -- --suite spin`: locks of a guest that has more VPs than LPs, with each way to find spins and each thing to do about them (US20100031254A1).
// Deterministic clock, virtual cycles: the same tables on every host. Against the same guest with an LP for each VP, of which overcommit leaves 1/ratio.
// VPs think for random times, and what is counted begins later. Without that a cell says when the first holder of the lock happens to be preempted: until then all
// goes as if there were an LP for each, and a difference of a percent in anything moves that moment by milliseconds.

import type { RunReport } from './policy-experiments.js';
import { commandOf, runGuest } from './policy-suite.js';
import type { PairRow } from './spin-pairs.js';

const LPS = 2;
const MECHANISMS = [
  ['none', ''],
  ['extension', 'spin.extend=1x100000'],
  ['express', 'spin.express=on'],
  ['both', 'spin.extend=1x100000 spin.express=on'],
  ['gang', 'sched.policy=gang'],
] as const;
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
const LOCKS = ['ticket', 'queued'] as const;
/** Loop iterations of two instructions. */
const HOLDS = [100, 1000, 10_000];
const RATIOS = [2, 4];
/** For each VP of an LP: the more of them, the later is the first collapse. */
const WARM_MS = 10;
const MEASURED_MS = 40;

interface Block {
  readonly ratio: number;
  readonly lock: number;
  readonly hold: number;
}
export interface SpinCell {
  readonly detector: string;
  /** Acquisitions against those without overcommit, divided by the ratio. */
  readonly throughput: number;
  /** Of the LPs' time that which a VP alone would not have needed for as many acquisitions. */
  readonly wasted: number;
  /** Before counting begins too. */
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
const measureRun = ({ ratio, lock, hold }: Block, vps: number, lps: number, setting: string, way: string): Promise<RunReport> =>
  runGuest(
    commandOf(
      {
        guest: {
          image: 'workload64',
          vps,
          lps,
          quantumCycles: 32_000,
          hv: 'linux',
          append: `job=spinlock:kind=${lock},hold=${hold},think=${3 * LPS * ratio * hold},off=1,random=1${way} warm=${ratio * WARM_MS} milliseconds=${ratio * WARM_MS + MEASURED_MS}`,
        },
      },
      setting,
    ),
  );

const measureBlock = async (block: Block, say: (text: string) => void): Promise<SpinRow[]> => {
  const vps = LPS * block.ratio;
  say(`\r${blockName(block)}: alone`.padEnd(60));
  const alone = sum(operations(await measureRun(block, 1, 1, 'spin.detect=off', '')));
  const ideal = sum(operations(await measureRun(block, vps, vps, 'spin.detect=off', ''))) / block.ratio;
  const rows: SpinRow[] = [];
  for (const [mechanism, settings] of MECHANISMS) {
    const cells: SpinCell[] = [];
    for (const [detector, way] of DETECTORS) {
      say(`\r${blockName(block)}: ${mechanism}, ${detector}`.padEnd(60));
      const report = await measureRun(block, vps, LPS, `spin.detect=${detector} ${settings}`.trim(), way);
      const each = operations(report);
      const { load, vps: all } = report.partition;
      cells.push({
        detector,
        throughput: sum(each) / ideal,
        wasted: Math.max(0, 1 - sum(each) / (LPS * alone)),
        holderPreemptions: sum(all.map(({ spin }) => spin.holderPreemptions ?? 0)),
        latencyP99: Math.max(...load.map((job) => job.latencyP99)),
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
const cellText = ({ throughput, wasted, holderPreemptions, latencyP99, fairness }: SpinCell): string =>
  `**${percent(throughput)}**<br>${percent(wasted)}, ${holderPreemptions}, ${count(latencyP99)}, ${fairness.toFixed(2)}`;
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
