// The virtual local APIC of one VP: what is delivered next, what is in service, and what an EOI does (SDM 3A 11.8; US20080141277A1 for vectors without EOI).
// All state is in the VP block; an instance only names the block and the way to the others. Every method is for the LP that runs the VP.
import { ApicBase, ApicError, DeliveryMode, FIRST_LEGAL_VECTOR, Lvt } from '../../../shared/abi/apic.js';
import { PHYSICAL_ADDRESS_BITS } from '../../../shared/abi/registers.js';
import { InterruptKind, InterruptState } from '../../../shared/layout/interrupt-log.js';
import { type VpBlock, vpCounterIndex } from '../../../shared/layout/vp.js';
import { resetApicRegisters } from '../../../shared/layout/vp-reset.js';
import type { ApicBus } from './apic-bus.js';
import { ApicRegisters } from './apic-registers.js';
import { acceptsFixed, apicEnabled, inX2Apic } from './destination.js';
import { EoiAssist, type MarkerPlace, type MarkerStore, NOWHERE } from './eoi-assist.js';
import { noteDelivered, noteEnded, noteRaised } from './interrupt-log.js';
import { logApicError, pull } from './post.js';
import { ApicTimer } from './timer.js';
import { addVector, hasVector, highestVector, removeVector } from './vector-set.js';

/** Told of the EOI of a level-triggered vector: the I/O APIC looks whether its pin is still asserted (SDM 3A 11.8.5). */
export type IoApicEoi = (vector: number) => void;

/** What the APIC of one VP takes from its surroundings beside the bus. */
export interface ApicOptions {
  /** Where lazy EOI has its marker; nowhere when absent. */
  readonly marker?: MarkerPlace;
  /** How that is written; when absent, where no guest can have code. */
  readonly store?: MarkerStore;
  /** A vector of `endWatched` has come to its end, or one that ends by itself has been delivered. */
  readonly ended?: (vector: number) => void;
  /** How lazy EOI goes; tests choose. */
  readonly Assist?: typeof EoiAssist;
}

/** Bits of IA32_APIC_BASE that must be 0. */
const BASE_RESERVED =
  ~(((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 4096n) | BigInt(ApicBase.BSP | ApicBase.X2APIC | ApicBase.ENABLE)) & 0xffff_ffff_ffff_ffffn;

export class VirtualApic {
  readonly vp: VpBlock;
  readonly bus: ApicBus;
  readonly timer: ApicTimer;
  readonly assist: EoiAssist;
  readonly #ioApicEoi: IoApicEoi;
  readonly #ended: (vector: number) => void;
  readonly #registers: ApicRegisters;

  constructor(
    vp: VpBlock,
    bus: ApicBus,
    tscHz: number,
    ioApicEoi: IoApicEoi,
    { marker, store, ended, Assist = EoiAssist }: ApicOptions = {},
  ) {
    this.vp = vp;
    this.bus = bus;
    this.timer = new ApicTimer(vp, tscHz, (vector) => this.raise(vector, InterruptKind.TIMER));
    const end = (): void => this.#end(highestVector(vp.views.i32, vp.isr), InterruptState.LAZY, vpCounterIndex.lazyEois);
    this.assist = new Assist(vp, marker ?? (() => NOWHERE), end, store);
    this.#ioApicEoi = ioApicEoi;
    this.#ended = ended ?? (() => undefined);
    this.#registers = new ApicRegisters(this);
  }

  /** All registers as after INIT. What is passed through and will not be ended by the guest any more ends now. */
  reset(): void {
    const { vp } = this;
    // A marker that stayed would spare the guest an EOI that is owed.
    this.assist.withdraw();
    const { i32 } = vp.views;
    for (const [word, lost] of resetApicRegisters(vp).entries())
      for (let bits = lost & i32[(vp.passedThrough >>> 2) + word]; bits !== 0; bits &= bits - 1)
        this.#ended(word * 32 + 31 - Math.clz32(bits & -bits));
  }

  /** Whether the register page is at this guest physical address: enabled, and not in x2APIC mode. */
  respondsAt(gpa: number): boolean {
    const { vp } = this;
    const base = vp.apicBaseHi * 0x1_0000_0000 + ((vp.apicBaseLo & 0xffff_f000) >>> 0);
    return gpa >= base && gpa < base + 4096 && apicEnabled(vp) && !inX2Apic(vp);
  }

  /** A 32-bit read of the register page. */
  mmioRead(offset: number, now: number): number {
    this.#count(vpCounterIndex.apicMmioAccesses);
    if ((offset & 0xc) !== 0) return 0;
    const value = this.readRegister(offset & 0xff0, now);
    if (value >= 0) return value;
    this.#illegalRegister();
    return 0;
  }

  /** A 32-bit write of the register page. */
  mmioWrite(offset: number, value: number, now: number): void {
    this.#count(vpCounterIndex.apicMmioAccesses);
    if ((offset & 0xc) !== 0) return;
    if (!this.writeRegister(offset & 0xff0, value >>> 0, now)) this.#illegalRegister();
  }

  /** One register, u32; -1: there is none at that offset. */
  readRegister(offset: number, now: number): number {
    return this.#registers.read(offset, now);
  }

  /** False: there is no register that may be written at that offset. */
  writeRegister(offset: number, value: number, now: number): boolean {
    return this.#registers.write(offset, value, now);
  }

  /** Takes in what other threads have posted. */
  pull(): void {
    pull(this.vp);
  }

  /** An edge that the VP's own LP makes (timers). `kind`: InterruptKind. */
  raise(vector: number, kind: number): void {
    const { vp } = this;
    const { i32 } = vp.views;
    if (!acceptsFixed(vp)) return;
    if (vector < FIRST_LEGAL_VECTOR) {
      if (logApicError(vp, ApicError.RECEIVE_ILLEGAL_VECTOR)) this.pull();
      return;
    }
    noteRaised(vp, vector, kind, this.bus.now(), this.bus.interrupts);
    removeVector(i32, vp.tmr, vector);
    if (hasVector(i32, vp.autoVectors, vector)) addVector(i32, vp.autoEoi, vector);
    else removeVector(i32, vp.autoEoi, vector);
    addVector(i32, vp.irr, vector);
  }

  get tpr(): number {
    return this.vp.apicTpr & 0xff;
  }

  set tpr(value: number) {
    this.#count(vpCounterIndex.apicTprAccesses);
    this.vp.apicTpr = value & 0xff;
  }

  /** CR8 is the task-priority class (SDM 3A 11.8.6). */
  get cr8(): number {
    return this.tpr >> 4;
  }

  set cr8(value: number) {
    this.tpr = (value & 15) << 4;
  }

  /** Processor priority: the higher class of TPR and what is in service (SDM 3A 11.8.3.1). */
  get ppr(): number {
    this.assist.settle();
    const { tpr } = this;
    const highest = highestVector(this.vp.views.i32, this.vp.isr);
    return highest >= 0 && highest >> 4 > tpr >> 4 ? highest & 0xf0 : tpr;
  }

  /** The vector to deliver next if the VP's RFLAGS.IF and shadow allow, or -1. Looks only at what has been pulled. */
  pendingVector(): number {
    const { vp } = this;
    const vector = highestVector(vp.views.i32, vp.irr);
    return vector >= 0 && vector >> 4 > this.ppr >> 4 && apicEnabled(vp) ? vector : -1;
  }

  /** The processor takes `vector`, just returned by `pendingVector`: IRR to ISR, or to nowhere for a vector that ends by itself. */
  accept(vector: number): void {
    const { vp } = this;
    const { i32, u32 } = vp.views;
    // The marker speaks of what has been the highest until now.
    this.assist.withdraw();
    removeVector(i32, vp.irr, vector);
    u32[(vp.vectorCounts >>> 2) + vector]++;
    this.#count(vpCounterIndex.virtualInterrupts);
    const clock = this.bus.now();
    noteDelivered(vp, vector, clock, this.bus.interrupts);
    if (!hasVector(i32, vp.autoEoi, vector)) {
      addVector(i32, vp.isr, vector);
      return;
    }
    this.#count(vpCounterIndex.autoEois);
    noteEnded(vp, vector, InterruptState.AUTO, clock, this.bus.interrupts);
    if (hasVector(i32, vp.endWatched, vector)) this.#ended(vector);
  }

  /** End of the highest interrupt in service, by an intercept (SDM 3A 11.8.5). Without one, nothing happens. */
  eoi(): void {
    this.assist.withdraw();
    const vector = highestVector(this.vp.views.i32, this.vp.isr);
    this.#end(vector, InterruptState.EXPLICIT, vpCounterIndex.apicEoiAccesses);
  }

  /** End of `vector`, in service or not the highest (AMD's SEOI register: APM 2 16.4.7). */
  specificEoi(vector: number): void {
    this.assist.withdraw();
    const inService = hasVector(this.vp.views.i32, this.vp.isr, vector);
    this.#end(inService ? vector : -1, InterruptState.SPECIFIC, vpCounterIndex.specificEois);
  }

  /** -1: nothing is in service, and nothing happens but that it counts. */
  #end(vector: number, state: number, counter: number): void {
    const { vp } = this;
    const { i32 } = vp.views;
    this.#count(counter);
    if (vector < 0) return;
    removeVector(i32, vp.isr, vector);
    noteEnded(vp, vector, state, this.bus.now(), this.bus.interrupts);
    if (hasVector(i32, vp.tmr, vector)) this.#ioApicEoi(vector);
    if (hasVector(i32, vp.endWatched, vector)) this.#ended(vector);
  }

  /** Whether the 8259's interrupt line reaches the VP: through LINT0 as ExtINT, or directly past a disabled APIC (SDM 3A 11.4.3). */
  acceptsExtInt(): boolean {
    if (!apicEnabled(this.vp)) return true;
    const lvt = this.vp.lvtLint0;
    return (lvt & Lvt.MASKED) === 0 && ((lvt >>> 8) & 7) === DeliveryMode.EXT_INT;
  }

  /** When the timer interrupts next: partition time in ns, or Infinity. */
  timerDeadline(): number {
    return this.timer.deadline;
  }

  /** Lets partition time come to `now`; an expired timer's vector is then pending. */
  advance(now: number): void {
    this.timer.advance(now);
  }

  /** IA32_APIC_BASE. False: #GP. Disabling forgets the registers; x2APIC mode is entered from xAPIC mode and left by disabling (SDM 3A 11.12.5, figure 11-27). */
  writeBase(value: bigint): boolean {
    const { vp } = this;
    if ((value & BASE_RESERVED) !== 0n) return false;
    const modes = ApicBase.ENABLE | ApicBase.X2APIC;
    const before = vp.apicBaseLo & modes;
    const after = Number(value & 0xffffn) & modes;
    if (after === ApicBase.X2APIC) return false;
    if (before === modes && after === ApicBase.ENABLE) return false;
    if (before === 0 && after === modes) return false;
    if (before !== 0 && after === 0) this.reset();
    vp.apicBase = value;
    return true;
  }

  #illegalRegister(): void {
    if (logApicError(this.vp, ApicError.ILLEGAL_REGISTER)) this.pull();
  }

  #count(counter: number): void {
    this.vp.views.u32[(this.vp.counters >>> 2) + counter]++;
  }
}
