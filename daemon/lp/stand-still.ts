// Where an LP stays while a debugger looks at the machine: at the head of its loop, or in the middle of a VP's run, at an instruction boundary.
// Why in the middle: the run goes on with the budget that it had, and no clock has moved. Nothing in the machine's course tells that it stood still.
// The words and their order: shared/layout/debug.ts.
import { performance } from 'node:perf_hooks';
import { DebugAction, DebugBlock, DebugLayout, DebugRequest, DebugResult } from '../../shared/layout/debug.js';
import { debugAt, LpLayout, lpBlockAt, MachineHeader } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';
import type { DebugWires } from '../hypervisor/wiring.js';
import { ring } from './turn.js';

/** As other sleeps of LPs: a ring that should get lost costs a delay. */
const NAP_MS = 1000;
const NO_VP = -1;
const NONE = 0;

export interface StandStillParts {
  readonly machine: Views;
  readonly lp: number;
  /** Makes an LP leave guest code of any partition. */
  kick(lp: number): void;
  /** Carries out a request other than STEP for the debugged partition, whose slot it is; a DebugResult. */
  serve(slot: number): number;
  /** The machine has stood still. */
  stood(): void;
}

export class StandStill {
  readonly #p: StandStillParts;
  readonly #i32: Int32Array;
  readonly #lps: number;
  readonly #block: DebugBlock;
  readonly #sequence: number;
  readonly #parked: number;
  readonly #inRun: number;
  readonly #doorbell: number;

  constructor(parts: StandStillParts) {
    const { machine, lp } = parts;
    this.#p = parts;
    this.#i32 = machine.i32;
    this.#lps = new MachineHeader(machine, 0).lpCount;
    this.#block = new DebugBlock(machine, debugAt(this.#lps));
    this.#sequence = (this.#block.base + DebugLayout.at.sequence) >>> 2;
    this.#parked = (this.#block.parked >>> 2) + lp;
    this.#inRun = (this.#block.inRun >>> 2) + lp;
    this.#doorbell = (lpBlockAt(lp) + LpLayout.at.doorbell) >>> 2;
  }

  get isWanted(): boolean {
    return (Atomics.load(this.#i32, this.#sequence) & 1) !== 0;
  }
  /** Host's time in which the machine has stood still so far, ms. */
  get stoodMs(): number {
    return this.#block.stoodMicrosNum / 1000;
  }

  /** Stays until the machine goes on. True: the VP in whose run this LP stands is to run one instruction first, as it can. */
  stay(vp: number = NO_VP, canStep: () => boolean = () => false): boolean {
    const i32 = this.#i32;
    const block = this.#block;
    const { requestLp } = DebugLayout.at;
    const request = (block.base + requestLp) >>> 2;
    Atomics.store(i32, this.#inRun, vp + 1);
    for (;;) {
      const seen = Atomics.load(i32, this.#doorbell);
      const sequence = Atomics.load(i32, this.#sequence);
      if ((sequence & 1) === 0) break;
      this.#park(sequence);
      if (Atomics.load(i32, request) === this.#p.lp + 1) {
        const isStep = block.request === DebugRequest.STEP;
        if (!isStep) block.result = this.#p.serve(block.target - 1);
        else block.result = vp === block.requestVp && canStep() ? DebugResult.OK : DebugResult.NOT_NOW;
        const steps = isStep && block.result === DebugResult.OK;
        if (steps) Atomics.store(i32, this.#parked, 0);
        Atomics.store(i32, request, NONE);
        Atomics.notify(i32, request);
        if (steps) return true;
        continue;
      }
      Atomics.wait(i32, this.#doorbell, seen, NAP_MS);
    }
    Atomics.store(i32, this.#inRun, 0);
    Atomics.store(i32, this.#parked, 0);
    this.#p.stood();
    return false;
  }

  #park(sequence: number): void {
    if (Atomics.exchange(this.#i32, this.#parked, sequence) !== sequence) Atomics.notify(this.#i32, this.#parked);
  }

  /** A VP of the debugged partition has come to something. False: the machine was to stand still already, and nobody has been told of this. */
  report(vp: number, reason: number, address: number, kind: number): boolean {
    const i32 = this.#i32;
    const before = Atomics.load(i32, this.#sequence);
    if ((before & 1) !== 0 || Atomics.compareExchange(i32, this.#sequence, before, before + 1) !== before) return false;
    this.#block.stoppedMicrosNum = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    this.#tell(before + 1, vp, reason, address, kind);
    for (let lp = 0; lp < this.#lps; lp++) {
      if (lp === this.#p.lp) continue;
      this.#p.kick(lp);
      ring(this.#p.machine, lp);
    }
    return true;
  }
  /** The instruction that `stay` asked for is done. */
  stepped(vp: number, reason: number, address: number, kind: number): void {
    this.#tell(Atomics.load(this.#i32, this.#sequence), vp, reason, address, kind);
  }
  #tell(sequence: number, vp: number, reason: number, address: number, kind: number): void {
    const block = this.#block;
    block.eventVp = vp;
    block.eventReason = reason;
    block.eventKind = kind;
    block.eventAddressNum = address;
    const eventOf = (block.base + DebugLayout.at.eventOf) >>> 2;
    Atomics.store(this.#i32, eventOf, sequence);
    Atomics.notify(this.#i32, eventOf);
  }

  /** As a partition's run loop has it. */
  wiresOf(slot: number): DebugWires {
    const block = this.#block;
    const { u32, data } = block.views;
    const target = (block.base + DebugLayout.at.target) >>> 2;
    const actions = block.actions >>> 2;
    const standStill = this;
    return {
      block,
      get isWanted() {
        return standStill.isWanted;
      },
      get isTarget() {
        return u32[target] === slot + 1;
      },
      actionOf: (vp) => (u32[target] === slot + 1 ? u32[actions + vp] : DebugAction.RUN),
      done: (vp) => {
        u32[actions + vp] = DebugAction.HOLD;
      },
      stay: (vp, canStep) => standStill.stay(u32[target] === slot + 1 ? vp : NO_VP, canStep),
      report: (vp, reason, address, kind) => standStill.report(vp, reason, address, kind),
      stepped: (vp, reason, address, kind) => standStill.stepped(vp, reason, address, kind),
      reportedAt: (vp) => data.getFloat64(block.reported + vp * 8, true) - 1,
      setReportedAt: (vp, address) => data.setFloat64(block.reported + vp * 8, address === undefined ? NONE : address + 1, true),
    };
  }
}
