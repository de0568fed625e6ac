// The local APIC timer: one-shot, periodic and TSC-deadline (SDM 3A 11.5.4), computed from partition time instead of counting.
// Why in nanoseconds and integers: a deadline that is the last one plus a whole period never drifts.
import { APIC_FREQUENCY_HZ, Lvt, TIMER_PERIOD_MIN_NS, TimerMode } from '../../../shared/abi/apic.js';
import type { VpBlock } from '../../../shared/layout/vp.js';

const NS = 1_000_000_000n;
const U64 = (1n << 64n) - 1n;
/** Partition times from here on, 104 days, are never: clocks do not tell them from their neighbours. */
export const NEVER_NS = Number.MAX_SAFE_INTEGER;
/** Nanoseconds of one count at divide-by-1. */
const COUNT_NS = 1_000_000_000 / APIC_FREQUENCY_HZ;

/** Divide configuration: bits 3, 1, 0; 111b = by 1 (SDM 3A figure 11-10). */
const divisorOf = (configuration: number): number => {
  const code = ((configuration & 8) >> 1) | (configuration & 3);
  return code === 7 ? 1 : 2 << code;
};

/** Time-stamp count of a processor at partition time `ns`, before the guest's offset. */
export const tscAt = (ns: number, tscHz: bigint): bigint => (BigInt(Math.floor(ns)) * tscHz) / NS;

/** The timer of one VP. Owner LP only. `now`: partition time in ns, never going back. */
export class ApicTimer {
  readonly #vp: VpBlock;
  readonly #tscHz: bigint;
  /** Takes an expired timer's vector. */
  readonly #raise: (vector: number) => void;

  constructor(vp: VpBlock, tscHz: number, raise: (vector: number) => void) {
    this.#vp = vp;
    this.#tscHz = BigInt(tscHz);
    this.#raise = raise;
  }

  get #mode(): number {
    return (this.#vp.lvtTimer >>> Lvt.TIMER_MODE_SHIFT) & 3;
  }

  get #countNs(): number {
    return divisorOf(this.#vp.timerDivide) * COUNT_NS;
  }

  /** When the timer will interrupt: ns, or Infinity when it is off or masked. */
  get deadline(): number {
    const { timerArmed, lvtTimer, timerDeadlineNum } = this.#vp;
    return timerArmed === 0 || (lvtTimer & Lvt.MASKED) !== 0 || timerDeadlineNum >= NEVER_NS ? Infinity : timerDeadlineNum;
  }

  /** Lets time come to `now`: an expiry raises the vector once, however many periods were missed. */
  advance(now: number): void {
    const vp = this.#vp;
    if (vp.timerArmed === 0 || now < vp.timerDeadlineNum || vp.timerDeadlineNum >= NEVER_NS) return;
    if (this.#mode === TimerMode.PERIODIC) {
      const period = this.#period();
      const deadline = vp.timerDeadlineNum;
      vp.timerDeadlineNum = deadline + (Math.floor((now - deadline) / period) + 1) * period;
      vp.timerStartNum = vp.timerDeadlineNum - period;
    } else {
      vp.timerArmed = 0;
      vp.tscDeadline = 0n;
    }
    if ((vp.lvtTimer & Lvt.MASKED) === 0) this.#raise(vp.lvtTimer & 0xff);
  }

  currentCount(now: number): number {
    this.advance(now);
    if (this.#vp.timerArmed === 0 || this.#mode === TimerMode.TSC_DEADLINE) return 0;
    return Math.min(this.#vp.timerInitial, Math.ceil((this.#vp.timerDeadlineNum - now) / this.#countNs));
  }

  writeInitialCount(count: number, now: number): void {
    this.advance(now);
    if (this.#mode === TimerMode.TSC_DEADLINE) return;
    this.#vp.timerInitial = count;
    this.#start(count, now);
  }

  /** The count goes on from where it is, at the new rate. */
  writeDivide(configuration: number, now: number): void {
    const count = this.currentCount(now);
    this.#vp.timerDivide = configuration & 0xb;
    if (count !== 0) this.#start(count, now);
  }

  /** `value`: already reduced to the writable bits. Between TSC-deadline and the other modes the timer is disarmed (SDM 3A 11.5.4.1). */
  writeLvt(value: number, now: number): void {
    this.advance(now);
    const before = this.#mode;
    this.#vp.lvtTimer = value;
    if (before !== this.#mode && (before === TimerMode.TSC_DEADLINE || this.#mode >= TimerMode.TSC_DEADLINE)) {
      this.#vp.timerArmed = 0;
      this.#vp.timerInitial = 0;
      this.#vp.tscDeadline = 0n;
    }
  }

  /** IA32_TSC_DEADLINE: 0 disarms; ignored in the other modes. */
  writeTscDeadline(value: bigint, now: number): void {
    this.advance(now);
    if (this.#mode !== TimerMode.TSC_DEADLINE) return;
    this.#vp.tscDeadline = value;
    this.tscChanged(now);
  }

  readTscDeadline(now: number): bigint {
    this.advance(now);
    return this.#mode === TimerMode.TSC_DEADLINE ? this.#vp.tscDeadline : 0n;
  }

  /** The guest has set its TSC (`tscOffset`), or the deadline: finds the time at which the one reaches the other. */
  tscChanged(now: number): void {
    const vp = this.#vp;
    if (this.#mode !== TimerMode.TSC_DEADLINE) return;
    vp.timerArmed = vp.tscDeadline === 0n ? 0 : 1;
    if (vp.tscDeadline === 0n) return;
    const raw = tscAt(now, this.#tscHz);
    const guest = (raw + vp.tscOffset) & U64;
    if (vp.tscDeadline <= guest) {
      vp.timerDeadlineNum = Math.floor(now);
      this.advance(now);
      return;
    }
    const rawDeadline = raw + (vp.tscDeadline - guest);
    const ns = (rawDeadline * NS + this.#tscHz - 1n) / this.#tscHz;
    vp.timerDeadlineNum = ns > BigInt(NEVER_NS) ? NEVER_NS : Number(ns);
  }

  #period(): number {
    return Math.max(this.#vp.timerInitial * this.#countNs, TIMER_PERIOD_MIN_NS);
  }

  #start(count: number, now: number): void {
    const vp = this.#vp;
    vp.timerArmed = count === 0 || this.#mode === TimerMode.RESERVED ? 0 : 1;
    vp.timerStartNum = Math.floor(now);
    const ns = count * this.#countNs;
    vp.timerDeadlineNum =
      vp.timerStartNum + (this.#mode === TimerMode.PERIODIC ? Math.max(ns, Math.min(TIMER_PERIOD_MIN_NS, this.#period())) : ns);
  }
}
