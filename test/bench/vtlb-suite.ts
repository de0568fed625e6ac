// `npm run bench -- --suite vtlb`: what single operations of the vTLB cost the host, and how fills of several LPs go together. Medians; ratios from alternating runs.
import { Worker } from 'node:worker_threads';
import { findPolicy } from '../../shared/protocol/policies.js';
import { makeMachine } from '../interleave/small-machine.js';
import { type CommonHalfRow, commonHalfMarkdown, measureCommonHalf } from './vtlb-common-half.js';
import type { FillWorkerData } from './vtlb-fill-worker.js';
import { FillingLp, layOut, RAM_PAGES, setPolicy } from './vtlb-fills.js';
import { measureVtlbScaling, SCALING_LEGEND, type ScalingRow, scalingMarkdown } from './vtlb-scaling.js';

export interface VtlbNumbers {
  /** Microseconds of one fill and of one INVLPG without pending fills, 4 LPs in the partition. */
  readonly fillUs: number;
  readonly invlpgUs: number;
  /** Microseconds of emptying the whole vTLB, by the number of shadow tables in use. */
  readonly flushUs: readonly { readonly flush: string; readonly tables: number; readonly us: number }[];
  /** Fills a second of all threads together. */
  readonly fills: readonly { readonly lock: string; readonly region: string; readonly threads: number; readonly perSecond: number }[];
  /** In virtual time. */
  readonly scaling: readonly ScalingRow[];
  readonly commonHalf: readonly CommonHalfRow[];
}

const SPTS = 12_000;
const OPERATIONS = 512;
const TOUCHES = 10_000;
const FLUSHES = ['generation', 'walk'] as const;
const TAGS = findPolicy('vtlb.tags')!;
const LOCKS: readonly string[] = findPolicy('vtlb.lock')!.values;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const singleOperations = (rounds: number): { fillUs: number; invlpgUs: number } => {
  const m = makeMachine(RAM_PAGES, 4);
  layOut(m, 256, 'generation', true);
  setPolicy(m, TAGS.name, TAGS.default);
  const lps = [0, 1, 2, 3].map((lp) => new FillingLp(m, lp));
  for (const lp of lps.slice(1)) lp.leave();
  const fills: number[] = [];
  const invalidations: number[] = [];
  for (let n = 0; n < rounds; n++) {
    fills.push(lps[0]!.fillAll());
    invalidations.push(lps[0]!.invalidateAll());
  }
  return { fillUs: (median(fills) * 1000) / OPERATIONS, invlpgUs: (median(invalidations) * 1000) / OPERATIONS };
};

const DISPLACING = new Uint8Array(64 << 20);
const cool = (): void => {
  for (let at = 0; at < DISPLACING.length; at += 64) DISPLACING[at]!++;
};

const wholeFlush = (flush: string, tables: number, rounds: number): number => {
  const m = makeMachine(RAM_PAGES, 1);
  layOut(m, SPTS, 'generation', true);
  setPolicy(m, 'vtlb.flush', flush);
  const lp = new FillingLp(m, 0);
  const times: number[] = [];
  for (let n = 0; n < rounds; n++) {
    // As many entries of the hardware TLB each time: what differs is the shadow tables.
    lp.touchLarge(tables, TOUCHES);
    // The host's caches, too, are as cold in one case as in the other: many tables displace from them what the flush itself needs.
    cool();
    times.push(lp.flushPartition() * 1000);
  }
  return median(times);
};

const fillsOf = async (lock: string, shared: boolean, threads: number, milliseconds: number): Promise<number> => {
  const m = makeMachine(RAM_PAGES, threads);
  layOut(m, 1024, lock, shared);
  const ready = new SharedArrayBuffer(4);
  const rates = await Promise.all(
    Array.from({ length: threads }, (_, lp) => {
      const workerData: FillWorkerData = {
        partition: m.memory,
        machine: m.machine.buffer as SharedArrayBuffer,
        lps: threads,
        lp,
        table: shared ? 0 : lp,
        milliseconds,
        ready,
      };
      return new Promise<number>((resolve, reject) => {
        new Worker(new URL('./vtlb-fill-worker.js', import.meta.url), { workerData }).once('message', resolve).once('error', reject);
      });
    }),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
};

export const measureVtlb = async (quick: boolean, say: (text: string) => void): Promise<VtlbNumbers> => {
  say('single operations\n');
  const single = singleOperations(quick ? 200 : 2000);
  const flushUs = FLUSHES.flatMap((flush) =>
    [10, 10_000].map((tables) => ({ flush, tables, us: wholeFlush(flush, tables, quick ? 5 : 21) })),
  );
  const rounds = quick ? 1 : 5;
  const samples = new Map<string, number[]>();
  const cases = LOCKS.flatMap((lock) => ['private', 'shared'].flatMap((region) => [1, 2].map((threads) => ({ lock, region, threads }))));
  for (let round = 0; round < rounds; round++)
    for (const { lock, region, threads } of cases) {
      say(`\rfills, round ${round + 1}/${rounds} ${lock} ${region} ${threads}   `);
      const key = `${lock} ${region} ${threads}`;
      samples.set(key, [...(samples.get(key) ?? []), await fillsOf(lock, region === 'shared', threads, quick ? 200 : 500)]);
    }
  say('\r\x1b[K');
  const scaling = measureVtlbScaling();
  return {
    ...single,
    flushUs,
    scaling,
    commonHalf: measureCommonHalf(),
    fills: cases.map((c) => ({ ...c, perSecond: median(samples.get(`${c.lock} ${c.region} ${c.threads}`)!) })),
  };
};

export const vtlbMarkdown = ({ fillUs, invlpgUs, flushUs, fills, scaling, commonHalf }: VtlbNumbers): string => {
  const rows = [
    ['one fill: walker, guest walk, shadow entry, hardware TLB', `${fillUs.toFixed(2)} µs`, '< 1 µs'],
    ['INVLPG without pending fills, 4 LPs', `${invlpgUs.toFixed(2)} µs`, '< 0.3 µs'],
    ...FLUSHES.map((flush) => {
      const [few, many] = flushUs.filter((row) => row.flush === flush);
      return [
        `whole flush at ${few!.tables} and at ${many!.tables} shadow tables, \`vtlb.flush=${flush}\``,
        `${few!.us.toFixed(1)} and ${many!.us.toFixed(1)} µs`,
        flush === 'generation' ? 'within 2 ×' : '',
      ];
    }),
  ];
  const lines = ['| operation | host time | bar |', '| --- | ---: | --- |', ...rows.map((row) => `| ${row.join(' | ')} |`), ''];
  lines.push('| fills, pages | lock | 1 LP, /s | 2 LPs, /s | | bar |', '| --- | --- | ---: | ---: | ---: | --- |');
  for (const one of fills.filter((f) => f.threads === 1)) {
    const two = fills.find((f) => f.threads === 2 && f.lock === one.lock && f.region === one.region)!;
    const bar = one.lock === 'generation' && one.region === 'private' ? '≥ 1.8 × where two cores are free' : '';
    const numbers = [Math.round(one.perSecond).toLocaleString('en-US'), Math.round(two.perSecond).toLocaleString('en-US')];
    lines.push(`| ${one.region} | ${one.lock} | ${numbers.join(' | ')} | ${(two.perSecond / one.perSecond).toFixed(2)} × | ${bar} |`);
  }
  lines.push('', SCALING_LEGEND, '', scalingMarkdown(scaling), '', commonHalfMarkdown(commonHalf));
  return lines.join('\n');
};
