// An LP's super-mode, and the way between the two: the code of the switch page is run, instruction by instruction, whenever a guest that needs legacy super-mode is
// entered or left (US7260702B2). Guests that do not never come here.
//   long, at LANDING  --toLegacy-->  far side, behind VMRUN: the guest has the LP
//   far side          --toLong---->  long, at LANDING; a physical interrupt that ended guest mode goes through the far side's IDT, the page, and the 64-bit IDT
import { HostExit, type HostLp } from '../../../shared/layout/host-memory.js';
import { LpBlock, lpBlockAt, SuperMode } from '../../../shared/layout/machine.js';
import type { Views } from '../../../shared/layout/struct.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { ripOf } from '../../machine/cpu/slots.js';
import { HostFailure, requireHost } from './host-failure.js';
import { CALL_BYTES, type HostInterrupts, type HostOptions, HostProcessor, Stop } from './host-processor.js';
import { hostLp, mapsSwitchPage } from './host-tables.js';
import { SwitchCode } from './switch-page.js';

/** Below are exceptions: the hypervisor's own code raises none. */
const FIRST_INTERRUPT = 32;
/** Interrupts that one return to the 64-bit side may bring. */
const VECTORS_MAX = 256;

export interface WorldInterrupts extends HostInterrupts {
  /** The 64-bit IDT's handler has it: what the hypervisor does about the vector. */
  handle(vector: number): void;
}

export interface WorldSwitchOptions {
  /** Host memory (host-tables). */
  readonly memory: WebAssembly.Memory;
  /** Machine memory. */
  readonly machine: Views;
  readonly lp: number;
  readonly interrupts: WorldInterrupts;
  /** Charges of configs/costs.yaml by name. */
  readonly costs: Readonly<Record<string, number>>;
  readonly processor?: HostOptions;
}

export interface WorldSaved {
  /** None while it has not been made. */
  readonly host: readonly HostProcessor['saved'][];
}

export class WorldSwitch {
  readonly #options: WorldSwitchOptions;
  readonly #block: LpBlock;
  readonly #instruction: number;
  /** Made when the LP is to leave long super-mode for the first time: most never do. */
  #host: HostProcessor | undefined;
  #own!: HostLp;

  constructor(options: WorldSwitchOptions) {
    this.#options = options;
    this.#block = new LpBlock(options.machine, lpBlockAt(options.lp));
    this.#instruction = options.costs.switchInstruction ?? 0;
  }

  get isLegacy(): boolean {
    return this.#block.superMode === SuperMode.LEGACY;
  }

  /** Snapshots (shared/kit/saved). In long super-mode: the host's registers stand as they do when it has come up. */
  get saved(): WorldSaved {
    return { host: this.#host === undefined ? [] : [this.#host.saved] };
  }
  set saved({ host }: WorldSaved) {
    for (const saved of host) this.host.saved = saved;
  }
  dropCode(): void {
    this.#host?.dropCode();
  }

  /** The LP with the hypervisor's code on it. */
  get host(): HostProcessor {
    if (this.#host === undefined) {
      const { memory, lp, interrupts, costs, processor } = this.#options;
      this.#host = new HostProcessor(memory, lp, interrupts, costs.modeWrite ?? 0, processor);
      this.#own = hostLp(this.#host.views, lp);
    }
    return this.#host;
  }

  /** Long to legacy. Returns cycles. */
  toLegacy(): number {
    const { host } = this;
    requireHost(!this.isLegacy, 'the LP is in long super-mode');
    requireHost(mapsSwitchPage(host.views, this.#options.lp), 'the switch page is mapped to itself in both tables');
    const cycles = this.#until(Stop.GUEST);
    this.#block.superMode = SuperMode.LEGACY;
    return cycles;
  }

  /** Legacy to long, after `guest` has had the LP: what it has left in the registers that guest mode shares is there. Returns cycles. */
  toLong(guest: VpBlock): number {
    const { host } = this;
    requireHost(this.isLegacy && ripOf(host.vp) === SwitchCode.EXIT, 'the LP is behind VMRUN');
    this.#leave(guest);
    this.#own.exitCode = this.#options.interrupts.isRequested() ? HostExit.INTERRUPT : HostExit.INTERCEPT;
    const cycles = this.#until(Stop.HANDED_OVER);
    this.#block.superMode = SuperMode.LONG;
    this.#block.superModeSwitches++;
    return cycles;
  }

  /** Runs the hypervisor's code until VMRUN, or until it hands over at LANDING; vectors that come to the 64-bit side on the way are handled. */
  #until(expected: Stop): number {
    const { host } = this;
    let cycles = 0;
    for (let vectors = 0; vectors < VECTORS_MAX; vectors++) {
      const stop = this.#go();
      cycles += stop.cycles;
      if (stop.stop === Stop.HANDED_OVER && ripOf(host.vp) === SwitchCode.HANDED + CALL_BYTES) this.#handle(this.#own.handed);
      else if (stop.stop === expected) return cycles;
      else throw new HostFailure(`the hypervisor's code has stopped at 0x${ripOf(host.vp).toString(16)}, and should not have`);
    }
    throw new HostFailure('interrupts do not end');
  }
  #handle(vector: number): void {
    if (vector < FIRST_INTERRUPT) throw new HostFailure(`the hypervisor's code has raised exception ${vector}`);
    this.#options.interrupts.handle(vector);
  }

  #go(): { readonly stop: Stop; readonly cycles: number } {
    const { host } = this;
    const before = host.processor.retired;
    const { stop, cycles } = host.go();
    const retired = host.processor.retired - before;
    const used = cycles - retired + retired * this.#instruction;
    this.#block.switchCyclesNum += used;
    return { stop, cycles: used };
  }

  /** General registers (but for rAX and rSP), FS, GS, CR2 and debug registers are the guest's when guest mode ends (APM 2 15.5.1, 15.6); DR7 is clear. */
  #leave(guest: VpBlock): void {
    const { vp } = this.host;
    const from = guest.views.i32;
    const to = vp.views.i32;
    for (let register = 1; register < 8; register++)
      if (register !== Slot.RSP) to[(vp.base >>> 2) + register * 2] = from[(guest.base >>> 2) + register * 2];
    for (let slot: number = Slot.FS_BASE; slot <= Slot.GS_BASE; slot++)
      to[(vp.base >>> 2) + slot * 2] = from[(guest.base >>> 2) + slot * 2];
    vp.cr2Lo = guest.cr2Lo;
    vp.cr2Hi = 0;
    for (let dr = 0; dr < 14; dr += 2) {
      to[(vp.dr >>> 2) + dr] = from[(guest.dr >>> 2) + dr];
      to[(vp.dr >>> 2) + dr + 1] = 0;
    }
    to[(vp.dr >>> 2) + 14] = DR7_CLEAR;
    to[(vp.dr >>> 2) + 15] = 0;
  }
}
const DR7_CLEAR = 0x400;
