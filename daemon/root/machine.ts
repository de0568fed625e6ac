// The whole machine in one object: memory, LP threads, partitions, policies. `hvd run` has one to itself, the daemon serves one over its socket.
import { fileURLToPath } from 'node:url';
import { PartitionState } from '../../shared/layout/partition.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { InterruptsInspect, MachineConfig, MachineStats, PartitionConfig, PolicyInfo } from '../../shared/protocol/messages.js';
import {
  describePolicy,
  findPolicy,
  hasOwn,
  INHERIT,
  POLICIES,
  readPolicyOf,
  writePolicy,
  writePolicyOf,
} from '../../shared/protocol/policies.js';
import { BackEndHost } from './back-ends.js';
import { build } from './build.js';
import { readCosts } from './config/machine-file.js';
import { Deeds } from './deeds.js';
import { Devices } from './devices.js';
import { Gate, type Place } from './gate/gate.js';
import { ACTS, type Aside, type InputKind, type Inputs, type ResultOf } from './gate/inputs.js';
import { DebugControl } from './gdb/debug-control.js';
import { viewInterruptLog, viewInterrupts } from './interrupts-view.js';
import type { Log } from './log.js';
import { LpSignals } from './lp-signals.js';
import { LpWorkers } from './lp-workers.js';
import { createMachineMemory, type MachineMemory } from './machine-memory.js';
import type { Switch } from './network/switch.js';
import type { Partition } from './partition.js';
import { type PartitionBuilder, Partitions } from './partitions.js';
import type { Recorder } from './record/recorder.js';
import { Scripts } from './scripts.js';
import { restoreSnapshot } from './snapshot/restore.js';
import { type SnapshotReport, saveSnapshot } from './snapshot/save.js';
import type { SnapshotScan } from './snapshot/scan.js';
import type { RecordingPlace } from './snapshot/snapshot-file.js';
import { snapshotStats } from './stats.js';
import { Traces } from './traces.js';
import { Watcher } from './watcher.js';

export interface MachineOptions {
  readonly config: MachineConfig;
  readonly log: Log;
  /** Compiled module of the LP task; hvd's own when absent. */
  readonly workerFile?: string | undefined;
  readonly builder?: PartitionBuilder | undefined;
  readonly answerLimitMs?: number | undefined;
  /** Writes down what enters and what happens. */
  readonly recorder?: Recorder | undefined;
  /** What has been written down happens again: nothing else may enter. */
  readonly replay?: ReplaySource | undefined;
  /** It is set up as it was: `config` is the snapshot's. */
  readonly restore?: SnapshotScan | undefined;
  /** Loads that wait for their guests are handed over by a timetable, at times of the machine's own. */
  readonly isTimed?: boolean | undefined;
}
/** Where a recorded or replayed machine is in its recording. */
type WhereInRecording = () => RecordingPlace;
export interface ReplaySource {
  readonly tape: SharedArrayBuffer;
  readonly costs: Record<string, number>;
}

/** What the log tells of; what is done to partitions they tell of themselves. */
const TOLD: ReadonlySet<InputKind> = new Set(['policy', 'load.set', 'load.stop', 'vm.schedule', 'ports', 'device.period']);

const LP_WORKER = fileURLToPath(new URL('../lp/worker.bundle.js', import.meta.url));

export class Machine {
  readonly config: MachineConfig;
  readonly memory: MachineMemory;
  readonly signals: LpSignals;
  readonly workers: LpWorkers;
  readonly partitions: Partitions;
  readonly devices: Devices;
  readonly gate: Gate;
  readonly debug: DebugControl;
  /** Switches by name. */
  readonly networks = new Map<string, Switch>();
  readonly traces: Traces;
  readonly deeds = new Deeds();
  readonly scripts = new Scripts();
  readonly #watcher: Watcher;
  readonly #log: Log;
  readonly #recorder: Recorder | undefined;
  readonly #costs: Record<string, number>;
  /** Told by who plays a recording. */
  whereInRecording: WhereInRecording | undefined;
  /** While every partition is paused for a snapshot nothing else comes in: until then. */
  #still: Promise<unknown> | undefined;
  readonly #startedAt = performance.now();
  #stopped: Promise<void> | undefined;

  /** A machine whose LPs are up and whose partitions, as configured, run. Throws with nothing left behind. */
  static async start(options: MachineOptions): Promise<Machine> {
    const { config } = options;
    const machine = new Machine(options);
    try {
      await machine.workers.started();
      if (options.restore !== undefined) await machine.#restore(options.restore, options.replay !== undefined);
      for (const partition of config.partitions) await machine.add(partition);
      return machine;
    } catch (error) {
      await machine.stop();
      throw error;
    }
  }

  private constructor({ config, log, workerFile, builder, answerLimitMs, recorder, replay, restore, isTimed }: MachineOptions) {
    this.config = config;
    this.memory = createMachineMemory(config);
    this.traces = new Traces(this.memory, () => this.partitions.all);
    for (const [name, value] of Object.entries(config.policies)) this.setPolicy(name, value);
    this.signals = new LpSignals(this.memory);
    this.gate = new Gate(this.memory, this.signals);
    this.gate.isExact = recorder !== undefined || replay !== undefined;
    this.gate.onCall = () => {
      for (const network of this.networks.values()) network.carryAll();
    };
    this.#recorder = recorder;
    this.#log = log;
    this.#costs = replay?.costs ?? restore?.head.costs ?? readCosts();
    this.devices = new Devices(this.memory, this.signals, config.devices ?? []);
    this.workers = new LpWorkers(this.memory, this.signals, log, {
      file: workerFile ?? LP_WORKER,
      config: { costs: this.#costs, paceIdle: config.idle === 'pace', tape: (recorder ?? replay)?.tape },
      pin: config.pin,
      answerLimitMs,
      onMachineCheck: (lp, reason) => this.partitions.machineCheck(lp, reason),
    });
    const backEnds = new BackEndHost(
      this.memory,
      this.signals,
      log,
      this.networks,
      (network) => this.#carry(network),
      replay === undefined ? (name, device, frames) => this.enter('network.user', { name, device, frames }) : undefined,
    );
    this.partitions = new Partitions(this.memory, this.signals, this.workers, builder ?? build, log, this.devices, this.gate, backEnds);
    this.debug = new DebugControl(this.memory, this.signals, () => this.workers.alive);
    if (restore === undefined) recorder?.begin(this);
    this.whereInRecording = recorder && (() => recorder.where);
    this.#watcher = new Watcher(this.partitions, log, async (name) => {
      if (replay === undefined && isTimed !== true) await this.enter('load.deliver', { name });
    });
  }

  /** What comes from outside happens to the machine, at a place of its course (gate/gate). */
  enter<K extends InputKind>(kind: K, params: Inputs[K], aside: Aside = {}): Promise<ResultOf<K>> {
    // Nobody waits without need: LPs go on as soon as the gate is empty, and who comes in right behind another would find them elsewhere.
    return this.#still === undefined ? this.#enter(kind, params, aside) : this.#still.then(() => this.#enter(kind, params, aside));
  }
  #enter<K extends InputKind>(kind: K, params: Inputs[K], aside: Aside): Promise<ResultOf<K>> {
    return this.debug.during(() =>
      this.gate.enter<ResultOf<K>>(async (place) => {
        const files = await this.#recorder?.input(place, kind, params);
        const result = await ACTS[kind](this, params, files === undefined ? aside : { ...aside, files });
        if (TOLD.has(kind)) this.#log.info(params as object, kind as string);
        this.deeds.tell(kind, params, () => ({ clock: Math.max(...this.memory.lps.map((lp) => lp.clockNum)), at: this.uptimeMs }));
        return result;
      }),
    );
  }

  /** What a switch does is the machine's own, no input: in `deterministic` mode at the place at which an LP has called for it. */
  async #carry(network: Switch): Promise<void> {
    if (this.config.clock === 'deterministic') await this.gate.answer();
    else {
      await this.#still;
      await this.debug.during(() => this.gate.enter(() => network.carry()));
    }
  }

  /** Creates a partition, sets its load and starts it unless its configuration says otherwise. All or nothing. */
  add(config: PartitionConfig): Promise<Partition> {
    return this.enter('vm.create', { config });
  }

  /** Writes what the machine is to a file, and lets it go on: in `deterministic` mode on the same course. Throws snapshot.*. */
  snapshot(file: string): Promise<SnapshotReport> {
    if (this.debug.target !== undefined) return Promise.reject(new HvdError('snapshot.debugger'));
    const dead = this.memory.lps.findIndex((_, lp) => !this.workers.isAlive(lp));
    if (dead >= 0) return Promise.reject(new HvdError('snapshot.dead', { lp: dead }));
    if (this.config.clock === 'deterministic') return this.gate.lookAfresh((place) => this.saveAt(place, file));
    const before = this.#still ?? Promise.resolve();
    const saved = before.then(() =>
      this.gate.look(async (place) => {
        const running = this.partitions.all.filter(({ body }) => body.state === PartitionState.RUNNING);
        for (const { name } of running) await this.partitions.pause(name);
        try {
          return await this.saveAt(place, file, running);
        } finally {
          // One may have ended meanwhile, by a device of its own.
          for (const { name, body } of running) if (body.state === PartitionState.PAUSED) await this.partitions.resume(name);
        }
      }),
    );
    const still = saved
      .catch(() => undefined)
      .then(() => {
        if (this.#still === still) this.#still = undefined;
      });
    this.#still = still;
    return saved;
  }
  /** As `snapshot`, of a machine that stands there already; those that are paused for it are to run when it is taken up. */
  saveAt(place: Place, file: string, paused: readonly Partition[] = []): Promise<SnapshotReport> {
    const goesOn = (partition: Partition): boolean => paused.includes(partition);
    return saveSnapshot(this, { file, place, costs: this.#costs, goesOn, recording: this.whereInRecording?.() });
  }
  async #restore(scan: SnapshotScan, isReplay: boolean): Promise<void> {
    await this.gate.look(async () => {
      await restoreSnapshot(this, scan);
      this.#recorder?.begin(this);
      // Who plays a recording says how far it goes.
      if (isReplay) this.gate.limit(scan.head.course);
    });
    this.signals.ringAll();
    for (const { slot, goesOn } of scan.partitions) if (goesOn) await this.partitions.resume(this.partitions.bySlot(slot)!.name);
  }

  stats(): MachineStats {
    return { ...snapshotStats(this.memory, this.partitions.all, this.#startedAt), scripts: this.scripts.list };
  }

  interrupts(log: { partition: string; vp: number } | undefined): InterruptsInspect {
    return {
      at: this.uptimeMs,
      ...viewInterrupts(this.memory, this.partitions.all),
      log: log === undefined ? null : viewInterruptLog(this.partitions.get(log.partition), log.vp, this.memory),
    };
  }

  get uptimeMs(): number {
    return Math.round(performance.now() - this.#startedAt);
  }

  listPolicies(): PolicyInfo[] {
    return POLICIES.map((policy) => describePolicy(this.memory.header, policy));
  }

  /** `vm`: as it holds in that partition. */
  getPolicy(name: string, vm?: string): PolicyInfo {
    const policy = findPolicy(name);
    const info = describePolicy(this.memory.header, policy);
    if (vm === undefined) return info;
    const { views } = this.partitions.get(vm).body;
    return { ...info, value: readPolicyOf(views, this.memory.header, policy), own: hasOwn(views, policy) };
  }

  setPolicy(name: string, value: string): PolicyInfo {
    const policy = findPolicy(name);
    writePolicy(this.memory.header, policy, value);
    this.traces.policy(name, value, null);
    return describePolicy(this.memory.header, policy);
  }

  /** A setting of a partition's own, until it is built anew; `inherit` takes it back. */
  setPolicyOf(vm: string, name: string, value: string): PolicyInfo {
    writePolicyOf(this.partitions.get(vm).body.views, findPolicy(name), value === INHERIT ? undefined : value);
    this.traces.policy(name, value, vm);
    return this.getPolicy(name, vm);
  }

  /** Ends every LP and drops every partition. May be called again: the same promise. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#watcher.stop();
    this.traces.stop();
    const recorder = this.#recorder;
    // A machine that is not whole any more has no end that could be played.
    if (recorder !== undefined && this.workers.alive.length === this.memory.lps.length)
      await this.gate.look((place) => recorder.end(place));
    recorder?.close();
    this.gate.close();
    // LPs that stand still hear nothing.
    await this.debug.detach();
    await this.workers.stop();
    await this.partitions.close();
  }
}
