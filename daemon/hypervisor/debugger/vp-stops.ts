// Where a debugger stops the VP that runs: before breakpoints, after accesses that it watches, after single instructions, and wherever it interrupts the machine.
// The VP stays in its run, with its budget; what the debugger has it do by single instructions counts as any instruction does.
import { DebugAction, DebugReason, WatchKind } from '../../../shared/layout/debug.js';
import { VpState } from '../../../shared/layout/vp.js';
import { Left } from '../../machine/guest-exits.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import type { DebugWires } from '../wiring.js';
import type { GuestDebug } from './guest-debug.js';

export class VpStops {
  readonly #on: PartitionOnLp;
  readonly #wires: DebugWires;
  readonly #debug: GuestDebug;
  /** What VPs have come to that the debugger let do nothing before they could say so. */
  readonly #untold = new Map<number, Stop>();

  constructor(on: PartitionOnLp, wires: DebugWires, debug: GuestDebug) {
    this.#on = on;
    this.#wires = wires;
    this.#debug = debug;
  }

  /** A run begins, or goes on after the machine has stood still: breakpoints may be others. */
  begin(): void {
    const { isTarget } = this.#wires;
    this.#debug.takeOver(isTarget);
    if (!isTarget && this.#untold.size > 0) this.#untold.clear();
  }

  /** The VP has been kicked: stands still if that is why. */
  standStill(index: number): void {
    const wires = this.#wires;
    if (!wires.isWanted) return;
    const canStep = (): boolean => this.#canRun(index);
    while (wires.stay(index, canStep)) {
      this.begin();
      const { reason, address, kind } = this.#runOne(index);
      wires.stepped(index, reason, address, kind);
    }
    this.begin();
  }

  /** Before the VP goes on in its run: single instructions that it is to do. False: it is to do nothing more. */
  goesOn(index: number): boolean {
    for (;;) {
      const action = this.#wires.actionOf(index);
      if (action === DebugAction.HOLD) return false;
      if (this.#untold.size > 0 && this.#tellLate(index)) continue;
      if (action === DebugAction.RUN) return true;
      if (!this.#canRun(index)) return true;
      const stop = this.#runOne(index);
      this.#wires.done(index);
      this.#stop(index, stop);
    }
  }
  #tellLate(index: number): boolean {
    const stop = this.#untold.get(index);
    if (stop === undefined) return false;
    this.#untold.delete(index);
    this.#stop(index, stop);
    return true;
  }

  /** Guest code was left for a debugger's sake, or not. */
  left(index: number, left: number): void {
    if (left === Left.BREAKPOINT) {
      if (this.atBreakpoint(index)) this.#pass(index);
    } else if (left === Left.WATCHPOINT) {
      const hit = this.#takeHit();
      if (hit !== undefined) this.#stop(index, hit);
    }
  }

  /** A breakpoint stands before the next instruction. True: the debugger knows already, and has let the VP go on. */
  atBreakpoint(index: number): boolean {
    const here = this.#on.processor.linearRip;
    if (this.#wires.reportedAt(index) === here) return true;
    this.#wires.setReportedAt(index, here);
    this.#stop(index, { reason: DebugReason.BREAKPOINT, address: here, kind: 0 });
    return false;
  }
  #pass(index: number): void {
    const stop = this.#runOne(index);
    if (stop.reason === DebugReason.WATCHPOINT) this.#stop(index, stop);
  }

  #canRun(index: number): boolean {
    const on = this.#on;
    return on.isRunning && on.stateOf(on.vps[index]) === VpState.RUNNING && on.processor.context.budget > 0;
  }

  /** One instruction; no interrupt is delivered before it. */
  #runOne(index: number): Stop {
    const { processor, vps, world } = this.#on;
    const vp = vps[index];
    const shadow = vp.interruptShadow;
    vp.interruptShadow = 0;
    world.begin();
    processor.runShadowed(shadow);
    world.end();
    this.#wires.setReportedAt(index, undefined);
    return this.#takeHit() ?? { reason: DebugReason.STEP, address: processor.linearRip, kind: 0 };
  }
  #takeHit(): Stop | undefined {
    const hit = this.#on.processor.debug.takeOutsideHit();
    return hit && { reason: DebugReason.WATCHPOINT, address: hit.gva, kind: hit.write ? WatchKind.WRITE : WatchKind.READ };
  }

  /** A step that was cut short by another stop is over with it, and a breakpoint may have been taken away. */
  #isStillTrue({ reason }: Stop): boolean {
    return reason === DebugReason.WATCHPOINT || (reason === DebugReason.BREAKPOINT && this.#on.processor.isAtBreakpoint);
  }

  /** All stand still, and the debugger knows of this: if another VP was first, when the machine has gone on. */
  #stop(index: number, stop: Stop): void {
    const wires = this.#wires;
    while (wires.isTarget) {
      const told = wires.report(index, stop.reason, stop.address, stop.kind);
      this.standStill(index);
      if (told || !this.#isStillTrue(stop)) return;
      if (wires.actionOf(index) !== DebugAction.HOLD) continue;
      this.#untold.set(index, stop);
      return;
    }
  }
}

interface Stop {
  readonly reason: number;
  readonly address: number;
  readonly kind: number;
}
