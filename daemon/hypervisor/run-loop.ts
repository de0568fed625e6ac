// Runs one VP for a while: takes what was posted to it, delivers interrupts at boundaries, enters guest code, and looks again at every exit.
import { NO_WAIT } from '../../shared/layout/lp-context.js';
import { SpinKind } from '../../shared/layout/schedule.js';
import { VpRequest, VpState } from '../../shared/layout/vp.js';
import { SpinDetect } from '../../shared/protocol/policies.js';
import { Left } from '../machine/guest-exits.js';
import { hasPosted } from './apic/post.js';
import type { VpStops } from './debugger/vp-stops.js';
import type { InterruptWindow } from './interrupt-window.js';
import type { PartitionOnLp } from './partition-on-lp.js';
import type { SpinWindow } from './spin/spin-window.js';
import type { VpReadiness } from './vp-readiness.js';
import { HostFailure } from './world/host-failure.js';

/** Exits of one run that are dealt with before the LP looks at its other duties. */
const EXITS_MAX = 10_000;

export class RunLoop {
  protected readonly on: PartitionOnLp;
  readonly #readiness: VpReadiness;
  readonly #window: InterruptWindow;
  readonly #spinWindow: SpinWindow;
  readonly #stops: VpStops | undefined;
  #eoiPolicy = 0;

  /** `stops`: where there may be a debugger. */
  constructor(on: PartitionOnLp, readiness: VpReadiness, window: InterruptWindow, spinWindow: SpinWindow, stops?: VpStops) {
    this.on = on;
    this.#readiness = readiness;
    this.#window = window;
    this.#spinWindow = spinWindow;
    this.#stops = stops;
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): { readonly eoiPolicy: number } {
    return { eoiPolicy: this.#eoiPolicy };
  }
  set saved({ eoiPolicy }: { readonly eoiPolicy: number }) {
    this.#eoiPolicy = eoiPolicy;
  }

  /** Runs the VP for at most `budget` cycles from `clock` on; returns the cycles used. `extended`: only while it is in a critical section. */
  run(index: number, clock: number, budget: number, extended: boolean): number {
    const on = this.on;
    const vp = on.vps[index];
    const p = on.processor;
    on.current = index;
    on.clock.beginRun(clock, budget);
    on.trace.begin();
    p.context.budget = budget;
    p.context.clockEndNum = clock + budget;
    p.retired = 0;
    on.spinning = SpinKind.NONE;
    on.extended = extended;
    p.context.sectionEnds = extended ? 1 : 0;
    if (this.#eoiPolicy !== on.eoiPolicy) {
      // CPUID tells of it.
      this.#eoiPolicy = on.eoiPolicy;
      p.answers.forget();
    }
    const { translations, compilations } = p.code;
    this.#spinWindow.begin(clock, on.schedules[index]);
    p.context.waitWindow = on.detects(SpinDetect.LOOP) ? this.#spinWindow.piece(budget) : NO_WAIT;
    on.setState(vp, VpState.RUNNING);
    try {
      p.load(index);
      on.mmu.load(vp);
      this.#stops?.begin();
      for (let exits = 0; exits < EXITS_MAX && this.#step(index); exits++);
      on.apics[index].assist.settle();
    } catch (error) {
      if (error instanceof HostFailure) throw error;
      on.world.end();
      // hvd's own broken invariant while it worked for this partition: the partition stops, the LP goes on.
      on.ends.brokenInvariant(error, index);
    }
    if (on.stateOf(vp) === VpState.RUNNING) on.setState(vp, VpState.READY);
    const used = Math.max(1, budget - p.context.budget);
    on.current = -1;
    on.clock.endRun();
    vp.instructions += BigInt(p.retired);
    vp.runCycles += BigInt(used);
    on.count(vp, 'translations', p.code.translations - translations);
    on.count(vp, 'compilations', p.code.compilations - compilations);
    return used;
  }

  /** From one exit of guest code to the next. False: the run is over. */
  #step(index: number): boolean {
    const on = this.on;
    const vp = on.vps[index];
    const p = on.processor;
    const stops = this.#stops;
    if (!this.look(index)) return false;
    if (on.stateOf(vp) !== VpState.RUNNING || p.context.budget <= 0) return false;
    if (on.extended && !on.section.holds(vp)) return false;
    if (vp.interruptShadow) {
      if (stops !== undefined && p.isAtBreakpoint && !stops.atBreakpoint(index)) return true;
      const shadow = vp.interruptShadow;
      vp.interruptShadow = 0;
      on.world.begin();
      const left = p.runShadowed(shadow);
      on.world.end();
      if (left >= Left.BREAKPOINT) stops?.left(index, left);
      return true;
    }
    this.#window.open(index);
    on.apics[index].assist.beforeEntry();
    on.world.begin();
    const left = p.run(p.context.budget);
    on.world.end();
    if (left >= Left.BREAKPOINT) stops?.left(index, left);
    return true;
  }

  /**
   * Looks for what the VP has been told of. The kick is taken back before posts are looked for: who posts after that look kicks once more, and guest code is left at its first
   * loop head. The marker of lazy EOI is set after it, so that it does not stand over what was there. False: the run is over.
   */
  protected look(index: number): boolean {
    const on = this.on;
    const vp = on.vps[index];
    if (on.processor.takeKick()) {
      this.#stops?.standStill(index);
      if (this.#endsRun()) return false;
    }
    if (this.#stops?.goesOn(index) === false) return false;
    if (hasPosted(vp)) this.take(index);
    return true;
  }
  protected take(index: number): void {
    const { mmu, processor, vps } = this.on;
    if ((this.on.takePosted(index) & (VpRequest.INIT | VpRequest.SIPI | VpRequest.START)) === 0) return;
    mmu.load(vps[index]);
    processor.load(index);
  }

  /** The VP was kicked: whether the LP has something to do before it goes on. */
  #endsRun(): boolean {
    const on = this.on;
    if (on.spinning !== SpinKind.NONE || !on.isRunning || on.wiring.isWanted(on.clock.began, on.clock.cycles())) return true;
    // A timer has been set that is due before the run would end.
    return !on.wiring.realtime && this.#readiness.deadline() - on.clock.cycles() < on.processor.remaining;
  }
}
