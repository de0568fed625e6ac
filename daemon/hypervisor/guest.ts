// One partition on one LP: the hypervisor's side of running its VPs. Intercepts end here and are answered from the vTLB, the virtual APICs and the platform.
// Every LP has such an object for every partition; what they share is in partition memory.
import { Msr } from '../../shared/abi/msr.js';
import { Cr0, Cr4, Efer, Rflags } from '../../shared/abi/registers.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import { EventType, INTERCEPTS, type InterceptName, LpBlock, lpBlockAt } from '../../shared/layout/machine.js';
import { lpContextAt, PartitionHeader, PartitionLayout, PartitionMap, PartitionState, vpBlockAt } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { EventKind, Slot, VpBlock, type VpCounter, VpLayout, VpRequest, VpState, vpCounterIndex } from '../../shared/layout/vp.js';
import {
  applyCr0,
  applyCr4,
  checkCr0,
  checkCr3,
  checkCr4,
  cr0ReloadsPdptes,
  cr0Value,
  cr4ReloadsPdptes,
  loadPdptes,
  usesPdptes,
} from '../machine/cpu/control-registers.js';
import { deliver } from '../machine/cpu/deliver.js';
import type { FlushHandshake } from '../machine/flush-handshake.js';
import type { Mmio } from '../machine/guest-memory.js';
import { GuestProcessor } from '../machine/guest-processor.js';
import { GuestFault, type Intercepts } from '../machine/processor.js';
import { Platform } from '../platform/platform.js';
import type { ApicBus } from './apic/apic-bus.js';
import { deliverMessage } from './apic/message.js';
import { hasPosted } from './apic/post.js';
import { applyRequests } from './apic/requests.js';
import { VirtualApic } from './apic/virtual-apic.js';
import { CpuidModel } from './cpuid.js';
import { type MsrContext, MsrEffect, MsrTable } from './msr.js';
import { PartitionEnd } from './partition-end.js';
import { PauseLoop } from './pause-loop.js';
import { ShadowMmu } from './shadow-mmu.js';
import { initVtlb } from './vtlb/arena.js';
import { Flush } from './vtlb/vtlb.js';

/** What the LP gives a guest. */
export interface GuestWiring {
  readonly lp: number;
  readonly machine: Views;
  readonly slot: number;
  readonly memory: WebAssembly.Memory;
  readonly name: string;
  readonly frequencyHz: number;
  readonly realtime: boolean;
  hostCycles(): number;
  readonly costs: Readonly<Record<string, number>>;
  /** Work for VPs of another LP (or this one): it leaves guest code or wakes. `clock`: now, in cycles. */
  signal(lp: number, clock: number): void;
  event(clock: number, kind: number, vp: number, a: number, b: number): void;
}

const XAPIC_FIRST = 0xfee0_0000;
const INTERCEPT_INDEX = Object.fromEntries(INTERCEPTS.map((name, i) => [name, i])) as Record<InterceptName, number>;
/** Exits of one run that are dealt with before the LP looks at its other duties. */
const EXITS_MAX = 10_000;

export class Guest implements Intercepts, Mmio, ApicBus {
  readonly slot: number;
  readonly views: Views;
  readonly header: PartitionHeader;
  readonly processor: GuestProcessor;
  readonly platform: Platform;
  readonly mmu: ShadowMmu;
  readonly vpCount: number;
  readonly #wiring: GuestWiring;
  readonly #vps: readonly VpBlock[];
  readonly #apics: readonly VirtualApic[];
  readonly #msrContexts: readonly MsrContext[];
  readonly #msrs = new MsrTable();
  readonly #cpuid: CpuidModel;
  readonly #lpBlock: LpBlock;
  readonly #handshake: FlushHandshake;
  readonly #pauseLoop = new PauseLoop();
  readonly #ends: PartitionEnd;
  /** The VP that ran last gave its LP away before its slice was over. */
  yielded = false;
  /** VP being run, -1 none. */
  #current = -1;
  #startClock = 0;
  #startBudget = 0;

  constructor(wiring: GuestWiring) {
    this.#wiring = wiring;
    this.slot = wiring.slot;
    this.views = viewsOf(wiring.memory.buffer);
    this.header = new PartitionHeader(this.views, 0);
    this.vpCount = this.header.vpCount;
    this.#lpBlock = new LpBlock(wiring.machine, lpBlockAt(wiring.lp));
    this.#vps = Array.from({ length: this.vpCount }, (_, i) => new VpBlock(this.views, vpBlockAt(i)));
    this.#ends = new PartitionEnd(this.views, (cause, detail) => {
      this.#kickRunning();
      this.setKick(wiring.lp);
      wiring.event(this.#cycles(), EventType.CRASH, Math.max(0, this.#current), cause, detail);
    });
    this.platform = new Platform(this.views, {
      now: () => this.now(),
      deliver: (destination, logical, mode, vector, level) => void deliverMessage(this, destination, logical, mode, vector, level),
      setIntr: (asserted) => {
        if (asserted) this.kick(0);
      },
      powerOff: () => this.#ends.powerOff(),
      reset: () => this.#ends.reset(),
      debugExit: (value) => this.#ends.debugExit(value),
    });
    this.#apics = this.#vps.map((vp) => new VirtualApic(vp, this, wiring.frequencyHz, (vector) => this.platform.ioapicEoi(vector)));
    this.#msrContexts = this.#apics.map((apic) => ({
      apic,
      now: () => this.now(),
      rawTsc: () => BigInt(Math.floor(this.#cycles() - this.header.epochCyclesNum)),
    }));
    this.#cpuid = new CpuidModel(this.vpCount, wiring.frequencyHz);
    const fault = new GuestFault();
    const fetch = {
      flushAll: () => this.processor?.code.flushLookups(),
      flushPage: (gva: number) => this.processor?.code.flushLookup(gva),
    };
    this.mmu = new ShadowMmu(wiring.machine, this.views, wiring.lp, fetch, fault, {
      pageFault: () => {
        this.#intercept('pageFault');
        this.processor.charge(wiring.costs.sptFill ?? 0);
        this.#count(this.processor.vp, 'pageFaultIntercepts');
      },
      reflected: () => this.#count(this.processor.vp, 'reflectedGuestPageFaults'),
    });
    const { handshake } = this.mmu.lp;
    this.#handshake = handshake;
    this.processor = new GuestProcessor(
      wiring.memory,
      lpContextAt(wiring.lp),
      {
        fault,
        translator: this.mmu,
        mmio: this,
        intercepts: this,
        watchCode: (gfn) => handshake.watchCode(gfn),
        unwatchCode: (gfn, marked) => {
          if (handshake.unwatchCode(gfn, marked)) return;
          // Whoever translated in between did so from bytes that could be written unseen.
          Atomics.add(this.views.i32, (PartitionMap.CODE_VERSIONS >>> 2) + gfn, 1);
          Atomics.add(this.views.i32, PartitionLayout.at.codeEpoch >>> 2, 1);
        },
        kickOthers: () => this.#kickRunning(),
        stopOthers: () => handshake.stopOthers(),
        releaseOthers: () => handshake.releaseOthers(),
        attention: () => this.#attention(),
        enterGuest: () => handshake.enterGuest(),
        leaveGuest: () => handshake.leaveGuest(),
      },
      { alone: this.vpCount === 1 },
    );
    this.#prepare();
  }

  /** Lays out the vTLB arena and resets the devices once; whoever comes meanwhile waits. */
  #prepare(): void {
    const at = PartitionLayout.at.prepared >>> 2;
    const { i32 } = this.views;
    if (Atomics.compareExchange(i32, at, 0, 1) === 0) {
      initVtlb(this.views);
      this.platform.reset();
      Atomics.store(i32, at, 2);
      Atomics.notify(i32, at);
    } else while (Atomics.load(i32, at) !== 2) Atomics.wait(i32, at, 1, 100);
  }

  // --- scheduling: what the LP asks ---------------------------------------------------------------------------------------------------------

  /** VPs that this LP runs. */
  own(): number[] {
    return this.#vps.filter((vp) => vp.lp === this.#wiring.lp).map((vp) => vp.index);
  }
  #sawPause = false;
  /** True once after a pause that this LP has seen: what was posted meanwhile summoned LPs that could not act on it. */
  takeResumed(): boolean {
    if (!this.#sawPause) this.#sawPause = Atomics.load(this.views.i32, PartitionLayout.at.state >>> 2) === PartitionState.PAUSED;
    if (!this.#sawPause || !this.#running()) return false;
    this.#sawPause = false;
    return true;
  }
  #running(): boolean {
    return Atomics.load(this.views.i32, PartitionLayout.at.state >>> 2) === PartitionState.RUNNING;
  }
  #stateOf(vp: VpBlock): number {
    return Atomics.load(this.views.i32, (vp.base + VpLayout.at.state) >>> 2);
  }
  #setState(vp: VpBlock, state: number): void {
    Atomics.store(this.views.i32, (vp.base + VpLayout.at.state) >>> 2, state);
  }

  /**
   * Takes what was posted to the VP and says whether it can run now. Owner LP only. Without `take` only what the VP is already counts: an LP that awaits
   * nothing must not see another LP's posts before that LP has summoned it, or its course would hang on the host's timing (lp/turn).
   */
  runnable(index: number, take = true): boolean {
    if (!this.#running()) return false;
    const vp = this.#vps[index];
    let state = this.#stateOf(vp);
    if (state === VpState.STOPPED) return false;
    if (take && hasPosted(vp)) {
      applyRequests(vp);
      this.#apics[index].pull();
      state = this.#stateOf(vp);
    }
    if (take && state === VpState.HALTED && this.#wakes(index)) {
      this.#setState(vp, VpState.READY);
      state = VpState.READY;
    }
    return state === VpState.READY || state === VpState.RUNNING;
  }
  #wakes(index: number): boolean {
    const vp = this.#vps[index];
    if (vp.nmiPending && !vp.nmiBlocked) return true;
    if (!(this.#systemFlags(vp) & Rflags.IF)) return false;
    return this.#apics[index].pendingVector() >= 0 || (index === 0 && this.platform.picPending() && this.#apics[0].acceptsExtInt());
  }
  #systemFlags(vp: VpBlock): number {
    return this.views.u32[(vp.base + Slot.FLAG_SYSTEM * 8) >>> 2];
  }

  /** Cycle of the earliest timer of this LP's VPs (VP 0 stands for the platform), Infinity when there is none. */
  deadline(): number {
    if (!this.#running()) return Number.POSITIVE_INFINITY;
    let ns = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.vpCount; i++) {
      if (this.#vps[i].lp !== this.#wiring.lp) continue;
      ns = Math.min(ns, this.#apics[i].timerDeadline());
      if (i === 0) ns = Math.min(ns, this.platform.nextDeadline());
    }
    return ns === Number.POSITIVE_INFINITY ? ns : Math.ceil((ns * this.#wiring.frequencyHz) / 1e9) + this.header.epochCyclesNum;
  }

  /** Lets timers of this LP's VPs expire. `clock`: the LP's, in cycles. */
  advance(clock: number): void {
    this.#startClock = clock;
    this.#startBudget = 0;
    this.#current = -1;
    if (!this.#running()) return;
    const now = this.now();
    for (let i = 0; i < this.vpCount; i++) {
      if (this.#vps[i].lp !== this.#wiring.lp) continue;
      if (this.#apics[i].timerDeadline() <= now) this.#apics[i].advance(now);
      if (i === 0 && this.platform.nextDeadline() <= now) this.platform.advance();
    }
  }

  /** Runs the VP for at most `budget` cycles from `clock` on; returns the cycles used. */
  run(index: number, clock: number, budget: number): number {
    const vp = this.#vps[index];
    const p = this.processor;
    this.#current = index;
    this.#startClock = clock;
    this.#startBudget = budget;
    p.context.budget = budget;
    p.retired = 0;
    this.yielded = false;
    this.#pauseLoop.begin(clock);
    this.#setState(vp, VpState.RUNNING);
    try {
      p.load(index);
      this.mmu.load(vp);
      for (let exits = 0; exits < EXITS_MAX; exits++) {
        if (p.takeKick()) {
          if (this.yielded || !this.#running()) break;
        }
        if (hasPosted(vp)) {
          const taken = applyRequests(vp);
          this.#apics[index].pull();
          if (taken & (VpRequest.INIT | VpRequest.SIPI)) {
            this.mmu.load(vp);
            p.modeChanged();
          }
        }
        if (this.#stateOf(vp) !== VpState.RUNNING) break;
        if (p.context.budget <= 0) break;
        if (vp.interruptShadow) {
          vp.interruptShadow = 0;
          p.runShadowed();
          continue;
        }
        this.#deliverPending(index);
        p.run(p.context.budget);
      }
    } catch (error) {
      // hvd's own broken invariant while it worked for this partition: the partition stops, the LP goes on.
      this.#ends.brokenInvariant(error, index);
    }
    if (this.#stateOf(vp) === VpState.RUNNING) this.#setState(vp, VpState.READY);
    const used = Math.max(1, budget - p.context.budget);
    this.#current = -1;
    vp.instructions += BigInt(p.retired);
    vp.runCycles += BigInt(used);
    return used;
  }

  /** What others post comes with a kick, which the dispatcher sees; here it is what the VP has just done itself. */
  #attention(): boolean {
    const { vp } = this.processor;
    if (this.#stateOf(vp) !== VpState.RUNNING || vp.interruptShadow !== 0) return true;
    if (vp.nmiPending && !vp.nmiBlocked) return true;
    if (!(this.#systemFlags(vp) & Rflags.IF)) return false;
    const irr = vp.irr >>> 2;
    const { i32 } = this.views;
    for (let word = irr; word < irr + 8; word++) if (i32[word] !== 0) return true;
    return this.#current === 0 && this.platform.picPending();
  }

  /** Interrupts that the VP can take at this instruction boundary (SDM 3A 6.9). */
  #deliverPending(index: number): void {
    const vp = this.#vps[index];
    const p = this.processor;
    if (vp.nmiPending && !vp.nmiBlocked) {
      vp.nmiPending = 0;
      vp.nmiBlocked = 1;
      this.#deliver(EventKind.NMI, 2);
      return;
    }
    if (!(this.#systemFlags(vp) & Rflags.IF)) return;
    const apic = this.#apics[index];
    const vector = apic.pendingVector();
    if (vector >= 0) {
      apic.accept(vector);
      this.#wiring.event(this.#cycles(), EventType.INTERRUPT, index, vector, 0);
      this.#lpBlock.interruptsDelivered++;
      this.#deliver(EventKind.EXTERNAL, vector);
    } else if (index === 0 && this.platform.picPending() && apic.acceptsExtInt()) {
      const external = this.platform.picAcknowledge();
      this.views.u32[(vp.vectorCounts >>> 2) + external]++;
      this.#count(vp, 'externalInterrupts');
      this.#lpBlock.interruptsDelivered++;
      this.#deliver(EventKind.EXTERNAL, external);
    } else return;
    p.charge(this.#wiring.costs.interruptDelivery ?? 0);
  }
  #deliver(kind: number, vector: number): void {
    const p = this.processor;
    this.#handshake.enterGuest();
    try {
      const at = (p.vp.base + Slot.RIP * 8) >>> 2;
      deliver(p, kind, vector, -1, this.views.i32[at + 1] * 4294967296 + this.views.u32[at]);
    } finally {
      this.#handshake.leaveGuest();
    }
  }

  // --- time ---------------------------------------------------------------------------------------------------------------------------------

  /** The LP's clock now, in cycles; inside a run what the VP has used so far is counted. */
  #cycles(): number {
    if (this.#wiring.realtime) return this.#wiring.hostCycles();
    return this.#current < 0 ? this.#startClock : this.#startClock + this.#startBudget - this.processor.remaining;
  }
  /** Partition time, ns. */
  now(): number {
    return ((this.#cycles() - this.header.epochCyclesNum) * 1e9) / this.#wiring.frequencyHz;
  }

  // --- ApicBus ------------------------------------------------------------------------------------------------------------------------------

  vpBlock(index: number): VpBlock {
    return this.#vps[index];
  }
  kick(index: number): void {
    const lp = this.#vps[index].lp;
    this.setKick(lp);
    if (lp !== this.#wiring.lp) {
      this.#lpBlock.kicks++;
      this.#wiring.event(this.#cycles(), EventType.IPI, Math.max(0, this.#current), index, lp);
      this.#wiring.signal(lp, this.#cycles());
    }
  }
  /** Makes an LP that runs this partition leave guest code soon. */
  setKick(lp: number): void {
    Atomics.store(this.views.i32, (lpContextAt(lp) + LpContextLayout.at.kick) >>> 2, 1);
  }
  #kickRunning(): void {
    for (let lp = 0; lp < this.header.lpCount; lp++) if (lp !== this.#wiring.lp) this.setKick(lp);
  }

  // --- MMIO ---------------------------------------------------------------------------------------------------------------------------------

  read(gpa: number, bytes: 1 | 2 | 4): number {
    this.#intercept('apicMmio', gpa >= XAPIC_FIRST);
    this.processor.charge(this.#wiring.costs.mmio ?? 0);
    const vp = this.#vps[this.#current];
    const apic = this.#apics[this.#current];
    if (apic.respondsAt(gpa))
      return bytes === 4
        ? apic.mmioRead(gpa & 0xfff, this.now())
        : (apic.mmioRead(gpa & 0xffc, this.now()) >>> ((gpa & 3) * 8)) & (bytes === 1 ? 0xff : 0xffff);
    this.#count(vp, 'mmioAccesses');
    // Addresses that nothing answers read as all ones.
    if (!this.platform.claimsMmio(gpa)) return bytes === 1 ? 0xff : bytes === 2 ? 0xffff : 0xffff_ffff;
    return this.platform.mmioRead(gpa, bytes);
  }
  write(gpa: number, bytes: 1 | 2 | 4, value: number): void {
    this.#intercept('apicMmio', gpa >= XAPIC_FIRST);
    this.processor.charge(this.#wiring.costs.mmio ?? 0);
    const vp = this.#vps[this.#current];
    const apic = this.#apics[this.#current];
    if (apic.respondsAt(gpa)) {
      if (bytes === 4) {
        apic.mmioWrite(gpa & 0xfff, value, this.now());
        this.#apicChanged();
      }
      return;
    }
    this.#count(vp, 'mmioAccesses');
    if (this.platform.claimsMmio(gpa)) this.platform.mmioWrite(gpa, bytes, value);
  }
  /** An APIC register was written: an interrupt may have become deliverable, or a timer earlier than the end of this run. */
  #apicChanged(): void {
    this.setKick(this.#wiring.lp);
  }

  // --- intercepts ---------------------------------------------------------------------------------------------------------------------------

  #count(vp: VpBlock, counter: VpCounter): void {
    this.views.u32[(vp.counters >>> 2) + vpCounterIndex[counter]]++;
  }
  /** Counts an intercept and charges its round trip. `known`: false counts it as plain MMIO. */
  #intercept(reason: InterceptName, known = true): void {
    const block = this.#lpBlock;
    block.intercepts++;
    this.#wiring.machine.u32[(block.interceptCounts >>> 2) + INTERCEPT_INDEX[known ? reason : 'mmio']]++;
    this.processor.charge(this.#wiring.costs.interceptRoundTrip ?? 0);
  }
  writeCr(cr: number, value: bigint): void {
    const p = this.processor;
    const vp = p.vp;
    this.#intercept('crAccess');
    this.#count(vp, 'crAccessIntercepts');
    const refuse = (): never => {
      throw p.fault.set(13, 0);
    };
    switch (cr) {
      case 0: {
        if (!checkCr0(vp, value)) refuse();
        const next = cr0Value(Number(value));
        const changed = next ^ vp.cr0;
        const lma = (next & Cr0.PG) !== 0 && (vp.efer & Efer.LME) !== 0 ? Efer.LMA : 0;
        if (usesPdptes(next, vp.cr4, (vp.efer & ~Efer.LMA) | lma) && cr0ReloadsPdptes(changed) && !loadPdptes(p, vp.cr3Lo)) refuse();
        applyCr0(vp, next);
        if (changed & (Cr0.PG | Cr0.WP | Cr0.PE)) this.mmu.switchAddressSpace(changed & Cr0.PG ? Flush.ALL : Flush.NONE);
        p.modeChanged();
        break;
      }
      case 2:
        vp.cr2 = value;
        break;
      case 3: {
        if (!checkCr3(vp, value)) refuse();
        if (usesPdptes(vp.cr0, vp.cr4, vp.efer) && !loadPdptes(p, Number(value & 0xffff_ffffn))) refuse();
        vp.cr3 = value;
        this.#count(vp, 'addressSpaceSwitches');
        this.mmu.switchAddressSpace(Flush.NON_GLOBAL);
        break;
      }
      case 4: {
        if (!checkCr4(vp, value)) refuse();
        const next = Number(value);
        const changed = next ^ vp.cr4;
        if (usesPdptes(vp.cr0, next, vp.efer) && cr4ReloadsPdptes(changed) && !loadPdptes(p, vp.cr3Lo)) refuse();
        applyCr4(vp, next);
        if (changed & (Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP)) this.mmu.switchAddressSpace(Flush.ALL);
        else if (changed & Cr4.SMAP) this.mmu.switchAddressSpace(Flush.NONE);
        break;
      }
      case 8:
        this.#apics[this.#current].cr8 = Number(value & 15n);
        this.#apicChanged();
        break;
      default:
        throw p.fault.set(6);
    }
  }
  readCr(cr: number): bigint {
    const vp = this.processor.vp;
    switch (cr) {
      case 0:
        return BigInt(vp.cr0);
      case 2:
        return vp.cr2;
      case 3:
        return vp.cr3;
      case 4:
        return BigInt(vp.cr4);
      case 8:
        return BigInt(this.#apics[this.#current].cr8);
      default:
        throw this.processor.fault.set(6);
    }
  }
  invlpg(gva: number): void {
    this.#intercept('invlpg');
    this.#count(this.processor.vp, 'invlpgIntercepts');
    this.mmu.invlpg(gva);
  }
  invpcid(): void {
    throw this.processor.fault.set(6);
  }
  ioRead(port: number, bytes: 1 | 2 | 4): number {
    this.#intercept('io');
    this.#count(this.processor.vp, 'ioIntercepts');
    this.processor.charge(this.#wiring.costs.portIo ?? 0);
    return this.platform.ioRead(port, bytes);
  }
  ioWrite(port: number, bytes: 1 | 2 | 4, value: number): void {
    this.#intercept('io');
    this.#count(this.processor.vp, 'ioIntercepts');
    this.processor.charge(this.#wiring.costs.portIo ?? 0);
    this.platform.ioWrite(port, bytes, value);
    // A device timer may now be due before this run would end.
    if (this.platform.nextDeadline() < Number.POSITIVE_INFINITY) this.#shorten();
  }
  /** Ends the run early when a timer of this LP's VPs is due within it. */
  #shorten(): void {
    if (this.#wiring.realtime) return;
    const left = this.deadline() - this.#cycles();
    if (left < this.processor.remaining) this.setKick(this.#wiring.lp);
  }
  readMsr(index: number): bigint {
    this.#intercept('msr');
    this.#count(this.processor.vp, 'msrIntercepts');
    const value = this.#msrs.read(this.#msrContexts[this.#current], index);
    if (value < 0n) throw this.processor.fault.set(13, 0);
    return value;
  }
  writeMsr(index: number, value: bigint): void {
    const p = this.processor;
    this.#intercept('msr');
    this.#count(p.vp, 'msrIntercepts');
    const nxe = p.vp.efer & Efer.NXE;
    if (!this.#msrs.write(this.#msrContexts[this.#current], index, value)) throw p.fault.set(13, 0);
    const effects = this.#msrs.effects;
    if (effects & MsrEffect.EFER) {
      if ((p.vp.efer & Efer.NXE) !== nxe) this.mmu.switchAddressSpace(Flush.NONE);
      p.modeChanged();
    }
    if (effects & (MsrEffect.APIC_BASE | MsrEffect.TIMER) || index === Msr.IA32_APIC_BASE) this.#apicChanged();
  }
  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number] {
    this.#intercept('cpuid');
    this.#count(this.processor.vp, 'cpuidIntercepts');
    return this.#cpuid.query(this.processor.vp, leaf, subleaf);
  }
  halt(): void {
    this.#intercept('hlt');
    const vp = this.processor.vp;
    this.#count(vp, 'hltIntercepts');
    this.#setState(vp, VpState.HALTED);
  }
  /** A spin loop gives the LP to another VP (pause-loop). */
  pause(): void {
    this.processor.charge(this.#wiring.costs.pause ?? 0);
    if (!this.#pauseLoop.pause(this.#cycles())) return;
    this.#intercept('pause');
    this.#count(this.processor.vp, 'pauseIntercepts');
    this.yielded = true;
    this.setKick(this.#wiring.lp);
  }
  hypercall(): void {
    throw this.processor.fault.set(6);
  }
  tsc(): bigint {
    return this.#msrs.read(this.#msrContexts[this.#current], Msr.IA32_TIME_STAMP_COUNTER);
  }
  wbinvd(): void {
    this.#intercept('wbinvd');
  }
  tripleFault(): void {
    this.#intercept('tripleFault');
    const vp = this.processor.vp;
    this.#count(vp, 'tripleFaults');
    this.#setState(vp, VpState.STOPPED);
    this.#ends.tripleFault(vp.index, this.views.u64[(vp.base + Slot.RIP * 8) >>> 3]);
  }
}
