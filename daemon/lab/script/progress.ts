// How far a script is, put together from what its player and its stage say, and told on: at once where something begins or is decided, in between a few times a second. Pure.
import { FAILURE_TEXT_MAX, FAILURES_MAX, type ScriptProgress, type ScriptState } from '../../../shared/protocol/script-progress.js';
import { planOf } from './plan.js';
import type { Assertion, Listener } from './play.js';
import type { Script } from './script.js';

/** Between two that tell only of time that has passed, ms of the host. */
export const TELL_MS = 250;

export class ScriptTeller implements Listener {
  readonly #script: Script;
  readonly #frequencyHz: number;
  readonly #tell: (progress: ScriptProgress) => void;
  /** ms of the host. */
  readonly #now: () => number;
  /** Of each phase: cycles since the script's beginning at which it begins and ends. */
  readonly #spans: readonly (readonly [number, number])[];
  #progress: ScriptProgress;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(script: Script, frequencyHz: number, tell: (progress: ScriptProgress) => void, now: () => number = () => performance.now()) {
    this.#script = script;
    this.#frequencyHz = frequencyHz;
    this.#tell = tell;
    this.#now = now;
    this.#spans = spansOf(script, frequencyHz);
    const first = script.phases[0]!;
    const left = script.phases.reduce((sum, { assert }) => sum + assert.length, script.assert.length);
    this.#progress = {
      name: script.name,
      state: 'running',
      phase: first.name,
      index: 1,
      phases: script.phases.length,
      step: 1,
      steps: first.steps,
      seconds: 0,
      length: this.#secondsOf(0),
      assertions: { holds: 0, fails: 0, left },
      failures: [],
    };
  }

  began(phase: string, step: number, steps: number): void {
    const at = this.#script.phases.findIndex(({ name }) => name === phase);
    const seconds = (this.#secondsOf(at) * step) / steps;
    this.#say({ phase, index: at + 1, step: step + 1, steps, seconds, length: this.#secondsOf(at) });
  }

  asserted({ text, holds, why }: Assertion): void {
    const { assertions, failures } = this.#progress;
    const said = `${text}${why === undefined ? '' : `: ${why}`}`.slice(0, FAILURE_TEXT_MAX);
    this.#say({
      assertions: {
        holds: assertions.holds + (holds ? 1 : 0),
        fails: assertions.fails + (holds ? 0 : 1),
        left: assertions.left - 1,
      },
      failures: holds ? failures : [...failures, said].slice(-FAILURES_MAX),
    });
  }

  /** The stage has come to `cycle` of the script. */
  passed(cycle: number): void {
    const [from, to] = this.#spans[this.#progress.index - 1]!;
    const seconds = Math.max(this.#progress.seconds, (Math.min(cycle, to) - from) / this.#frequencyHz);
    this.#progress = { ...this.#progress, seconds };
    if (this.#now() - this.#toldAt >= TELL_MS) this.#say({});
  }

  end(state: Exclude<ScriptState, 'running'>): void {
    this.#say({ state });
  }

  #say(news: Partial<ScriptProgress>): void {
    this.#progress = { ...this.#progress, ...news };
    this.#toldAt = this.#now();
    this.#tell(this.#progress);
  }
  #secondsOf(phase: number): number {
    const [from, to] = this.#spans[phase]!;
    return (to - from) / this.#frequencyHz;
  }
}

/** A gap before the next phase's `at` is none of a phase with `for`: it is as long as it says. */
const spansOf = (script: Script, frequencyHz: number): (readonly [number, number])[] => {
  const { moments, ends } = planOf(script, frequencyHz);
  return ends.map((end, phase) => [moments.find((moment) => moment.phase === phase)!.cycle, end]);
};
