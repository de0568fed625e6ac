// The four synthetic timers of one VP (TLFS 12.3): a message to a SINT or, in direct mode, a vector, at a reference time.
// Why no sleep of its own: the LP asks for the next deadline as it does for the local APIC's timer, so that a run is as deterministic as the clock.
import { MessageType, STIMERS, StimerConfig, TimerPayload } from '../../../shared/abi/synic.js';
import type { Views } from '../../../shared/layout/struct.js';
import { Stimer, stimerAt } from '../../../shared/layout/synic.js';
import { NEVER_NS } from '../apic/timer.js';
import type { Synic } from './synic.js';

/** Nanoseconds of a unit of reference time. */
const UNIT_NS = 100;
/**
 * A timer is due so much after its expiration: the reference time is computed by a scale that is rounded down, and a timer must never come before the time that the guest
 * reads has come (hyperv/reference-time).
 */
const NEVER_EARLY_NS = 1;
/** Periodic timers come no closer together than this, whatever the guest asks for. */
const PERIOD_MIN_NS = 10_000;
/** A timer that is later than this many periods passes the rest over, lazy or not. */
const BEHIND_MAX = 16n;
const TIMER_MESSAGE = { type: MessageType.TIMER_EXPIRED, size: TimerPayload.BYTES, origin: 0 } as const;

const U64_MAX = (1n << 64n) - 1n;
const later = (reference: bigint, count: bigint): bigint => (reference + count > U64_MAX ? U64_MAX : reference + count);
const nsOf = (expiration: bigint): number => Math.min(NEVER_NS, Number(expiration) * UNIT_NS + NEVER_EARLY_NS);
const isAwaited = ({ armed, deadlineNum }: Stimer): boolean => armed !== 0 && deadlineNum < NEVER_NS;
const isDirect = (config: bigint): boolean => (config & StimerConfig.DIRECT) !== 0n;
const sintOf = (config: bigint): number => Number((config >> StimerConfig.SINT_SHIFT) & 15n);

/** What a VP's timers are told: partition time in ns, never going back, and the reference time that the guest would read at that moment. */
export interface TimerMoment {
  readonly now: number;
  readonly reference: bigint;
}

export class SyntheticTimers {
  readonly #vp: number;
  readonly #synic: Synic;
  readonly #timers: readonly Stimer[];
  /** The edge of direct mode, at the VP's own local APIC. */
  readonly #raise: (vector: number) => void;
  /** Whether the partition has direct mode. */
  readonly #direct: boolean;
  readonly #payload = new DataView(new ArrayBuffer(TimerPayload.BYTES));

  constructor(views: Views, vp: number, synic: Synic, raise: (vector: number) => void, direct: boolean) {
    this.#vp = vp;
    this.#synic = synic;
    this.#timers = Array.from({ length: STIMERS }, (_, timer) => new Stimer(views, stimerAt(vp, timer)));
    this.#raise = raise;
    this.#direct = direct;
  }

  /** When the next one is due: partition time in ns, or Infinity. */
  deadline(): number {
    let earliest = Infinity;
    for (const timer of this.#timers) if (isAwaited(timer)) earliest = Math.min(earliest, timer.deadlineNum);
    return earliest;
  }

  /** Lets time come to a moment. */
  advance(moment: TimerMoment): void {
    for (const [index, timer] of this.#timers.entries()) {
      if (isAwaited(timer) && timer.deadlineNum <= moment.now) this.#expire(index, timer, moment);
    }
  }

  config(index: number): bigint {
    return this.#timers[index].config;
  }
  count(index: number): bigint {
    return this.#timers[index].count;
  }

  writeConfig(index: number, value: bigint, moment: TimerMoment): void {
    const timer = this.#timers[index];
    this.#stop(index, timer);
    timer.config = value;
    this.#start(index, timer, moment);
  }

  /** 0 disables the timer; any other count enables it if it is one that does so. */
  writeCount(index: number, value: bigint, moment: TimerMoment): void {
    const timer = this.#timers[index];
    this.#stop(index, timer);
    timer.count = value;
    if (value === 0n) timer.config &= ~StimerConfig.ENABLE;
    else if ((timer.config & StimerConfig.AUTO_ENABLE) !== 0n) timer.config |= StimerConfig.ENABLE;
    this.#start(index, timer, moment);
  }

  /** What the old setting has to say is not said any more. */
  #stop(index: number, timer: Stimer): void {
    timer.armed = 0;
    if (!this.#isDirect(timer)) this.#synic.withdrawTimer(this.#vp, index, sintOf(timer.config));
  }

  #start(index: number, timer: Stimer, moment: TimerMoment): void {
    // SINT 0 is the hypervisor's: who names it has no timer (TLFS 12.3.2).
    if (!this.#isDirect(timer) && sintOf(timer.config) === 0) timer.config &= ~StimerConfig.ENABLE;
    if ((timer.config & StimerConfig.ENABLE) === 0n || timer.count === 0n) return;
    timer.expiration = (timer.config & StimerConfig.PERIODIC) !== 0n ? later(moment.reference, timer.count) : timer.count;
    timer.deadlineNum = nsOf(timer.expiration);
    timer.armed = 1;
    if (timer.deadlineNum <= moment.now) this.#expire(index, timer, moment);
  }

  #expire(index: number, timer: Stimer, moment: TimerMoment): void {
    if (this.#tell(index, timer, moment)) timer.fired++;
    else timer.skipped++;
    if ((timer.config & StimerConfig.PERIODIC) === 0n) {
      timer.config &= ~StimerConfig.ENABLE;
      timer.armed = 0;
      return;
    }
    const period = timer.count;
    const behind = moment.reference > timer.expiration ? (moment.reference - timer.expiration) / period : 0n;
    // A lazy timer passes over what has gone by; others make up for it by shorter periods, within reason.
    const passed = (timer.config & StimerConfig.LAZY) !== 0n || behind > BEHIND_MAX ? behind : 0n;
    timer.skipped += Number(passed & 0xffff_ffffn);
    timer.expiration = later(timer.expiration, period * (passed + 1n));
    const soonest = moment.now + Math.max(PERIOD_MIN_NS, behind > passed ? nsOf(period) / 2 : 0);
    timer.deadlineNum = Math.min(NEVER_NS, Math.max(nsOf(timer.expiration), Math.ceil(soonest)));
  }

  /** False: the message before it still waits. */
  #tell(index: number, timer: Stimer, moment: TimerMoment): boolean {
    if (this.#isDirect(timer)) {
      this.#raise(Number((timer.config >> StimerConfig.VECTOR_SHIFT) & 0xffn));
      return true;
    }
    const payload = this.#payload;
    payload.setUint32(TimerPayload.INDEX, index, true);
    payload.setBigUint64(TimerPayload.EXPIRATION, timer.expiration, true);
    payload.setBigUint64(TimerPayload.DELIVERY, moment.reference, true);
    return this.#synic.postTimer(this.#vp, index, sintOf(timer.config), TIMER_MESSAGE, new Uint8Array(payload.buffer));
  }

  #isDirect(timer: Stimer): boolean {
    return this.#direct && isDirect(timer.config);
  }
}
