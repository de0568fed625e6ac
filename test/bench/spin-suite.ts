// `npm run bench -- --suite spin`: locks of a guest that has more VPs than LPs, with each way to find spins and each thing to do about them (US20100031254A1).
// Deterministic clock, virtual cycles: the same tables on every host. Against the same guest with an LP for each VP, of which overcommit leaves 1/ratio.

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
/** The last value: looks in vain after which the guest says so by a hypercall, in place of PAUSEs. */
const DETECTORS = [
  ['off', 0],
  ['pause', 0],
  ['hypercall', RECOMMENDED_TRIES],
  ['loop', 0],
] as const;
const COSTLY = [
  'spin.detect=pause+hypercall+idle+ipi+loop',
  'spin.detect=pause+hypercall+idle+ipi+loop spin.extend=1x100000 spin.express=on',
];
const LOCKS = ['ticket', 'queued'] as const;
/** Loop iterations of two instructions. */
const HOLDS = [100, 1000, 10_000];
const RATIOS = [2, 4];

interface Cell {
  readonly ratio: number;
  readonly lock: number;
  readonly hold: number;
}
export interface SpinRow extends Cell {
  readonly mechanism: string;
  readonly detector: string;
  /** Acquisitions against those without overcommit, divided by the ratio. */
  readonly throughput: number;
  /** Of all cycles that VPs ran those which one alone would not have needed for as many acquisitions. */
  readonly wasted: number;
  readonly holderPreemptions: number;
  /** From asking to having, cycles. */
  readonly latencyMean: number;
  readonly latencyMax: number;
  /** Jain's index of the VPs' acquisitions. */
  readonly fairness: number;
}

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
const operations = ({ partition }: RunReport): number[] => partition.load.map((job) => job.operations);
const runCycles = ({ partition }: RunReport): number => sum(partition.vps.map((vp) => vp.runCycles));

/** VPs ask for the lock so often that it is held for a third of the time, if nobody waits. */
const measureRun = ({ ratio, lock, hold }: Cell, vps: number, lps: number, setting: string, notify: number): Promise<RunReport> =>
  runGuest(
    commandOf(
      {
        guest: {
          image: 'workload64',
          vps,
          lps,
          quantumCycles: 32_000,
          hv: 'linux',
          append: `job=spinlock:kind=${lock},hold=${hold},think=${3 * LPS * ratio * hold},off=1,notify=${notify} milliseconds=30`,
        },
      },
      setting,
    ),
  );

const measureCell = async (cell: Cell, say: (text: string) => void): Promise<SpinRow[]> => {
  const vps = LPS * cell.ratio;
  const alone = await measureRun(cell, 1, 1, 'spin.detect=off', 0);
  const ideal = sum(operations(await measureRun(cell, vps, vps, 'spin.detect=off', 0))) / cell.ratio;
  const need = runCycles(alone) / sum(operations(alone));
  const rows: SpinRow[] = [];
  for (const [mechanism, settings] of MECHANISMS)
    for (const [detector, notify] of DETECTORS) {
      say(`\r${cell.ratio}:1 ${LOCKS[cell.lock]} ${cell.hold} ${mechanism} ${detector}`.padEnd(60));
      const report = await measureRun(cell, vps, LPS, `spin.detect=${detector} ${settings}`.trim(), notify);
      const each = operations(report);
      const { load, vps: all } = report.partition;
      rows.push({
        ...cell,
        mechanism,
        detector,
        throughput: sum(each) / ideal,
        wasted: Math.max(0, 1 - (sum(each) * need) / runCycles(report)),
        holderPreemptions: sum(all.map(({ spin }) => spin.holderPreemptions ?? 0)),
        latencyMean: sum(load.map((job) => job.latencySum)) / Math.max(1, sum(load.map((job) => job.latencyCount))),
        latencyMax: Math.max(...load.map((job) => job.latencyMax)),
        fairness: sum(each) ** 2 / (each.length * Math.max(1, sum(each.map((one) => one * one)))),
      });
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

/** `quick`: two VPs to an LP and locks held for 2,000 cycles only. */
export const measureSpin = async (quick: boolean, say: (text: string) => void): Promise<SpinRow[]> => {
  const rows: SpinRow[] = [];
  for (const ratio of quick ? RATIOS.slice(0, 1) : RATIOS)
    for (const hold of quick ? HOLDS.slice(1, 2) : HOLDS)
      for (const lock of LOCKS.keys()) rows.push(...(await measureCell({ ratio, lock, hold }, say)));
  say('\r\x1b[K');
  return rows;
};

const percent = (value: number): string => `${Math.round(100 * value)} %`;
const count = (value: number): string => Math.round(value).toLocaleString('en-US');

export const spinMarkdown = (rows: readonly SpinRow[], costs: readonly CostRow[], pairs: readonly PairRow[]): string =>
  [
    '| VPs:LPs, lock, held for | done about spins | found by | of the ideal | wasted | holders preempted | acquire: mean, longest | fairness |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows.map(
      (row) =>
        `| ${row.ratio}:1, ${LOCKS[row.lock]}, ${count(2 * row.hold)} | ${row.mechanism} | ${row.detector} | ${percent(row.throughput)} | ${percent(row.wasted)} | ${row.holderPreemptions} | ${count(row.latencyMean)}, ${count(row.latencyMax)} | ${row.fairness.toFixed(2)} |`,
    ),
    '',
    '| two partitions of two VPs on two LPs, ticket locks of their own | found by | of the ideal | fairness of the partitions |',
    '| --- | --- | ---: | ---: |',
    ...pairs.map((row) => `| ${row.mechanism} | ${row.detector} | ${percent(row.throughput)} | ${row.fairness.toFixed(2)} |`),
    '',
    '| nobody spins: work done with | against all off | bar |',
    '| --- | ---: | --- |',
    ...costs.map(({ setting, work }) => `| \`${setting}\` | ${(100 * work).toFixed(2)} % | ≥ 99.5 % |`),
  ].join('\n');
