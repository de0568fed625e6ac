// The LPs' threads: one piscina task for each LP that never returns. Starts them, carries commands to their mailboxes, and notices when one dies.
// A worker that throws, exits or does not answer is a machine check: it is reported once, and the LP stays dead.
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Mismatch } from '../../shared/kit/saved.js';
import { type JobOrder, jobOrderWords } from '../../shared/layout/job-order.js';
import { LpLayout, LpState, MachineLayout } from '../../shared/layout/machine.js';
import {
  type AttachMessage,
  type LpBoot,
  type LpConfig,
  MailCommand,
  mailIndexes,
  type RestoredMessage,
  type RestoreMessage,
  type SaveMessage,
} from '../../shared/layout/mailbox.js';
import { HvdError, reasonOf } from '../../shared/protocol/errors.js';
import type { Log } from './log.js';
import type { LpSignals } from './lp-signals.js';
import type { MachineMemory } from './machine-memory.js';
import { allowedCores, pinLp } from './pinning.js';
import { readText } from './text-field.js';
import { threadArguments } from './thread-arguments.js';
import { waitUntil } from './wait-until.js';

/** Longest wait for an LP to come up, to answer a command, and to end. */
const START_LIMIT_MS = 60_000;
const ANSWER_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 2_000;
/**
 * Bound of a worker's young generation: V8 would let it grow to 48 MB, nearly all of it garbage of translation, and a thread that never returns to its event
 * loop never gives it back. What outlives a block is little, so collections of a small one stay short.
 */
const YOUNG_GENERATION_MB = 6;
/**
 * Bytes of machine code that a unit runs in V8's baseline before it is compiled anew by the optimizing compiler. V8's own number is for small functions that stay:
 * a unit of 30 KB reaches it after 60 calls, and its 10 ms of compiling are never earned back by a guest that boots. A loop is there after some 0.1 s.
 */
const TIERING_BUDGET = 400_000_000;

export interface LpWorkersOptions {
  /** Compiled module whose default export is the LP's task. */
  readonly file: string;
  readonly config: LpConfig;
  readonly pin: boolean;
  readonly onMachineCheck: (lp: number, reason: string) => void;
  readonly answerLimitMs?: number | undefined;
}

interface Worker {
  readonly port: MessagePort;
  readonly abort: AbortController;
  /** Settles when the task has ended, never rejects. */
  readonly ended: Promise<void>;
  alive: boolean;
  /** What root found wrong with it before it ended it. */
  verdict: string | undefined;
  /** Commands go one at a time. */
  turn: Promise<unknown>;
}

export class LpWorkers {
  readonly #memory: MachineMemory;
  readonly #signals: LpSignals;
  readonly #options: LpWorkersOptions;
  readonly #log: Log;
  readonly #pool: Piscina;
  readonly #workers: Worker[];
  #stopping = false;

  constructor(memory: MachineMemory, signals: LpSignals, log: Log, options: LpWorkersOptions) {
    this.#memory = memory;
    this.#signals = signals;
    this.#log = log;
    this.#options = options;
    // For all threads, before any of them compiles.
    setFlagsFromString(`--wasm-tiering-budget=${TIERING_BUDGET}`);
    const count = memory.lps.length;
    this.#pool = new Piscina({
      // No file for the pool: a thread that replaces a dead LP's must not load anything, it is never used.
      execArgv: threadArguments(process.execArgv),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      minThreads: count,
      maxThreads: count,
      concurrentTasksPerWorker: 1,
      idleTimeout: Infinity,
      // No queue: an LP's task starts now or its start fails.
      maxQueue: 0,
      atomics: 'sync',
      recordTiming: false,
      workerData: { machine: memory.buffer },
    });
    // Errors also reject the task that they belong to; an error without a task must not end the daemon.
    this.#pool.on('error', (error: unknown) => log.error({ reason: reasonOf(error) }, 'LP worker error'));
    this.#workers = memory.lps.map((_, lp) => this.#launch(lp));
  }

  /** Waits until every LP has come up. Throws machine.lp-start for the first that did not. */
  async started(): Promise<void> {
    for (const [lp, worker] of this.#workers.entries()) {
      const up = await waitUntil(() => this.#isUp(lp) || !worker.alive, START_LIMIT_MS);
      if (!worker.alive) throw new HvdError('machine.lp-start', { lp, why: worker.verdict ?? 'it ended' });
      if (!up) throw new HvdError('machine.lp-start', { lp, why: `nothing heard of it within ${START_LIMIT_MS} ms` });
    }
    if (this.#options.pin) await this.#pinAll();
  }

  isAlive(lp: number): boolean {
    return this.#workers[lp]?.alive ?? false;
  }

  /** LPs that can run VPs. */
  get alive(): number[] {
    return this.#workers.flatMap((worker, lp) => (worker.alive ? [lp] : []));
  }

  async attach(lp: number, message: AttachMessage): Promise<void> {
    await this.#command(lp, MailCommand.ATTACH, 'ATTACH', [message.slot], message);
  }

  async detach(lp: number, slot: number): Promise<void> {
    await this.#command(lp, MailCommand.DETACH, 'DETACH', [slot]);
  }

  /** Lets an LP look at what is wanted of the partition's ports. */
  async changePorts(lp: number, slot: number): Promise<void> {
    await this.#command(lp, MailCommand.PORTS, 'PORTS', [slot]);
  }

  /** Lets an LP write a job to a guest's job area. */
  async assignJob(lp: number, slot: number, order: JobOrder): Promise<void> {
    await this.#command(lp, MailCommand.JOB, 'JOB', jobOrderWords(slot, order));
  }

  /** What the LP knows beside what is in memory. */
  async save(lp: number): Promise<unknown> {
    const answer = this.#answer<SaveMessage>(lp);
    await this.#command(lp, MailCommand.SAVE, 'SAVE', []);
    return (await answer).saved;
  }
  /** The LP takes up what was saved, if it fits. */
  async restore(lp: number, saved: unknown): Promise<Mismatch | undefined> {
    const answer = this.#answer<RestoredMessage>(lp);
    await this.#command(lp, MailCommand.RESTORE, 'RESTORE', [], { saved } satisfies RestoreMessage);
    return (await answer).mismatch;
  }
  /** The LP gives up what it has translated. */
  async dropCode(lp: number): Promise<void> {
    await this.#command(lp, MailCommand.RESTORE, 'RESTORE', [], {} satisfies RestoreMessage);
  }
  /** The next message from the LP. It is on its way before the command is answered. */
  #answer<T>(lp: number): Promise<T> {
    const { port } = this.#workers[lp]!;
    return new Promise((resolve) => {
      port.once('message', (message: T) => {
        port.unref();
        resolve(message);
      });
    });
  }

  /** Ends every task and thread. Never throws; LPs that do not end by themselves are terminated. */
  async stop(): Promise<void> {
    this.#stopping = true;
    // An LP that is still loading cannot hear: ending a thread there is asking for trouble.
    await waitUntil(() => this.alive.every((lp) => this.#isUp(lp)), START_LIMIT_MS);
    Atomics.store(this.#memory.views.i32, (this.#memory.header.base + MachineLayout.at.stop) >>> 2, 1);
    const stopping = this.alive.map((lp) => this.#command(lp, MailCommand.STOP, 'STOP', [], undefined, STOP_LIMIT_MS).catch(() => {}));
    this.#signals.forceAll();
    await Promise.all(stopping);
    await waitUntil(() => this.alive.length === 0, STOP_LIMIT_MS);
    await this.#pool.destroy();
    for (const worker of this.#workers) worker.port.close();
  }

  /** Ends an LP as if the hardware had failed. */
  kill(lp: number, reason: string): void {
    const worker = this.#workers[lp]!;
    if (!worker.alive) return;
    worker.verdict ??= reason;
    worker.abort.abort();
  }

  #isUp(lp: number): boolean {
    const block = this.#memory.lps[lp]!;
    return Atomics.load(block.views.i32, (block.base + LpLayout.at.state) >>> 2) !== LpState.OFFLINE;
  }

  #launch(lp: number): Worker {
    const { port1, port2 } = new MessageChannel();
    port1.unref();
    const abort = new AbortController();
    const boot: LpBoot = { lp, machine: this.#memory.buffer, host: this.#memory.host, control: port2, config: this.#options.config };
    const task = this.#pool.run(boot, { filename: this.#options.file, transferList: [port2], signal: abort.signal });
    const ended = task.then(
      () => this.#onEnd(lp, 'the worker returned'),
      (error: unknown) => this.#onEnd(lp, reasonOf(error)),
    );
    return { port: port1, abort, ended, alive: true, verdict: undefined, turn: Promise.resolve() };
  }

  #onEnd(lp: number, reason: string): void {
    const worker = this.#workers[lp]!;
    worker.alive = false;
    worker.verdict ??= this.#lastWords(lp) || reason;
    if (this.#stopping) return;
    this.#options.onMachineCheck(lp, worker.verdict);
  }

  // What the worker itself wrote down says more than how its thread ended.
  #lastWords(lp: number): string {
    const block = this.#memory.lps[lp]!;
    return readText(block.views, block.deathReason, LpLayout.fields.deathReason.bytes);
  }

  #command(
    lp: number,
    command: number,
    name: string,
    args: readonly number[],
    message?: AttachMessage | RestoreMessage,
    limitMs?: number,
  ): Promise<void> {
    const worker = this.#workers[lp]!;
    const turn = worker.turn.then(() =>
      this.#deliver(lp, command, name, args, message, limitMs ?? this.#options.answerLimitMs ?? ANSWER_LIMIT_MS),
    );
    worker.turn = turn.catch(() => {});
    return turn;
  }

  async #deliver(
    lp: number,
    command: number,
    name: string,
    args: readonly number[],
    message: AttachMessage | RestoreMessage | undefined,
    limitMs: number,
  ): Promise<void> {
    const worker = this.#workers[lp]!;
    if (!worker.alive) throw new HvdError('machine.lp-silent', { lp, command: name, ms: 0 });
    const { i32 } = this.#memory.views;
    const mail = mailIndexes(this.#memory.lps[lp]!);
    if (message !== undefined) worker.port.postMessage(message);
    for (const [index, value] of args.entries()) Atomics.store(i32, mail.args + index, value);
    Atomics.store(i32, mail.command, command);
    const sent = Atomics.add(i32, mail.sequence, 1) + 1;
    this.#signals.ring(lp);
    const answered = (): boolean => Atomics.load(i32, mail.sequence) !== sent;
    await waitUntil(() => answered() || !worker.alive, limitMs);
    if (answered()) return;
    if (!this.#stopping) this.kill(lp, `did not answer ${name} within ${limitMs} ms`);
    throw new HvdError('machine.lp-silent', { lp, command: name, ms: limitMs });
  }

  async #pinAll(): Promise<void> {
    const cores = allowedCores();
    const results = await Promise.all(this.#memory.lps.map((block, lp) => pinLp(lp, block, cores)));
    const why = results.find((result) => result !== undefined);
    if (why !== undefined) this.#log.warn({ why }, 'LPs are not pinned to host cores');
  }
}
