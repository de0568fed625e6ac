// Why guest code was left, and what is done about it: code is looked up or compiled, a fault delivered, an instruction run alone.
import { Vector } from '../../shared/abi/exceptions.js';
import { Cr0 } from '../../shared/abi/registers.js';
import { EventKind, Slot } from '../../shared/layout/vp.js';
import { PlainStores } from '../translate/decode/plain-store.js';
import { isStackAccess } from '../translate/decode/stack-access.js';
import { needsNoAlignment } from '../translate/decode/unaligned-access.js';
import { Exit } from '../translate/micro-op.js';
import { deliverFault } from './cpu/deliver.js';
import { checkCodeOffset } from './cpu/segment-check.js';
import { ripOf, setRip } from './cpu/slots.js';
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
  /** A debugger's breakpoint stands before the instruction at RIP. */
  BREAKPOINT: 2,
  /** The instruction before RIP has made an access that a debugger watches. */
  WATCHPOINT: 3,
} as const;

/** Cycles of delivering an exception through an IDT gate (rounded from published interrupt latencies; the exact figure matters to no mechanism). */
export const DELIVERY_CYCLES = 60;

/** Of a lock on the whole bus: about what a split lock costs an Intel core (SDM 3A 9.1.2 warns of it and gives no figure). */
const BUS_LOCK_CYCLES = 1000;

export class GuestExits {
  readonly #p: GuestProcessor;
  readonly #host: ProcessorHost;
  readonly #lone: LoneInstruction;
  /** Every instruction is counted where its translation is run. */
  readonly #counted: boolean;
  readonly #stores = new PlainStores();
  /** Faults delivered. */
  delivered = 0;

  constructor(p: GuestProcessor, host: ProcessorHost, lone: LoneInstruction, counted: boolean) {
    this.#p = p;
    this.#host = host;
    this.#lone = lone;
    this.#counted = counted;
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
      case Exit.WAITING:
        p.intercepts.waiting();
        return undefined;
      case Exit.SELF_MODIFIED:
        return p.memory.hasStored ? this.#afterDevice() : this.#afterLone(this.#lone.runUnwatched(p.code.mode));
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

  /** The instruction at RIP has stored to a device that wants attention before the next one. What else it does is done now: nothing, for most. */
  #afterDevice(): number | undefined {
    const p = this.#p;
    const { bits } = p.code.mode;
    const rip = ripOf(p.vp);
    const length = this.#counted ? 0 : this.#stores.lengthOf(p.code.peekInstruction(rip), bits);
    try {
      if (length === 0) return this.#afterLone(this.#lone.run(p.code.mode));
    } finally {
      p.memory.hasStored = false;
    }
    p.context.budget -= 1;
    setRip(p.vp, bits === 64 ? rip + length : (rip + length) >>> 0);
    return undefined;
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
