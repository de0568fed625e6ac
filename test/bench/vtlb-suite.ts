// `npm run bench -- --suite vtlb`: what single operations of the vTLB cost the host, and how fills of several LPs go together. Medians; ratios from alternating runs.
import { findPolicy } from '../../shared/protocol/policies.js';
import { makeMachine } from '../interleave/small-machine.js';
import { median } from './table.js';
import { type CommonHalfRow, commonHalfMarkdown, measureCommonHalf } from './vtlb-common-half.js';
import { FillingLp, layOut, RAM_PAGES, setPolicy } from './vtlb-fills.js';
import { measureVtlbScaling, SCALING_LEGEND, type ScalingRow, scalingMarkdown } from './vtlb-scaling.js';
import { measureStorm, STORM_LEGEND, type StormRow, stormMarkdown } from './vtlb-storm.js';

export interface VtlbNumbers {
  /** Microseconds of one fill and of one INVLPG without pending fills, 4 LPs in the partition. */
  readonly fillUs: number;
  readonly invlpgUs: number;
  /** Microseconds of emptying the whole vTLB, by the number of shadow tables in use. */
  readonly flushUs: readonly { readonly flush: string; readonly tables: number; readonly us: number }[];
  readonly storm: readonly StormRow[];
  /** In virtual time. */
  readonly scaling: readonly ScalingRow[];
  readonly commonHalf: readonly CommonHalfRow[];
}

const SPTS = 12_000;
const OPERATIONS = 512;
const TOUCHES = 10_000;
const FLUSHES = ['generation', 'walk'] as const;
const TAGS = findPolicy('vtlb.tags')!;

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

export const measureVtlb = async (quick: boolean, say: (text: string) => void): Promise<VtlbNumbers> => {
  say('single operations\n');
  const single = singleOperations(quick ? 200 : 2000);
  const flushUs = FLUSHES.flatMap((flush) =>
    [10, 10_000].map((tables) => ({ flush, tables, us: wholeFlush(flush, tables, quick ? 5 : 21) })),
  );
  const storm = await measureStorm(quick, say);
  const scaling = measureVtlbScaling();
  return {
    ...single,
    flushUs,
    scaling,
    storm,
    commonHalf: measureCommonHalf(),
  };
};

export const vtlbMarkdown = ({ fillUs, invlpgUs, flushUs, storm, scaling, commonHalf }: VtlbNumbers): string => {
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
  lines.push(STORM_LEGEND, '', stormMarkdown(storm), '', SCALING_LEGEND, '', scalingMarkdown(scaling), '', commonHalfMarkdown(commonHalf));
  return lines.join('\n');
};
