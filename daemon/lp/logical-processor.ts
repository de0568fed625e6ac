// One simulated physical processor: takes commands from root, keeps its clock with the others', runs the VPs that are its own, sleeps when there is nothing to do.
// Never returns to its event loop while the machine runs; everything it is told comes through shared memory (and, for ATTACH, its control port).

import { performance } from 'node:perf_hooks';
import { receiveMessageOnPort } from 'node:worker_threads';
import { firstMismatch } from '../../shared/kit/saved.js';
import { DebugResult } from '../../shared/layout/debug.js';
import { courseOf, endStand, isGateDue, isGateUrgent, isStanding, passCourse, standAtGate, standAtRest } from '../../shared/layout/gate.js';
import { readJobOrder } from '../../shared/layout/job-order.js';
import { ClockMode, EventType, LpBlock, LpLayout, LpState, lpBlockAt, MachineHeader, MachineLayout } from '../../shared/layout/machine.js';
import {
  type AttachMessage,
  type LpBoot,
  MailCommand,
  mailIndexes,
  PARTITION_SLOTS,
  type RestoredMessage,
  type RestoreMessage,
  type SaveMessage,
} from '../../shared/layout/mailbox.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { SliceEnd, TraceKind } from '../../shared/layout/trace.js';
import { findPolicy } from '../../shared/protocol/policies.js';
import { PassThrough, REVOKE_CYCLES } from '../hypervisor/apic/pass-through.js';
import { Guest, type GuestSaved } from '../hypervisor/guest.js';
import type { PortDirectory } from '../hypervisor/synic/port-directory.js';
import { TraceRing } from '../hypervisor/trace-ring.js';
import { WorldSwitch } from '../hypervisor/world/world-switch.js';
import { DeviceLines } from '../machine/device-lines.js';
import { PhysicalApic } from '../machine/physical-apic.js';
import { DeviceBench } from './device-bench.js';
import { EventLog } from './event-log.js';
import { IdlePace } from './idle-pace.js';
import type { Candidate } from './schedule/candidate.js';
import { RunQueue } from './schedule/run-queue.js';
import { StandStill } from './stand-still.js';
import { ring, Turn } from './turn.js';

/** Snapshots (shared/kit/saved): what an LP knows beside what is in memory, at the head of its loop. */
export interface LpSaved {
  readonly clock: number;
  /** Place at which it waits for a timer. */
  readonly waitsAt: number;
  /** Candidate that ran last. */
  readonly last: number;
  readonly queue: RunQueue<Guest>['saved'];
  readonly pass: PassThrough['saved'];
  readonly world: WorldSwitch['saved'];
  /** By slot. */
  readonly guests: Readonly<Record<string, GuestSaved>>;
}

/** Realtime mode: guest code is left at least this often, in instructions. */
const REALTIME_RUN = 200_000;
/** Sleeps are cut into pieces of this length so that a lost wakeup, should there be one, costs a delay and not a hang. */
const SLEEP_MAX_MS = 1000;
/** So long an LP is deaf to its mail at most while another one is not done at the gate. */
const GATE_MS = 100;

export class LogicalProcessor {
  readonly #boot: LpBoot;
  readonly #machine: Views;
  readonly #block: LpBlock;
  readonly #turn: Turn;
  readonly #events: EventLog;
  readonly #trace: TraceRing;
  readonly #apic: PhysicalApic;
  readonly #pass: PassThrough;
  readonly #devices: DeviceBench;
  readonly #world: WorldSwitch;
  readonly #mode: number;
  readonly #frequencyHz: number;
  /** The one whose VP is in the middle of a run. */
  #running: Guest | undefined;
  readonly #guests: (Guest | undefined)[] = new Array(PARTITION_SLOTS).fill(undefined);
  readonly #queue: RunQueue<Guest>;
  #clock = 0;
  /** It was told to stop while it stood at the gate. */
  #isOver = false;
  /**
   * Deterministic mode: the place at which it has looked for work, found none, and waits for a timer. A place of its own, whether host's time is waited for or not: root finds the
   * machine as it is after the look, however often that has been done by then.
   */
  #waitsAt = -1;
  /** What ran last, as LpBlock.current has it. */
  #last = -1;
  /** Absent: idle virtual time is skipped. */
  readonly #pace: IdlePace | undefined;
  readonly #standStill: StandStill;

  constructor(boot: LpBoot) {
    this.#boot = boot;
    this.#machine = viewsOf(boot.machine);
    const header = new MachineHeader(this.#machine, 0);
    this.#block = new LpBlock(this.#machine, lpBlockAt(boot.lp));
    this.#turn = new Turn(this.#machine, boot.lp);
    this.#events = new EventLog(this.#machine, boot.lp, header.lpCount, boot.config.tape);
    this.#trace = new TraceRing(this.#machine, boot.lp, header.lpCount);
    this.#mode = header.clockMode;
    this.#frequencyHz = header.frequencyHz;
    this.#pace = boot.config.paceIdle ? new IdlePace(this.#turn, this.#frequencyHz) : undefined;
    this.#standStill = new StandStill({
      machine: this.#machine,
      lp: boot.lp,
      kick: (lp) => {
        for (const guest of this.#guests) guest?.setKick(lp);
      },
      serve: (slot) => this.#guests[slot]?.serveDebugger() ?? DebugResult.UNMAPPED,
      stood: () => this.#pace?.skip(),
    });
    this.#queue = new RunQueue<Guest>({
      machine: this.#machine,
      lp: boot.lp,
      lps: header.lpCount,
      guests: () => this.#guests.filter((guest) => guest !== undefined),
      signal: (lp, clock) => this.#signal(lp, clock),
    });
    this.#apic = new PhysicalApic(
      this.#machine,
      (lp) => {
        for (const guest of this.#guests) guest?.setKick(lp);
      },
      (lp, vector) => lines.endOfInterrupt(lineOf(this.#machine, lp, vector)),
    );
    const lines = new DeviceLines(this.#machine, (lp, vector, level) => {
      this.#apic.send(lp, vector, level);
      this.#summon(lp, this.#clock);
    });
    const isAlive = (slot: number): boolean => this.#guests[slot]?.isAlive ?? false;
    this.#devices = new DeviceBench(boot.lp, lines, (slot) => this.#guests[slot]?.isRunning ?? false);
    this.#pass = new PassThrough(boot.lp, this.#machine, this.#apic, lines, {
      isAlive,
      inject: (slot, vp, vector, level) => {
        if (!isAlive(slot)) return false;
        this.#guests[slot]?.inject(vp, vector, level);
        return true;
      },
      endsSelectively: () => this.#machine.i32[SEOI_POLICY] === 1,
      clock: () => this.#running?.cycles ?? this.#clock,
      // Another LP, whose VP it may be, can be a quantum behind.
      patience: Math.max(REVOKE_CYCLES, 4 * header.quantumCycles),
      wake: (lp) => {
        this.#apic.wake(lp);
        this.#summon(lp, this.#clock);
      },
    });
    this.#world = new WorldSwitch({
      memory: boot.host,
      machine: this.#machine,
      lp: boot.lp,
      costs: boot.config.costs,
      processor: { keepsUnits: this.#isDeterministic },
      interrupts: {
        isRequested: () => this.#apic.interrupts(boot.lp),
        acknowledge: () => this.#apic.take(boot.lp),
        handle: (vector) => this.#pass.handle(vector),
      },
    });
  }

  /** Runs until STOP. */
  run(): void {
    this.#turn.publish(Number.POSITIVE_INFINITY);
    for (;;) {
      // Before the mail is looked for: a command that comes after that look rings, and the sleep below does not sleep.
      const seen = this.#turn.doorbell();
      if (this.#isOver || !this.#mail()) break;
      if (this.#standStill.isWanted) {
        this.#standStill.stay();
        continue;
      }
      this.#pass.takeOwn();
      this.#trace.look();
      if (this.#mode === ClockMode.REALTIME) this.#setClock(this.#hostCycles());
      else if (!this.#comeToTurn(seen)) continue;
      if (this.#isDeterministic && isGateDue(this.#machine, this.#clock)) {
        if (!standAtGate(this.#machine, this.#boot.lp, GATE_MS)) continue;
        if (!this.#stand()) break;
        endStand(this.#machine, () => this.#turn.summonOthers(this.#clock));
        continue;
      }
      for (const guest of this.#guests) guest?.advance(this.#clock);
      this.#devices.advance(this.#clock);
      this.#pass.serve();
      const next = this.#queue.choose(this.#clock);
      if (next) this.#runVp(next);
      else if (this.#mode === ClockMode.REALTIME) this.#idleInRealTime(seen);
      else this.#idle(seen);
    }
    this.#state(LpState.OFFLINE);
    this.#turn.publish(Number.POSITIVE_INFINITY);
  }

  get #isDeterministic(): boolean {
    return this.#mode === ClockMode.DETERMINISTIC;
  }

  /** Does what root asks for until it lets the LP go. False: stop. */
  #stand(): boolean {
    this.#state(LpState.WAITING);
    for (;;) {
      const seen = this.#turn.doorbell();
      if (!this.#mail()) return false;
      if (!isStanding(this.#machine, this.#boot.lp)) return true;
      this.#turn.sleep(seen, SLEEP_MAX_MS);
    }
  }
  /** No LP awaits anything, so the world outside comes in now or when it likes: then all look, at the clock of the one that is furthest. */
  #rest(seen: number): void {
    const isDue = (): boolean => isGateDue(this.#machine) && this.#turn.mine();
    if (!isDue() || !standAtRest(this.#machine, this.#boot.lp, isDue)) {
      this.#state(LpState.IDLE);
      this.#turn.sleep(seen, SLEEP_MAX_MS);
    } else if (this.#stand()) endStand(this.#machine, () => this.#turn.wakeAll(this.#turn.latestClock()));
    else this.#isOver = true;
  }

  /** Virtual time. True: it is this LP's turn, and its clock stands in the step that it has published. */
  #comeToTurn(seen: number): boolean {
    if ((this.#turn.published() & 1) !== 0) {
      if (this.#isDeterministic) this.#rest(seen);
      else this.#join(seen);
      return false;
    }
    if (this.#mode === ClockMode.QUANTUM) this.#comeEarlier();
    if (!this.#turn.mine()) {
      this.#state(LpState.WAITING);
      this.#turn.wait(seen);
      return false;
    }
    const due = this.#turn.publishedCycles(this.#clock);
    // Its last run went beyond the step for which it has been summoned now: the others come first.
    if (this.#turn.stepOf(this.#clock) * this.#turn.stepCycles > due) {
      this.#turn.publish(this.#clock);
      return false;
    }
    if (due > this.#clock) this.#setClock(due, true);
    return true;
  }

  /**
   * Root has left something for a guest (a frame, a key) while the LP was on its way to a timer: it comes in as far as time has gone anywhere, not when the timer would have
   * woken it. Or the guest would see a moment of the host's as all the time up to its timer, and every LP with an earlier timer would have to come to that first.
   */
  #comeEarlier(): void {
    const word = this.#turn.published();
    const due = this.#turn.publishedCycles(this.#clock);
    if (!(due > this.#clock) || this.#deadline() > this.#clock) return;
    const now = Math.max(this.#clock, this.#turn.latestClock(), this.#pace?.pacedTo ?? 0);
    if (this.#turn.stepOf(now) < this.#turn.stepOf(due)) this.#turn.replace(word, now);
  }

  /**
   * Nothing is awaited. Posts of other LPs come with a summons. What root has left (a partition that starts or goes on, input for a device) is looked for, and then
   * the LP asks for a turn as one that has been summoned.
   */
  #join(seen: number): void {
    const word = this.#turn.published();
    if ((word & 1) === 0) return;
    this.#letTimePass();
    let work = this.#pass.isWanted || this.#deadline() !== Number.POSITIVE_INFINITY || this.#queue.hasReady(false, this.#clock);
    for (const guest of this.#guests) if (guest?.takeResumed()) work = true;
    if (!work) {
      this.#state(LpState.IDLE);
      this.#turn.sleep(seen, SLEEP_MAX_MS);
      return;
    }
    this.#turn.replace(word, this.#turn.joinCycles(this.#clock));
  }

  /** Nothing is awaited: where time is paced, the host's counts for the guests that wait for the world outside. */
  #letTimePass(): void {
    if (this.#pace === undefined || this.#mode !== ClockMode.QUANTUM) return;
    const passed = this.#pace.passed();
    if (passed > 0 && this.#guests.some((guest) => guest?.isRunning)) this.#setClock(this.#clock + passed, true);
  }

  #hostCycles(): number {
    const ms = performance.timeOrigin + performance.now() - this.#standStill.stoodMs;
    // LPs stop and go on a little apart: none of them goes back.
    return Math.max(this.#clock, Math.floor(ms * (this.#frequencyHz / 1000)));
  }
  #state(state: number): void {
    Atomics.store(this.#machine.i32, (this.#block.base + LpLayout.at.state) >>> 2, state);
  }
  #setClock(cycles: number, idle = false): void {
    if (idle) {
      this.#block.idleCyclesNum += cycles - this.#clock;
      if (this.#trace.isOn) this.#trace.add(TraceKind.IDLE, 0, 0, cycles, this.#clock, 0, 0);
    }
    this.#clock = cycles;
    this.#block.clockNum = cycles;
  }

  #deadline(): number {
    let deadline = Math.min(this.#devices.deadline(this.#clock), this.#pass.deadline, this.#queue.deadline(this.#clock));
    for (const guest of this.#guests) if (guest) deadline = Math.min(deadline, guest.deadline());
    return deadline;
  }

  #runVp({ guest, vp, tag }: Candidate<Guest>): void {
    if (this.#mode !== ClockMode.REALTIME && this.#last >= 0 && this.#last !== tag)
      this.#setClock(this.#clock + (this.#boot.config.costs.worldSwitch ?? 0));
    this.#last = tag;
    let budget = Math.min(
      this.#queue.budget(this.#clock),
      this.#mode === ClockMode.REALTIME ? REALTIME_RUN : this.#deadline() - this.#clock,
    );
    if (this.#mode !== ClockMode.REALTIME) {
      // An LP that has no others to keep pace with ends its runs by slices and timers alone.
      const end = (this.#turn.stepOf(this.#clock) + 1) * this.#turn.stepCycles;
      if (!this.#turn.alone) budget = Math.min(budget, end - this.#clock);
    }
    this.#state(LpState.RUNNING);
    if (this.#block.current !== tag) {
      this.#block.contextSwitches++;
      this.#events.add(this.#clock, EventType.SCHEDULE_IN, guest.slot, vp, 0, 0);
      Atomics.store(this.#machine.i32, (this.#block.base + LpLayout.at.current) >>> 2, tag);
    }
    const began = this.#clock;
    this.#running = guest;
    const used = guest.run(vp, began, Math.max(1, Math.floor(budget)), this.#queue.isExtended);
    this.#running = undefined;
    this.#queue.ran(began, used);
    if (this.#trace.isOn) this.#tell(guest, vp, began, used);
    if (this.#mode === ClockMode.REALTIME) this.#setClock(this.#hostCycles());
    else {
      this.#setClock(this.#clock + used);
      this.#passes();
      this.#turn.publish(this.#clock);
    }
    this.#state(LpState.HYPERVISOR);
  }

  #tell(guest: Guest, vp: number, began: number, used: number): void {
    const clock = this.#mode === ClockMode.REALTIME ? this.#hostCycles() : began + used;
    this.#trace.add(TraceKind.RUN, guest.slot, vp, clock, began, guest.isRunning ? this.#queue.sliceEnd : SliceEnd.STOPPED, used);
  }

  #leaveGuests(): void {
    if (this.#block.current !== -1) {
      this.#events.add(this.#clock, EventType.SCHEDULE_OUT, 0, 0, 0, 0);
      Atomics.store(this.#machine.i32, (this.#block.base + LpLayout.at.current) >>> 2, -1);
    }
    this.#state(LpState.IDLE);
  }

  #idleInRealTime(seen: number): void {
    this.#leaveGuests();
    const deadline = this.#deadline();
    const ms = deadline === Number.POSITIVE_INFINITY ? SLEEP_MAX_MS : ((deadline - this.#hostCycles()) * 1000) / this.#frequencyHz;
    if (ms <= 0) return;
    this.#turn.sleep(seen, Math.min(ms, SLEEP_MAX_MS));
    if (this.#trace.isOn) this.#trace.add(TraceKind.IDLE, 0, 0, this.#hostCycles(), this.#clock, 0, 0);
  }

  /** Virtual time, and nothing is ready in this LP's turn: gives it to others until the next timer, or until somebody summons it. */
  #idle(seen: number): void {
    this.#leaveGuests();
    const word = this.#turn.published();
    const deadline = Math.max(this.#clock, this.#deadline());
    const isNow = this.#turn.stepOf(deadline) === this.#turn.stepOf(this.#clock);
    if (!isNow) {
      this.#passes();
      if (!this.#turn.replace(word, deadline)) return;
      // From here on a poster that finds this LP idle moves the published step (Turn.summon). Where LPs go on side by side, what was posted while this one was
      // still at work summoned nobody, so it is looked for once more: publish, then look, as against post, then summon. Where they go on one at a time
      // there is no such post; any that is there by now comes from the LP whose turn it is already.
      if (this.#mode === ClockMode.QUANTUM && (this.#pass.isWanted || this.#queue.hasArrivals || this.#queue.hasReady(true, this.#clock))) {
        this.#turn.publish(this.#clock);
        return;
      }
    }
    if (deadline === Number.POSITIVE_INFINITY) return;
    if (isNow && this.#isDeterministic && courseOf(this.#machine) !== this.#waitsAt) {
      this.#passes();
      this.#waitsAt = courseOf(this.#machine);
      return;
    }
    const reached = this.#pace?.reached(seen, this.#clock, deadline, SLEEP_MAX_MS) ?? true;
    if (!reached || !isNow) return;
    this.#setClock(deadline, true);
    this.#passes();
  }
  /** The course has come to its next place: whoever comes to its turn now, or finds that nobody does, is at the gate (layout/gate). */
  #passes(): void {
    if (this.#isDeterministic) passCourse(this.#machine);
  }

  /** Another LP has something to look at: it does not sleep past it. */
  #summon(lp: number, clock: number): void {
    if (lp === this.#boot.lp) return;
    if (this.#mode === ClockMode.REALTIME) ring(this.#machine, lp);
    else this.#turn.summon(lp, clock);
  }

  /** Root does not wait for the end of the run. */
  #isAsked(): boolean {
    return (this.#queue.size === 1 && this.#hasMail()) || (this.#isDeterministic && isGateUrgent(this.#machine));
  }
  #hasMail(): boolean {
    return (Atomics.load(this.#machine.i32, mailIndexes(this.#block).sequence) & 1) !== 0;
  }
  /** Carries out a command if there is one. False: stop. */
  #mail(): boolean {
    if (!this.#hasMail()) return true;
    const { sequence, command, args } = mailIndexes(this.#block);
    const { i32 } = this.#machine;
    const what = Atomics.load(i32, command);
    const slot = Atomics.load(i32, args);
    if (what === MailCommand.ATTACH) {
      const message = receiveMessageOnPort(this.#boot.control)?.message as AttachMessage;
      this.#guests[slot] = this.#attach(message);
      this.#queue.renew(this.#clock);
    } else if (what === MailCommand.DETACH) {
      if (this.#block.current >> 8 === slot) this.#leaveGuests();
      this.#guests[slot]?.detach();
      this.#guests[slot] = undefined;
      // What it was given and has not finished ends with it.
      this.#pass.bury();
      this.#queue.renew(this.#clock);
    } else if (what === MailCommand.PORTS) this.#guests[slot]?.changePorts();
    else if (what === MailCommand.SAVE) this.#save();
    else if (what === MailCommand.RESTORE) this.#restore();
    else if (what === MailCommand.JOB) this.#guests[slot]?.assignJob(readJobOrder(i32, args));
    Atomics.add(i32, sequence, 1);
    Atomics.notify(i32, sequence);
    return what !== MailCommand.STOP;
  }

  get saved(): LpSaved {
    const guests = Object.fromEntries(this.#guests.flatMap((guest) => (guest === undefined ? [] : [[String(guest.slot), guest.saved]])));
    const [clock, waitsAt, last] = [this.#clock, this.#waitsAt, this.#last];
    return { clock, waitsAt, last, queue: this.#queue.saved, pass: this.#pass.saved, world: this.#world.saved, guests };
  }
  set saved({ clock, waitsAt, last, queue, pass, world, guests }: LpSaved) {
    this.#clock = clock;
    this.#waitsAt = waitsAt;
    this.#last = last;
    for (const guest of this.#guests) if (guest !== undefined) guest.saved = guests[guest.slot];
    this.#queue.saved = queue;
    this.#pass.saved = pass;
    this.#world.saved = world;
  }
  #save(): void {
    // Elsewhere no course is kept to, and the units are not there to be saved.
    if (!this.#isDeterministic) this.#dropCode();
    this.#boot.control.postMessage({ saved: this.saved } satisfies SaveMessage);
  }
  #restore(): void {
    const message = receiveMessageOnPort(this.#boot.control)?.message as RestoreMessage;
    if (message.saved === undefined) {
      this.#dropCode();
      return;
    }
    const mismatch = firstMismatch(this.saved, message.saved);
    if (mismatch === undefined) this.saved = message.saved as LpSaved;
    this.#boot.control.postMessage({ mismatch } satisfies RestoredMessage);
  }
  #dropCode(): void {
    for (const guest of this.#guests) guest?.dropCode();
    this.#world.dropCode();
  }

  #attach({ slot, memory, name, observe }: AttachMessage): Guest {
    return new Guest({
      lp: this.#boot.lp,
      machine: this.#machine,
      slot,
      memory,
      name,
      observe,
      frequencyHz: this.#frequencyHz,
      world: this.#world,
      realtime: this.#mode === ClockMode.REALTIME,
      keepsUnits: this.#isDeterministic,
      hostCycles: () => this.#hostCycles(),
      // Where VPs share the LP their slices are short, and a command may wait for the end of one.
      isWanted: (began, now) => this.#isAsked() || this.#pass.isWanted || this.#queue.interrupts(began, now),
      costs: this.#boot.config.costs,
      signal: (lp, clock) => this.#signal(lp, clock),
      withPartner: (partner, clock, action) => this.#withPartner(partner, clock, action),
      devices: {
        finished: (vp, vector) => this.#pass.finished(slot, vp, vector),
        lower: (vector) => this.#devices.lower(slot, vector),
        asserted: () => this.#devices.asserted(slot),
      },
      debug: this.#standStill.wiresOf(slot),
      trace: this.#trace,
      event: (clock, kind, vp, a, b) => this.#events.add(clock, kind, slot, vp, a, b),
    });
  }

  /** A partition's VP that runs here reaches into another partition. Should this LP die meanwhile, root knows whose locks it may have held. */
  #withPartner<T>(name: string, clock: number, action: (ports: PortDirectory) => T): T | undefined {
    const guest = this.#guests.find((one) => one?.name === name);
    const ports = guest?.ports(clock);
    if (guest === undefined || ports === undefined) return undefined;
    const inside = (this.#block.base + LpLayout.at.partner) >>> 2;
    Atomics.store(this.#machine.i32, inside, guest.slot + 1);
    try {
      return action(ports);
    } finally {
      Atomics.store(this.#machine.i32, inside, 0);
    }
  }

  /** Another LP (or this one) has work from now on: it leaves guest code, or wakes in the step after this one. */
  #signal(lp: number, clock: number): void {
    this.#apic.send(lp, KICK_VECTOR);
    this.#summon(lp, clock);
  }
}

/** Device line that a physical vector of an LP is of. */
const lineOf = (machine: Views, lp: number, vector: number): number => machine.u8[lpBlockAt(lp) + LpLayout.at.lineOfVector + vector] - 1;
const SEOI_POLICY = (MachineLayout.at.policies >>> 2) + findPolicy('apic.physicalSeoi').word;
/** Physical vector of the IPI by which one LP asks another to look at its VPs. */
const KICK_VECTOR = 0xf0;
