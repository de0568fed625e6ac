// Every order of raises, EOIs, moves of VPs, revocations and a partition's end, up to a depth, against a model of a few sets; and no state from which anything gets lost.
// Deeper: HVD_DEPTH=12 bash test/run.sh dist/test/property/pass-through-exhaustive.test.js
import test from 'ava';
import { type PassThrough, REVOKE_CYCLES } from '../../daemon/hypervisor/apic/pass-through.js';
import { LineState } from '../../shared/layout/device-line.js';
import { PassThroughModel } from '../rig/pass-through-model.js';
import { PASS_THROUGH_MUTANTS } from '../rig/pass-through-mutants.js';
import { type PassedLine, PassThroughRig, passThroughMemory } from '../rig/pass-through-rig.js';

const DEPTH = Number(process.env.HVD_DEPTH ?? 8);
const LPS = 2;
/** All interrupt LP 0; guests finish on LP 0 or LP 1, wherever the VP is by then. Partition 1 can end. */
const WIRINGS: Readonly<Record<string, readonly PassedLine[]>> = {
  'three classes': [
    { lp: 0, vector: 0x31, level: 1, slot: 0, vp: 0 },
    { lp: 0, vector: 0x42, level: 0, slot: 0, vp: 1 },
    { lp: 0, vector: 0x53, level: 1, slot: 1, vp: 0 },
  ],
  'two of one class': [
    { lp: 0, vector: 0x31, level: 0, slot: 1, vp: 0 },
    { lp: 0, vector: 0x35, level: 1, slot: 0, vp: 0 },
    { lp: 0, vector: 0x53, level: 0, slot: 0, vp: 1 },
  ],
};

type Step =
  | { readonly do: 'raise' | 'lower'; readonly line: number }
  | { readonly do: 'finish'; readonly line: number; readonly lp: number }
  | { readonly do: 'serve' | 'wait' | 'die' };

class Violation extends Error {}
const same = (what: string, actual: unknown, expected: unknown): void => {
  if (String(actual) !== String(expected)) throw new Violation(`${what}: ${actual}, and the model says ${expected}`);
};

/** hvd and the model, given the same steps. A guest's APIC: a vector that is asked for again while it is served comes after its EOI. */
class Pair {
  readonly rig: PassThroughRig;
  readonly model: PassThroughModel;
  readonly serving: boolean[];
  readonly again: boolean[];
  /** Edges that have been raised since they were last given to the guest. */
  readonly owed = new Set<number>();

  constructor(
    wired: readonly PassedLine[],
    selective: boolean,
    memory: ReturnType<typeof passThroughMemory>,
    Hypervisor?: typeof PassThrough,
  ) {
    this.serving = wired.map(() => false);
    this.again = wired.map(() => false);
    this.rig = new PassThroughRig(LPS, wired, (line) => void this.owed.delete(line), Hypervisor, memory);
    this.model = new PassThroughModel(wired, REVOKE_CYCLES, (line) => {
      if (this.serving[line]) this.again[line] = true;
      this.serving[line] = true;
    });
    this.rig.selective = this.model.selective = selective;
  }

  /** What can happen next. */
  steps(): Step[] {
    const { model } = this;
    const steps: Step[] = [{ do: 'serve' }];
    for (const [line, { level, slot }] of model.wired.entries()) {
      if (level === 0 || !model.lines[line].asserted) steps.push({ do: 'raise', line });
      else steps.push({ do: 'lower', line });
      if (this.serving[line] && model.alive.has(slot)) for (let lp = 0; lp < LPS; lp++) steps.push({ do: 'finish', line, lp });
    }
    if (model.blocked[0] !== undefined && model.clock - model.blocked[0].since < REVOKE_CYCLES) steps.push({ do: 'wait' });
    if (model.alive.has(1)) steps.push({ do: 'die' });
    return steps;
  }

  play(step: Step): void {
    const { rig, model } = this;
    if (step.do === 'raise') {
      if (model.wired[step.line].level === 0 && !model.lines[step.line].masked) this.owed.add(step.line);
      rig.lines.raise(step.line);
      model.raise(step.line);
    } else if (step.do === 'lower') {
      rig.lines.lower(step.line);
      model.lower(step.line);
    } else if (step.do === 'finish') {
      this.serving[step.line] = this.again[step.line];
      this.again[step.line] = false;
      rig.finish(step.line, step.lp);
      model.finish(step.line, step.lp);
    } else if (step.do === 'serve') {
      rig.serve(0);
      model.serve(0);
    } else if (step.do === 'wait') {
      rig.clock += REVOKE_CYCLES;
      model.clock += REVOKE_CYCLES;
    } else {
      rig.alive.delete(1);
      model.alive.delete(1);
    }
  }

  check(): void {
    const { rig, model } = this;
    const vectors = (those: (line: (typeof model.lines)[number]) => boolean): number[] =>
      model.wired.flatMap(({ vector }, line) => (those(model.lines[line]) ? [vector] : []));
    same(
      'in service',
      rig.inService(0),
      vectors(({ held }) => held !== 'free'),
    );
    same(
      'deferred',
      rig.deferred(0),
      vectors(({ held }) => held === 'deferred'),
    );
    same(
      'requested',
      rig.requested(0),
      vectors(({ requested }) => requested),
    );
    for (const [line, { asserted, inFlight, masked, injections }] of model.lines.entries()) {
      const state = (asserted ? LineState.ASSERTED : 0) | (inFlight ? LineState.IN_FLIGHT : 0) | (masked ? LineState.MASKED : 0);
      same(`state of line ${line}`, rig.lines.lines[line].state, state);
      same(`interrupts given to the guest of line ${line}`, rig.injections[line], injections);
    }
    const since = model.blocked[0]?.since;
    same('to be served by', rig.hypervisors[0].deadline, since === undefined ? Number.POSITIVE_INFINITY : since + REVOKE_CYCLES);
    if (rig.hypervisors[0].isWanted && !rig.woken.has(0)) throw new Violation('there is something to serve, and the LP has not been told');
  }

  /** Devices are content and guests finish: everything comes to rest, and nothing has been lost. */
  settle(): void {
    const { rig, model } = this;
    for (let round = 0; round < 12; round++) {
      this.play({ do: 'serve' });
      for (const line of model.wired.keys()) {
        if (model.lines[line].asserted) this.play({ do: 'lower', line });
        if (this.serving[line] && model.alive.has(model.wired[line].slot)) this.play({ do: 'finish', line, lp: round % LPS });
      }
    }
    this.check();
    same('in service at rest', rig.inService(0), []);
    same('requested at rest', rig.requested(0), []);
    same('deferred at rest', rig.blocks[0].deferredNow, 0);
    for (const line of this.owed) if (model.alive.has(model.wired[line].slot)) throw new Violation(`the interrupt of line ${line} is lost`);
    for (const [line, { slot }] of model.wired.entries()) {
      if (model.alive.has(slot) && model.lines[line].masked) throw new Violation(`line ${line} stays masked`);
      same(`ends of line ${line}`, rig.lines.lines[line].ended, rig.lines.lines[line].taken);
    }
  }

  key(): string {
    return `${this.model.key()} ${this.serving.map(Number)} ${this.again.map(Number)} ${this.rig.woken.has(0)}`;
  }
}

interface Exploration {
  readonly states: number;
  readonly violation?: string;
  readonly path?: readonly Step[];
}

/** Breadth first, each state once: the first violation is one of the shortest. */
const explore = (wired: readonly PassedLine[], selective: boolean, depth: number, Hypervisor?: typeof PassThrough): Exploration => {
  const memory = passThroughMemory(LPS);
  const replay = (path: readonly Step[]): Pair => {
    const pair = new Pair(wired, selective, memory, Hypervisor);
    for (const step of path) pair.play(step);
    return pair;
  };
  const seen = new Set([replay([]).key()]);
  let level: Step[][] = [[]];
  for (let at = 0; at < depth; at++) {
    const next: Step[][] = [];
    for (const path of level)
      for (const step of replay(path).steps()) {
        const longer = [...path, step];
        try {
          const pair = replay(longer);
          pair.check();
          const key = pair.key();
          if (seen.has(key)) continue;
          seen.add(key);
          next.push(longer);
          pair.settle();
        } catch (error) {
          if (!(error instanceof Violation)) throw error;
          return { states: seen.size, violation: error.message, path: longer };
        }
      }
    level = next;
  }
  return { states: seen.size };
};

const told = ({ violation, path }: Exploration): string => `${violation} after ${JSON.stringify(path)}`;
for (const [name, wired] of Object.entries(WIRINGS))
  for (const selective of [false, true])
    test(`${name}, ${selective ? 'hardware that ends a named vector' : 'hardware that ends its highest'}: no order breaks it`, (t) => {
      t.timeout(24 * 3600 * 1000);
      const result = explore(wired, selective, DEPTH);
      t.log(`${result.states} states`);
      t.is(result.violation, undefined, told(result));
      t.true(result.states > 500);
    });

for (const [name, Mutant] of Object.entries(PASS_THROUGH_MUTANTS))
  test(`found: a hypervisor that ${name}`, (t) => {
    const result = explore(WIRINGS['three classes']!, false, DEPTH, Mutant);
    t.log(told(result));
    t.not(result.violation, undefined);
  });
