// Which VPs of this LP can run, and when the next timer wants one: what the LP's scheduler asks (lp/logical-processor).
import { Rflags } from '../../shared/abi/registers.js';
import { DebugAction } from '../../shared/layout/debug.js';
import { PartitionState } from '../../shared/layout/partition.js';
import { MWait, VpState } from '../../shared/layout/vp.js';
import { hasPosted } from './apic/post.js';
import type { PartitionOnLp } from './partition-on-lp.js';

export interface ReadinessSaved {
  readonly sawPause: boolean;
  readonly own: readonly number[];
}

export class VpReadiness {
  readonly #on: PartitionOnLp;
  #sawPause = false;
  /** VPs that this LP runs. Their own words may name it already when others are on their way here: those are not looked at before they are taken. */
  #own: readonly number[];

  constructor(on: PartitionOnLp) {
    this.#on = on;
    this.#own = this.own();
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): ReadinessSaved {
    return { sawPause: this.#sawPause, own: this.#own };
  }
  set saved({ sawPause, own }: ReadinessSaved) {
    this.#sawPause = sawPause;
    this.#own = own;
  }

  /** VPs that this LP runs: what other LPs have given it is taken. */
  own(): readonly number[] {
    const { vps, wiring } = this.#on;
    this.#own = vps.filter((vp) => this.#on.lpOf(vp) === wiring.lp).map((vp) => vp.index);
    return this.#own;
  }
  /** The VP is another LP's from now on: what it is in, posts to it excepted, must be in memory. */
  give(index: number, lp: number): void {
    const on = this.#on;
    on.count(on.vps[index], 'lpMigrations');
    this.#own = this.#own.filter((vp) => vp !== index);
    on.setLp(on.vps[index], lp);
  }

  /** True once after a pause that this LP has seen: what was posted meanwhile summoned LPs that could not act on it. */
  takeResumed(): boolean {
    if (!this.#sawPause) this.#sawPause = this.#on.state === PartitionState.PAUSED;
    if (!this.#sawPause || !this.#on.isRunning) return false;
    this.#sawPause = false;
    return true;
  }

  /**
   * Takes what was posted to the VP and says whether it can run now. Owner LP only. Without `take` only what the VP is already counts: an LP that awaits
   * nothing must not see another LP's posts before that LP has summoned it, or its course would hang on the host's timing (lp/turn).
   */
  runnable(index: number, take = true): boolean {
    const on = this.#on;
    if (!on.isRunning || on.wiring.debug?.actionOf(index) === DebugAction.HOLD) return false;
    const vp = on.vps[index];
    let state = on.stateOf(vp);
    if (state === VpState.STOPPED) return false;
    if (take && hasPosted(vp)) {
      on.takePosted(index);
      if (!on.isRunning) return false;
      state = on.stateOf(vp);
    }
    if (take && state === VpState.HALTED && this.#wakes(index)) {
      if ((vp.mwait & MWait.WAITING) !== 0) on.monitors.disarm(vp);
      vp.mwait = 0;
      on.setState(vp, VpState.READY);
      state = VpState.READY;
    }
    return state === VpState.READY || state === VpState.RUNNING;
  }
  #wakes(index: number): boolean {
    const on = this.#on;
    const vp = on.vps[index];
    if (vp.nmiPending && !vp.nmiBlocked) return true;
    if ((vp.mwait & MWait.WAITING) !== 0 && !on.monitors.isArmed(vp)) return true;
    if (!(on.systemFlags(vp) & Rflags.IF) && !(vp.mwait & MWait.MASKED_TOO)) return false;
    return on.apics[index].pendingVector() >= 0 || on.hasExtInt(index);
  }

  /** Cycle of the earliest timer of this LP's VPs (VP 0 stands for the platform and the partition's own end), Infinity when there is none. */
  deadline(): number {
    const on = this.#on;
    if (!on.isRunning) return Number.POSITIVE_INFINITY;
    let ns = Number.POSITIVE_INFINITY;
    for (const i of this.#own) {
      ns = Math.min(ns, on.apics[i].timerDeadline(), on.hyperv?.messaging?.deadline(i) ?? Number.POSITIVE_INFINITY);
      if (i === 0) ns = Math.min(ns, on.platform.nextDeadline(), this.#end());
    }
    return on.clock.cyclesAt(ns);
  }

  /** Lets timers of this LP's VPs expire. */
  advance(): void {
    const on = this.#on;
    if (!on.isRunning) return;
    const now = on.clock.now();
    for (const i of this.#own) {
      if (on.apics[i].timerDeadline() <= now) on.apics[i].advance(now);
      on.hyperv?.messaging?.advance(i, now);
      if (i !== 0) continue;
      if (on.platform.nextDeadline() <= now) on.platform.advance();
      if (this.#end() <= now) on.ends.timeUp();
    }
  }

  /** Partition time at which the partition is to be stopped, ns. */
  #end(): number {
    return this.#on.header.endNsNum || Number.POSITIVE_INFINITY;
  }
}
