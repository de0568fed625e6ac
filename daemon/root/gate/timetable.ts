// What happens to a machine at times of its own clock. In `deterministic` mode each act has its place in the course: LPs await the time, so that no run goes beyond it and time that
// nobody needs is skipped up to it, and the first turn in which an LP's clock has come so far is the place. Between two acts the machine goes on only when it is known where the next
// one is: a machine that was let go first would be past it, each time elsewhere. In the other modes the clock is looked at every LOOK_MS, and acts are late by that and by a quantum.
import { HvdError } from '../../../shared/protocol/errors.js';
import { hasDueLoads } from '../loads/loads.js';
import type { Machine } from '../machine.js';
import type { Leave, Place } from './gate.js';
import { ACTS, type InputKind, type Inputs, type ResultOf } from './inputs.js';

export type Enter = <K extends InputKind>(kind: K, params: Inputs[K]) => Promise<ResultOf<K>>;

interface Due {
  readonly clock: number;
  readonly act: (enter: Enter) => Promise<void>;
  readonly refuse: (error: Error) => void;
}

const LOOK_MS = 1;

export class Timetable {
  readonly #machine: Machine;
  readonly #isDeterministic: boolean;
  #due: Due | undefined;
  #isOver = false;
  /** While the machine stands after an act: lets it go to the next. */
  #next: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasBegun = false;

  /** Of a machine in which nothing has happened yet; nobody else enters it. */
  constructor(machine: Machine) {
    this.#machine = machine;
    this.#isDeterministic = machine.config.clock === 'deterministic';
    machine.gate.isExact = true;
    if (this.#isDeterministic) machine.gate.onLimit = (place) => this.#atLimit(place);
    else this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** `act` happens when the highest clock of the LPs has come to `clock`, cycles. One at a time. */
  at<T>(clock: number, act: (enter: Enter) => Promise<T>): Promise<T> {
    if (this.#isOver) return Promise.reject(new HvdError('machine.stopping'));
    return new Promise<T>((resolve, reject) => {
      const run = async (enter: Enter): Promise<void> => {
        try {
          resolve(await act(enter));
        } catch (error) {
          reject(error);
        }
      };
      this.#due = { clock, act: run, refuse: reject };
      const { gate, signals } = this.#machine;
      gate.appoint(clock);
      this.#next?.();
      // Nobody stands there the first time: one of those who rest comes.
      if (this.#isDeterministic && !this.#hasBegun) void gate.look(() => undefined).catch(() => undefined);
      if (!this.#isDeterministic) signals.ringAll();
      this.#hasBegun = true;
    });
  }

  /** Nothing is due any more: what was is refused, and the machine goes on for as long as it is there. */
  end(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#due?.refuse(new HvdError('machine.stopping'));
    this.#due = undefined;
    this.#machine.gate.onLimit = undefined;
    this.#machine.gate.limit(undefined);
    this.#next?.();
  }

  async #atLimit(place: Place): Promise<Leave> {
    const due = this.#due;
    if (due === undefined) return 'unchanged';
    if (place.clock < due.clock) {
      // The far limit, or somebody who had to look.
      this.#machine.gate.appoint(due.clock);
      return 'unchanged';
    }
    for (let now: Due | undefined = due; now !== undefined && now.clock <= due.clock; now = this.#due) {
      this.#due = undefined;
      const next = new Promise<void>((resolve) => {
        this.#next = resolve;
      });
      await now.act((kind, params) => this.#carryOut(kind, params));
      if (!this.#isOver) await next;
      this.#next = undefined;
    }
    return 'changed';
  }

  async #carryOut<K extends InputKind>(kind: K, params: Inputs[K]): Promise<ResultOf<K>> {
    return ACTS[kind](this.#machine, params, {});
  }

  /** In modes without a course. */
  #look(): void {
    const due = this.#due;
    if (due === undefined || this.#machine.memory.lps.every((lp) => lp.clockNum < due.clock)) return;
    this.#due = undefined;
    void due.act((kind, params) => this.#machine.enter(kind, params));
  }
}

/** Hands loads to guests that have come up: a machine with a timetable has nobody else who does. */
export const deliverDueLoads = async (machine: Machine, enter: Enter): Promise<void> => {
  for (const partition of machine.partitions.all) if (hasDueLoads(partition)) await enter('load.deliver', { name: partition.name });
};
