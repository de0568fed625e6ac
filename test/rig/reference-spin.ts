// What an LP's scheduler is to do for spin waits, as plainly as it can be said, on top of the plain one: extensions and their debts, who gives way, and to whom.
// One LP: nobody spins for a VP of another.
import { SLICE_CYCLES } from '../../daemon/lp/schedule/discipline.js';
import { PERIOD_CYCLES } from '../../daemon/lp/schedule/entitlement.js';
import { SpinKind } from '../../shared/layout/schedule.js';
import { ReferenceSchedule, type ReferenceVp } from './reference-schedule.js';

export interface SpinSettings {
  /** `spin.extend`: how often a slice, for how many cycles. */
  readonly times: number;
  readonly cycles: number;
  /** `spin.express`. */
  readonly express: boolean;
  /** `spin.detect` has `ipi`. */
  readonly ipi: boolean;
}
export interface SpinningVp extends ReferenceVp {
  /** Number in its partition, and how many that has. */
  readonly index: number;
  readonly count: number;
  /** Now. */
  isCritical(): boolean;
  /** In the run that is over: SpinKind, and whom it has sent an interrupt, by their numbers. */
  spun(): { readonly kind: number; readonly asked: number };
}

/** Of a period for each VP, by extensions and boosts. */
const FAVOUR_MAX = 2_000_000;
const LEAD_MAX = 16 * FAVOUR_MAX;
const LEAST_BOOST = 50_000;
const EXTENDED_RUN = 10_000;

interface Known {
  period: number;
  favoured: number;
  debt: number;
  extensions: number;
  /** It had to stop in a critical section. */
  preempted: boolean;
  /** Others come before it until then. */
  deferredUntil: number;
  /** Of VPs that spin every other one is expected to make progress, each in its turn. */
  eligible: boolean;
}

export class SpinSchedule extends ReferenceSchedule {
  readonly #o: SpinSettings;
  readonly #known = new Map<ReferenceVp, Known>();
  #waiting: readonly SpinningVp[] = [];
  #extended = false;
  /** Who has what is left of a spinner's slice. */
  #boost: SpinningVp | undefined;
  #boostCycles = 0;
  #favouredLast = -1;

  constructor(vps: readonly SpinningVp[], policy: string, settings: SpinSettings) {
    super(vps, policy);
    this.#o = settings;
    for (const vp of vps)
      this.#known.set(vp, { period: 0, favoured: 0, debt: 0, extensions: 0, preempted: false, deferredUntil: 0, eligible: false });
  }
  #of(vp: ReferenceVp): Known {
    return this.#known.get(vp)!;
  }

  override decide(now: number): { readonly vp: ReferenceVp; readonly budget: number } | undefined {
    const period = Math.floor(now / PERIOD_CYCLES);
    for (const [vp, known] of this.#known) if (vp.isAwake(now) && known.period !== period) Object.assign(known, { period, favoured: 0 });
    const decision = super.decide(now);
    return decision && { vp: decision.vp, budget: Math.min(decision.budget, this.#extended ? EXTENDED_RUN : Number.POSITIVE_INFINITY) };
  }

  #boosted(ready: readonly ReferenceVp[]): SpinningVp | undefined {
    const vp = this.#boost;
    if (vp === undefined || !ready.includes(vp)) return undefined;
    return ready.every((one) => this.virtualOf(vp) - this.virtualOf(one) <= LEAD_MAX) ? vp : undefined;
  }
  #extend(vp: SpinningVp, othersWait: boolean): boolean {
    const known = this.#of(vp);
    const cycles = Math.min(this.#o.cycles, FAVOUR_MAX - known.favoured);
    if (known.extensions === this.#o.times || cycles <= 0 || !othersWait || !vp.isCritical()) return false;
    known.extensions++;
    this.#extended = true;
    this.slice = cycles;
    return true;
  }

  protected override goesOn(current: SpinningVp, ready: readonly SpinningVp[], woken: readonly SpinningVp[], now: number): boolean {
    this.#waiting = ready.filter((vp) => vp !== current);
    if (this.#extended) return true;
    if (this.#boost === undefined ? super.goesOn(current, ready, woken, now) : this.#boosted(ready) === current) return true;
    return this.#extend(current, ready.length > 1);
  }
  protected override choice(ready: readonly SpinningVp[], displaced: SpinningVp | undefined, now: number): SpinningVp {
    const due = ready.filter((vp) => this.#of(vp).deferredUntil <= now);
    this.#boost = this.#boosted(ready);
    const vp = (this.#boost ?? super.choice(due.length > 0 ? due : ready, undefined, now)) as SpinningVp;
    if (displaced !== undefined && displaced !== vp) this.#of(displaced).preempted = displaced.isCritical();
    Object.assign(this.#of(vp), { preempted: false, deferredUntil: 0 });
    this.#extended = false;
    this.#waiting = ready.filter((one) => one !== vp);
    return vp;
  }
  /** Debts are paid with up to half of each slice. */
  protected override sliceOf(vp: SpinningVp, ready: readonly SpinningVp[], now: number): number {
    if (this.#boost !== undefined) return this.#boostCycles;
    const slice = super.sliceOf(vp, ready, now);
    const known = this.#of(vp);
    const paid = Math.min(known.debt, Math.floor(slice / 2));
    known.debt -= paid;
    known.extensions = 0;
    return slice - paid;
  }

  protected override stops(vp: SpinningVp, now: number, cycles: number, isOver: boolean): boolean {
    const known = this.#of(vp);
    const isAwake = vp.isAwake(now);
    if (this.#boost === vp) known.favoured += cycles;
    const givesWay = isAwake && this.#givesWay(vp, now);
    const isSectionOver = this.#extended && isAwake && !vp.isCritical();
    if (this.#extended) {
      known.debt += cycles;
      known.favoured += cycles;
    }
    if (isAwake && !givesWay && !isSectionOver && (!isOver || this.#extend(vp, this.#waiting.length > 0))) return false;
    if (isAwake) known.preempted = !isSectionOver && !givesWay && vp.isCritical();
    this.#extended = false;
    if (!givesWay) this.#boost = undefined;
    return true;
  }

  #givesWay(spinner: SpinningVp, now: number): boolean {
    const { kind, asked } = spinner.spun();
    if (kind === SpinKind.NONE) return false;
    this.#boost = undefined;
    if (this.#o.express) {
      const isLong = kind === SpinKind.LONG;
      this.#boost = this.#favourite(spinner, this.#o.ipi ? asked : 0, isLong, now);
      if (this.#boost === undefined && !isLong) return false;
      if (this.#boost !== undefined) {
        this.#favouredLast = this.#boost.index;
        this.#boostCycles = Math.min(Math.max(this.slice, LEAST_BOOST), Math.max(1, FAVOUR_MAX - this.#of(this.#boost).favoured));
      }
    }
    const known = this.#of(spinner);
    known.deferredUntil = now + SLICE_CYCLES;
    known.eligible = !known.eligible;
    return true;
  }
  /** Of those that wait: whom it has asked, who had to stop in a section; if it has spun for long, who does not spin, who spins and is due. */
  #favourite(spinner: SpinningVp, asked: number, isLong: boolean, now: number): SpinningVp | undefined {
    const { partition, count } = spinner;
    const others = this.#waiting.filter((vp) => vp.partition === partition && this.#of(vp).favoured < FAVOUR_MAX);
    const fromLast = (vp: SpinningVp): number => (vp.index - this.#favouredLast - 1 + 2 * count) % count;
    const inTurn = others.toSorted((a, b) => fromLast(a) - fromLast(b));
    const spins = (vp: SpinningVp): boolean => this.#of(vp).deferredUntil > now;
    const known = inTurn.find((vp) => (asked & (1 << vp.index)) !== 0) ?? inTurn.find((vp) => this.#of(vp).preempted);
    if (known !== undefined || !isLong) return known;
    return inTurn.find((vp) => !spins(vp)) ?? inTurn.find((vp) => this.#of(vp).eligible);
  }
}
