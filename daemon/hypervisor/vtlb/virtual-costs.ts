// What the vTLB's work costs its LP in virtual time (configs/costs.yaml): tables gone over, shootdowns, and waits for other LPs.
// Why waits have a model: under the deterministic clock LPs run one at a time and never find a lock held. Where they would have, busy-diary.ts says. What a fill itself costs
// is charged by the #PF intercept.
import { LpContext } from '../../../shared/layout/lp-context.js';
import { LpLayout, lpBlockAt } from '../../../shared/layout/machine.js';
import { lpContextAt } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { TraceWait } from '../../../shared/layout/trace.js';
import { filling, fillsOfLp, GLOBAL_LOCK, passing } from '../../../shared/layout/vtlb.js';
import { BusyDiary, SLOT_CYCLES } from './busy-diary.js';

/** An LP's clock, in cycles, and what things cost by name. */
export interface VirtualTime {
  readonly costs: Readonly<Record<string, number>>;
  now(): number;
  charge(cycles: number): void;
  /** The last `cycles` were a wait for others: TraceWait. */
  waited?(what: number, cycles: number): void;
}

/** Of shadow page tables, whatever the guest's paging mode. */
const LEVELS = 4;

/** For LPs whose time nobody counts. */
export const NO_TIME: VirtualTime = { costs: {}, now: () => 0, charge: () => undefined };

export class VirtualCosts {
  readonly #time: VirtualTime;
  readonly #lp: number;
  readonly #machine: Views;
  readonly #diary: BusyDiary;
  readonly #walk: number;
  readonly #remoteLevel: number;
  readonly #fill: number;
  readonly #sweep: number;
  readonly #handshake: number;
  readonly #remote: number;
  readonly #counterRead: number;

  /** `machine`: machine memory, whose LP blocks say where LPs are. */
  constructor(views: Views, machine: Views, lp: number, time: VirtualTime) {
    const { costs } = time;
    this.#time = time;
    this.#lp = lp;
    this.#machine = machine;
    this.#diary = new BusyDiary(views, lp);
    this.#walk = (costs.tlbWalkLevel ?? 0) * LEVELS;
    this.#remoteLevel = costs.remoteWalkLevel ?? 0;
    this.#fill = costs.sptFill ?? 0;
    this.#sweep = costs.tableSweep ?? 0;
    this.#handshake = costs.flushHandshake ?? 0;
    this.#remote = costs.remoteIpi ?? 0;
    this.#counterRead = costs.counterRead ?? 0;
    // What daemon/shortcuts charges in the same way.
    const context = new LpContext(views, lpContextAt(lp));
    context.walkCycles = this.#walk;
    context.fillCycles = this.#fill;
    context.counterReadCycles = this.#counterRead;
  }

  /** A hardware walk has found a translation; so many of its tables are on another node. One that finds none is part of the intercept that follows. */
  walked(remoteLevels: number): void {
    this.#time.charge(this.#walk + remoteLevels * this.#remoteLevel);
  }

  /** A table was read from end to end. */
  swept(): void {
    if (this.#sweep > 0) this.#time.charge(this.#sweep);
  }

  /** Every LP of the bit set is asked to flush, and waited for. */
  shotDown(low: number, high: number): void {
    if (this.#handshake === 0) return;
    const own = this.#nodeOf(this.#lp);
    let cycles = 0;
    for (let lp = 0; lp < 64; lp++) {
      if (((lp < 32 ? low : high) & (1 << (lp & 31))) === 0) continue;
      cycles += this.#handshake + (this.#nodeOf(lp) === own ? 0 : this.#remote);
    }
    this.#wait(TraceWait.SHOOTDOWN, cycles);
  }
  #nodeOf(lp: number): number {
    return this.#machine.u32[(lpBlockAt(lp) + LpLayout.at.node) >>> 2];
  }

  /** A turn at the one lock, for as long as a fill takes: its charge has been made before. Each of the following returns the cycles that were waited for it. */
  globalLock(): number {
    return this.#queue(TraceWait.GLOBAL_LOCK, GLOBAL_LOCK, this.#fill);
  }
  /** A turn at an SPT's lock: on the way to another, or for as long as a fill takes. */
  sptLock(spt: number, toFill: boolean): number {
    return toFill
      ? this.#queue(TraceWait.TABLE_LOCK, filling(spt), this.#fill)
      : this.#queue(TraceWait.TABLE_LOCK, passing(spt), SLOT_CYCLES);
  }
  #queue(what: number, owner: number, cycles: number): number {
    if (this.#fill === 0) return 0;
    const wait = this.#diary.take(owner, this.#time.now(), cycles);
    this.#wait(what, wait);
    return wait;
  }
  #wait(what: number, cycles: number): void {
    this.#time.charge(cycles);
    if (cycles > 0) this.#time.waited?.(what, cycles);
  }

  /** This LP is inside a fill or a clearing: others may have to wait for it. */
  inside(): void {
    if (this.#fill > 0) this.#diary.mark(fillsOfLp(this.#lp), this.#fillSlot());
  }
  /** This LP looks at the generation counters of others and waits for the fills that are under way now. Those whose turn comes later in the step are not known of yet. */
  awaitFills(low: number, high: number): number {
    if (this.#fill === 0) return 0;
    const slot = this.#fillSlot();
    let looks = 0;
    let waits = false;
    for (let lp = 0; lp < 64; lp++) {
      if (((lp < 32 ? low : high) & (1 << (lp & 31))) === 0) continue;
      looks++;
      waits ||= this.#diary.isBusy(fillsOfLp(lp), slot);
    }
    this.#time.charge(looks * this.#counterRead);
    if (!waits) return 0;
    const wait = Math.max(0, (slot + 1) * this.#fill - this.#time.now());
    this.#wait(TraceWait.PENDING_FILLS, wait);
    return wait;
  }
  /** Fills are as long as one another: their slots are, too. */
  #fillSlot(): number {
    return Math.floor(this.#time.now() / this.#fill);
  }
}
