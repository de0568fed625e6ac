// The gate in front of every atomic operation: exactly one thread of a scenario runs at a time, and here it is decided which.
// Why real threads behind a baton: the protocol code is plain synchronous TypeScript, so a thread can only be stopped where it calls an operation.
//
// Control block, i32 words:  TURN: thread that may run, or MAIN.  STEP: decisions so far.  then thread states, the schedule to follow, the trace of decisions.
import { SharedWords } from '../../daemon/machine/shared-words.js';
import type { Views } from '../../shared/layout/struct.js';

export const MAIN = -1;
export const STEPS_MAX = 4000;
export const SWITCHES_MAX = 64;
export const Control = {
  TURN: 0,
  STEP: 1,
  ABORT: 2,
  PHASE: 3,
  RANDOM: 4,
  SCHEDULE: 5,
  MESSAGE_LENGTH: 6,
  SCENARIO: 7,
  MUTANT: 8,
  FOCUS_FROM: 9,
  FOCUS_END: 10,
  THREADS: 16,
  SWITCHES: 64,
  TRACE: 64 + SWITCHES_MAX * 2,
  MESSAGE: 64 + SWITCHES_MAX * 2 + STEPS_MAX,
} as const;
export const CONTROL_BYTES = (Control.MESSAGE + 256) * 4;
/** Phases: build the LP's objects ungated; run the scenario; end the worker. */
export const Phase = { PREPARE: 1, RUN: 2, QUIT: 3 } as const;
/** Thread states. AWAITING is runnable once the word differs; SLEEPING once notified. */
export const ThreadState = { RUNNABLE: 0, AWAITING: 1, SLEEPING: 2, DONE: 3 } as const;
/** Per thread: state, address, value, memory (0 partition, 1 machine). */
export const threadAt = (thread: number): number => Control.THREADS + thread * 4;
/** A trace word: enabled threads (bits 7..0), chosen (15..8), who ran before (23..16, 0xff nobody), whether its next operation is on a word in focus (24). */
export const traceEnabled = (word: number): number => word & 0xff;
export const traceChosen = (word: number): number => (word >>> 8) & 0xff;
export const traceBefore = (word: number): number => (word >>> 16) & 0xff;
export const traceInFocus = (word: number): boolean => (word & IN_FOCUS) !== 0;
const IN_FOCUS = 1 << 24;

export class Aborted extends Error {}

export class Gate {
  readonly control: Int32Array;
  readonly #memories: readonly Int32Array[];
  readonly #thread: number;
  readonly #threads: number;
  /** Closed: operations wait for their turn. Open while a scenario is prepared and checked. */
  closed = false;

  constructor(control: Int32Array, thread: number, threads: number, partition: Views, machine: Views) {
    this.control = control;
    this.#thread = thread;
    this.#threads = threads;
    this.#memories = [partition.i32, machine.i32];
  }

  /** Before an operation. */
  step(memory: number, address: number): void {
    if (this.closed) this.#yieldTo(this.#decide(memory, address));
  }

  /** Before an operation that cannot go on while the word is `value`. */
  block(state: number, memory: number, address: number, value: number): void {
    if (!this.closed) throw new Error('blocking while the gate is open');
    const at = threadAt(this.#thread);
    this.control[at + 1] = address;
    this.control[at + 2] = value;
    this.control[at + 3] = memory;
    this.control[at] = state;
    this.#yieldTo(this.#decide(memory, address));
    this.control[at] = ThreadState.RUNNABLE;
  }

  notify(memory: number, address: number): void {
    for (let t = 0; t < this.#threads; t++) {
      const at = threadAt(t);
      if (this.control[at] === ThreadState.SLEEPING && this.control[at + 1] === address && this.control[at + 3] === memory)
        this.control[at] = ThreadState.RUNNABLE;
    }
  }

  /** The thread's body has ended. */
  done(): void {
    this.control[threadAt(this.#thread)] = ThreadState.DONE;
    if (this.control[Control.ABORT] !== 0) this.give(MAIN);
    else this.give(this.#decide(0, 0));
  }

  /** The first report of a run counts. */
  report(message: string): void {
    if (this.control[Control.MESSAGE_LENGTH] !== 0) return;
    const text = message.slice(0, 255);
    for (let i = 0; i < text.length; i++) this.control[Control.MESSAGE + i] = text.charCodeAt(i);
    this.control[Control.MESSAGE_LENGTH] = text.length;
  }

  fail(message: string): void {
    this.report(message);
    this.control[threadAt(this.#thread)] = ThreadState.DONE;
    this.give(MAIN);
  }

  give(to: number): void {
    Atomics.store(this.control, Control.TURN, to);
    Atomics.notify(this.control, Control.TURN);
  }
  await(): void {
    for (;;) {
      const turn = Atomics.load(this.control, Control.TURN);
      if (turn === this.#thread) return;
      Atomics.wait(this.control, Control.TURN, turn);
    }
  }

  #yieldTo(next: number): void {
    if (next !== this.#thread) {
      this.give(next);
      this.await();
    }
    if (this.control[Control.ABORT] !== 0) throw new Aborted();
  }

  #enabled(): number {
    let mask = 0;
    for (let t = 0; t < this.#threads; t++) {
      const at = threadAt(t);
      const state = this.control[at];
      if (
        state === ThreadState.RUNNABLE ||
        (state === ThreadState.AWAITING && this.#memories[this.control[at + 3]][this.control[at + 1] >>> 2] !== this.control[at + 2])
      )
        mask |= 1 << t;
    }
    return mask;
  }

  /** Who runs next: the schedule's word for this step, or chance, or whoever ran (else the first that can). MAIN: all are done, or none can go on. */
  #decide(memory: number, address: number): number {
    const c = this.control;
    const step = c[Control.STEP]++;
    const mask = this.#enabled();
    if (mask === 0) return MAIN;
    if (step >= STEPS_MAX) {
      this.report(`no end after ${STEPS_MAX} steps`);
      return MAIN;
    }
    let next = (mask >>> this.#thread) & 1 ? this.#thread : 31 - Math.clz32(mask & -mask);
    for (let i = 0; i < c[Control.SCHEDULE]; i++) if (c[Control.SWITCHES + i * 2] === step) next = c[Control.SWITCHES + i * 2 + 1];
    if (c[Control.RANDOM] !== 0) {
      let x = c[Control.RANDOM];
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      c[Control.RANDOM] = x;
      if ((x & 0x300) === 0) {
        let pick = (x >>> 12) % this.#threads;
        while (((mask >>> pick) & 1) === 0) pick = (pick + 1) % this.#threads;
        next = pick;
      }
    }
    const inFocus = memory === 0 && address >= c[Control.FOCUS_FROM] && address < c[Control.FOCUS_END];
    c[Control.TRACE + step] = mask | (next << 8) | (this.#thread << 16) | (inFocus ? IN_FOCUS : 0);
    return next;
  }
}

/** SharedWords whose every operation passes the gate. `torn` makes read-modify-writes two operations: what a forgotten compare-and-swap would be. */
export class GatedWords extends SharedWords {
  readonly #gate: Gate;
  readonly #memory: number;
  readonly #torn: boolean;

  constructor(views: Views, gate: Gate, memory: number, torn = false) {
    super(views);
    this.#gate = gate;
    this.#memory = memory;
    this.#torn = torn;
  }

  override read(address: number): number {
    this.#gate.step(this.#memory, address);
    return super.read(address);
  }
  override write(address: number, value: number): void {
    this.#gate.step(this.#memory, address);
    super.write(address, value);
  }
  override load(address: number): number {
    this.#gate.step(this.#memory, address);
    return super.load(address);
  }
  override store(address: number, value: number): void {
    this.#gate.step(this.#memory, address);
    super.store(address, value);
  }
  override add(address: number, value: number): number {
    this.#gate.step(this.#memory, address);
    return super.add(address, value);
  }
  override or(address: number, value: number): number {
    this.#gate.step(this.#memory, address);
    if (!this.#torn) return super.or(address, value);
    const old = super.load(address);
    this.#gate.step(this.#memory, address);
    super.store(address, old | value);
    return old;
  }
  override and(address: number, value: number): number {
    this.#gate.step(this.#memory, address);
    return super.and(address, value);
  }
  override exchange(address: number, value: number): number {
    this.#gate.step(this.#memory, address);
    return super.exchange(address, value);
  }
  override compareExchange(address: number, expected: number, value: number): number {
    this.#gate.step(this.#memory, address);
    if (!this.#torn) return super.compareExchange(address, expected, value);
    const old = super.load(address);
    if (old !== expected) return old;
    this.#gate.step(this.#memory, address);
    super.store(address, value);
    return old;
  }
  override load64(address: number): void {
    this.#gate.step(this.#memory, address);
    super.load64(address);
  }
  override compareExchange64(address: number, expectedLow: number, expectedHigh: number, low: number, high: number): boolean {
    this.#gate.step(this.#memory, address);
    return super.compareExchange64(address, expectedLow, expectedHigh, low, high);
  }
  override awaitChange(address: number, value: number): void {
    this.#gate.step(this.#memory, address);
    while (super.load(address) === value) this.#gate.block(ThreadState.AWAITING, this.#memory, address, value);
  }
  override wait(address: number, value: number): void {
    this.#gate.step(this.#memory, address);
    if (super.load(address) === value) this.#gate.block(ThreadState.SLEEPING, this.#memory, address, value);
  }
  override notify(address: number): void {
    this.#gate.step(this.#memory, address);
    this.#gate.notify(this.#memory, address);
  }
}
