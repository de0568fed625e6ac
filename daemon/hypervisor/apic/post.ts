// Posting to a virtual local APIC from any thread, and pulling what was posted, by the owner.
// Why two sets of words: the owner's IRR needs no atomics, and an edge that comes while the same vector is being delivered is not lost.
import { ApicError, FIRST_LEGAL_VECTOR, Lvt } from '../../../shared/abi/apic.js';
import { type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import type { ApicBus } from './apic-bus.js';
import { noteRaised } from './interrupt-log.js';

const AT = VpLayout.at;
const WORDS = 8;

/**
 * Requests `vector` at the VP's local APIC. Any thread. `level`: TMR is set and the EOI goes to the I/O APIC. An edge on a vector that the guest has declared
 * (`autoVectors`), or that comes with `auto`, never enters ISR: the word as it stands now counts, and whoever takes it back owes the EOI of what is under way.
 * True: the bit is new, and the VP must be kicked. False: an earlier poster's kick is on its way.
 */
export const post = (vp: VpBlock, vector: number, level: boolean, auto = false): boolean => {
  const { i32 } = vp.views;
  const word = (vp.base >>> 2) + (vector >>> 5);
  const bit = 1 << (vector & 31);
  const endsItself = !level && (auto || (Atomics.load(i32, word + (AT.autoVectors >>> 2)) & bit) !== 0);
  // What kind of interrupt it is must be visible no later than the interrupt: TMR and AUTO first, then the request.
  if (level) Atomics.or(i32, word + (AT.newTmr >>> 2), bit);
  else Atomics.and(i32, word + (AT.newTmr >>> 2), ~bit);
  if (endsItself) Atomics.or(i32, word + (AT.newAuto >>> 2), bit);
  else Atomics.and(i32, word + (AT.newAuto >>> 2), ~bit);
  return (Atomics.or(i32, word + (AT.newIrr >>> 2), bit) & bit) === 0;
};

/** Moves what was posted into IRR, TMR and AUTO. Owner LP only. */
export const pull = (vp: VpBlock): void => {
  const { i32 } = vp.views;
  const base = vp.base >>> 2;
  for (let word = base; word < base + WORDS; word++) {
    if (Atomics.load(i32, word + (AT.newIrr >>> 2)) === 0) continue;
    const bits = Atomics.exchange(i32, word + (AT.newIrr >>> 2), 0);
    const tmr = Atomics.load(i32, word + (AT.newTmr >>> 2));
    const auto = Atomics.load(i32, word + (AT.newAuto >>> 2));
    i32[word + (AT.tmr >>> 2)] = (i32[word + (AT.tmr >>> 2)] & ~bits) | (tmr & bits);
    i32[word + (AT.autoEoi >>> 2)] = (i32[word + (AT.autoEoi >>> 2)] & ~bits) | (auto & bits);
    i32[word + (AT.irr >>> 2)] |= bits;
  }
};

/** The whole of it: noted, posted, and its VP kicked. `kind`: InterruptKind. Any thread. */
export const request = (bus: ApicBus, index: number, vector: number, level: boolean, kind: number, auto = false): void => {
  const vp = bus.vpBlock(index);
  noteRaised(vp, vector, kind, bus.now(), bus.interrupts);
  if (post(vp, vector, level, auto)) bus.kick(index);
};

/** Whether other threads have left the VP something to take: request bits or posted vectors. Any thread; no answer is final but the owner's. */
export const hasPosted = (vp: VpBlock): boolean => {
  const { i32 } = vp.views;
  if (Atomics.load(i32, (vp.base + AT.requests) >>> 2) !== 0) return true;
  const first = (vp.base + AT.newIrr) >>> 2;
  for (let word = first; word < first + WORDS; word++) if (Atomics.load(i32, word) !== 0) return true;
  return false;
};

/**
 * Logs an error at the VP's local APIC and, for the first one since the last ESR write, posts the LVT error vector (SDM 3A 11.5.3). Any thread.
 * `apicEsr`: bits 7:0 as the guest reads them, 15:8 collected since its last write. True: kick the VP.
 */
export const logApicError = (vp: VpBlock, error: number): boolean => {
  const before = Atomics.or(vp.views.i32, (vp.base + AT.apicEsr) >>> 2, error << 8);
  const lvt = Atomics.load(vp.views.i32, (vp.base + AT.lvtError) >>> 2);
  if ((before & 0xff00) !== 0 || (lvt & Lvt.MASKED) !== 0) return false;
  const vector = lvt & 0xff;
  if (vector >= FIRST_LEGAL_VECTOR) return post(vp, vector, false);
  Atomics.or(vp.views.i32, (vp.base + AT.apicEsr) >>> 2, ApicError.RECEIVE_ILLEGAL_VECTOR << 8);
  return false;
};
