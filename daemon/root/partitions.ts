// The life of partitions: create, start, pause, resume, stop, destroy, and what a machine check does to them.
// Whatever fails on the way to a new partition leaves nothing behind: no slot, no name, no memory at any LP.
// All of it comes from outside: to be called at the gate (gate/inputs).
import { deviceBytesOf, type VirtualDeviceSpec } from '../../shared/devices/partition-devices.js';
import { NO_HYPERV, parseHyperv } from '../../shared/hyperv/hyperv-choice.js';
import { overlayBytesOf } from '../../shared/hyperv/partition-hyperv.js';
import { collectGarbage } from '../../shared/kit/collect-garbage.js';
import { leaveDead } from '../../shared/layout/gate.js';
import { HypervLayout } from '../../shared/layout/hyperv.js';
import type { JobOrder } from '../../shared/layout/job-order.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import { LpLayout, LpState, MachineLayout } from '../../shared/layout/machine.js';
import { PARTITION_SLOTS } from '../../shared/layout/mailbox.js';
import type { Observe } from '../../shared/layout/observation.js';
import { ExitCause, lpContextAt, PartitionLayout, PartitionMap, PartitionState } from '../../shared/layout/partition.js';
import { synicLocks } from '../../shared/layout/synic.js';
import { VpLayout, VpState } from '../../shared/layout/vp.js';
import { generationAt, vtlbWord } from '../../shared/layout/vtlb.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { PartitionConfig, SchedulingChange, SchedulingInfo } from '../../shared/protocol/messages.js';
import { findPolicy, writePolicyOf } from '../../shared/protocol/policies.js';
import { firmwareBytesOf } from '../boot/bios.js';
import { bumpJobs } from '../platform/doorbell.js';
import { type BackEndHost, BackEnds } from './back-ends.js';
import { biosOf } from './build.js';
import type { Devices } from './devices.js';
import type { Gate } from './gate/gate.js';
import type { Log } from './log.js';
import type { LpSignals } from './lp-signals.js';
import type { LpWorkers } from './lp-workers.js';
import type { MachineMemory } from './machine-memory.js';
import { Partition, type PartitionFiles } from './partition.js';
import { PartitionBody } from './partition-body.js';
import { readPartitionFiles } from './partition-files.js';
import { requireState, stateError, type Verb } from './partition-verbs.js';
import type { Standing } from './placement.js';
import { changedShare, homesAfter, homesOf, place, schedulingOf, standings, writeShare } from './scheduling.js';
import { waitUntil } from './wait-until.js';

/** Fills a new partition's memory: header, VPs at reset, devices, firmware tables, image. Throws HvdError (or an image error) when the image will not do. */
export type PartitionBuilder = (body: PartitionBody, config: PartitionConfig, files: PartitionFiles, place: PartitionPlace) => void;
export interface PartitionPlace {
  /** Its virtio devices. */
  readonly devices: readonly VirtualDeviceSpec[];
  readonly slot: number;
  readonly lpCount: number;
  readonly nodeCount: number;
  /** Node of each VP's home LP. */
  readonly vpNodes: readonly number[];
  readonly seed: number;
}

/** Longest wait for LPs to leave a partition that was paused or stopped. */
const LEAVE_LIMIT_MS = 15_000;

/** Every futex that an LP may hold in a partition's memory. */
const PARTITION_LOCKS: readonly number[] = [
  PartitionMap.HEADER + PartitionLayout.at.deviceLock,
  PartitionMap.HEADER + PartitionLayout.at.busLock,
  PartitionMap.HEADER + PartitionLayout.at.codeWatchLock,
  PartitionMap.HYPERV + HypervLayout.at.lock,
  vtlbWord('globalLock'),
  vtlbWord('structureLock'),
];

export class Partitions {
  readonly #memory: MachineMemory;
  readonly #signals: LpSignals;
  readonly #workers: LpWorkers;
  readonly #build: PartitionBuilder;
  readonly #log: Log;
  readonly #devices: Devices;
  readonly #gate: Gate;
  readonly #backEnds: BackEndHost;
  readonly #byName = new Map<string, Partition>();
  /** Names and slots of partitions on their way. */
  readonly #reserved = new Map<string, number>();
  #collecting = false;

  constructor(
    memory: MachineMemory,
    signals: LpSignals,
    workers: LpWorkers,
    build: PartitionBuilder,
    log: Log,
    devices: Devices,
    gate: Gate,
    backEnds: BackEndHost,
  ) {
    this.#backEnds = backEnds;
    this.#devices = devices;
    this.#gate = gate;
    this.#memory = memory;
    this.#signals = signals;
    this.#workers = workers;
    this.#build = build;
    this.#log = log;
  }

  get all(): readonly Partition[] {
    return [...this.#byName.values()];
  }

  get(name: string): Partition {
    const partition = this.#byName.get(name);
    if (partition === undefined) throw new HvdError('vm.unknown', { name });
    return partition;
  }

  bySlot(slot: number): Partition | undefined {
    return this.all.find((partition) => partition.slot === slot);
  }

  /** Reads the files, builds the memory and makes it known to every LP. The partition does not run yet. */
  async create(config: PartitionConfig, observe?: Observe, read?: PartitionFiles): Promise<Partition> {
    const { name } = config;
    if (this.#byName.has(name) || this.#reserved.has(name)) throw new HvdError('vm.exists', { name });
    const slot = this.#freeSlot();
    this.#reserved.set(name, slot);
    try {
      const files = read ?? (await readPartitionFiles(config));
      const backEnds = await BackEnds.open(this.#backEnds, config);
      const partition = await this.#make(config, files, slot, backEnds, observe).catch(async (error: unknown) => {
        await backEnds.close();
        throw error;
      });
      this.#byName.set(name, partition);
      const { body } = partition;
      const dead = body.vps.find((vp) => !this.#workers.isAlive(vp.homeLp));
      if (dead !== undefined) body.crash(ExitCause.MACHINE_CHECK, `machine check: LP ${dead.homeLp} ended while the partition was made`);
      this.#log.info({ name, vps: config.vps, memory: config.memory }, 'partition created');
      return partition;
    } finally {
      this.#reserved.delete(name);
    }
  }

  /** A partition as it was, in the slot where it was: memory and disks are filled by `fill`, and no boot begins before `begin`. */
  async restore(
    saved: { readonly config: PartitionConfig; readonly files: PartitionFiles; readonly slot: number; readonly bytes: number },
    fill: (body: PartitionBody, backEnds: BackEnds) => Promise<void>,
  ): Promise<Partition> {
    const { config, files, slot } = saved;
    const backEnds = await BackEnds.open(this.#backEnds, config);
    try {
      const body = new PartitionBody(config.name, config.memory, config.vps, saved.bytes - PartitionMap.RAM - config.memory);
      await fill(body, backEnds);
      await this.#attach(config.name, slot, body, undefined);
      const partition = new Partition(config, files, slot, body, backEnds);
      this.#byName.set(config.name, partition);
      return partition;
    } catch (error) {
      await backEnds.close();
      throw error;
    }
  }

  async #make(config: PartitionConfig, files: PartitionFiles, slot: number, backEnds: BackEnds, observe?: Observe): Promise<Partition> {
    const body = this.#makeBody(config, files, slot, backEnds);
    await this.#attach(config.name, slot, body, observe);
    backEnds.begin(body);
    return new Partition(config, files, slot, body, backEnds, observe);
  }

  /** Lets go of files. Once no LP is at work any more. */
  async close(): Promise<void> {
    for (const { backEnds } of this.all) await backEnds?.close();
  }

  start(name: string): Promise<void> {
    return this.#verb('start', name, async (partition) => {
      if (requireState('start', partition) !== PartitionState.CREATED) await this.#rebuild(partition);
      const { body } = partition;
      body.header.epochCycles = this.#lowestClock();
      const boot = body.vps[0]!;
      Atomics.store(body.views.i32, (boot.base + VpLayout.at.state) >>> 2, VpState.READY);
      if (!body.changeState(PartitionState.CREATED, PartitionState.RUNNING)) throw stateError('start', partition);
      partition.reportedState = PartitionState.RUNNING;
      this.#signals.ringAll();
    });
  }

  pause(name: string): Promise<void> {
    return this.#verb('pause', name, async (partition) => {
      if (!partition.body.changeState(PartitionState.RUNNING, PartitionState.PAUSED)) throw stateError('pause', partition);
      await this.#leave(partition.slot);
    });
  }

  resume(name: string): Promise<void> {
    return this.#verb('resume', name, async (partition) => {
      if (!partition.body.changeState(PartitionState.PAUSED, PartitionState.RUNNING)) throw stateError('resume', partition);
      this.#signals.ringAll();
    });
  }

  stop(name: string): Promise<void> {
    return this.#verb('stop', name, (partition) => this.#halt(partition));
  }

  destroy(name: string): Promise<void> {
    return this.#verb('destroy', name, async (partition) => {
      await this.#halt(partition);
      await this.#detach(partition.slot, partition.body);
      await partition.backEnds?.close();
      this.#byName.delete(name);
      this.#collectSoon();
    });
  }

  /** Changes its share of the machine, all or nothing; LPs see it when they next choose. */
  async schedule(name: string, change: SchedulingChange): Promise<SchedulingInfo> {
    await this.#verb('schedule', name, async (partition) => {
      const { config, body } = partition;
      const scheduling = changedShare(config, change);
      const { lps } = this.#memory;
      const changed = { ...config, scheduling };
      const homes = homesAfter(changed, body, this.#workers.alive, this.#standingsBeside(name));
      partition.config = changed;
      writeShare(body, changed, homes, lps.length);
      this.#signals.ringAll();
    });
    return schedulingOf(this.get(name), this.#memory.lps.length);
  }

  /** Lets an LP do to the partition's ports what `write` has put down in its memory, one such request at a time; `read` sees the answer. */
  ask(name: string, write: (partition: Partition) => void, read: (partition: Partition) => void): Promise<void> {
    return this.#verb('ports', name, async (partition) => {
      write(partition);
      await this.#workers.changePorts(this.#anyLp(), partition.slot);
      read(partition);
    });
  }

  /** Lets an LP give the guest the jobs that are in `orders` when their turn has come, and interrupts it once for all of them; or what `orders` has told the guest by itself is seen. */
  assign(name: string, orders: (partition: Partition) => readonly JobOrder[]): Promise<void> {
    return this.#verb('load', name, async (partition) => {
      const { slot, body } = partition;
      const due = orders(partition);
      for (const order of due) await this.#workers.assignJob(this.#anyLp(), slot, order);
      if (due.length > 0) bumpJobs(body.views);
      this.#signals.ringAll();
    });
  }
  #anyLp(): number {
    const [lp] = this.#workers.alive;
    if (lp === undefined) throw new HvdError('machine.no-lp', { count: this.#memory.lps.length });
    return lp;
  }

  /** Waits until no LP is at work for a partition that has ended by itself: then what its end counted, traced and stored is there. */
  settled(name: string): Promise<void> {
    return this.#leave(this.get(name).slot);
  }

  /** An LP is dead: the partitions with VPs on it stop, everybody else must be able to go on without it. */
  machineCheck(lp: number, reason: string): void {
    this.#log.error({ lp, reason }, 'machine check');
    this.#bury(lp);
    const block = this.#memory.lps[lp]!;
    const partner = Atomics.load(block.views.i32, (block.base + LpLayout.at.partner) >>> 2) - 1;
    for (const partition of this.all) {
      const { body } = partition;
      const hit =
        partner === partition.slot || body.vps.some((vp) => Atomics.load(body.views.i32, (vp.base + VpLayout.at.lp) >>> 2) === lp);
      if (hit) body.crash(ExitCause.MACHINE_CHECK, `machine check: LP ${lp}: ${reason}`);
      const { i32 } = body.views;
      // It may have died inside a fill, too: nobody waits for that to end.
      const generation = generationAt(lp) >>> 2;
      if ((Atomics.load(i32, generation) & 1) === 1) Atomics.add(i32, generation, 1);
      Atomics.notify(i32, generation);
      // The dead LP touches no guest memory any more: flush handshakes need not wait for it, nor sleep on its answer.
      Atomics.store(i32, (lpContextAt(lp) + LpContextLayout.at.inGuest) >>> 2, 0);
      for (const word of [LpContextLayout.at.inGuest, LpContextLayout.at.flushAck]) Atomics.notify(i32, (lpContextAt(lp) + word) >>> 2);
      // It may have died with a lock of a partition whose VPs it ran. That partition is over, but its other LPs must not sleep on the lock.
      if (!hit) continue;
      for (const lock of [...PARTITION_LOCKS, ...synicLocks(body.vps.length)]) {
        Atomics.store(i32, lock >>> 2, 0);
        Atomics.notify(i32, lock >>> 2);
      }
    }
    this.#signals.forceAll();
  }

  // Leaves the dead LP's words as those of an LP that waits for nothing and that nobody has to wait for.
  #bury(lp: number): void {
    const { views, header, lps } = this.#memory;
    const block = lps[lp]!;
    Atomics.store(views.i32, (block.base + LpLayout.at.state) >>> 2, LpState.DEAD);
    Atomics.store(views.i32, (block.base + LpLayout.at.current) >>> 2, -1);
    leaveDead(views, lp);
    // It awaits nothing: in the virtual clock modes nobody waits for its clock (lp/turn).
    Atomics.store(views.i32, (block.base + LpLayout.at.turn) >>> 2, 1);
    const token = (header.base + MachineLayout.at.token) >>> 2;
    const next = this.#workers.alive.find((other) => other > lp) ?? this.#workers.alive[0];
    if (next !== undefined && Atomics.compareExchange(views.i32, token, lp, next) === lp) Atomics.notify(views.i32, token);
  }

  // One verb at a time on a partition; the state is looked at when its turn comes.
  #verb(verb: Verb, name: string, act: (partition: Partition) => Promise<void>): Promise<void> {
    const partition = this.get(name);
    const turn = partition.turn.then(async () => {
      if (this.#byName.get(name) !== partition) throw new HvdError('vm.unknown', { name });
      requireState(verb, partition);
      await act(partition);
      this.#log.info({ name, state: partition.body.stateName }, `partition ${verb}`);
    });
    partition.turn = turn.catch(() => {});
    return turn;
  }

  async #halt(partition: Partition): Promise<void> {
    const { body } = partition;
    for (const from of [PartitionState.RUNNING, PartitionState.PAUSED, PartitionState.CREATED]) {
      if (body.changeState(from, PartitionState.STOPPED)) body.header.exitCause = ExitCause.STOPPED;
    }
    await this.#leave(partition.slot);
  }

  async #rebuild(partition: Partition): Promise<void> {
    const { config, files, slot, name, backEnds } = partition;
    await this.#leave(slot);
    const body = this.#makeBody(config, files, slot, backEnds);
    await this.#detach(slot, partition.body);
    await backEnds?.end();
    await backEnds?.renew();
    partition.body = body;
    // The guest starts over, and so does what it is to do; what was meant for the one that has ended is not for this one.
    partition.pendingLoads = config.load === undefined ? [] : [config.load];
    partition.refusedLoads = [];
    this.#collectSoon();
    await this.#attach(name, slot, body, partition.observe).catch((error: unknown) => {
      body.crash(ExitCause.MACHINE_CHECK, 'no LP took it');
      throw error;
    });
    backEnds?.begin(body);
  }

  #makeBody(config: PartitionConfig, files: PartitionFiles, slot: number, backEnds: BackEnds | undefined): PartitionBody {
    const { alive } = this.#workers;
    const { header, lps } = this.#memory;
    if (alive.length === 0) throw new HvdError('machine.no-lp', { count: lps.length });
    const overlayBytes = overlayBytesOf(config.hv === undefined ? NO_HYPERV : parseHyperv(config.hv.features), config.vps);
    const devices = backEnds?.specs ?? [];
    const bios = biosOf(config, files);
    const firmwareBytes = bios === undefined ? 0 : firmwareBytesOf(files.image.length, bios);
    const body = new PartitionBody(config.name, config.memory, config.vps, overlayBytes + firmwareBytes + deviceBytesOf(devices));
    const homes = homesOf(config, alive, this.#standingsBeside(config.name));
    const vpNodes = homes.map((lp) => lps[lp]!.node);
    this.#build(body, config, files, { devices, slot, lpCount: lps.length, nodeCount: header.nodeCount, vpNodes, seed: header.seed });
    for (const [policy, value] of Object.entries(config.policies ?? {})) writePolicyOf(body.views, findPolicy(policy), value);
    place(body, config, homes, lps.length);
    return body;
  }

  /** What the others have of each LP. */
  #standingsBeside(name: string): Standing[] {
    const others = this.all.filter((other) => other.name !== name).map((other) => other.body);
    return standings(this.#memory.lps.length, others);
  }

  async #attach(name: string, slot: number, body: PartitionBody, observe: Observe | undefined): Promise<void> {
    this.#signals.add(body.views);
    const results = await Promise.allSettled(
      this.#workers.alive.map((lp) => this.#workers.attach(lp, { slot, memory: body.memory, name, observe })),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) {
      this.#devices.attach(name, slot, body.vps);
      return;
    }
    await this.#detach(slot, body);
    throw failed.reason;
  }

  async #detach(slot: number, body: PartitionBody): Promise<void> {
    this.#signals.ringAll();
    await Promise.allSettled(this.#workers.alive.map((lp) => this.#workers.detach(lp, slot)));
    this.#devices.detach(slot);
    this.#signals.remove(body.views);
  }

  // Waits until no LP runs a VP of the slot; one that will not leave is dead.
  async #leave(slot: number): Promise<void> {
    if (this.#gate.isHeld) return;
    const { lps, views } = this.#memory;
    const inside = (): number[] =>
      this.#workers.alive.filter((lp) => Atomics.load(views.i32, (lps[lp]!.base + LpLayout.at.current) >>> 2) >> 8 === slot);
    this.#signals.ringAll();
    if (await waitUntil(() => inside().length === 0, LEAVE_LIMIT_MS)) return;
    for (const lp of inside()) this.#workers.kill(lp, `did not leave partition slot ${slot} within ${LEAVE_LIMIT_MS} ms`);
    await waitUntil(() => inside().length === 0, LEAVE_LIMIT_MS);
  }

  // A turn later: then the frames that still hold the old memory are gone.
  #collectSoon(): void {
    if (this.#collecting) return;
    this.#collecting = true;
    setImmediate(() => {
      this.#collecting = false;
      collectGarbage();
    });
  }

  #freeSlot(): number {
    const taken = new Set([...this.all.map((partition) => partition.slot), ...this.#reserved.values()]);
    for (let slot = 0; slot < PARTITION_SLOTS; slot++) if (!taken.has(slot)) return slot;
    throw new HvdError('vm.too-many', { limit: PARTITION_SLOTS });
  }

  // Partition time starts at the clock of the LP that is furthest behind, so that no LP reads a time before it.
  #lowestClock(): bigint {
    return BigInt(Math.min(...this.#workers.alive.map((lp) => this.#memory.lps[lp]!.clockNum)));
  }
}
