// When locks are held and fills are under way, in virtual time: what `vtlb.lock` costs LPs that get into each other's way, however few cores the host has.
// Why a diary and not the hour until which a lock is held: LPs simulate their steps one after the other (lp/turn.ts), so a turn at 10:05 may be asked for after
// one at 10:55 was given. Time is cut into slots; whoever comes is given the first free ones from its own time on: no slot is given twice, so that a lock is never passed on
// faster than it can be, whatever the order in which it is asked for. Nobody waits for itself: one LP has one time.
//
//   entry: number of the slot, modulo 2^32; then  31..7 what is busy   6..0 LP that it is busy for, + 1
// Entry n of an owner stands at n + an offset of its own, modulo: what is older than DIARY_ENTRIES slots is written over, and so, rarely, is what is not.
// No atomics: LPs that run at the same time in the host (clock mode `quantum`) may both be given a slot. It is an account, nothing relies on it; one LP at a time
// (`deterministic`) finds the same each time.
import type { Views } from '../../../shared/layout/struct.js';
import { DIARY, DIARY_ENTRIES, DIARY_LP_BITS, DIARY_SPREAD } from '../../../shared/layout/vtlb.js';

/** Cycles of a slot. */
export const SLOT_CYCLES = 50;
/** Furthest a turn is put off, in slots. */
const QUEUE_MAX = DIARY_ENTRIES >> 1;

export class BusyDiary {
  readonly #i32: Int32Array;
  readonly #tag: number;

  constructor({ i32 }: Views, lp: number) {
    this.#i32 = i32;
    this.#tag = lp + 1;
  }

  /** Takes the owner for the so many cycles before `end`, or as soon as others let it. Returns by how much `end` is put off. */
  take(owner: number, end: number, cycles: number): number {
    const wanted = Math.max(1, Math.ceil(cycles / SLOT_CYCLES));
    const first = Math.max(0, Math.floor(end / SLOT_CYCLES) - wanted);
    let begin = first;
    for (let slot = first; slot < begin + wanted && begin - first < QUEUE_MAX; slot++) if (this.isBusy(owner, slot)) begin = slot + 1;
    for (let slot = begin; slot < begin + wanted; slot++) this.mark(owner, slot);
    return (begin - first) * SLOT_CYCLES;
  }

  /** This LP keeps the owner busy in the slot, however long its slots are. */
  mark(owner: number, slot: number): void {
    const at = entryAt(owner, slot);
    this.#i32[at] = slot;
    this.#i32[at + 1] = (owner << DIARY_LP_BITS) | this.#tag;
  }
  /** Whether another LP does. */
  isBusy(owner: number, slot: number): boolean {
    const at = entryAt(owner, slot);
    const who = this.#i32[at + 1];
    return this.#i32[at] === (slot | 0) && who >>> DIARY_LP_BITS === owner && (who & ((1 << DIARY_LP_BITS) - 1)) !== this.#tag;
  }
}

const entryAt = (owner: number, slot: number): number =>
  (DIARY >>> 2) + (((Math.imul(owner, DIARY_SPREAD) >>> 8) + slot) & (DIARY_ENTRIES - 1)) * 2;
