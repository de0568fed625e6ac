// What an LP tells of a partition's VPs while somebody traces (layout/trace). Nothing here changes what happens or when: a run that is traced takes the same course.
// Why no shortcuts then (GuestProcessor.followed): what is done in WebAssembly is charged alike, but nobody sees when.
import { TraceKind } from '../../shared/layout/trace.js';
import type { InterruptListener } from './apic/apic-bus.js';
import type { PartitionOnLp } from './partition-on-lp.js';
import type { TraceRing } from './trace-ring.js';

const NONE = -1;

export class Trace implements InterruptListener {
  readonly #on: PartitionOnLp;
  readonly #ring: TraceRing | undefined;
  #isFollowed = false;
  /** Intercept that is being dealt with, and since when. */
  #intercept = NONE;
  #since = 0;
  /** End of the last one of this run: a spin episode is drawn from there on. */
  #resumedAt = 0;
  /** The run's VP spins since then. */
  spinsSince: () => number = () => Number.POSITIVE_INFINITY;

  constructor(on: PartitionOnLp, ring: TraceRing | undefined) {
    this.#on = on;
    this.#ring = ring;
  }

  /** A run begins: from here on there is a trace, or none. */
  begin(): void {
    const isOn = this.#ring?.isOn ?? false;
    if (isOn !== this.#isFollowed) {
      this.#isFollowed = isOn;
      this.#on.processor.followed = isOn;
    }
    this.#intercept = NONE;
    if (isOn) this.#resumedAt = this.#now();
  }

  /** Before anything is charged for it. */
  intercepted(number: number): void {
    if (this.#ring?.isOn !== true) return;
    this.#end();
    this.#intercept = number;
    this.#since = this.#now();
  }
  /** Guest code goes on. */
  resumed(): void {
    if (this.#intercept !== NONE) this.#end();
  }
  #end(): void {
    if (this.#intercept === NONE) return;
    this.#resumedAt = this.#now();
    this.#add(TraceKind.INTERCEPT, this.#current, this.#since, this.#intercept, 0);
    this.#intercept = NONE;
  }

  /** The LP's super-mode is another, which took so long; on the host's clock, no time that is known. */
  switched(mode: number, cycles: number): void {
    if (this.#ring?.isOn === true)
      this.#add(TraceKind.WORLD, this.#current, this.#now() - (this.#on.wiring.realtime ? 0 : cycles), mode, 0);
  }
  /** So long it waited for others just now. `what`: TraceWait. */
  waited(what: number, cycles: number): void {
    if (this.#ring?.isOn === true) this.#add(TraceKind.WAIT, this.#current, this.#now() - cycles, what, 0);
  }
  /** The VP was found spinning, by the intercept at hand. */
  spun(kind: number): void {
    if (this.#ring?.isOn !== true) return;
    const found = this.#intercept === NONE ? this.#now() : this.#since;
    const since = Math.min(found, this.spinsSince());
    const began = Math.min(found, Math.max(since, this.#resumedAt));
    this.#ring.add(TraceKind.SPIN, this.#on.wiring.slot, this.#current, found, began, kind, found - since);
  }
  kicked(vp: number, lp: number): void {
    if (this.#ring?.isOn === true) this.#add(TraceKind.KICK, this.#current, this.#now(), vp, lp);
  }

  raised(vp: number, vector: number, kind: number, stamp: number): void {
    if (this.#ring?.isOn === true) this.#add(TraceKind.RAISED, vp, this.#now(), vector | (kind << 8), stamp);
  }
  delivered(vp: number, vector: number, kind: number, stamp: number): void {
    if (this.#ring?.isOn === true) this.#add(TraceKind.DELIVERED, vp, this.#now(), vector | (kind << 8), stamp);
  }
  ended(vp: number, vector: number, state: number, stamp: number): void {
    if (this.#ring?.isOn === true) this.#add(TraceKind.ENDED, vp, this.#now(), vector | (state << 8), stamp);
  }

  get #current(): number {
    return Math.max(0, this.#on.current);
  }
  #now(): number {
    return this.#on.clock.cycles();
  }
  #add(kind: number, vp: number, began: number, a: number, b: number): void {
    this.#ring?.add(kind, this.#on.wiring.slot, vp, this.#now(), began, a, b);
  }
}
