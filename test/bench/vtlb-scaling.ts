// Fills of 1 to 64 LPs in virtual time: LPs on one host thread, each with a clock of its own, and the one whose clock is lowest does the next thing. So what LPs wait for each
// other shows with as many LPs as one likes, and the same numbers come out on every host. What takes how long: configs/costs.yaml.
//
//   private  each LP in an address space of its own fills pages behind a table of its own
//   shared   all LPs in one address space: page by page in turn, so that neighbours of a page are filled by others
//   edits    as private, and after every other fill an INVLPG of a page filled before
import { readCosts } from '../../daemon/root/config/machine-file.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { findPolicy } from '../../shared/protocol/policies.js';
import { makeMachine } from '../interleave/small-machine.js';
import { FillingLp, layOut, RAM_PAGES, roundTrip } from './vtlb-fills.js';

export const REGIONS = ['private', 'shared', 'edits'] as const;
export type Region = (typeof REGIONS)[number];
export const LP_COUNTS = [1, 2, 4, 8, 16, 32, 64] as const;

export interface ScalingRow {
  readonly lock: string;
  readonly region: Region;
  readonly lps: number;
  /** Of all LPs together, for each million virtual cycles. */
  readonly fills: number;
  /** Share of all cycles in which LPs waited for others. */
  readonly waiting: number;
}

const LOCKS: readonly string[] = findPolicy('vtlb.lock')!.values;
const FILLS = 480;
const SPTS = 1024;

export const SCALING_LEGEND =
  'The same storm in virtual time: fills of all LPs together for each million cycles, and in brackets the share of their time that LPs waited for each other. ' +
  '`private`: spaces and tables of their own. `shared`: one space, the pages of its tables in turn. `edits`: as `private`, with an INVLPG after every other fill.';

/** Every lock, region and number of LPs. */
export const measureVtlbScaling = (counts: readonly number[] = LP_COUNTS): ScalingRow[] => {
  const costs = readCosts();
  return LOCKS.flatMap((lock) => REGIONS.flatMap((region) => counts.map((lps) => measure(lock, region, lps, costs))));
};

/** One row for each lock and region: rates, and what is left of N times one LP's. */
export const scalingMarkdown = (rows: readonly ScalingRow[]): string => {
  const head = LP_COUNTS.map((lps) => `${lps} LP${lps === 1 ? '' : 's'}`);
  const lines = [
    `| pages | lock | ${head.join(' | ')} | at 64 | bar |`,
    `| --- | --- | ${head.map(() => '---:').join(' | ')} | ---: | --- |`,
  ];
  for (const region of REGIONS)
    for (const lock of LOCKS) {
      const own = rows.filter((row) => row.region === region && row.lock === lock);
      const one = own[0]!.fills;
      const rates = own.map(
        ({ fills, waiting }) => `${Math.round(fills).toLocaleString('en-US')}${waiting < 0.001 ? '' : ` (${Math.round(waiting * 100)} %)`}`,
      );
      const last = own.at(-1)!;
      const bar = region === 'private' && lock === 'generation' ? '≥ 90 % of linear' : '';
      lines.push(
        `| ${region} | ${lock} | ${rates.join(' | ')} | ${Math.round((100 * last.fills) / (last.lps * one))} % of linear | ${bar} |`,
      );
    }
  return lines.join('\n');
};

/** What one LP does, step by step: page `n` of its own table, or of all tables in turn. */
class StormLp {
  clock = 0;
  #fills = 0;
  #edits = 0;
  readonly #lp: FillingLp;
  readonly #region: Region;
  readonly #next: (n: number) => readonly [table: number, page: number];

  constructor(m: ReturnType<typeof makeMachine>, lp: number, region: Region, costs: Readonly<Record<string, number>>) {
    const charge = (cycles: number): void => {
      this.clock += cycles;
    };
    this.#lp = new FillingLp(m, lp, lp, { costs, now: () => this.clock, charge });
    this.#lp.leave();
    this.#region = region;
    const { lps } = m;
    this.#next = region === 'shared' ? (n) => [Math.floor((n * lps + lp) / 512), (n * lps + lp) % 512] : (n) => [lp, n];
  }

  get isDone(): boolean {
    return this.#fills === FILLS;
  }
  step(): void {
    const editsDue = this.#region === 'edits' ? this.#fills >> 1 : 0;
    this.#lp.inGuest(() => {
      if (this.#edits < editsDue) this.#lp.invalidate(...this.#next(this.#edits++));
      else this.#lp.fill(...this.#next(this.#fills++));
    });
  }
}

const measure = (lock: string, region: Region, lps: number, costs: Readonly<Record<string, number>>): ScalingRow => {
  const m = makeMachine(RAM_PAGES, lps);
  layOut(m, SPTS, lock, region === 'shared');
  const all = Array.from({ length: lps }, (_, lp) => new StormLp(m, lp, region, costs));
  const begin = Math.max(...all.map(({ clock }) => clock));
  // All begin the storm at the same time, spread over one fill as interrupts would spread them.
  all.forEach((lp, i) => {
    lp.clock = begin + Math.floor((i * roundTrip(costs)) / lps);
  });
  for (;;) {
    let next: StormLp | undefined;
    for (const lp of all) if (!lp.isDone && (next === undefined || lp.clock < next.clock)) next = lp;
    if (next === undefined) break;
    next.step();
  }
  const cycles = all.reduce((sum, { clock }) => sum + clock - begin, 0);
  const { fills, lockQueueCycles, fillWaitCycles } = vtlbCounters(m.partition) as Record<string, number>;
  return { lock, region, lps, fills: (fills! * lps * 1e6) / cycles, waiting: (lockQueueCycles! + fillWaitCycles!) / cycles };
};
