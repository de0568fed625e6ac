// An LP of the small machine with a queue of VPs: as small-lp, and which VP runs next, and which are given to other LPs, is as in the daemon (lp/schedule, hypervisor/vp-readiness).
// Three VPs, whichever LPs they are on. What each of them has come to is in guest memory, for it goes from LP to LP.
import type { InterruptWindow } from '../../daemon/hypervisor/interrupt-window.js';
import type { SpinWindow } from '../../daemon/hypervisor/spin/spin-window.js';
import { TraceRing } from '../../daemon/hypervisor/trace-ring.js';
import { LpClock } from '../../daemon/lp/lp-clock.js';
import type { Rounds } from '../../daemon/lp/rounds.js';
import type { Candidate, Schedulable } from '../../daemon/lp/schedule/candidate.js';
import { ring } from '../../daemon/lp/turn.js';
import { PhysicalApic } from '../../daemon/machine/physical-apic.js';
import { InterruptKind } from '../../shared/layout/interrupt-log.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import { ClockMode, LpBlock, LpLayout, LpState, lpBlockAt, MachineHeader } from '../../shared/layout/machine.js';
import { lpContextAt, vpBlockAt } from '../../shared/layout/partition.js';
import { SpinKind, VpSchedule, vpScheduleAt, WEIGHT_DEFAULT } from '../../shared/layout/schedule.js';
import type { Views } from '../../shared/layout/struct.js';
import { VpBlock, VpLayout, VpState } from '../../shared/layout/vp.js';
import { earlierLp, KICK_VECTOR, type LpParts, lpMachineWords, lpPartitionWords, powerUpLps } from './small-lp.js';
import { type SmallMachine, spaOf } from './small-machine.js';
import { type OnSmallLp, onSmallLp } from './small-on-lp.js';

export const QUEUE_VPS = 3;

/** Guest code of a VP on whichever LP runs it: entered again and again until it ends. `taken`: interrupts that the VP has been given so far; `entries`: how often it was entered before. */
export type VpCode = (lp: QueueLp, vp: number, taken: number, entries: number) => void;

/** What a VP has come to: interrupts given, entries, the LP whose guest code it is in (+ 1), the cycle at which it last was. */
const FACTS = spaOf(20);
const FACTS_SIZE = 32;
const factsAt = (vp: number, word: number): number => (FACTS + vp * FACTS_SIZE) / 4 + word;
const [TAKEN, ENTRIES, INSIDE, LEFT_AT] = [0, 1, 2, 4];
/** The partition was ended by root. */
const OVER = factsAt(QUEUE_VPS, 0);

/** Words of the partition, and of the machine, that the protocols are about. */
export const queuePartitionWords = (lps: number): number[] => [
  ...lpPartitionWords(lps),
  ...Array.from({ length: QUEUE_VPS }, (_, vp) => vpBlockAt(vp) + VpLayout.at.lp),
];
export const queueMachineWords = (lps: number): number[] => [
  ...lpMachineWords(lps),
  ...Array.from({ length: lps }, (_, lp) =>
    (['arrivals', 'readyVps', 'state'] as const).map((word) => lpBlockAt(lp) + LpLayout.at[word]),
  ).flat(),
];

export interface VpAtFirst {
  readonly lp: number;
  readonly state: number;
  /** Where root wants it to be. */
  readonly home?: number;
  /** LPs that may run it, a bit each. */
  readonly affinity?: number;
}
/** `vps`: one that is missing has ended. */
export const powerUpQueues = (small: SmallMachine, clockMode: number, lps: number, vps: readonly VpAtFirst[]): void => {
  const { machine, partition } = small;
  const isReady = (lp: number): boolean => vps.some((vp) => vp.lp === lp && vp.state === VpState.READY);
  powerUpLps(
    small,
    clockMode,
    Array.from({ length: lps }, (_, lp) => (isReady(lp) ? VpState.READY : VpState.HALTED)),
  );
  for (let lp = 0; lp < lps; lp++) new LpBlock(machine, lpBlockAt(lp)).state = LpState.IDLE;
  partition.i32.fill(0, vpScheduleAt(0) >>> 2, vpScheduleAt(QUEUE_VPS) >>> 2);
  for (let index = 0; index < QUEUE_VPS; index++) {
    const { lp, state, home = lp, affinity = -1 } = vps[index] ?? { lp: 0, state: VpState.STOPPED };
    Object.assign(new VpBlock(partition, vpBlockAt(index)), { lp, homeLp: home, state });
    Object.assign(new VpSchedule(partition, vpScheduleAt(index)), { weight: WEIGHT_DEFAULT, limit: 100, affinityLow: affinity >>> 0 });
  }
};

const stateOf = ({ i32 }: Views, vp: number): number => i32[(vpBlockAt(vp) + VpLayout.at.state) >>> 2];
/** All programs have come to their end. */
export const allEnded = (partition: Views): boolean =>
  partition.i32[OVER] !== 0 ||
  Array.from({ length: QUEUE_VPS }, (_, vp) => stateOf(partition, vp)).every((state) => state === VpState.STOPPED);
/** Root ends the partition: its LPs have nothing to do any more. */
export const endPartition = ({ machine, partition, lps }: SmallMachine): void => {
  partition.i32[OVER] = 1;
  for (let lp = 0; lp < lps; lp++) ring(machine, lp);
};

/** The host's time stands still: threads' clocks differ by microseconds, which would make the course another one each time. */
class StandingClock extends LpClock {
  override get ofHost(): number {
    return this.cycles;
  }
}

export class QueueLp {
  readonly index: number;
  readonly #small: SmallMachine;
  readonly #parts: LpParts;
  readonly #on: OnSmallLp;
  readonly #clock: LpClock;
  readonly #rounds: Rounds<Candidate>;

  constructor(small: SmallMachine, index: number, programs: readonly VpCode[], parts: LpParts) {
    const { machine, partition } = small;
    const { lpCount, frequencyHz, clockMode } = new MachineHeader(machine, 0);
    const turn = new parts.Turn(machine, index, 1);
    const clock = new StandingClock(new LpBlock(machine, lpBlockAt(index)), frequencyHz, new TraceRing(machine, index, lpCount), () => 0);
    const physical = new PhysicalApic(machine, (lp) => on.setKick(lp));
    const signal = (lp: number): void => {
      physical.send(lp, KICK_VECTOR);
      this.#rounds.summon(lp, clock.cycles);
    };
    const on = onSmallLp({
      small,
      lp: index,
      vps: Array.from({ length: QUEUE_VPS }, (_, vp) => vp),
      clock,
      Assist: parts.Assist,
      marker: 0,
      reach: parts.reach,
      run: (vp) => this.#enter(vp, programs[vp]),
      takes: (vp) => {
        const owner = partition.i32[(vpBlockAt(vp) + VpLayout.at.lp) >>> 2];
        if (owner !== index) throw new Error(`LP ${index} takes what was posted to VP ${vp}, which is LP ${owner}'s`);
      },
      isWanted: (began, now) => queue.interrupts(began, now),
      wake: signal,
    });
    this.index = index;
    this.#small = small;
    this.#parts = parts;
    this.#on = on;
    this.#clock = clock;
    const readiness = new parts.VpReadiness(on);
    const schedules = Array.from({ length: QUEUE_VPS }, (_, vp) => new VpSchedule(partition, vpScheduleAt(vp)));
    const guest: Schedulable = {
      slot: 0,
      isRunning: true,
      own: () => readiness.own(),
      schedule: (vp) => schedules[vp],
      runnable: (vp, take) => readiness.runnable(vp, take),
      isBlocked: (vp) => stateOf(partition, vp) === VpState.HALTED,
      waited() {},
      spinning: SpinKind.NONE,
      isCritical: () => false,
      vpCount: QUEUE_VPS,
      lpOf: (vp) => on.lpOf(on.vps[vp]),
      isReady: (vp) => stateOf(partition, vp) === VpState.READY,
      homeOf: (vp) => on.vps[vp].homeLp,
      give: (vp, lp) => readiness.give(vp, lp),
    };
    const queue = new parts.RunQueue({ machine, lp: index, lps: lpCount, guests: () => [guest], signal, Balance: parts.Balance });
    const window = { open: (vp: number) => this.#open(vp) } as unknown as InterruptWindow;
    const loop = new parts.RunLoop(on, readiness, window, { begin() {}, piece: () => 0 } as unknown as SpinWindow);
    this.#rounds = new parts.Rounds<Candidate>(
      { machine, lp: index, turn, clock, pace: undefined, mayPoll: false },
      {
        mail: () => !allEnded(partition),
        standStill: () => false,
        begin: () => {
          while (physical.take(index) >= 0) physical.eoi(index);
        },
        choose: (now) => {
          const early = clockMode === ClockMode.DETERMINISTIC ? earlierLp(machine, index, lpCount) : -1;
          if (early >= 0) throw new Error(`LP ${index} goes on in LP ${early}'s turn`);
          return queue.choose(now);
        },
        run: ({ vp }) => {
          const began = clock.cycles;
          const budget = Math.min(queue.budget(began), (turn.stepOf(began) + 1) * turn.stepCycles - began);
          this.#rounds.state(LpState.RUNNING);
          const used = loop.run(vp, began, budget, queue.isExtended);
          queue.ran(began, used);
          return used;
        },
        deadline: (now) => queue.deadline(now),
        hasWork: (now, posted) => (posted && queue.hasArrivals) || queue.hasReady(posted, now),
        takeResumed: () => false,
        hasGuests: () => true,
        leaveGuests: () => this.#rounds.state(LpState.IDLE),
      },
    );
    queue.renew(0);
  }

  /** Until all programs are over. */
  run(): void {
    this.#rounds.run();
  }

  /** The one LP whose VP it is runs it, while it is to run, and no earlier than it has run before. */
  #enter(vp: number, program: VpCode): void {
    const { i32, data } = this.#small.partition;
    const fail = (what: string): never => {
      throw new Error(`VP ${vp} runs on LP ${this.index} ${what}`);
    };
    if (i32[factsAt(vp, INSIDE)] !== 0) fail(`and on LP ${i32[factsAt(vp, INSIDE)] - 1} at once`);
    if (stateOf(this.#small.partition, vp) !== VpState.RUNNING) fail(`in state ${stateOf(this.#small.partition, vp)}`);
    const owner = i32[(vpBlockAt(vp) + VpLayout.at.lp) >>> 2];
    if (owner !== this.index) fail(`which is LP ${owner}'s`);
    const leftAt = data.getFloat64(factsAt(vp, LEFT_AT) * 4, true);
    if (this.#clock.cycles < leftAt) fail(`at ${this.#clock.cycles}, after ${leftAt}`);
    i32[factsAt(vp, INSIDE)] = this.index + 1;
    // Others may act while it is inside.
    Atomics.load(i32, (lpContextAt(this.index) + LpContextLayout.at.kick) >>> 2);
    this.#on.apics[vp].eoi();
    program(this, vp, i32[factsAt(vp, TAKEN)], i32[factsAt(vp, ENTRIES)]++);
    i32[factsAt(vp, INSIDE)] = 0;
    data.setFloat64(factsAt(vp, LEFT_AT) * 4, this.#clock.cycles, true);
  }
  #open(vp: number): void {
    const apic = this.#on.apics[vp];
    const vector = apic.pendingVector();
    if (vector < 0) return;
    apic.accept(vector);
    this.#small.partition.i32[factsAt(vp, TAKEN)]++;
  }

  // --- for guest code

  /** An edge for another VP. */
  post(vp: number, vector: number): void {
    this.#parts.request(this.#on, vp, vector, false, InterruptKind.IPI);
  }
  halt(vp: number): void {
    this.#on.setState(this.#on.vps[vp], VpState.HALTED);
  }
  end(vp: number): void {
    const { machine, partition, lps } = this.#small;
    this.#on.setState(this.#on.vps[vp], VpState.STOPPED);
    if (allEnded(partition)) for (let lp = 0; lp < lps; lp++) ring(machine, lp);
  }
}
