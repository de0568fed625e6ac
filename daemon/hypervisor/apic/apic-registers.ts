// The local APIC's registers by offset, as both the MMIO page and the x2APIC MSRs see them (SDM 3A tables 11-1, 11-6).
import { APIC_EXTENDED, ApicRegister, ExtendedApic, Icr, Lvt, Svr } from '../../../shared/abi/apic.js';
import { type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import { BROADCAST_X2APIC, BROADCAST_XAPIC, inX2Apic, x2ApicLogicalId } from './destination.js';
import { sendIpi } from './message.js';
import { highestVector } from './vector-set.js';
import type { VirtualApic } from './virtual-apic.js';

/** Writable bits of the LVT entries (SDM 3A figure 11-8). */
export const LVT_WRITABLE = { TIMER: 0x7_00ff, SOURCE: 0x1_07ff, LINT: 0x1_a7ff, ERROR: 0x1_00ff } as const;

type LvtName = 'lvtCmci' | 'lvtThermal' | 'lvtPerf' | 'lvtLint0' | 'lvtLint1' | 'lvtError';

/** AMD's extended registers are there (APM 2 16.4.6). */
const isExtended = (vp: VpBlock): boolean => (vp.apicVersion & APIC_EXTENDED) !== 0;

export class ApicRegisters {
  readonly #apic: VirtualApic;

  constructor(apic: VirtualApic) {
    this.#apic = apic;
  }

  /** u32, or -1 where there is no register that can be read. */
  read(offset: number, now: number): number {
    const { vp, timer } = this.#apic;
    if (offset >= ApicRegister.ISR && offset < ApicRegister.ESR) return this.#readSet(offset);
    switch (offset) {
      case ApicRegister.ID:
        return inX2Apic(vp) ? vp.apicId : (vp.apicId << 24) >>> 0;
      case ApicRegister.VERSION:
        return vp.apicVersion;
      case ApicRegister.TPR:
        return this.#apic.tpr;
      case ApicRegister.APR:
        return this.#arbitrationPriority();
      case ApicRegister.PPR:
        return this.#apic.ppr;
      case ApicRegister.EOI:
      case ApicRegister.RRD:
        return 0;
      case ApicRegister.LDR:
        return inX2Apic(vp) ? x2ApicLogicalId(vp.apicId) : vp.apicLdr;
      case ApicRegister.DFR:
        return vp.apicDfr;
      case ApicRegister.SVR:
        return vp.apicSvr;
      case ApicRegister.ESR:
        return vp.apicEsr & 0xff;
      case ApicRegister.ICR_LOW:
        return vp.apicIcrLo;
      case ApicRegister.ICR_HIGH:
        return vp.apicIcrHi;
      case ApicRegister.LVT_CMCI:
        return vp.lvtCmci;
      case ApicRegister.LVT_TIMER:
        return vp.lvtTimer;
      case ApicRegister.LVT_THERMAL:
        return vp.lvtThermal;
      case ApicRegister.LVT_PERF:
        return vp.lvtPerf;
      case ApicRegister.LVT_LINT0:
        return vp.lvtLint0;
      case ApicRegister.LVT_LINT1:
        return vp.lvtLint1;
      case ApicRegister.LVT_ERROR:
        return vp.lvtError;
      case ApicRegister.TIMER_INITIAL:
        return vp.timerInitial;
      case ApicRegister.TIMER_CURRENT:
        return timer.currentCount(now);
      case ApicRegister.TIMER_DIVIDE:
        return vp.timerDivide;
      case ApicRegister.EXTENDED_FEATURE:
        return isExtended(vp) ? ExtendedApic.SPECIFIC_EOI : -1;
      case ApicRegister.EXTENDED_CONTROL:
        return isExtended(vp) ? vp.apicExtendedControl : -1;
      case ApicRegister.SPECIFIC_EOI:
        return isExtended(vp) ? 0 : -1;
      default:
        return -1;
    }
  }

  /** False where there is no register. Writes of read-only ones are ignored. */
  write(offset: number, value: number, now: number): boolean {
    const apic = this.#apic;
    const { vp, timer } = apic;
    if (offset >= ApicRegister.ISR && offset < ApicRegister.ESR) return true;
    switch (offset) {
      case ApicRegister.ID:
      case ApicRegister.VERSION:
      case ApicRegister.APR:
      case ApicRegister.PPR:
      case ApicRegister.RRD:
      case ApicRegister.TIMER_CURRENT:
        return true;
      case ApicRegister.TPR:
        apic.tpr = value;
        return true;
      case ApicRegister.EOI:
        apic.eoi();
        return true;
      case ApicRegister.LDR:
        if (!inX2Apic(vp)) this.#store(VpLayout.at.apicLdr, value & 0xff00_0000);
        return true;
      case ApicRegister.DFR:
        this.#store(VpLayout.at.apicDfr, value | 0x0fff_ffff);
        return true;
      case ApicRegister.SVR:
        this.#writeSvr(value, now);
        return true;
      case ApicRegister.ESR:
        this.#latchErrors();
        return true;
      case ApicRegister.ICR_LOW:
        vp.apicIcrLo = value & Icr.WRITABLE;
        if (inX2Apic(vp)) sendIpi(apic.bus, vp.index, value, vp.apicIcrHi, BROADCAST_X2APIC);
        else sendIpi(apic.bus, vp.index, value, vp.apicIcrHi >>> 24, BROADCAST_XAPIC);
        return true;
      case ApicRegister.ICR_HIGH:
        vp.apicIcrHi = inX2Apic(vp) ? value : value & 0xff00_0000;
        return true;
      case ApicRegister.LVT_TIMER:
        timer.writeLvt(this.#masked(value & LVT_WRITABLE.TIMER), now);
        return true;
      case ApicRegister.LVT_CMCI:
        return this.#writeLvt('lvtCmci', value & LVT_WRITABLE.SOURCE);
      case ApicRegister.LVT_THERMAL:
        return this.#writeLvt('lvtThermal', value & LVT_WRITABLE.SOURCE);
      case ApicRegister.LVT_PERF:
        return this.#writeLvt('lvtPerf', value & LVT_WRITABLE.SOURCE);
      case ApicRegister.LVT_LINT0:
        return this.#writeLvt('lvtLint0', value & LVT_WRITABLE.LINT);
      case ApicRegister.LVT_LINT1:
        return this.#writeLvt('lvtLint1', value & LVT_WRITABLE.LINT);
      case ApicRegister.LVT_ERROR:
        return this.#writeLvt('lvtError', value & LVT_WRITABLE.ERROR);
      case ApicRegister.TIMER_INITIAL:
        timer.writeInitialCount(value, now);
        return true;
      case ApicRegister.TIMER_DIVIDE:
        timer.writeDivide(value, now);
        return true;
      case ApicRegister.EXTENDED_FEATURE:
        return isExtended(vp);
      case ApicRegister.EXTENDED_CONTROL:
        if (isExtended(vp)) vp.apicExtendedControl = value & ExtendedApic.SPECIFIC_EOI;
        return isExtended(vp);
      case ApicRegister.SPECIFIC_EOI:
        if (isExtended(vp) && (vp.apicExtendedControl & ExtendedApic.SPECIFIC_EOI) !== 0) apic.specificEoi(value & 0xff);
        return isExtended(vp);
      default:
        return false;
    }
  }

  /** ISR, TMR, IRR: eight words each, 16 bytes apart. What was posted counts as requested. */
  #readSet(offset: number): number {
    const { vp } = this.#apic;
    this.#apic.pull();
    this.#apic.assist.settle();
    const set = offset < ApicRegister.TMR ? vp.isr : offset < ApicRegister.IRR ? vp.tmr : vp.irr;
    return vp.views.u32[(set >>> 2) + ((offset >>> 4) & 7)];
  }

  /** SDM 3A 11.6.2.4: the highest of TPR, ISR and IRR. */
  #arbitrationPriority(): number {
    const { vp } = this.#apic;
    this.#apic.pull();
    this.#apic.assist.settle();
    const highest = Math.max(highestVector(vp.views.i32, vp.isr), highestVector(vp.views.i32, vp.irr));
    return highest >= 0 && highest >> 4 > this.#apic.tpr >> 4 ? highest & 0xf0 : this.#apic.tpr;
  }

  #writeSvr(value: number, now: number): void {
    const { vp, timer } = this.#apic;
    this.#store(VpLayout.at.apicSvr, value & (Svr.ENABLE | Svr.FOCUS_OFF | 0xff));
    if ((value & Svr.ENABLE) !== 0) return;
    // Software-disabled: every LVT entry is masked, and stays so until enabled (SDM 3A 11.4.7.2).
    timer.writeLvt(vp.lvtTimer | Lvt.MASKED, now);
    for (const name of ['lvtCmci', 'lvtThermal', 'lvtPerf', 'lvtLint0', 'lvtLint1', 'lvtError'] as const) this.#writeLvt(name, vp[name]);
  }

  #writeLvt(name: LvtName, value: number): true {
    this.#store(VpLayout.at[name], this.#masked(value));
    return true;
  }

  #masked(value: number): number {
    return (this.#apic.vp.apicSvr & Svr.ENABLE) === 0 ? value | Lvt.MASKED : value;
  }

  /** Shows what has been logged since the last write, and arms the error interrupt again (SDM 3A 11.5.3). */
  #latchErrors(): void {
    const { views, base } = this.#apic.vp;
    const at = (base + VpLayout.at.apicEsr) >>> 2;
    let before = Atomics.load(views.i32, at);
    for (;;) {
      const seen = Atomics.compareExchange(views.i32, at, before, (before >>> 8) & 0xff);
      if (seen === before) return;
      before = seen;
    }
  }

  /** A register that other threads read when they address this VP. */
  #store(at: number, value: number): void {
    const vp: VpBlock = this.#apic.vp;
    Atomics.store(vp.views.i32, (vp.base + at) >>> 2, value);
  }
}
