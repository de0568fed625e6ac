// The controller's registers as a VP reads and writes them (TLFS 11.8, 12.3.2). Which of them there are is the partition's features' to say (hyperv).
import { FIRST_SINT_VECTOR, SINTS, Sint, SYNIC_VERSION, SynicMsr } from '../../../shared/abi/synic.js';
import type { Views } from '../../../shared/layout/struct.js';
import { SynicRegisters, synicAt } from '../../../shared/layout/synic.js';
import type { Synic } from './synic.js';
import type { SyntheticTimers, TimerMoment } from './synthetic-timers.js';

/** Reads and writes that are #GP. */
const GP = -1n;
const ENABLE = 1n;
const OVERLAYS = ['messagePage', 'eventPage'] as const;
export type SynicPage = (typeof OVERLAYS)[number];

export interface SynicRegistersHost {
  /** Puts a page of the VP over guest memory, or takes it away. Its address in partition memory, 0 = taken away, -1: no such guest physical address. */
  overlay(vp: number, page: SynicPage, register: bigint): number;
  /** A SINT of the VP has changed: `watched`, vectors whose EOI its queues wait for; `auto`, vectors that end by themselves. Eight words each. */
  vectorsChanged(vp: number, watched: Int32Array, auto: Int32Array): void;
  /** The moment of the access. */
  moment(): TimerMoment;
}

export class SynicRegisterFile {
  readonly #views: Views;
  readonly #synic: Synic;
  readonly #timers: readonly SyntheticTimers[];
  readonly #host: SynicRegistersHost;

  constructor(views: Views, synic: Synic, timers: readonly SyntheticTimers[], host: SynicRegistersHost) {
    this.#views = views;
    this.#synic = synic;
    this.#timers = timers;
    this.#host = host;
  }

  /** The value, or -1n: #GP. */
  read(vp: number, msr: number): bigint {
    const registers = new SynicRegisters(this.#views, synicAt(vp));
    if (msr >= SynicMsr.SINT0 && msr <= SynicMsr.SINT15) return this.#views.u64[(registers.sints >>> 3) + msr - SynicMsr.SINT0];
    if (msr >= SynicMsr.STIMER0_CONFIG && msr <= SynicMsr.STIMER3_COUNT) {
      const timer = (msr - SynicMsr.STIMER0_CONFIG) >> 1;
      return (msr & 1) === 0 ? this.#timers[vp].config(timer) : this.#timers[vp].count(timer);
    }
    switch (msr) {
      case SynicMsr.SCONTROL:
        return registers.control;
      case SynicMsr.SVERSION:
        return SYNIC_VERSION;
      case SynicMsr.SIEFP:
        return registers.eventPageMsr;
      case SynicMsr.SIMP:
        return registers.messagePageMsr;
      case SynicMsr.EOM:
        return 0n;
      default:
        return GP;
    }
  }

  /** False: #GP, nothing has changed. */
  write(vp: number, msr: number, value: bigint): boolean {
    if (msr >= SynicMsr.SINT0 && msr <= SynicMsr.SINT15) return this.#writeSint(vp, msr - SynicMsr.SINT0, value);
    if (msr >= SynicMsr.STIMER0_CONFIG && msr <= SynicMsr.STIMER3_COUNT) {
      const timer = (msr - SynicMsr.STIMER0_CONFIG) >> 1;
      if ((msr & 1) === 0) this.#timers[vp].writeConfig(timer, value, this.#host.moment());
      else this.#timers[vp].writeCount(timer, value, this.#host.moment());
      return true;
    }
    switch (msr) {
      case SynicMsr.SCONTROL:
        this.#writeControl(vp, value);
        return true;
      case SynicMsr.SIEFP:
        return this.#writePage(vp, 'eventPage', value);
      case SynicMsr.SIMP:
        return this.#writePage(vp, 'messagePage', value);
      case SynicMsr.EOM:
        this.#synic.endOfMessage(vp);
        return true;
      default:
        return false;
    }
  }

  #writeControl(vp: number, value: bigint): void {
    const registers = new SynicRegisters(this.#views, synicAt(vp));
    this.#synic.locked(vp, () => {
      registers.control = value;
      registers.enabled = Number(value & ENABLE);
    });
    this.#synic.rescan(vp);
  }

  #writeSint(vp: number, sint: number, value: bigint): boolean {
    const low = Number(value & 0xffff_ffffn);
    if ((low & Sint.MASKED) === 0 && (low & Sint.VECTOR) < FIRST_SINT_VECTOR) return false;
    const registers = new SynicRegisters(this.#views, synicAt(vp));
    this.#synic.locked(vp, () => {
      this.#views.u64[(registers.sints >>> 3) + sint] = value;
    });
    this.#tellVectors(vp, registers);
    this.#synic.rescan(vp);
    return true;
  }

  #tellVectors(vp: number, registers: SynicRegisters): void {
    const watched = new Int32Array(8);
    const auto = new Int32Array(8);
    for (let sint = 0; sint < SINTS; sint++) {
      const low = Number(this.#views.u64[(registers.sints >>> 3) + sint] & 0xffff_ffffn);
      if ((low & Sint.MASKED) !== 0) continue;
      const set = (low & Sint.AUTO_EOI) === 0 ? watched : auto;
      set[(low & Sint.VECTOR) >>> 5] |= 1 << (low & 31);
    }
    this.#host.vectorsChanged(vp, watched, auto);
  }

  /** A page has one place in partition memory whether it is seen by the guest or not, so posters may go on meanwhile; outside the lock, for it may take a shootdown. */
  #writePage(vp: number, page: SynicPage, value: bigint): boolean {
    const address = this.#host.overlay(vp, page, value);
    if (address < 0) return false;
    const registers = new SynicRegisters(this.#views, synicAt(vp));
    this.#synic.locked(vp, () => {
      registers[page] = address;
      registers[`${page}Msr`] = value;
    });
    this.#synic.rescan(vp);
    return true;
  }
}
