// Plays a script on a stage: at each moment what is done then, at the end of each phase what must hold.
import { reasonOf } from '../../../shared/protocol/errors.js';
import type { MachineStats } from '../../../shared/protocol/messages.js';
import { type Expression, parseExpression } from '../expression.js';
import type { Hands, Stage } from '../stage/stage.js';
import { Ledger, type Metrics, windowOf } from '../window.js';
import { type Moment, planOf } from './plan.js';
import { SCOPE_NAMES, type Script } from './script.js';

export interface Assertion {
  readonly phase: string | null;
  readonly text: string;
  readonly holds: boolean;
  /** Why it could not be told whether it holds. */
  readonly why?: string;
}
/** A phase, or a step of one that has several. */
export interface Stretch {
  readonly phase: string;
  readonly step: number;
  readonly steps: number;
  readonly window: Metrics;
}
export interface Outcome {
  readonly stretches: readonly Stretch[];
  readonly phases: Readonly<Record<string, Metrics>>;
  readonly run: Metrics;
  readonly assertions: readonly Assertion[];
  /** Without those that came to no number (0 / 0). */
  readonly measured: Readonly<Record<string, number | boolean>>;
}

/** What can be heard while it is played. */
export interface Listener {
  began?(phase: string, step: number, steps: number): void;
  ended?(stretch: Stretch): void;
  asserted?(assertion: Assertion): void;
}

/** Rejects with what the machine says against a deed, script.time, script.measure, or when the stage ends. */
export const play = async (script: Script, stage: Stage, listener: Listener = {}): Promise<Outcome> => {
  const plan = planOf(script, stage.frequencyHz);
  const player = new Player(script, listener);
  for (const moment of plan.moments) await stage.at(moment.cycle, (hands) => player.come(moment, hands));
  await stage.at(plan.end, async (hands) => player.finish(await hands.stats()));
  return player.outcome();
};

class Player {
  readonly #script: Script;
  readonly #listener: Listener;
  readonly #stretches: Stretch[] = [];
  readonly #phases: Record<string, Metrics> = {};
  readonly #assertions: Assertion[] = [];
  readonly #ledger = new Ledger();
  /** At the beginning of the script, of the phase, of the step. */
  #atBegin: MachineStats | undefined;
  #atPhase: MachineStats | undefined;
  #atStep: MachineStats | undefined;
  #now: Moment | undefined;
  #run: Metrics = {};

  constructor(script: Script, listener: Listener) {
    this.#script = script;
    this.#listener = listener;
  }

  async come(moment: Moment, hands: Hands): Promise<void> {
    this.#close(this.#ledger.add(await hands.stats()), moment.step === 0);
    if (this.#atBegin === undefined) for (const config of this.#script.partitions) await hands.carryOut({ kind: 'create', config });
    for (const deed of moment.deeds) await hands.carryOut(deed);
    // What a deed has made is there from here on.
    const stats = this.#ledger.add(await hands.stats());
    this.#atBegin ??= stats;
    if (moment.step === 0) this.#atPhase = stats;
    this.#atStep = stats;
    this.#now = moment;
    const { name, steps } = this.#script.phases[moment.phase]!;
    this.#listener.began?.(name, moment.step, steps);
  }

  finish(sample: MachineStats): void {
    const stats = this.#ledger.add(sample);
    this.#close(stats, true);
    this.#run = windowOf(this.#atBegin!, stats);
    for (const text of this.#script.assert) this.#check(null, text, { phase: this.#run });
  }

  outcome(): Outcome {
    const measured: Record<string, number | boolean> = {};
    const scope = { phase: this.#run, phases: this.#phases, run: this.#run };
    for (const [name, text] of Object.entries(this.#script.measure)) {
      const value = expressionOf(text).value(scope);
      // A rate of nothing to nothing is no number: JSON has none for it either.
      if (typeof value === 'boolean' || Number.isFinite(value)) measured[name] = value;
    }
    return { stretches: this.#stretches, phases: this.#phases, run: this.#run, assertions: this.#assertions, measured };
  }

  /** A step is over, and with the last one its phase. */
  #close(stats: MachineStats, phaseEnds: boolean): void {
    const moment = this.#now;
    if (moment === undefined) return;
    const { name, steps, assert } = this.#script.phases[moment.phase]!;
    const stretch = { phase: name, step: moment.step, steps, window: windowOf(this.#atStep!, stats) };
    this.#stretches.push(stretch);
    this.#listener.ended?.(stretch);
    if (!phaseEnds) return;
    const phase = windowOf(this.#atPhase!, stats);
    this.#phases[name] = phase;
    this.#run = windowOf(this.#atBegin!, stats);
    for (const text of assert) this.#check(name, text, { phase });
  }

  #check(phase: string | null, text: string, { phase: window }: { readonly phase: Metrics }): void {
    let assertion: Assertion;
    try {
      const value = expressionOf(text).value({ phase: window, phases: this.#phases, run: this.#run });
      assertion =
        typeof value === 'boolean'
          ? { phase, text, holds: value }
          : { phase, text, holds: false, why: `expected true or false, got ${value}` };
    } catch (error) {
      assertion = { phase, text, holds: false, why: reasonOf(error) };
    }
    this.#assertions.push(assertion);
    this.#listener.asserted?.(assertion);
  }
}

const expressionOf = (text: string): Expression => parseExpression(text, SCOPE_NAMES);
