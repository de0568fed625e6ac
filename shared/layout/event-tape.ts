// Where an LP's events go to root one by one while a recording is made, or come from root while one is played again: then the LP compares each with its own.
// Why not the event ring: that one overwrites what nobody has read. On a tape nothing is lost; whoever is faster waits, which changes nothing of a deterministic course.
//
//   each LP:  +0 header   +64 records, 24 bytes each: clock low, clock high, kind | partition << 8 | vp << 16, a, b, 0
//   recording: the LP stores a record, then adds 1 to `head`; root reads it, then adds 1 to `tail`. Playing: the other way round.
import { i32, struct, type Views } from './struct.js';

export const TapeMode = { OFF: 0, RECORD: 1, COMPARE: 2 } as const;
/** What keeps an LP that plays from going on: its event is another one, comes after the last, or is the one that root wants it to stop before. */
export const TapeStop = { NONE: 0, DIVERGED: 1, AT_END: 2, WANTED: 3 } as const;

export const TapeLayout = struct(
  'EventTape',
  {
    /** TapeMode. Atomics, a futex: root stores OFF, and whoever waits for anything here goes on. */
    mode: i32,
    /** Records ever stored and ever taken, modulo 2^32. Atomics, futexes. */
    head: i32,
    tail: i32,
    /** Playing: 1 once no more records will come. */
    ended: i32,
    /** Playing: 1 if the LP is to stop before event `stopBefore`. */
    stops: i32,
    stopBefore: i32,
    /** TapeStop: why the LP does not go on; its own event is in `found`. Atomics. */
    stopped: i32,
    foundClockLow: i32,
    foundClockHigh: i32,
    foundWhat: i32,
    foundA: i32,
    foundB: i32,
  },
  64,
);
export const TAPE_RECORD_WORDS = 6;
/** Records that fit: an LP waits when root is so many behind. */
export const TAPE_RECORDS = 8192;
const TAPE_SIZE = TapeLayout.size + TAPE_RECORDS * TAPE_RECORD_WORDS * 4;
export const tapeAt = (lp: number): number => lp * TAPE_SIZE;
export const tapeMemorySize = (lps: number): number => lps * TAPE_SIZE;

/** One event: words as they stand in a record. */
export interface TapeEvent {
  readonly clock: number;
  readonly what: number;
  readonly a: number;
  readonly b: number;
}

const HIGH = 2 ** 32;

/** One LP's tape, from either side. */
export class EventTape {
  readonly #i32: Int32Array;
  readonly #u32: Uint32Array;
  readonly #base: number;

  constructor({ i32, u32 }: Views, lp: number) {
    this.#i32 = i32;
    this.#u32 = u32;
    this.#base = tapeAt(lp) >>> 2;
  }

  word(name: keyof typeof TapeLayout.at): number {
    return this.#base + (TapeLayout.at[name] >>> 2);
  }
  load(name: keyof typeof TapeLayout.at): number {
    return Atomics.load(this.#i32, this.word(name));
  }
  store(name: keyof typeof TapeLayout.at, value: number): void {
    Atomics.store(this.#i32, this.word(name), value);
    Atomics.notify(this.#i32, this.word(name));
  }
  /** Sleeps while the word has that value, for a while at most. LPs only. */
  wait(name: keyof typeof TapeLayout.at, value: number, ms: number): void {
    Atomics.wait(this.#i32, this.word(name), value, ms);
  }

  #recordAt(n: number): number {
    return this.#base + (TapeLayout.size >>> 2) + (n & (TAPE_RECORDS - 1)) * TAPE_RECORD_WORDS;
  }
  /** Records that wait to be taken. */
  get waiting(): number {
    return (this.load('head') - this.load('tail')) >>> 0;
  }
  get room(): number {
    return TAPE_RECORDS - this.waiting;
  }

  /** There must be room. */
  put({ clock, what, a, b }: TapeEvent): void {
    const head = this.#i32[this.word('head')]!;
    const at = this.#recordAt(head);
    const words = this.#u32;
    words[at] = clock >>> 0;
    words[at + 1] = Math.floor(clock / HIGH);
    words[at + 2] = what;
    words[at + 3] = a;
    words[at + 4] = b;
    this.store('head', (head + 1) | 0);
  }
  /** The oldest one; there must be one. It stays until `drop`. */
  peek(ahead = 0): TapeEvent {
    const at = this.#recordAt(this.#i32[this.word('tail')]! + ahead);
    const words = this.#u32;
    return { clock: words[at + 1]! * HIGH + words[at]!, what: words[at + 2]!, a: words[at + 3]!, b: words[at + 4]! };
  }
  drop(count: number): void {
    this.store('tail', (this.#i32[this.word('tail')]! + count) | 0);
  }

  get found(): TapeEvent {
    const word = (name: keyof typeof TapeLayout.at): number => this.#u32[this.word(name)]!;
    return { clock: word('foundClockHigh') * HIGH + word('foundClockLow'), what: word('foundWhat'), a: word('foundA'), b: word('foundB') };
  }
  /** The LP stops with this event of its own. */
  stop(why: number, { clock, what, a, b }: TapeEvent): void {
    const words = this.#u32;
    words[this.word('foundClockLow')] = clock >>> 0;
    words[this.word('foundClockHigh')] = Math.floor(clock / HIGH);
    words[this.word('foundWhat')] = what;
    words[this.word('foundA')] = a;
    words[this.word('foundB')] = b;
    this.store('stopped', why);
  }
}
