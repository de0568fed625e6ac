// The LP with nothing but the hypervisor's own code on it: the same processor that runs guests, on host memory, at level 0 and without a hypervisor beneath it.
// What guests' code is intercepted for, it simply does, by the same rules: MOV to control registers, EFER. VMRUN is where a guest would run, VMMCALL where x86 code
// hands over to the part of the hypervisor that is TypeScript.
import { Msr } from '../../../shared/abi/msr.js';
import { Access, Cr0, Efer, Rflags } from '../../../shared/abi/registers.js';
import { IMPLEMENTED } from '../../../shared/cpu/feature-set.js';
import { HostMap, HostSelector } from '../../../shared/layout/host-memory.js';
import { LpContext } from '../../../shared/layout/lp-context.js';
import { lpContextAt, vpBlockAt } from '../../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../../shared/layout/struct.js';
import { EventKind, Slot, VpBlock, VpState } from '../../../shared/layout/vp.js';
import { powerUpVp } from '../../../shared/layout/vp-reset.js';
import {
  applyCr0,
  applyCr4,
  applyEfer,
  checkCr0,
  checkCr3,
  checkCr4,
  checkEfer,
  cr0ReloadsPdptes,
  cr0Value,
  cr4ReloadsPdptes,
  cr4Supported,
  eferSupported,
  loadPdptes,
  usesPdptes,
} from '../../machine/cpu/control-registers.js';
import { deliver } from '../../machine/cpu/deliver.js';
import { ripOf } from '../../machine/cpu/slots.js';
import { FlushHandshake } from '../../machine/flush-handshake.js';
import { GuestProcessor, type ProcessorOptions } from '../../machine/guest-processor.js';
import { GuestFault, type Intercepts } from '../../machine/processor.js';
import { SharedWords } from '../../machine/shared-words.js';
import { HardwareTlb } from '../../machine/tlb.js';
import { HostFailure, requireHost } from './host-failure.js';
import { HostMmu } from './host-mmu.js';
import { hostLp, prepareHost } from './host-tables.js';
import { SwitchCode } from './switch-page.js';

/** Physical interrupts as the LP's INTR line and its acknowledge cycle. */
export interface HostInterrupts {
  /** Whether there is one that the LP would take. */
  isRequested(): boolean;
  acknowledge(): number;
}

/** Where the hypervisor's code has stopped. */
export const Stop = { NONE: 0, GUEST: 1, HANDED_OVER: 2 } as const;
export type Stop = 0 | 1 | 2;

export interface HostOptions extends Pick<ProcessorOptions, 'tiers' | 'hotRuns' | 'blockInstructions' | 'keepsUnits'> {
  /** Told before each look at the interrupt line. Cycles between looks at most: tests have one instruction. */
  readonly looked?: (() => void) | undefined;
  readonly lookCycles?: number | undefined;
}
/** The code has no loops: what is left of so many cycles is not used. */
const GO_CYCLES = 1_000_000;
/** Looks between two stops: more than there are instructions. */
const LOOKS_MAX = 1000;
/** VMMCALL. */
export const CALL_BYTES = 3;
const CR0 = Cr0.PG | Cr0.WP | Cr0.NE | Cr0.ET | Cr0.MP | Cr0.PE;
/** PAE, PGE, OSFXSR, OSXMMEXCPT, FSGSBASE; no PCIDs, which would have to be switched off before paging (SDM 3A 4.10.1). */
const CR4 = 0x1_06a0;
const EFER = Efer.SCE | Efer.LME | Efer.LMA | Efer.NXE;

export interface HostSaved {
  readonly mmu: HostMmu['saved'];
  readonly processor: GuestProcessor['saved'];
}

export class HostProcessor {
  /** Host memory. */
  readonly memory: WebAssembly.Memory;
  readonly views: Views;
  readonly vp: VpBlock;
  readonly processor: GuestProcessor;
  readonly #mmu: HostMmu;
  readonly #interrupts: HostInterrupts;
  readonly #options: HostOptions;
  readonly #handshake: FlushHandshake;
  #stop: Stop = Stop.NONE;

  /** `writeCycles`: what a write of a control register or of EFER costs beyond the instruction. */
  constructor(memory: WebAssembly.Memory, lp: number, interrupts: HostInterrupts, writeCycles: number, options: HostOptions = {}) {
    const views = viewsOf(memory.buffer);
    prepareHost(views, lp);
    this.memory = memory;
    this.views = views;
    this.#interrupts = interrupts;
    this.#options = options;
    const words = new SharedWords(views);
    const fault = new GuestFault();
    const context = new LpContext(views, lpContextAt(lp));
    context.lp = lp;
    context.root = 1;
    const tlb = new HardwareTlb(views, words, lp, {
      flushAll: () => this.processor?.code.jumps.flush(),
      flushBank: (bank) => this.processor?.code.jumps.flushBank(bank),
      flushPage: (gva) => this.processor?.code.jumps.flushPage(gva),
      select: (bank) => this.processor?.selectBank(bank),
    });
    this.vp = new VpBlock(views, vpBlockAt(lp));
    this.#mmu = new HostMmu(views, words, lp, this.vp, fault, tlb);
    const handshake = new FlushHandshake(words, lp, tlb);
    handshake.join();
    this.#handshake = handshake;
    const none = (): never => {
      throw fault.set(13, 0);
    };
    this.processor = new GuestProcessor(
      memory,
      lpContextAt(lp),
      {
        features: IMPLEMENTED,
        fault,
        translator: this.#mmu,
        mmio: { read: () => 0xffff_ffff, write: () => false },
        intercepts: this.#intercepts(none, writeCycles),
        cpuidCycles: 0,
        exitCycles: { apicPage: 0, port: 0, crAccess: writeCycles, fill: 0, invlpg: 0 },
        watchCode: (gfn) => handshake.watchCode(gfn),
        // Code of the host stays what it is.
        unwatchCode: () => undefined,
        isMonitored: () => false,
        stored: () => undefined,
        kickOthers: () => undefined,
        stopOthers: () => handshake.stopOthers(),
        releaseOthers: () => handshake.releaseOthers(),
        attention: () => this.#needsLook(),
        enterGuest: () => handshake.enterGuest(),
        leaveGuest: () => handshake.leaveGuest(),
      },
      options,
    );
    this.#reset(lp);
  }

  /** Snapshots (shared/kit/saved). Between super-modes. */
  get saved(): HostSaved {
    return { mmu: this.#mmu.saved, processor: this.processor.saved };
  }
  set saved({ mmu, processor }: HostSaved) {
    this.#mmu.saved = mmu;
    this.processor.saved = processor;
  }
  dropCode(): void {
    this.processor.code.dropAll();
  }

  /** As the LP stands when its hypervisor has come up: long super-mode, in the hypervisor's hands. */
  #reset(lp: number): void {
    const { vp, views } = this;
    powerUpVp(vp, lp);
    const { u64 } = views;
    const slots = vp.base >>> 3;
    const own = hostLp(views, lp);
    Object.assign(vp, { cr0: CR0, cr4: CR4, cr3: own.longCr3, efer: EFER, cpl: 0, state: VpState.RUNNING, interruptShadow: 0 });
    vp.gdtrBase = BigInt(HostMap.LP);
    vp.gdtrLimit = 6 * 8 - 1;
    vp.idtrBase = BigInt(HostMap.IDT);
    vp.idtrLimit = 0xfff;
    vp.csSelector = HostSelector.CODE64;
    vp.csAccess = Access.G | Access.L | 0x9b;
    vp.csLimit = 0xffff_ffff;
    for (const s of ['ss', 'ds', 'es'] as const) {
      vp[`${s}Selector`] = HostSelector.DATA;
      vp[`${s}Access`] = Access.G | Access.DB | 0x93;
      vp[`${s}Limit`] = 0xffff_ffff;
    }
    for (const s of ['fs', 'gs', 'ldtr'] as const) {
      vp[`${s}Selector`] = 0;
      vp[`${s}Access`] = Access.UNUSABLE;
    }
    vp.trSelector = HostSelector.TSS;
    vp.trBase = BigInt(HostMap.LP + own.tss - own.base);
    vp.trLimit = 0x67;
    vp.trAccess = 0x8b;
    u64.fill(0n, slots + Slot.ES_BASE, slots + Slot.GS_BASE + 1);
    u64.fill(0n, slots, slots + 16);
    u64[slots + Slot.RSP] = BigInt(HostMap.STACK_TOP);
    u64[slots + Slot.RIP] = BigInt(SwitchCode.LANDING + CALL_BYTES);
    u64[slots + Slot.FLAG_SYSTEM] = BigInt(Rflags.FIXED | Rflags.IF);
    this.processor.load(lp);
    this.#reload();
  }

  /** Runs the host's code until VMRUN or VMMCALL. Returns cycles used: instructions and charges. */
  go(): { readonly stop: Stop; readonly cycles: number } {
    const p = this.processor;
    const { vp } = this;
    this.#stop = Stop.NONE;
    const { looked, lookCycles = GO_CYCLES } = this.#options;
    let cycles = 0;
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      looked?.();
      p.context.budget = lookCycles;
      if (vp.interruptShadow !== 0) {
        const shadow = vp.interruptShadow;
        vp.interruptShadow = 0;
        p.runShadowed(shadow);
      } else {
        if (this.#isInterrupted()) this.#deliver(this.#interrupts.acknowledge());
        p.run(lookCycles);
      }
      cycles += lookCycles - p.context.budget;
      p.takeKick();
      if (this.#stop !== Stop.NONE) return { stop: this.#stop, cycles };
    }
    throw new HostFailure(`the hypervisor's code does not come to an end: it is at 0x${ripOf(vp).toString(16)}`);
  }

  get #open(): boolean {
    return (this.views.u32[(this.vp.base >>> 2) + Slot.FLAG_SYSTEM * 2] & Rflags.IF) !== 0;
  }
  #isInterrupted(): boolean {
    return this.#open && this.#interrupts.isRequested();
  }
  /** After an instruction of the slow half. STI's shadow matters only where an interrupt waits behind it. */
  #needsLook(): boolean {
    if (this.#stop !== Stop.NONE) return true;
    if (this.#isInterrupted()) return true;
    this.vp.interruptShadow = 0;
    return false;
  }
  /** Through the IDT that is loaded, whichever side's that is. */
  #deliver(vector: number): void {
    this.#handshake.enterGuest();
    try {
      deliver(this.processor, EventKind.EXTERNAL, vector, -1, ripOf(this.vp));
    } finally {
      this.#handshake.leaveGuest();
    }
  }

  /** What follows from new values of CR0, CR3, CR4 or EFER. */
  #reload(): void {
    const { vp } = this;
    requireHost(((vp.efer & Efer.LMA) !== 0) === ((vp.efer & Efer.LME) !== 0 && (vp.cr0 & Cr0.PG) !== 0), 'EFER.LMA is LME and PG');
    this.#mmu.reload();
    this.processor.modeChanged();
  }

  #intercepts(none: () => never, writeCycles: number): Intercepts {
    const cr4 = cr4Supported(IMPLEMENTED);
    const efer = eferSupported(IMPLEMENTED);
    const charge = (): void => this.processor.charge(writeCycles);
    const pdptes = (cr3: number): void => {
      if (!loadPdptes(this.processor, cr3)) none();
    };
    const writeCr = (cr: number, value: number, high: number): void => {
      const { vp } = this;
      if (cr === 0) {
        if (!checkCr0(vp, value, high)) none();
        const next = cr0Value(value);
        const lma = (next & Cr0.PG) !== 0 && (vp.efer & Efer.LME) !== 0 ? Efer.LMA : 0;
        if (usesPdptes(next, vp.cr4, (vp.efer & ~Efer.LMA) | lma) && cr0ReloadsPdptes(next ^ vp.cr0)) pdptes(vp.cr3Lo);
        applyCr0(vp, next);
        this.#reload();
      } else if (cr === 3) {
        if (!checkCr3(high)) none();
        if (usesPdptes(vp.cr0, vp.cr4, vp.efer)) pdptes(value);
        vp.cr3Lo = value;
        vp.cr3Hi = high;
        // While paging is off CR3 names nothing.
        if ((vp.cr0 & Cr0.PG) !== 0) this.#mmu.reload();
      } else if (cr === 4) {
        if (!checkCr4(vp, value, high, cr4)) none();
        if (usesPdptes(vp.cr0, value, vp.efer) && cr4ReloadsPdptes(value ^ vp.cr4)) pdptes(vp.cr3Lo);
        applyCr4(vp, value);
        this.#reload();
      } else none();
      charge();
    };
    return {
      writeCr,
      readCr: (cr) => {
        const { vp } = this;
        return cr === 0 ? vp.cr0 : cr === 3 ? vp.cr3Num : cr === 4 ? vp.cr4 : none();
      },
      readMsr: (index) => (index === Msr.IA32_EFER ? BigInt(this.vp.efer) : none()),
      writeMsr: (index, value) => {
        if (index !== Msr.IA32_EFER || !checkEfer(this.vp, value, efer)) none();
        const nxe = (Number(value) ^ this.vp.efer) & Efer.NXE;
        applyEfer(this.vp, Number(value));
        // LME by itself changes nothing before paging is switched on, and LMA not at all.
        if (nxe !== 0) this.#reload();
        charge();
      },
      runGuest: () => {
        this.#stop = Stop.GUEST;
      },
      hypercall: () => {
        this.#stop = Stop.HANDED_OVER;
        return true;
      },
      tripleFault: () => {
        throw new HostFailure(`the hypervisor's code has shut the LP down at 0x${ripOf(this.vp).toString(16)}`);
      },
      invlpg: none,
      invpcid: none,
      ioRead: none,
      ioWrite: none,
      cpuid: none,
      cpuidAnswered: () => undefined,
      shortened: () => undefined,
      halt: none,
      monitor: none,
      mwait: none,
      pause: () => undefined,
      waiting: () => undefined,
      tsc: none,
      floatError: none,
      wbinvd: none,
    };
  }
}
