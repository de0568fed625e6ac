// An LP's end of its event tape (shared/layout/event-tape): hands each event to root while a recording is made, and compares each with the recorded one while that is
// played again. An LP whose event is another one stops there, in the middle of whatever made it, until root lets it go.
import { EventTape, type TapeEvent, TapeMode, TapeStop } from '../../shared/layout/event-tape.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';

/** Sleeps are cut into pieces of this length. */
const SLEEP_MS = 100;

export class TapeEnd {
  readonly #tape: EventTape;

  constructor(memory: SharedArrayBuffer, lp: number) {
    const views: Views = viewsOf(memory);
    this.#tape = new EventTape(views, lp);
  }

  add(event: TapeEvent): void {
    const mode = this.#tape.load('mode');
    if (mode === TapeMode.RECORD) this.#record(event);
    else if (mode === TapeMode.COMPARE) this.#compare(event);
  }

  #record(event: TapeEvent): void {
    const tape = this.#tape;
    for (let tail = tape.load('tail'); tape.room === 0; tail = tape.load('tail')) {
      if (tape.load('mode') === TapeMode.OFF) return;
      tape.wait('tail', tail, SLEEP_MS);
    }
    tape.put(event);
  }

  #compare(event: TapeEvent): void {
    const tape = this.#tape;
    if (tape.load('stops') !== 0 && tape.load('stopBefore') === tape.load('tail')) {
      this.#stop(TapeStop.WANTED, event);
      return;
    }
    while (tape.waiting === 0) {
      if (tape.load('mode') === TapeMode.OFF) return;
      const head = tape.load('head');
      if (tape.load('ended') !== 0 && tape.waiting === 0) {
        this.#stop(TapeStop.AT_END, event);
        return;
      }
      if (tape.waiting === 0) tape.wait('head', head, SLEEP_MS);
    }
    const expected = tape.peek();
    if (expected.clock !== event.clock || expected.what !== event.what || expected.a !== event.a || expected.b !== event.b) {
      this.#stop(TapeStop.DIVERGED, event);
      return;
    }
    tape.drop(1);
  }

  /** Until root has seen it and switched the tape off. */
  #stop(why: number, event: TapeEvent): void {
    const tape = this.#tape;
    tape.stop(why, event);
    for (let mode = tape.load('mode'); mode !== TapeMode.OFF; mode = tape.load('mode')) tape.wait('mode', mode, SLEEP_MS);
  }
}
