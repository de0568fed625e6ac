// One simulated physical processor: its parts and how they go together, root's commands, runs of VPs. What it does when is in its rounds (rounds.ts).
// Never returns to its event loop while the machine runs; everything it is told comes through shared memory (and, for ATTACH, its control port).
import { availableParallelism } from 'node:os';
import { receiveMessageOnPort } from 'node:worker_threads';
import { firstMismatch } from '../../shared/kit/saved.js';
import { DebugResult } from '../../shared/layout/debug.js';
import { appointedClock, isGateUrgent } from '../../shared/layout/gate.js';
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
import { LpClock } from './lp-clock.js';
import { type Duties, Rounds } from './rounds.js';
import type { Candidate } from './schedule/candidate.js';
import { RunQueue } from './schedule/run-queue.js';
import { StandStill } from './stand-still.js';
import { Turn } from './turn.js';

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
/** Of the 2^30 by which two LPs' steps may differ. */
const FARTHEST_STEPS = 2 ** 29;

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
  readonly #clock: LpClock;
  readonly #rounds: Rounds<Candidate<Guest>>;
  readonly #mode: number;
  readonly #frequencyHz: number;
  /** The one whose VP is in the middle of a run. */
  #running: Guest | undefined;
  readonly #guests: (Guest | undefined)[] = new Array(PARTITION_SLOTS).fill(undefined);
  readonly #queue: RunQueue<Guest>;
  /** What ran last, as LpBlock.current has it. */
  #last = -1;
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
    const pace = boot.config.paceIdle ? new IdlePace(this.#turn, this.#frequencyHz) : undefined;
    this.#standStill = new StandStill({
      machine: this.#machine,
      lp: boot.lp,
      kick: (lp) => {
        for (const guest of this.#guests) guest?.setKick(lp);
      },
      serve: (slot) => this.#guests[slot]?.serveDebugger() ?? DebugResult.UNMAPPED,
      stood: () => pace?.skip(),
    });
    this.#clock = new LpClock(this.#block, this.#frequencyHz, this.#trace, () => this.#standStill.stoodMs);
    this.#rounds = new Rounds<Candidate<Guest>>(
      {
        machine: this.#machine,
        lp: boot.lp,
        turn: this.#turn,
        clock: this.#clock,
        pace,
        mayPoll: header.lpCount <= availableParallelism(),
      },
      this.#duties,
    );
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
      this.#rounds.summon(lp, this.#clock.cycles);
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
      clock: () => this.#running?.cycles ?? this.#clock.cycles,
      // Another LP, whose VP it may be, can be a quantum behind.
      patience: Math.max(REVOKE_CYCLES, 4 * header.quantumCycles),
      wake: (lp) => {
        this.#apic.interrupt(lp);
        this.#rounds.summon(lp, this.#clock.cycles);
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
    this.#rounds.run();
  }

  get #duties(): Duties<Candidate<Guest>> {
    return {
      mail: () => this.#mail(),
      standStill: () => {
        if (!this.#standStill.isWanted) return false;
        this.#standStill.stay();
        return true;
      },
      begin: () => {
        this.#pass.takeOwn();
        this.#trace.look();
      },
      choose: (clock) => {
        for (const guest of this.#guests) guest?.advance(clock);
        this.#devices.advance(clock);
        this.#pass.serve();
        return this.#queue.choose(clock);
      },
      run: (candidate) => this.#runVp(candidate),
      deadline: (clock) => this.#deadline(clock),
      hasWork: (clock, posted) => this.#pass.isWanted || (posted && this.#queue.hasArrivals) || this.#queue.hasReady(posted, clock),
      takeResumed: () => {
        let resumed = false;
        for (const guest of this.#guests) if (guest?.takeResumed()) resumed = true;
        return resumed;
      },
      hasGuests: () => this.#guests.some((guest) => guest?.isRunning),
      leaveGuests: () => this.#leaveGuests(),
    };
  }

  get #isDeterministic(): boolean {
    return this.#mode === ClockMode.DETERMINISTIC;
  }

  #deadline(clock: number): number {
    let deadline = Math.min(this.#devices.deadline(clock), this.#pass.deadline, this.#queue.deadline(clock));
    for (const guest of this.#guests) if (guest) deadline = Math.min(deadline, guest.deadline());
    const appointed = appointedClock(this.#machine);
    if (appointed > clock) deadline = Math.min(deadline, appointed);
    // A guest's timer may be further away than steps can be compared (turn.ts): the LP comes to it by way of places where nothing is due.
    return deadline === Number.POSITIVE_INFINITY ? deadline : Math.min(deadline, clock + FARTHEST_STEPS * this.#turn.stepCycles);
  }

  #runVp({ guest, vp, tag }: Candidate<Guest>): number {
    const clock = this.#clock;
    const isRealTime = this.#mode === ClockMode.REALTIME;
    if (!isRealTime && this.#last >= 0 && this.#last !== tag) clock.set(clock.cycles + (this.#boot.config.costs.worldSwitch ?? 0));
    this.#last = tag;
    const began = clock.cycles;
    let budget = Math.min(this.#queue.budget(began), isRealTime ? REALTIME_RUN : this.#deadline(began) - began);
    // An LP that has no others to keep pace with ends its runs by slices and timers alone.
    if (!isRealTime && !this.#turn.alone) budget = Math.min(budget, (this.#turn.stepOf(began) + 1) * this.#turn.stepCycles - began);
    this.#rounds.state(LpState.RUNNING);
    if (this.#block.current !== tag) {
      this.#block.contextSwitches++;
      this.#events.add(began, EventType.SCHEDULE_IN, guest.slot, vp, 0, 0);
      this.#setCurrent(tag);
    }
    this.#running = guest;
    const used = guest.run(vp, began, Math.max(1, Math.floor(budget)), this.#queue.isExtended);
    this.#running = undefined;
    this.#queue.ran(began, used);
    if (this.#trace.isOn) this.#tell(guest, vp, began, used);
    return used;
  }
  #setCurrent(tag: number): void {
    Atomics.store(this.#machine.i32, (this.#block.base + LpLayout.at.current) >>> 2, tag);
  }

  #tell(guest: Guest, vp: number, began: number, used: number): void {
    const clock = this.#mode === ClockMode.REALTIME ? this.#clock.ofHost : began + used;
    this.#trace.add(TraceKind.RUN, guest.slot, vp, clock, began, guest.isRunning ? this.#queue.sliceEnd : SliceEnd.STOPPED, used);
  }

  #leaveGuests(): void {
    if (this.#block.current !== -1) {
      this.#events.add(this.#clock.cycles, EventType.SCHEDULE_OUT, 0, 0, 0, 0);
      this.#setCurrent(-1);
    }
    this.#rounds.state(LpState.IDLE);
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
      this.#queue.renew(this.#clock.cycles);
    } else if (what === MailCommand.DETACH) {
      if (this.#block.current >> 8 === slot) this.#leaveGuests();
      this.#guests[slot]?.detach();
      this.#guests[slot] = undefined;
      // What it was given and has not finished ends with it.
      this.#pass.bury();
      this.#queue.renew(this.#clock.cycles);
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
    const [clock, waitsAt, last] = [this.#clock.saved, this.#rounds.saved, this.#last];
    return { clock, waitsAt, last, queue: this.#queue.saved, pass: this.#pass.saved, world: this.#world.saved, guests };
  }
  set saved({ clock, waitsAt, last, queue, pass, world, guests }: LpSaved) {
    this.#clock.saved = clock;
    this.#rounds.saved = waitsAt;
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
      hostCycles: () => this.#clock.ofHost,
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
    this.#rounds.summon(lp, clock);
  }
}

/** Device line that a physical vector of an LP is of. */
const lineOf = (machine: Views, lp: number, vector: number): number => machine.u8[lpBlockAt(lp) + LpLayout.at.lineOfVector + vector] - 1;
const SEOI_POLICY = (MachineLayout.at.policies >>> 2) + findPolicy('apic.physicalSeoi').word;
/** Physical vector of the IPI by which one LP asks another to look at its VPs. */
const KICK_VECTOR = 0xf0;
