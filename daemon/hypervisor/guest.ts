// A partition as its LP drives it: which VPs can run, when a timer is due, run one. The parts behind it are wired here and nowhere else.
import { InterruptKind } from '../../shared/layout/interrupt-log.js';
import { lpContextAt, PartitionLayout, PartitionState } from '../../shared/layout/partition.js';
import type { VpSchedule } from '../../shared/layout/schedule.js';
import { VpState } from '../../shared/layout/vp.js';
import { request } from './apic/post.js';
import { DeviceMemory } from './device-memory.js';
import { portsOf } from './hyperv/messaging.js';
import { interceptsOf } from './intercepts/intercepts.js';
import { InterruptWindow } from './interrupt-window.js';
import { Observer } from './observer.js';
import { PartitionOnLp } from './partition-on-lp.js';
import { buildProcessor } from './processor-host.js';
import { RunLoop } from './run-loop.js';
import { PauseLoop } from './spin/pause-loop.js';
import type { PortDirectory } from './synic/port-directory.js';
import { carryOutPortRequest } from './synic/port-requests.js';
import { VpReadiness } from './vp-readiness.js';
import { initVtlb } from './vtlb/arena.js';
import type { GuestWiring } from './wiring.js';

export class Guest {
  readonly slot: number;
  readonly name: string;
  readonly #on: PartitionOnLp;
  readonly #readiness: VpReadiness;
  readonly #loop: RunLoop;
  readonly #observer: Observer | undefined;

  constructor(wiring: GuestWiring) {
    this.slot = wiring.slot;
    this.name = wiring.name;
    const on = new PartitionOnLp(wiring);
    const window = new InterruptWindow(on);
    const pauseLoop = new PauseLoop();
    this.#on = on;
    this.#readiness = new VpReadiness(on);
    this.#loop = new RunLoop(on, this.#readiness, window, pauseLoop);
    const { observe, lp } = wiring;
    this.#observer = observe && new Observer(observe, lp, on.views, lpContextAt(lp));
    const intercepts = interceptsOf(on, this.#readiness, pauseLoop);
    on.processor = buildProcessor(on, intercepts, new DeviceMemory(on), () => window.needsLook(), this.#observer);
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
