// Breakpoints and single steps of the VP that runs (SDM 3B 18.2, 18.3): what DR7 watches, what has been hit, and what is reported after an instruction.
// Why apart from the code cache: while anything is watched or RFLAGS.TF is set, instructions are run one at a time (single-step.ts), with every data access going
// the slow way past `access`. While nothing is, no instruction and no access pays anything.
// What a debugger outside watches goes the same way, beside what the guest watches and unseen by it.
import { Cr4, Dr7, Rflags } from '../../shared/abi/registers.js';
import { InterruptShadow, Slot, type VpBlock } from '../../shared/layout/vp.js';

export const Dr6 = { HITS: 0xf, BD: 0x2000, BS: 0x4000, BT: 0x8000 } as const;
/** R/W fields of DR7. */
const Watch = { EXECUTE: 0, WRITE: 1, PORT: 2, READ_WRITE: 3 } as const;
/** LEN fields of DR7 as bytes. */
const LENGTHS = [1, 2, 8, 4] as const;
const BREAKPOINTS = 4;

interface Breakpoint {
  /** Bit of DR6. */
  readonly hit: number;
  readonly kind: number;
  readonly from: number;
  readonly end: number;
}

/** Accesses that a debugger outside the machine wants to know of. */
export interface OutsideWatch {
  readonly from: number;
  readonly bytes: number;
  readonly onRead: boolean;
  readonly onWrite: boolean;
}
export interface OutsideHit {
  readonly gva: number;
  readonly write: boolean;
}

export interface DebugUnitSaved {
  readonly base: number;
  readonly hits: number;
  readonly due: number;
  readonly stepTrap: boolean;
  readonly oneIteration: boolean;
  readonly unfinished: boolean;
}

export class DebugUnit {
  #vp: VpBlock | undefined;
  /** Of the VP: the block object is re-pointed when another one is loaded. */
  #base = 0;
  #enabled: readonly Breakpoint[] = [];
  /** The guest watches some access of memory. */
  #guestWatchesData = false;
  /** What a debugger watches, and the first of it that the instruction at hand has done. */
  #outside: readonly OutsideWatch[] = [];
  #outsideHit: OutsideHit | undefined;
  #watchesPorts = false;
  /** B0 to B3 of data and port breakpoints that the instruction at hand has hit; those of MOV SS wait for the next one. */
  #hits = 0;
  /** DR6 bits to be reported before the next instruction whatever it is. */
  #due = 0;
  /** The instruction at hand is to be followed by a single-step trap. Delivery of any event takes that back; SYSCALL and SYSRET decide anew. */
  stepTrap = false;
  /** REP instructions do one iteration. */
  oneIteration = false;
  /** A REP instruction has iterations left. */
  unfinished = false;

  /** Snapshots (shared/kit/saved). What is armed follows from the VP. */
  get saved(): DebugUnitSaved {
    const { stepTrap, oneIteration, unfinished } = this;
    return { base: this.#base, hits: this.#hits, due: this.#due, stepTrap, oneIteration, unfinished };
  }
  set saved({ base, hits, due, stepTrap, oneIteration, unfinished }: DebugUnitSaved) {
    this.#base = base;
    this.#hits = hits;
    this.#due = due;
    this.stepTrap = stepTrap;
    this.oneIteration = oneIteration;
    this.unfinished = unfinished;
  }

  /** Reads the VP's debug registers: after they were written, and when another VP is loaded. */
  arm(vp: VpBlock): void {
    if (vp.base !== this.#base) this.#hits = this.#due = this.#base = 0;
    this.#base = vp.base;
    this.#vp = vp;
    const { i32, u32 } = vp.views;
    const registers = vp.dr >>> 2;
    const dr7 = u32[registers + 14];
    this.#enabled = [];
    this.#guestWatchesData = this.#watchesPorts = false;
    if ((dr7 & Dr7.ENABLES) === 0) return;
    const enabled: Breakpoint[] = [];
    for (let n = 0; n < BREAKPOINTS; n++) {
      if (((dr7 >>> (n * 2)) & 3) === 0) continue;
      const kind = (dr7 >>> (16 + n * 4)) & 3;
      // An instruction is watched by its first byte; other addresses are aligned to their length.
      const bytes = kind === Watch.EXECUTE ? 1 : LENGTHS[(dr7 >>> (18 + n * 4)) & 3];
      const address = i32[registers + n * 2 + 1] * 4294967296 + u32[registers + n * 2];
      const from = address - (u32[registers + n * 2] & (bytes - 1));
      enabled.push({ hit: 1 << n, kind, from, end: from + bytes });
      if (kind === Watch.WRITE || kind === Watch.READ_WRITE) this.#guestWatchesData = true;
      if (kind === Watch.PORT) this.#watchesPorts = true;
    }
    this.#enabled = enabled;
  }

  /** Some access of memory is watched, by the guest or by a debugger. */
  get watchesData(): boolean {
    return this.#guestWatchesData || this.#outside.length > 0;
  }
  /** What a debugger watches from now on. */
  watchFromOutside(watches: readonly OutsideWatch[]): void {
    this.#outside = watches;
    this.#outsideHit = undefined;
  }
  /** The watched access of the instruction that has just been run, if there was one. */
  takeOutsideHit(): OutsideHit | undefined {
    const hit = this.#outsideHit;
    this.#outsideHit = undefined;
    return hit;
  }
  get hasOutsideHit(): boolean {
    return this.#outsideHit !== undefined;
  }

  /** Whether the next instruction must be run alone. */
  get active(): boolean {
    if (this.#enabled.length > 0 || this.#due !== 0 || this.#outside.length > 0) return true;
    const vp = this.#vp;
    return vp !== undefined && (vp.views.u32[(vp.base >>> 2) + Slot.FLAG_SYSTEM * 2] & Rflags.TF) !== 0;
  }
  /** Whether something may make RF seen: only then is it kept. */
  get keepsRf(): boolean {
    return this.#enabled.length > 0;
  }

  /** Bits of instruction breakpoints at the linear address. */
  executes(linear: number): number {
    let hits = 0;
    for (const { kind, from, hit } of this.#enabled) if (kind === Watch.EXECUTE && from === linear) hits |= hit;
    return hits;
  }
  /** Notes an access by the instruction at hand. */
  access(gva: number, bytes: number, write: boolean): void {
    for (const { kind, from, end, hit } of this.#enabled)
      if ((kind === Watch.READ_WRITE || (kind === Watch.WRITE && write)) && gva < end && gva + bytes > from) this.#hits |= hit;
    if (this.#outside.length === 0 || this.#outsideHit !== undefined) return;
    for (const watch of this.#outside)
      if ((write ? watch.onWrite : watch.onRead) && gva < watch.from + watch.bytes && gva + bytes > watch.from)
        this.#outsideHit = { gva: Math.max(gva, watch.from), write };
  }
  /** Notes a port access; ports are watched with CR4.DE only. */
  port(port: number, bytes: number): void {
    if (!this.#watchesPorts || ((this.#vp?.cr4 ?? 0) & Cr4.DE) === 0) return;
    for (const { kind, from, end, hit } of this.#enabled) if (kind === Watch.PORT && port < end && port + bytes > from) this.#hits |= hit;
  }

  /** A trap that does not come from the instruction's accesses: after SYSRET, after a task switch. */
  report(bits: number): void {
    this.#due |= bits;
  }
  /** DR6 bits of what was reported since the last instruction. */
  takeDue(): number {
    const due = this.#due;
    this.#due = 0;
    return due;
  }

  /** Hits that wait, for a debug exception that the instruction at hand raises itself: there is one exception for all. */
  takeHits(): number {
    const hits = this.#hits;
    this.#hits = 0;
    return hits;
  }

  /** The instruction at hand has faulted: what it hit is forgotten. */
  discard(): void {
    this.#hits = 0;
    this.#outsideHit = undefined;
  }
  /** DR6 bits of the trap that follows the instruction at hand, 0 = none. After MOV SS there is none: hits wait, a single step is lost (SDM 3A 6.8.3). */
  takeTrap(): number {
    const step = this.stepTrap;
    this.stepTrap = false;
    if (this.#vp?.interruptShadow === InterruptShadow.STACK) return 0;
    const bits = this.#hits | (step ? Dr6.BS : 0) | this.takeDue();
    this.#hits = 0;
    return bits;
  }
}

/** DR6 as a debug exception leaves it: B0 to B3 are those of this one, the rest is only ever set (SDM 3B 18.2.3). */
export const noteDebug = (vp: VpBlock, bits: number): void => {
  const { u32 } = vp.views;
  const at = (vp.dr >>> 2) + 12;
  u32[at] = (u32[at] & ~Dr6.HITS) | bits;
};
/** Entering the handler of #DB closes the general-detect gate that may have caused it. */
export const leaveGeneralDetect = (vp: VpBlock): void => {
  vp.views.u32[(vp.dr >>> 2) + 14] &= ~Dr7.GD;
};
