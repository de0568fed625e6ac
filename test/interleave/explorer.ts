// Runs hvd's own protocol code (vTLB, SynIC) under every schedule with at most so many preemptions, then under random ones (seed printed), looking for a violated
// condition, a broken invariant or a deadlock. Why bounded by preemptions: nearly all races show with two (Musuvathi and Qadeer, PLDI 2007).
import { Worker } from 'node:worker_threads';
import { ALL_SCENARIOS } from './all-scenarios.js';
import type { ExplorerWorkerData } from './explorer-worker.js';
import {
  CONTROL_BYTES,
  Control,
  MAIN,
  Phase,
  SWITCHES_MAX,
  ThreadState,
  threadAt,
  traceBefore,
  traceChosen,
  traceEnabled,
  traceInFocus,
} from './gate.js';
import { MUTANTS } from './mutants.js';
import { PAGES } from './scenario.js';
import { makeMachine, resetMachine, type SmallMachine } from './small-machine.js';
import { setPolicy } from './vtlb/acts.js';

export interface Exploration {
  readonly schedules: number;
  readonly violation: string | null;
  /** Steps and threads that lead to the violation, or the seed. */
  readonly replay: string;
  /** Every schedule within the preemption bound was run. */
  readonly exhausted: boolean;
}

export interface ExploreOptions {
  readonly scenario: string;
  readonly mutant?: string;
  readonly preemptions?: number;
  /** Most schedules of the bounded search, and number of random ones after it. */
  readonly limit?: number;
  readonly random?: number;
  readonly seed?: number | undefined;
  /** Settings of policies, by name, beyond those of the scenario. */
  readonly policies?: Readonly<Record<string, string>>;
  /** The bounded search changes threads only where one is about to touch a word of partition memory from here up to there: races between far steps show in few schedules. */
  readonly focus?: Focus | undefined;
}
export type Focus = readonly [from: number, end: number];

/** Microseconds that a thread may compute without touching a shared word, and how often that is looked at. */
const TURN_US = 20_000_000;
const LOOK_MS = 1000;

type Switches = readonly (readonly [step: number, thread: number])[];

export class Explorer {
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
  readonly #machine: SmallMachine;
  readonly #threads: number;
  readonly #workers: Worker[] = [];

  constructor(threads: number) {
    this.#threads = threads;
    this.#machine = makeMachine(PAGES, threads);
    this.#control[Control.TURN] = MAIN;
    for (let thread = 0; thread < threads; thread++) {
      const data: ExplorerWorkerData = {
        control: this.#control.buffer as SharedArrayBuffer,
        partition: this.#machine.memory,
        machine: this.#machine.machine.buffer as SharedArrayBuffer,
        pages: PAGES,
        threads,
        thread,
      };
      this.#workers.push(new Worker(new URL('./explorer-worker.js', import.meta.url), { workerData: data }));
    }
  }

  /** Resolves when the workers can take turns. */
  async ready(): Promise<void> {
    await Promise.all(
      this.#workers.map((worker) => new Promise<void>((resolve, reject) => void worker.once('message', resolve).once('error', reject))),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  explore(options: ExploreOptions): Exploration {
    const scenario = ALL_SCENARIOS.findIndex((s) => s.name === options.scenario);
    const mutant = MUTANTS.findIndex((m) => m.name === (options.mutant ?? 'none'));
    if (scenario < 0 || mutant < 0) throw new RangeError(`no scenario ${options.scenario} or mutant ${options.mutant}`);
    const bound = options.preemptions ?? 2;
    const limit = options.limit ?? 4000;
    let schedules = 0;
    // Fewest preemptions first: a violation found is a short one.
    const levels: Switches[][] = Array.from({ length: bound + 1 }, () => []);
    levels[0].push([]);
    for (let used = 0; used <= bound; used++) {
      for (let n = 0; n < levels[used].length; n++) {
        if (schedules >= limit) return this.#random(options, scenario, mutant, schedules, false);
        const switches = levels[used][n];
        const violation = this.#run(scenario, mutant, switches, 0, options);
        schedules++;
        if (violation !== null) return { schedules, violation, replay: JSON.stringify(switches), exhausted: false };
        this.#branch(switches, used, levels, options.focus !== undefined);
      }
    }
    return this.#random(options, scenario, mutant, schedules, true);
  }

  /** Adds the schedules that leave this run's trace once, after its last switch. */
  #branch(switches: Switches, used: number, levels: Switches[][], focused: boolean): void {
    if (switches.length >= SWITCHES_MAX) return;
    const c = this.#control;
    const from = switches.length === 0 ? 0 : switches[switches.length - 1][0] + 1;
    for (let step = from; step < c[Control.STEP]; step++) {
      const word = c[Control.TRACE + step];
      const before = traceBefore(word);
      if (focused && !traceInFocus(word)) continue;
      const couldStay = before !== 0xff && ((traceEnabled(word) >>> before) & 1) === 1;
      const cost = used + (couldStay ? 1 : 0);
      if (cost >= levels.length) continue;
      for (let thread = 0; thread < this.#threads; thread++) {
        if (thread === traceChosen(word) || ((traceEnabled(word) >>> thread) & 1) === 0) continue;
        levels[cost].push([...switches, [step, thread]]);
      }
    }
  }

  #random(options: ExploreOptions, scenario: number, mutant: number, before: number, exhausted: boolean): Exploration {
    let seed = (options.seed ?? 1) | 1;
    const random = options.random ?? 200;
    for (let n = 0; n < random; n++, seed = (seed + 0x9e37) | 1) {
      const violation = this.#run(scenario, mutant, [], seed, options);
      if (violation !== null) return { schedules: before + n + 1, violation, replay: `seed ${seed}`, exhausted };
    }
    return { schedules: before + random, violation: null, replay: '', exhausted };
  }

  /** One execution. Null, or what went wrong. */
  #run(
    scenario: number,
    mutant: number,
    switches: Switches,
    seed: number,
    { policies = {}, focus = [0, 0] }: ExploreOptions,
  ): string | null {
    const c = this.#control;
    const s = ALL_SCENARIOS[scenario];
    resetMachine(this.#machine, s.spts);
    s.setup(this.#machine);
    for (const [name, setting] of Object.entries(policies)) setPolicy(this.#machine, name, setting);
    c[Control.SCENARIO] = scenario;
    c[Control.MUTANT] = mutant;
    [c[Control.FOCUS_FROM], c[Control.FOCUS_END]] = focus;
    c[Control.ABORT] = 0;
    c[Control.MESSAGE_LENGTH] = 0;
    c[Control.PHASE] = Phase.PREPARE;
    for (let t = 0; t < this.#threads; t++) this.#give(t);
    if (this.#message() !== null) throw new Error(this.#message() as string);
    const running = s.threads.length;
    for (let t = 0; t < this.#threads; t++) c[threadAt(t)] = t < running ? ThreadState.RUNNABLE : ThreadState.DONE;
    c[Control.PHASE] = Phase.RUN;
    c[Control.RANDOM] = seed;
    c[Control.SCHEDULE] = switches.length;
    switches.forEach(([step, thread], i) => {
      c[Control.SWITCHES + i * 2] = step;
      c[Control.SWITCHES + i * 2 + 1] = thread;
    });
    const mask = (1 << running) - 1;
    const first = switches.length > 0 && switches[0][0] === 0 ? switches[0][1] : seed === 0 ? 0 : (seed >>> 4) % running;
    c[Control.TRACE] = mask | (first << 8) | (0xff << 16);
    c[Control.STEP] = 1;
    this.#give(first);
    const stuck: number[] = [];
    for (let t = 0; t < running; t++) if (c[threadAt(t)] !== ThreadState.DONE) stuck.push(t);
    let violation = this.#message();
    if (violation === null && stuck.length > 0) violation = `deadlock of threads ${stuck.join(', ')}`;
    c[Control.ABORT] = 1;
    for (const t of stuck) this.#give(t);
    return violation ?? s.check(this.#machine);
  }

  #give(thread: number): void {
    const c = this.#control;
    Atomics.store(c, Control.TURN, thread);
    Atomics.notify(c, Control.TURN);
    let since = -1;
    for (;;) {
      const turn = Atomics.load(c, Control.TURN);
      if (turn === MAIN) return;
      // Only one thread ever runs: the time is its own, and none passes while the host's other programs keep it from a core.
      if (Atomics.wait(c, Control.TURN, turn, LOOK_MS) !== 'timed-out') {
        since = -1;
        continue;
      }
      const { user } = process.cpuUsage();
      if (since < 0) since = user;
      else if (user - since > TURN_US) throw new Error(`thread ${turn} does not give the turn back`);
    }
  }

  #message(): string | null {
    const c = this.#control;
    const length = c[Control.MESSAGE_LENGTH];
    return length === 0 ? null : String.fromCharCode(...c.subarray(Control.MESSAGE, Control.MESSAGE + length));
  }
}
