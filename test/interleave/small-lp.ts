// An LP of the small machine with all that decides when it sleeps and when its VP looks: its rounds and turn, the run loop, readiness, the virtual APIC with its assist page, and how
// VPs are reached, as they are in the daemon. What is not: guest code, which is a function here, and what a run has to do with memory, devices and accounts.
import { EoiAssist } from '../../daemon/hypervisor/apic/eoi-assist.js';
import { request } from '../../daemon/hypervisor/apic/post.js';
import type { VirtualApic } from '../../daemon/hypervisor/apic/virtual-apic.js';
import type { InterruptWindow } from '../../daemon/hypervisor/interrupt-window.js';
import { reach } from '../../daemon/hypervisor/reach.js';
import { RunLoop } from '../../daemon/hypervisor/run-loop.js';
import type { SpinWindow } from '../../daemon/hypervisor/spin/spin-window.js';
import { TraceRing } from '../../daemon/hypervisor/trace-ring.js';
import { VpReadiness } from '../../daemon/hypervisor/vp-readiness.js';
import { LpClock } from '../../daemon/lp/lp-clock.js';
import { Rounds } from '../../daemon/lp/rounds.js';
import { Balance } from '../../daemon/lp/schedule/balance.js';
import { RunQueue } from '../../daemon/lp/schedule/run-queue.js';
import { STEPS_IN_QUANTUM, Turn } from '../../daemon/lp/turn.js';
import { Kick } from '../../daemon/machine/kick.js';
import { PhysicalApic } from '../../daemon/machine/physical-apic.js';
import { ApicBase } from '../../shared/abi/apic.js';
import { endStand, gateWord } from '../../shared/layout/gate.js';
import { InterruptKind } from '../../shared/layout/interrupt-log.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import { ClockMode, LP_BLOCK_SIZE, LpBlock, LpLayout, lpBlockAt, MachineHeader, MachineLayout } from '../../shared/layout/machine.js';
import { lpContextAt, vpBlockAt } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { VpBlock, VpLayout, VpState } from '../../shared/layout/vp.js';
import { powerUpVp } from '../../shared/layout/vp-reset.js';
import type { SmallMachine } from './small-machine.js';
import { type OnSmallLp, onSmallLp } from './small-on-lp.js';

/** What of it a mutant may replace. */
export interface LpParts {
  readonly Rounds: typeof Rounds;
  readonly Turn: typeof Turn;
  readonly RunLoop: typeof RunLoop;
  readonly Assist: typeof EoiAssist;
  readonly reach: typeof reach;
  readonly request: typeof request;
  /** Of LPs that share several VPs (queue-lp). */
  readonly RunQueue: typeof RunQueue;
  readonly Balance: typeof Balance;
  readonly VpReadiness: typeof VpReadiness;
}
export const LP_PARTS: LpParts = { Rounds, Turn, RunLoop, Assist: EoiAssist, reach, request, RunQueue, Balance, VpReadiness };

/** The VP of each LP has its number. Guest code is entered by it, and left by a return: kicked, halted, or after an instruction that lets an interrupt come. */
export type GuestCode = (lp: SmallLp) => void;

/** Vectors are of one word. */
const VECTOR_WORD = 2;
export const STEP_CYCLES = 1000;
const QUANTUM_CYCLES = STEPS_IN_QUANTUM * STEP_CYCLES;
const BUDGET = 1 << 20;
const FREQUENCY_HZ = 1_000_000_000;
export const KICK_VECTOR = 0xf0;

/** Words of the partition that the protocols are about, for so many LPs. */
export const lpPartitionWords = (lps: number): number[] =>
  Array.from({ length: lps }, (_, lp) => [
    vpBlockAt(lp) + VpLayout.at.newIrr + VECTOR_WORD * 4,
    vpBlockAt(lp) + VpLayout.at.state,
    lpContextAt(lp) + LpContextLayout.at.kick,
  ]).flat();
/** As above, of the machine. */
export const lpMachineWords = (lps: number): number[] => [
  MachineLayout.at.turnChanges,
  MachineLayout.at.gateStands,
  ...Array.from({ length: lps }, (_, lp) =>
    (['doorbell', 'turn', 'waitingForTurn'] as const)
      .map((word) => lpBlockAt(lp) + LpLayout.at[word])
      .concat(lpBlockAt(lp) + LpLayout.at.physicalIrr + (KICK_VECTOR >>> 5) * 4),
  ).flat(),
];

/** Machine and VPs as they begin. An LP whose VP is ready goes on in step 0, or a later one; the others await nothing. */
export const powerUpLps = (
  { machine, partition, lps }: SmallMachine,
  clockMode: number,
  vpStates: readonly number[],
  steps: readonly number[] = [],
): void => {
  Object.assign(new MachineHeader(machine, 0), {
    lpCount: vpStates.length,
    clockMode,
    quantumCycles: QUANTUM_CYCLES,
    frequencyHz: FREQUENCY_HZ,
  });
  for (let lp = 0; lp < lps; lp++) {
    machine.i32.fill(0, lpBlockAt(lp) >>> 2, (lpBlockAt(lp) + LP_BLOCK_SIZE) >>> 2);
    machine.i32[(lpBlockAt(lp) + LpLayout.at.turn) >>> 2] = vpStates[lp] === VpState.READY ? (steps[lp] ?? 0) << 1 : 1;
    const vp = new VpBlock(partition, vpBlockAt(lp));
    powerUpVp(vp, lp);
    vp.apicBaseLo |= ApicBase.ENABLE;
    vp.apicSvr = 0x1ff;
    vp.lp = vp.homeLp = lp;
    vp.state = vpStates[lp] ?? VpState.HALTED;
  }
};

/** An LP whose step is before this one's, -1: there is none. Steps are few here. */
export const earlierLp = ({ i32 }: Views, lp: number, lps: number): number => {
  const stepOf = (one: number): number => {
    const word = i32[(lpBlockAt(one) + LpLayout.at.turn) >>> 2];
    return word & 1 ? Number.POSITIVE_INFINITY : word >>> 1;
  };
  return Array.from({ length: lps }, (_, one) => one).findIndex((one) => stepOf(one) < stepOf(lp));
};

export class SmallLp {
  readonly index: number;
  readonly vp: VpBlock;
  readonly apic: VirtualApic;
  /** Its program is over. */
  isOver = false;
  /** Vectors that the VP has been given. */
  readonly taken: number[] = [];
  readonly #on: OnSmallLp;
  readonly #parts: LpParts;
  readonly #rounds: Rounds<number>;
  readonly #kick: Kick;
  readonly #machine: Views;
  readonly #turn: Turn;

  /** `marker`: address of the VP's assist page, 0 none. */
  constructor(small: SmallMachine, index: number, code: GuestCode, parts: LpParts = LP_PARTS, marker = 0) {
    const { machine, partition } = small;
    this.index = index;
    this.#parts = parts;
    this.#kick = new Kick(partition, lpContextAt(index));
    const { lpCount, frequencyHz, clockMode } = new MachineHeader(machine, 0);
    const turn = new parts.Turn(machine, index, 1);
    this.#machine = machine;
    this.#turn = turn;
    const clock = new LpClock(new LpBlock(machine, lpBlockAt(index)), frequencyHz, new TraceRing(machine, index, lpCount), () => 0);
    const physical = new PhysicalApic(machine, (lp) => on.setKick(lp));
    const on = onSmallLp({
      small,
      lp: index,
      vps: [index],
      clock,
      Assist: parts.Assist,
      marker,
      reach: parts.reach,
      run: () => code(this),
      wake: (lp) => {
        physical.send(lp, KICK_VECTOR);
        this.#rounds.summon(lp, clock.cycles);
      },
    });
    this.vp = on.vps[index];
    this.apic = on.apics[index];
    this.#on = on;
    const readiness = new VpReadiness(on);
    const window = { open: () => this.#open() } as unknown as InterruptWindow;
    const spinWindow = { begin() {}, piece: () => 0 } as unknown as SpinWindow;
    const loop = new parts.RunLoop(on, readiness, window, spinWindow);
    this.#rounds = new parts.Rounds<number>(
      { machine, lp: index, turn, clock, pace: undefined, mayPoll: false },
      {
        mail: () => !this.isOver,
        standStill: () => false,
        begin: () => {
          while (physical.take(index) >= 0) physical.eoi(index);
        },
        choose: () => {
          const early = clockMode === ClockMode.DETERMINISTIC ? earlierLp(machine, index, lpCount) : -1;
          if (early >= 0) throw new Error(`LP ${index} goes on in LP ${early}'s turn`);
          if (machine.i32[gateWord.index] !== 0) throw new Error(`LP ${index} goes on before all have been told`);
          return readiness.runnable(index) ? index : undefined;
        },
        run: (vp) => loop.run(vp, clock.cycles, BUDGET, false),
        deadline: () => Number.POSITIVE_INFINITY,
        hasWork: (_clock, posted) => readiness.runnable(index, posted),
        takeResumed: () => false,
        hasGuests: () => true,
        leaveGuests() {},
      },
    );
  }

  /** Until its program is over. */
  run(): void {
    this.#rounds.run();
  }
  /** It was let go from rest, after a change. */
  endRest(): void {
    endStand(this.#machine, () => this.#turn.wakeAll(this.#turn.latestClock()));
  }

  // --- for guest code

  get isKicked(): boolean {
    return this.#kick.isRaised;
  }
  get kickWord(): number {
    return lpContextAt(this.index) + LpContextLayout.at.kick;
  }
  /** An edge for another VP. */
  post(vp: number, vector: number): void {
    this.#parts.request(this.#on, vp, vector, false, InterruptKind.IPI);
  }
  halt(): void {
    this.#on.setState(this.vp, VpState.HALTED);
  }
  end(): void {
    this.isOver = true;
    this.halt();
  }

  #open(): void {
    const vector = this.apic.pendingVector();
    if (vector < 0) return;
    this.apic.accept(vector);
    this.taken.push(vector);
  }
}
