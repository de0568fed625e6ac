// The whole machine in one object: memory, LP threads, partitions, policies. `hvd run` has one to itself, the daemon serves one over its socket.
import { fileURLToPath } from 'node:url';
import type { Observe } from '../../shared/layout/observation.js';
import type { InterruptsInspect, MachineConfig, MachineStats, PartitionConfig, PolicyInfo } from '../../shared/protocol/messages.js';
import { describePolicy, findPolicy, POLICIES, readPolicyOf, writePolicy, writePolicyOf } from '../../shared/protocol/policies.js';
import { build } from './build.js';
import { readCosts } from './config/machine-file.js';
import { Devices } from './devices.js';
import { viewInterruptLog, viewInterrupts } from './interrupts-view.js';
import { checkLoad, setLoad } from './loads.js';
import type { Log } from './log.js';
import { LpSignals } from './lp-signals.js';
import { LpWorkers } from './lp-workers.js';
import { createMachineMemory, type MachineMemory } from './machine-memory.js';
import type { Partition } from './partition.js';
import { type PartitionBuilder, Partitions } from './partitions.js';
import { snapshotStats } from './stats.js';
import { Watcher } from './watcher.js';

export interface MachineOptions {
  readonly config: MachineConfig;
  readonly log: Log;
  /** Compiled module of the LP task; hvd's own when absent. */
  readonly workerFile?: string | undefined;
  readonly builder?: PartitionBuilder | undefined;
  readonly answerLimitMs?: number | undefined;
}

/** In place of a setting: a partition has none of its own. */
const INHERIT = 'inherit';
const LP_WORKER = fileURLToPath(new URL('../lp/worker.js', import.meta.url));

export class Machine {
  readonly config: MachineConfig;
  readonly memory: MachineMemory;
  readonly signals: LpSignals;
  readonly workers: LpWorkers;
  readonly partitions: Partitions;
  readonly devices: Devices;
  readonly #watcher: Watcher;
  readonly #startedAt = performance.now();
  #stopped: Promise<void> | undefined;

  /** A machine whose LPs are up and whose partitions, as configured, run. Throws with nothing left behind. */
  static async start(options: MachineOptions): Promise<Machine> {
    const { config } = options;
    const machine = new Machine(options);
    try {
      await machine.workers.started();
      for (const partition of config.partitions) await machine.add(partition);
      return machine;
    } catch (error) {
      await machine.stop();
      throw error;
    }
  }

  private constructor({ config, log, workerFile, builder, answerLimitMs }: MachineOptions) {
    this.config = config;
    this.memory = createMachineMemory(config);
    for (const [name, value] of Object.entries(config.policies)) this.setPolicy(name, value);
    this.signals = new LpSignals(this.memory);
    this.devices = new Devices(this.memory, this.signals, config.devices ?? []);
    this.workers = new LpWorkers(this.memory, this.signals, log, {
      file: workerFile ?? LP_WORKER,
      config: { costs: readCosts(), paceIdle: config.idle === 'pace' },
      pin: config.pin,
      answerLimitMs,
      onMachineCheck: (lp, reason) => this.partitions.machineCheck(lp, reason),
    });
    this.partitions = new Partitions(this.memory, this.signals, this.workers, builder ?? build, log, this.devices);
    this.#watcher = new Watcher(this.partitions, this.signals, log);
  }

  /** Creates a partition, sets its load and starts it unless its configuration says otherwise. All or nothing. */
  async add(config: PartitionConfig, observe?: Observe): Promise<Partition> {
    if (config.load !== undefined) checkLoad(config.name, config.vps, config.load);
    const partition = await this.partitions.create(config, observe);
    try {
      if (config.load !== undefined) setLoad(partition, config.load, this.signals);
      if (config.autostart !== false) await this.partitions.start(config.name);
      return partition;
    } catch (error) {
      await this.partitions.destroy(config.name);
      throw error;
    }
  }

  stats(): MachineStats {
    return snapshotStats(this.memory, this.partitions.all, this.#startedAt);
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
    return vm === undefined ? info : { ...info, value: readPolicyOf(this.partitions.get(vm).body.views, this.memory.header, policy) };
  }

  setPolicy(name: string, value: string): PolicyInfo {
    const policy = findPolicy(name);
    writePolicy(this.memory.header, policy, value);
    return describePolicy(this.memory.header, policy);
  }

  /** A setting of a partition's own, until it is built anew; `inherit` takes it back. */
  setPolicyOf(vm: string, name: string, value: string): PolicyInfo {
    writePolicyOf(this.partitions.get(vm).body.views, findPolicy(name), value === INHERIT ? undefined : value);
    return this.getPolicy(name, vm);
  }

  /** Ends every LP and drops every partition. May be called again: the same promise. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#watcher.stop();
    await this.workers.stop();
  }
}
