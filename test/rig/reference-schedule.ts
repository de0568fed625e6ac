// What an LP's scheduler is to do, as plainly as it can be said: no spin waits, no other LPs, nothing kept that can be counted again from the list of runs.
// Every rule can be left out, so that a test can show that it would notice. What is done for spin waits comes on top of it (reference-spin).
import { SLICE_CYCLES } from '../../daemon/lp/schedule/discipline.js';
import { PERIOD_CYCLES } from '../../daemon/lp/schedule/entitlement.js';

export const RULES = ['weight', 'limit', 'reserve', 'sleepers', 'wake-ups', 'turns', 'light slices', 'gangs', 'last moments'] as const;
export type Rule = (typeof RULES)[number];

export interface ReferenceVp {
  readonly partition: number;
  readonly weight: number;
  readonly reserve: number;
  readonly limit: number;
  /** Whether it has something to do. */
  isAwake(now: number): boolean;
}

interface Run {
  readonly vp: ReferenceVp;
  readonly from: number;
  readonly cycles: number;
}

const UNIT = 16;
const LONE = 16_000_000;
const LEAST_SLICE = 50_000;
const WAKE_LEAD = 200_000 * UNIT;
const SLEEP_CREDIT = SLICE_CYCLES * UNIT;
const periodOf = (cycle: number): number => Math.floor(cycle / PERIOD_CYCLES);

export class ReferenceSchedule {
  readonly #vps: readonly ReferenceVp[];
  readonly #policy: string;
  readonly #without: Rule | undefined;
  readonly #runs: Run[] = [];
  readonly #virtual = new Map<ReferenceVp, number>();
  #ready: ReferenceVp[] = [];
  #floor = 0;
  /** Whose turn it is. */
  #turn = 0;
  protected slice = 0;
  #end = Number.POSITIVE_INFINITY;

  constructor(vps: readonly ReferenceVp[], policy: string, without?: Rule) {
    this.#vps = vps;
    this.#policy = policy;
    this.#without = without;
    for (const vp of vps) this.#virtual.set(vp, 0);
  }

  #has(rule: Rule): boolean {
    return this.#without !== rule;
  }
  #weight({ weight }: ReferenceVp): number {
    return this.#has('weight') ? weight : 100;
  }
  protected virtualOf(vp: ReferenceVp): number {
    return this.#virtual.get(vp)!;
  }
  #usedIn(vp: ReferenceVp, period: number): number {
    return this.#runs.filter((run) => run.vp === vp && periodOf(run.from) === period).reduce((sum, { cycles }) => sum + cycles, 0);
  }
  #left(vp: ReferenceVp, now: number): number {
    if (vp.limit === 100 || !this.#has('limit')) return Number.POSITIVE_INFINITY;
    const period = periodOf(now);
    return Math.min((vp.limit * PERIOD_CYCLES) / 100 - this.#usedIn(vp, period), (period + 1) * PERIOD_CYCLES - now);
  }
  #isOwed(vp: ReferenceVp, now: number): boolean {
    const elapsed = now - periodOf(now) * PERIOD_CYCLES;
    return this.#has('reserve') && vp.reserve > 0 && this.#usedIn(vp, periodOf(now)) < (elapsed * vp.reserve) / 100 + 1;
  }
  #owed(vp: ReferenceVp, now: number): number {
    return Math.max(0, (vp.reserve * PERIOD_CYCLES) / 100 - this.#usedIn(vp, periodOf(now)));
  }
  #isItsTurn({ partition }: ReferenceVp, now: number): boolean {
    const count = new Set(this.#vps.map((vp) => vp.partition)).size;
    return this.#has('gangs') && Math.floor(now / SLICE_CYCLES) % count === partition;
  }

  /** The one that runs from `now` on and for how long at most; undefined: nobody can. */
  decide(now: number): { readonly vp: ReferenceVp; readonly budget: number } | undefined {
    const inTurn = [...this.#vps.slice(this.#turn), ...this.#vps.slice(0, this.#turn)];
    const ready = inTurn.filter((vp) => vp.isAwake(now) && this.#left(vp, now) > 0);
    const woken = ready.filter((vp) => !this.#ready.includes(vp));
    if (this.#has('sleepers')) for (const vp of woken) this.#virtual.set(vp, Math.max(this.virtualOf(vp), this.#floor - SLEEP_CREDIT));
    this.#ready = ready;
    if (ready.length === 0) return undefined;
    this.#floor = Math.max(this.#floor, Math.min(...ready.map((vp) => this.virtualOf(vp))));
    const current = this.#vps[this.#turn]!;
    const isUnderWay = ready[0] === current && this.slice > 0;
    const stays = isUnderWay && this.goesOn(current, ready, woken, now);
    const vp = stays ? current : this.choice(ready, isUnderWay ? current : undefined, now);
    if (!stays) this.slice = this.sliceOf(vp, ready, now);
    this.#turn = this.#vps.indexOf(vp);
    this.#end = this.#until(vp, now);
    return { vp, budget: Math.min(this.slice, this.#left(vp, now), this.#end - now) };
  }

  /** Whether the one whose slice is not over is not displaced. */
  protected goesOn(current: ReferenceVp, _ready: readonly ReferenceVp[], woken: readonly ReferenceVp[], now: number): boolean {
    return !(this.#has('wake-ups') && woken.some((vp) => this.#displaces(vp, current, now)));
  }
  /** Who comes next. `displaced`: the slice of that one was not over. */
  protected choice(ready: readonly ReferenceVp[], _displaced: ReferenceVp | undefined, now: number): ReferenceVp {
    return this.#best(this.#has('turns') ? ready : this.#vps.filter((one) => ready.includes(one)), now);
  }

  #displaces(woken: ReferenceVp, current: ReferenceVp, now: number): boolean {
    if (this.#policy === 'rr') return false;
    if (this.#policy === 'gang') return this.#isItsTurn(woken, now) && !this.#isItsTurn(current, now);
    if (this.#isOwed(woken, now) && !this.#isOwed(current, now)) return true;
    return this.virtualOf(woken) + WAKE_LEAD < this.virtualOf(current);
  }
  #best(ready: readonly ReferenceVp[], now: number): ReferenceVp {
    if (this.#policy === 'rr') return ready[0]!;
    const isFirst = (vp: ReferenceVp): boolean => (this.#policy === 'gang' ? this.#isItsTurn(vp, now) : this.#isOwed(vp, now));
    const first = ready.filter(isFirst);
    const among = first.length > 0 ? first : ready;
    const least = Math.min(...among.map((vp) => this.virtualOf(vp)));
    return among.find((vp) => this.virtualOf(vp) === least)!;
  }
  protected sliceOf(vp: ReferenceVp, ready: readonly ReferenceVp[], now: number): number {
    if (this.#vps.length === 1) return LONE;
    if (this.#policy !== 'credit' || !this.#has('light slices')) return SLICE_CYCLES;
    const weights = ready.reduce((sum, one) => sum + this.#weight(one), 0);
    const part = Math.floor((SLICE_CYCLES * ready.length * this.#weight(vp)) / weights);
    return Math.max(LEAST_SLICE, Math.min(part, this.#owed(vp, now) || part));
  }
  /** Gangs take turns; who waits has its reserve before the period is over. */
  #until(vp: ReferenceVp, now: number): number {
    if (this.#policy === 'gang') return (Math.floor(now / SLICE_CYCLES) + 1) * SLICE_CYCLES;
    if (this.#policy === 'rr' || !this.#has('last moments')) return Number.POSITIVE_INFINITY;
    const needed = this.#ready.filter((one) => one !== vp).reduce((sum, one) => sum + this.#owed(one, now), 0);
    const last = (periodOf(now) + 1) * PERIOD_CYCLES - needed;
    return needed > 0 && last > now ? last : Number.POSITIVE_INFINITY;
  }

  /** The one decided for has run. */
  ran(vp: ReferenceVp, from: number, cycles: number): void {
    const now = from + cycles;
    this.#runs.push({ vp, from, cycles });
    this.#virtual.set(vp, this.virtualOf(vp) + Math.round((cycles * UNIT * 100) / this.#weight(vp)));
    this.slice -= cycles;
    if (!this.stops(vp, now, cycles, this.slice <= 0 || now >= this.#end)) return;
    this.slice = 0;
    this.#turn = (this.#turn + 1) % this.#vps.length;
  }
  /** Whether somebody else's turn begins. */
  protected stops(vp: ReferenceVp, now: number, _cycles: number, isOver: boolean): boolean {
    return isOver || !vp.isAwake(now);
  }
}

/**
 * What VPs that always have something to do get of an LP in the long run, each a part of 1: the rest goes by weight, but none beyond its limit and none below its reserve
 * (water that is poured until it is all gone).
 */
export const fluidShares = (vps: readonly Pick<ReferenceVp, 'weight' | 'reserve' | 'limit'>[]): number[] => {
  const at = (level: number): number[] =>
    vps.map(({ weight, reserve, limit }) => Math.min(limit / 100, Math.max(reserve / 100, level * weight)));
  const sum = (shares: readonly number[]): number => shares.reduce((all, one) => all + one, 0);
  let [low, high] = [0, 1];
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (sum(at(middle)) < 1) low = middle;
    else high = middle;
  }
  return at(high);
};
