// VPs that move (policy `sched.balance`): an LP with several ready VPs gives one to an LP that has none, and from time to time one to an LP that has less.
// Why it is always the owner who gives, and nobody takes: timers, interrupts in service and accounts of a VP are its owner's without a lock. What a thief would have
// to wait for is what the owner does anyway when it looks for the next VP to run.
//
// A gift, and what it leaves: (1) the owner is done with the VP and stores where its time goes on; (2) its LP word names the new owner: who posts to the VP from here
// on tells that one, and who has told the old one had posted before, which the new one sees as it looks; (3) the new owner's `arrivals` says that there is something
// to take; (4) it is told. It looks at (3) before each choice, and once more after it has said that it goes idle. test/interleave/gift-interleavings tries all orders.
import { LpBlock, LpLayout, LpState, lpBlockAt } from '../../../shared/layout/machine.js';
import { RESERVE_MAX } from '../../../shared/layout/schedule.js';
import type { Views } from '../../../shared/layout/struct.js';
import type { Candidate } from './candidate.js';
import { periodEnd } from './entitlement.js';

const NOBODY = -1;

export class Balance {
  readonly #machine: Views;
  readonly #lp: number;
  readonly #blocks: readonly LpBlock[];
  readonly #signal: (lp: number, clock: number) => void;
  /** Cycle before which nothing is given to LPs that have work. */
  #next = 0;

  /** `signal`: tells another LP that it has work. */
  constructor(machine: Views, lp: number, lps: number, signal: (lp: number, clock: number) => void) {
    this.#machine = machine;
    this.#lp = lp;
    this.#blocks = Array.from({ length: lps }, (_, i) => new LpBlock(machine, lpBlockAt(i)));
    this.#signal = signal;
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): { readonly next: number } {
    return { next: this.#next };
  }
  set saved({ next }: { readonly next: number }) {
    this.#next = next;
  }

  /** What others may know of this LP's queue. */
  publish(chosen: Candidate | undefined, waiting: readonly Candidate[], reserved: number): void {
    let weight = chosen?.record.weight ?? 0;
    for (const { record } of waiting) weight += record.weight;
    this.#store('readyVps', waiting.length + (chosen === undefined ? 0 : 1));
    this.#store('readyWeight', weight);
    this.#store('reservedPercent', reserved);
  }

  /** Whether another LP has no work. */
  get someIdle(): boolean {
    for (let lp = 0; lp < this.#blocks.length; lp++) if (lp !== this.#lp && this.#word(lp, 'readyVps') === 0) return true;
    return false;
  }

  /** An LP without work that may run the VP: its home before others, its own node's before those. -1: none. */
  idleFor(candidate: Candidate): number {
    const home = candidate.guest.homeOf(candidate.vp);
    const node = this.#blocks[this.#lp].node;
    let best = NOBODY;
    for (const [lp, block] of this.#blocks.entries()) {
      if (this.#word(lp, 'readyVps') !== 0 || !this.#takes(candidate, lp)) continue;
      if (lp === home) return lp;
      if (best === NOBODY || (block.node === node && this.#blocks[best].node !== node)) best = lp;
    }
    return best;
  }

  /** Once a period: whether VPs are given to LPs that have work too. */
  isDue(now: number): boolean {
    if (now < this.#next) return false;
    this.#next = periodEnd(now);
    return true;
  }

  /** The LP with least work of those that would not have more with the VP than this one has now, by weight. -1: none. */
  lighterFor(candidate: Candidate, weight: number): number {
    let best = NOBODY;
    let least = weight - candidate.record.weight + 1;
    for (const lp of this.#blocks.keys()) {
      const has = this.#word(lp, 'readyWeight');
      if (has >= least || !this.#takes(candidate, lp)) continue;
      best = lp;
      least = has;
    }
    return best;
  }

  /** The LP for which root has placed a VP that is not to stay here. -1: it is this one, or works no more. */
  homeFor(candidate: Candidate): number {
    const home = candidate.guest.homeOf(candidate.vp);
    return this.#mayHave(candidate, home) ? home : NOBODY;
  }

  #mayHave(candidate: Candidate, lp: number): boolean {
    if (lp === this.#lp || !candidate.mayRunOn(lp)) return false;
    const state = this.#word(lp, 'state');
    return state !== LpState.DEAD && state !== LpState.OFFLINE;
  }
  #takes(candidate: Candidate, lp: number): boolean {
    if (!this.#mayHave(candidate, lp)) return false;
    const { reserve } = candidate.record;
    return reserve === 0 || this.#word(lp, 'reservedPercent') + reserve <= RESERVE_MAX;
  }

  /** The owner is done with the VP. False: that LP has died meanwhile, and the VP is the owner's again. */
  give(candidate: Candidate, lp: number, now: number): boolean {
    candidate.record.notBeforeNum = now;
    candidate.guest.give(candidate.vp, lp);
    // Root stores an LP's death, then looks whose VPs it had: either it finds this one, or this finds the death.
    if (this.isDead(lp)) {
      candidate.guest.give(candidate.vp, this.#lp);
      return false;
    }
    this.announce(candidate, lp);
    this.tell(lp, now);
    return true;
  }
  protected isDead(lp: number): boolean {
    return this.#word(lp, 'state') === LpState.DEAD;
  }
  /** There is something for the LP to take. What it has counts at once: or several LPs would give to the same idle one. */
  protected announce({ record }: Candidate, lp: number): void {
    this.#add(lp, 'readyVps', 1);
    this.#add(lp, 'readyWeight', record.weight);
    this.#add(lp, 'reservedPercent', record.reserve);
    this.#add(lp, 'arrivals', 1);
  }
  protected tell(lp: number, now: number): void {
    this.#signal(lp, now);
  }

  #at(lp: number, name: Word): number {
    return (lpBlockAt(lp) + LpLayout.at[name]) >>> 2;
  }
  #word(lp: number, name: Word): number {
    return Atomics.load(this.#machine.i32, this.#at(lp, name));
  }
  #store(name: Word, value: number): void {
    Atomics.store(this.#machine.i32, this.#at(this.#lp, name), value);
  }
  #add(lp: number, name: Word, value: number): void {
    Atomics.add(this.#machine.i32, this.#at(lp, name), value);
  }
}

type Word = 'state' | 'readyVps' | 'readyWeight' | 'reservedPercent' | 'arrivals';
