// A partition as its LP drives it: which VPs can run, when a timer is due, run one. The parts behind it are wired here and nowhere else.
import { DebugResult } from '../../shared/layout/debug.js';
import { InterruptKind } from '../../shared/layout/interrupt-log.js';
import type { JobOrder } from '../../shared/layout/job-order.js';
import { lpContextAt, PartitionLayout, PartitionState } from '../../shared/layout/partition.js';
import type { VpSchedule } from '../../shared/layout/schedule.js';
import { VpState } from '../../shared/layout/vp.js';
import type { Mmio } from '../machine/guest-memory.js';
import type { GuestProcessor } from '../machine/guest-processor.js';
import { request } from './apic/post.js';
import { GuestDebug } from './debugger/guest-debug.js';
import { VpStops } from './debugger/vp-stops.js';
import { DeviceMemory } from './device-memory.js';
import { portsOf } from './hyperv/messaging.js';
import { interceptsOf } from './intercepts/intercepts.js';
import { InterruptWindow } from './interrupt-window.js';
import { carryOutJobOrder } from './job-orders.js';
import { Observer } from './observer.js';
import { PartitionOnLp } from './partition-on-lp.js';
import { buildProcessor } from './processor-host.js';
import { RunLoop } from './run-loop.js';
import { SpinWindow, type SpinWindowSaved } from './spin/spin-window.js';
import type { PortDirectory } from './synic/port-directory.js';
import { carryOutPortRequest } from './synic/port-requests.js';
import { VpReadiness } from './vp-readiness.js';
import { initVtlb } from './vtlb/arena.js';
import type { Vtlb } from './vtlb/vtlb.js';
import type { GuestWiring } from './wiring.js';
import { resuming } from './world/guest-world.js';

/** Snapshots (shared/kit/saved): what an LP knows of a partition beside what is in memory. Between runs. */
export interface GuestSaved {
  readonly readiness: VpReadiness['saved'];
  readonly loop: RunLoop['saved'];
  readonly spinWindow: SpinWindowSaved;
  readonly spinning: number;
  readonly clock: number;
  readonly vtlb: Vtlb['saved'];
  readonly processor: GuestProcessor['saved'];
}

export class Guest {
  readonly slot: number;
  readonly name: string;
  readonly #on: PartitionOnLp;
  readonly #readiness: VpReadiness;
  readonly #loop: RunLoop;
  readonly #spinWindow: SpinWindow;
  readonly #observer: Observer | undefined;
  readonly #debug: GuestDebug | undefined;

  constructor(wiring: GuestWiring) {
    this.slot = wiring.slot;
    this.name = wiring.name;
    const on = new PartitionOnLp(wiring);
    const window = new InterruptWindow(on);
    const spinWindow = new SpinWindow();
    this.#on = on;
    this.#spinWindow = spinWindow;
    on.trace.spinsSince = () => spinWindow.found;
    this.#readiness = new VpReadiness(on);
    const { debug, observe, lp } = wiring;
    this.#debug = debug && new GuestDebug(on, debug.block);
    const stops = debug && this.#debug && new VpStops(on, debug, this.#debug);
    this.#loop = new RunLoop(on, this.#readiness, window, spinWindow, stops);
    this.#observer = observe && new Observer(observe, lp, on.views, lpContextAt(lp));
    const intercepts = resuming(interceptsOf(on, this.#readiness, spinWindow), on.world);
    const devices = new DeviceMemory(on);
    const mmio = resuming<Mmio>(
      { read: (gpa, bytes) => devices.read(gpa, bytes), write: (gpa, bytes, value) => devices.write(gpa, bytes, value) },
      on.world,
    );
    on.processor = buildProcessor(on, intercepts, mmio, () => window.needsLook(), this.#observer);
    this.#prepare();
  }

  /** Lays out the vTLB arena and resets the devices once; whoever comes meanwhile waits. */
  #prepare(): void {
    const { views, platform } = this.#on;
    const at = PartitionLayout.at.prepared >>> 2;
    const { i32 } = views;
    if (Atomics.compareExchange(i32, at, 0, 1) === 0) {
      initVtlb(views);
      platform.reset();
      Atomics.store(i32, at, 2);
      Atomics.notify(i32, at);
    } else while (Atomics.load(i32, at) !== 2) Atomics.wait(i32, at, 1, 100);
  }

  get saved(): GuestSaved {
    const { spinning, clock, mmu, processor, schedules } = this.#on;
    return {
      readiness: this.#readiness.saved,
      loop: this.#loop.saved,
      spinWindow: this.#spinWindow.save(schedules),
      spinning,
      clock: clock.began,
      vtlb: mmu.lp.vtlb.saved,
      processor: processor.saved,
    };
  }
  set saved({ readiness, loop, spinWindow, spinning, clock, vtlb, processor }: GuestSaved) {
    const on = this.#on;
    this.#readiness.saved = readiness;
    this.#loop.saved = loop;
    this.#spinWindow.restore(spinWindow, on.schedules);
    on.spinning = spinning;
    on.clock.set(clock);
    on.mmu.lp.vtlb.saved = vtlb;
    on.processor.saved = processor;
  }
  /** Gives up what has been translated: a snapshot that need not keep to the course has none of it. */
  dropCode(): void {
    this.#on.processor.code.dropAll();
  }

  /** What a debugger asks for while the machine stands still; a DebugResult. */
  serveDebugger(): number {
    return this.#debug?.serve() ?? DebugResult.UNMAPPED;
  }

  /** The partition is given up. */
  detach(): void {
    this.#observer?.report();
  }

  /** VPs that this LP runs. */
  own(): readonly number[] {
    return this.#readiness.own();
  }
  give(index: number, lp: number): void {
    this.#readiness.give(index, lp);
  }
  schedule(index: number): VpSchedule {
    return this.#on.schedules[index];
  }
  homeOf(index: number): number {
    return this.#on.vps[index].homeLp;
  }
  isBlocked(index: number): boolean {
    return this.#on.stateOf(this.#on.vps[index]) === VpState.HALTED;
  }
  /** Neither paused nor at its end. */
  get isRunning(): boolean {
    return this.#on.isRunning;
  }
  /** True once after a pause that this LP has seen. */
  takeResumed(): boolean {
    return this.#readiness.takeResumed();
  }
  /** Whether the VP can run now; `take`: what was posted to it counts too (VpReadiness). */
  runnable(index: number, take = true): boolean {
    return this.#readiness.runnable(index, take);
  }
  /** Cycle of the earliest timer of this LP's VPs, Infinity when there is none. */
  deadline(): number {
    return this.#readiness.deadline();
  }
  /** Lets timers of this LP's VPs expire. `clock`: the LP's, in cycles. */
  advance(clock: number): void {
    this.#on.clock.set(clock);
    this.#readiness.advance();
  }
  /** Runs the VP for at most `budget` cycles from `clock` on; returns the cycles used. */
  run(index: number, clock: number, budget: number, extended = false): number {
    return this.#loop.run(index, clock, budget, extended);
  }
  waited(index: number, cycles: number, by: number): void {
    const record = this.#on.schedules[index];
    record.displacedBy = by;
    record.views.u64[(record.displacedCycles >>> 3) + (by >> 8)] += BigInt(cycles);
    this.#on.vps[index].readyCycles += BigInt(cycles);
  }
  /** SpinKind: the VP that ran last was found spinning. */
  get spinning(): number {
    return this.#on.spinning;
  }
  isCritical(index: number): boolean {
    return this.#on.section.holds(this.#on.vps[index]);
  }
  get vpCount(): number {
    return this.#on.vpCount;
  }
  lpOf(index: number): number {
    return this.#on.lpOf(this.#on.vps[index]);
  }
  isReady(index: number): boolean {
    return this.#on.stateOf(this.#on.vps[index]) === VpState.READY;
  }
  /** The LP's clock, exact also while a VP runs. */
  get cycles(): number {
    return this.#on.clock.cycles();
  }
  /** A physical interrupt that is passed through to the VP. */
  inject(vp: number, vector: number, level: boolean): void {
    request(this.#on, vp, vector, level, InterruptKind.DEVICE);
  }
  /** Where other partitions' VPs on this LP post to, `clock` being now: only while there is somebody who may once read it. */
  ports(clock: number): PortDirectory | undefined {
    return this.isAlive ? portsOf(this.#on, clock) : undefined;
  }
  /** What root asks of the partition's ports. */
  changePorts(): void {
    const { hyperv, views } = this.#on;
    if (hyperv?.messaging !== undefined) carryOutPortRequest(views, hyperv.messaging.directory);
  }
  /** What root wants the guest's VPs to do. */
  assignJob(order: JobOrder): void {
    carryOutJobOrder(this.#on.views, this.#on.stores, order);
  }
  /** It has not ended: what it was given it may still finish. */
  get isAlive(): boolean {
    const { state } = this.#on;
    return state === PartitionState.RUNNING || state === PartitionState.PAUSED;
  }
  /** Makes an LP that runs this partition leave guest code soon. */
  setKick(lp: number): void {
    this.#on.setKick(lp);
  }
}
