// One instruction with all that the debug unit watches (SDM 3B 18.3): breakpoints before it, data and port breakpoints and RFLAGS.TF after it, RF round it.
import { Vector } from '../../shared/abi/exceptions.js';
import { Rflags } from '../../shared/abi/registers.js';
import { EventKind, InterruptShadow, VpLayout, VpState } from '../../shared/layout/vp.js';
import { deliver } from './cpu/deliver.js';
import { setSystemFlags, systemFlags } from './cpu/flags.js';
import { ripOf } from './cpu/slots.js';
import { noteDebug } from './debug-unit.js';
import { DELIVERY_CYCLES, type GuestExits, Left } from './guest-exits.js';
import type { GuestProcessor } from './guest-processor.js';

export class SingleStep {
  readonly #p: GuestProcessor;
  readonly #exits: GuestExits;
  readonly #runAlone: () => number | undefined;

  /** `runAlone`: runs the instruction at RIP and what follows from it. */
  constructor(p: GuestProcessor, exits: GuestExits, runAlone: () => number | undefined) {
    this.#p = p;
    this.#exits = exits;
    this.#runAlone = runAlone;
  }

  /** `shadow`: what the instruction before it holds off. */
  step(shadow: number = InterruptShadow.NONE): number | undefined {
    const p = this.#p;
    const { vp, debug } = p;
    if (shadow !== InterruptShadow.STACK) {
      const due = debug.takeDue();
      if (due !== 0) return this.#trap(due);
      const hits = (systemFlags(vp) & Rflags.RF) === 0 ? debug.executes(p.linearRip) : 0;
      if (hits !== 0) {
        // A fault: RF in the saved image lets the instruction pass when the handler returns.
        setSystemFlags(vp, systemFlags(vp) | Rflags.RF);
        return this.#trap(hits);
      }
    }
    const resumed = systemFlags(vp) & Rflags.RF;
    const stepping = (systemFlags(vp) & Rflags.TF) !== 0;
    setSystemFlags(vp, systemFlags(vp) & ~Rflags.RF);
    debug.stepTrap = stepping;
    debug.oneIteration = stepping || debug.watchesData;
    debug.unfinished = false;
    if (debug.watchesData) p.memory.debug = debug;
    p.selectTlb();
    const { delivered } = this.#exits;
    let left: number | undefined;
    try {
      left = this.#runAlone();
    } catch (e) {
      if (e === p.fault) debug.discard();
      throw e;
    } finally {
      p.memory.debug = undefined;
      debug.oneIteration = false;
      p.selectTlb();
    }
    if (delivered !== this.#exits.delivered) {
      debug.discard();
      return left;
    }
    // Between iterations the instruction at RIP is one that has begun.
    if (debug.unfinished) setSystemFlags(vp, systemFlags(vp) | resumed | (debug.executes(p.linearRip) !== 0 ? Rflags.RF : 0));
    const trap = debug.takeTrap();
    const after = trap === 0 ? left : this.#trap(trap);
    return debug.hasOutsideHit ? Left.WATCHPOINT : after;
  }

  /** #DB before the instruction at RIP. */
  #trap(bits: number): number {
    const p = this.#p;
    const { vp } = p;
    noteDebug(vp, bits);
    p.charge(DELIVERY_CYCLES);
    // HLT and MWAIT end with a trap.
    const state = (vp.base + VpLayout.at.state) >>> 2;
    Atomics.compareExchange(p.views.i32, state, VpState.HALTED, VpState.RUNNING);
    deliver(p, EventKind.EXCEPTION, Vector.DB, -1, ripOf(vp));
    return Left.ATTENTION;
  }
}
