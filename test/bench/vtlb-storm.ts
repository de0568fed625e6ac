// The page-fault storm in host time: one and two LPs, each on a thread of its own, fill a table's 512 pages, flush, and fill again.
// Why several short samples a case: on a host that other programs use, too, threads are kept from its cores. The host says for how long (schedstat), and only the samples count
// in which that was least. One LP's partner, which touches nothing, keeps the other core from others' work: one LP has the same host as two.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { findPolicy } from '../../shared/protocol/policies.js';
import { makeMachine } from '../interleave/small-machine.js';
import { median } from './table.js';
import type { StormData, StormSample } from './vtlb-fill-worker.js';
import { layOut, RAM_PAGES } from './vtlb-fills.js';

/** Pages and tables of their own; one table; as `private`, and a partition for each LP: two that have nothing in common, so what the host itself lets two threads do. */
export const STORM_REGIONS = ['private', 'apart', 'shared'] as const;
export type StormRegion = (typeof STORM_REGIONS)[number];

export interface StormRow {
  readonly lock: string;
  readonly region: StormRegion;
  /** Fills a second of one LP, and of two together. */
  readonly one: number;
  readonly two: number;
  /** Of the samples that count, the largest share of its time for which the host kept a thread from a core. */
  readonly kept: number;
}

interface Case {
  readonly lock: string;
  readonly region: StormRegion;
  readonly threads: number;
}

const SPTS = 1024;
const SAMPLES = 12;
const SAMPLE_MS = 30;
/** Samples that count, of each case; and what share of its time a thread may be kept from a core in them, or more are taken. */
const COUNTING = 7;
const UNDISTURBED = 0.02;
const MOST_ROUNDS = 12;
const [COUNTERS, ...LOCKS] = findPolicy('vtlb.lock')!.values;

/** Those that count: in which threads were least kept from a core. */
export const leastDisturbed = (samples: readonly StormSample[]): StormSample[] =>
  [...samples].sort((a, b) => a.kept - b.kept).slice(0, COUNTING);
const isEnough = (samples: readonly StormSample[]): boolean => samples.filter(({ kept }) => kept <= UNDISTURBED).length >= COUNTING;

/** One run of a case: its threads together, sample by sample. */
export const storm = async ({ lock, region, threads }: Case): Promise<StormSample[]> => {
  const partitions = Array.from({ length: region === 'apart' ? threads : 1 }, () =>
    makeMachine(RAM_PAGES, region === 'apart' ? 1 : threads),
  );
  for (const m of partitions) layOut(m, SPTS, lock, region === 'shared');
  const runners = Math.min(2, availableParallelism());
  const gate = new SharedArrayBuffer(4);
  const all = await Promise.all(
    Array.from({ length: Math.max(threads, runners) }, (_, thread) => {
      const m = partitions[region === 'apart' ? thread % threads : 0]!;
      const lp = region === 'apart' ? 0 : thread;
      const workerData: StormData = {
        partition: m.memory,
        machine: m.machine.buffer as SharedArrayBuffer,
        lps: m.lps,
        lp: thread < threads ? lp : -1,
        table: region === 'shared' ? 0 : lp,
        milliseconds: SAMPLE_MS,
        samples: SAMPLES,
        gate,
        threads: Math.max(threads, runners),
      };
      return new Promise<StormSample[]>((resolve, reject) => {
        new Worker(new URL('./vtlb-fill-worker.js', import.meta.url), { workerData }).once('message', resolve).once('error', reject);
      });
    }),
  );
  return Array.from({ length: SAMPLES }, (_, i) => ({
    perSecond: all.reduce((sum, of) => sum + of[i]!.perSecond, 0),
    kept: Math.max(...all.map((of) => of[i]!.kept)),
  }));
};

/** `quick`: one run of each case. Otherwise more, in turn, of those that have not come out undisturbed yet. */
export const measureStorm = async (quick: boolean, say: (text: string) => void): Promise<StormRow[]> => {
  const rows = [COUNTERS!, ...LOCKS].flatMap((lock) =>
    STORM_REGIONS.filter((region) => region !== 'apart' || lock === COUNTERS).map((region) => ({ lock, region })),
  );
  const cases = rows.flatMap((row) => [1, 2].map((threads) => ({ ...row, threads, samples: [] as StormSample[] })));
  const rounds = quick ? 1 : MOST_ROUNDS;
  for (let round = 1; round <= rounds; round++)
    for (const one of cases) {
      if (isEnough(one.samples)) continue;
      say(`\rfills, round ${round}/${rounds} ${one.lock} ${one.region} ${one.threads}   `);
      one.samples.push(...(await storm(one)));
    }
  say('\r\x1b[K');
  return rows.map((row, i) => {
    const [one, two] = [cases[2 * i]!, cases[2 * i + 1]!].map(({ samples }) => leastDisturbed(samples));
    const rate = (of: readonly StormSample[]): number => median(of.map(({ perSecond }) => perSecond));
    return { ...row, one: rate(one!), two: rate(two!), kept: Math.max(...[...one!, ...two!].map(({ kept }) => kept)) };
  });
};

export const STORM_LEGEND =
  'Fills a second of all LPs together: medians of those samples in which the host kept a thread from a core least, and how much that was at most. ' +
  'While one LP fills, another thread keeps the other core from other programs.';
const NAMES: Readonly<Record<StormRegion, string>> = { private: 'private', apart: 'private, a partition for each LP', shared: 'shared' };
const BARS: Readonly<Record<string, string>> = {
  'private generation': '≥ 1.8 × where two cores are free',
  'apart generation': 'what the host lets two threads do',
};
export const stormMarkdown = (rows: readonly StormRow[]): string =>
  [
    '| fills, pages | lock | 1 LP, /s | 2 LPs, /s | | kept from a core | bar |',
    '| --- | --- | ---: | ---: | ---: | ---: | --- |',
    ...rows.map(({ lock, region, one, two, kept }) => {
      const rates = [one, two].map((rate) => Math.round(rate).toLocaleString('en-US'));
      const cells = [NAMES[region], lock, ...rates, `${(two / one).toFixed(2)} ×`, `${(100 * kept).toFixed(1)} %`];
      return `| ${[...cells, BARS[`${region} ${lock}`] ?? ''].join(' | ')} |`;
    }),
  ].join('\n');
