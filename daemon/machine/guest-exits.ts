// Why guest code was left, and what is done about it: code is looked up or compiled, a fault delivered, an instruction run alone.
import { Vector } from '../../shared/abi/exceptions.js';
import { Cr0 } from '../../shared/abi/registers.js';
import { EventKind, Slot } from '../../shared/layout/vp.js';
import { isStackAccess } from '../translate/decode/stack-access.js';
import { needsNoAlignment } from '../translate/decode/unaligned-access.js';
import { Exit } from '../translate/micro-op.js';
import { deliverFault } from './cpu/deliver.js';
import { checkCodeOffset } from './cpu/segment-check.js';
import { ripOf } from './cpu/slots.js';
import { NON_CANONICAL } from './guest-memory.js';
import type { GuestProcessor } from './guest-processor.js';
import type { LoneInstruction } from './lone-instruction.js';
import type { ProcessorHost } from './processor-host.js';

/** Reasons for which the processor comes back to the run loop. */
export const Left = {
  /** The budget is used up, or another thread asked for attention. */
  BUDGET: 0,
  /** A slow half asked to look at the VP's state: interrupts, halt, mode. */
  ATTENTION: 1,
} as const;

/** Cycles of delivering an exception through an IDT gate (rounded from published interrupt latencies; the exact figure matters to no mechanism). */
export const DELIVERY_CYCLES = 60;

/** Of a lock on the whole bus: about what a split lock costs an Intel core (SDM 3A 9.1.2 warns of it and gives no figure). */
const BUS_LOCK_CYCLES = 1000;

export class GuestExits {
  readonly #p: GuestProcessor;
  readonly #host: ProcessorHost;
  readonly #lone: LoneInstruction;
  /** Faults delivered. */
  delivered = 0;

  constructor(p: GuestProcessor, host: ProcessorHost, lone: LoneInstruction) {
    this.#p = p;
    this.#host = host;
    this.#lone = lone;
  }

  /** Deals with an Exit: a reason to leave, or undefined = go on in guest code. */
  handle(reason: number): number | undefined {
    const p = this.#p;
    switch (reason) {
      case Exit.LOOKUP: {
        const rip = ripOf(p.vp);
        checkCodeOffset(p, rip, p.vp.csLimit, p.code.mode.bits === 64);
        p.code.lookup(rip);
        return undefined;
      }
      case Exit.HOT:
        p.code.heat(ripOf(p.vp));
        return undefined;
      case Exit.FAULT:
        return this.#fault();
      case Exit.SYS:
        return this.#host.attention() ? Left.ATTENTION : undefined;
      case Exit.BUS_LOCK:
        return this.#busLocked();
      case Exit.SELF_MODIFIED:
        return this.#afterLone(this.#lone.runUnwatched(p.code.mode));
      default:
        return Left.BUDGET;
    }
  }

  /** The fault object was thrown before an instruction was begun. */
  deliver(): number {
    const p = this.#p;
    this.delivered++;
    p.charge(DELIVERY_CYCLES);
    deliverFault(p, p.fault.vector, p.fault.error);
    return Left.ATTENTION;
  }

  /** A lone instruction ends with its budget used up: that is no reason to leave. */
  #afterLone(reason: number): number | undefined {
    return reason === Exit.BUDGET ? undefined : this.handle(reason);
  }

  /** The fault that translated code has written down. */
  #fault(): number | undefined {
    const p = this.#p;
    const { vp } = p;
    const hasError = (vp.faultVector & 0x100) !== 0;
    if ((vp.faultVector & 0xff) === Vector.AC && needsNoAlignment(p.code.peekInstruction(ripOf(vp)), p.code.mode.bits))
      return this.#afterLone(this.#lone.runUnaligned());
    const throughStack = (vp.faultVector & NON_CANONICAL) !== 0 && this.#throughStack();
    // A guest whose handlers only fault retires nothing: the charge is what ends its slice.
    p.charge(DELIVERY_CYCLES);
    if ((vp.faultVector & 0xff) === Vector.MF && (vp.cr0 & Cr0.NE) === 0) {
      p.intercepts.floatError();
      return Left.ATTENTION;
    }
    this.delivered++;
    deliverFault(p, throughStack ? Vector.SS : vp.faultVector & 0xff, hasError ? vp.faultError : -1);
    return vp.pendingKind === EventKind.NONE ? undefined : Left.ATTENTION;
  }
  /** Whether the instruction at RIP, refused for a non-canonical address, reached it through SS. */
  #throughStack(): boolean {
    const p = this.#p;
    const rsp = (p.vp.base >>> 3) + Slot.RSP;
    return isStackAccess(p.code.peekInstruction(ripOf(p.vp)), BigInt(p.fault.nonCanonical), p.views.u64[rsp]);
  }

  #busLocked(): number | undefined {
    const p = this.#p;
    p.charge(BUS_LOCK_CYCLES);
    this.#host.stopOthers();
    try {
      const mode = { ...p.code.mode, plainLocks: true };
      const reason = this.#lone.run(mode);
      // Its own code is what it changes: still with the bus locked, which cannot be had twice.
      return this.#afterLone(reason === Exit.SELF_MODIFIED ? this.#lone.runUnwatched(mode) : reason);
    } finally {
      this.#host.releaseOthers();
    }
  }
}
