// One LP running one partition's guest code: registers in the VP block, translated code in the cache, slow halves in TypeScript.
// The run loop above hands it a VP and a budget of cycles and gets back why guest code was left.
import { Vector } from '../../shared/abi/exceptions.js';
import { Cr0, Rflags } from '../../shared/abi/registers.js';
import type { FeatureSet } from '../../shared/cpu/feature-set.js';
import { honourBranchHints } from '../../shared/kit/branch-hints.js';
import { KICKED, LpContext, LpContextLayout, type ShortcutExit, TLB_BANK_SIZE, TLB_MODE_SIZE } from '../../shared/layout/lp-context.js';
import { PartitionLayout, vpBlockAt } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { EventKind, InterruptShadow, Slot, VpBlock, VpLayout, VpState } from '../../shared/layout/vp.js';
import type { CodeMode } from '../translate/code-mode.js';
import { isStackAccess } from '../translate/decode/stack-access.js';
import { needsNoAlignment } from '../translate/decode/unaligned-access.js';
import { coreModule } from '../translate/emit/core-module.js';
import { SysResult } from '../translate/emit/frame.js';
import { Exit, SEGCHECK_EXECUTE, sysLength, sysOp } from '../translate/micro-op.js';
import { CodeCache, type CodeCacheOptions } from './code-cache.js';
import { applyMode, CodeModes } from './cpu/code-mode.js';
import { deliver, deliverFault } from './cpu/deliver.js';
import { setSystemFlags, systemFlags } from './cpu/flags.js';
import { checksAlignment } from './cpu/mode.js';
import { generalProtection } from './cpu/raise.js';
import { checkCodeOffset, segmentCheckSlow } from './cpu/segment-check.js';
import { sysHelpers } from './cpu/sys-helpers.js';
import { CpuidAnswers } from './cpuid-answers.js';
import { DebugUnit, noteDebug } from './debug-unit.js';
import { floatFunctions, functionTable } from './float-module.js';
import { GuestMemory, hasCodeLines, invalidateCode, type Mmio, NON_CANONICAL, type Translator } from './guest-memory.js';
import type { InstructionCount } from './instruction-count.js';
import type { InstructionTrace } from './instruction-trace.js';
import type { GuestFault, Intercepts, Processor } from './processor.js';
import { ShortcutAccount } from './shortcut-account.js';
import { type Shortcuts, shortcutsOf } from './shortcuts.js';
import type { StackSampler } from './stack-sampler.js';

/** What surrounds the processor: hypervisor, devices, the other LPs. */
export interface ProcessorHost {
  readonly features: FeatureSet;
  /** The one fault object of this processor: translator and slow halves set it, `throw` carries it. */
  readonly fault: GuestFault;
  readonly translator: Translator;
  readonly mmio: Mmio;
  readonly intercepts: Intercepts;
  /** What an answer of CPUID costs: what `intercepts.cpuid` charges. */
  readonly cpuidCycles: number;
  /** What the intercepts cost that shortcuts deal with. */
  readonly exitCycles: Readonly<Record<ShortcutExit, number>>;
  /** Marks the page as code and returns when no LP holds a write tag for it. */
  watchCode(gfn: number): void;
  /** The page's code is forgotten: it may be written freely again, unless `marked` says that somebody has just translated from it. */
  unwatchCode(gfn: number, marked: () => boolean): void;
  /** Another LP may run code that has just changed: make it look. */
  kickOthers(): void;
  /** Whether a VP's MONITOR watches the page: it is then watched as a page of code is. */
  isMonitored(gfn: number): boolean;
  /** Bytes of a watched page have been stored. */
  stored(gfn: number, offset: number, bytes: number): void;
  /** Every other LP of the partition is out of guest mode between the two. */
  stopOthers(): void;
  releaseOthers(): void;
  /** Whether the VP's state needs a look after a slow half: it halted, an interrupt shadow began, or an interrupt can be taken now. */
  attention(): boolean;
  /** Brackets of guest mode, with the flush handshake's order. */
  enterGuest(): void;
  leaveGuest(): void;
}

/** Cycles of delivering an exception through an IDT gate (rounded from published interrupt latencies; the exact figure matters to no mechanism). */
const DELIVERY_CYCLES = 60;

/** Of a lock on the whole bus: about what a split lock costs an Intel core (SDM 3A 9.1.2 warns of it and gives no figure). */
const BUS_LOCK_CYCLES = 1000;
/** Read plainly: a store of this LP's own is seen at once, and one of another LP comes with a kick. */
const CODE_EPOCH = PartitionLayout.at.codeEpoch >>> 2;

/** Reasons for which `run` comes back. */
export const Left = {
  /** The budget is used up, or another thread asked for attention. */
  BUDGET: 0,
  /** A slow half asked to look at the VP's state: interrupts, halt, mode. */
  ATTENTION: 1,
} as const;

export interface ProcessorOptions extends CodeCacheOptions {
  /** Samples the guest's stacks. */
  readonly stacks?: StackSampler | undefined;
  /** Writes down each instruction; they are then run one at a time. */
  readonly trace?: InstructionTrace | undefined;
}

export class GuestProcessor implements Processor {
  readonly views: Views;
  readonly vp: VpBlock;
  readonly memory: GuestMemory;
  readonly intercepts: Intercepts;
  readonly fault: GuestFault;
  readonly features: FeatureSet;
  readonly modes: CodeModes;
  readonly debug: DebugUnit = new DebugUnit();
  readonly answers: CpuidAnswers;
  readonly context: LpContext;
  readonly code: CodeCache;
  readonly shortcuts: Shortcuts;
  readonly #exits: ShortcutAccount;
  readonly #host: ProcessorHost;
  readonly copy: (to: number, from: number, bytes: number) => void;
  readonly #run: (vp: number, context: number) => number;
  readonly #kickWord: number;
  #charged = 0;
  /** Budget put aside while one instruction runs alone. */
  #aside = 0;
  /** Where the last slow half was called: while RIP is still this, it does not name the code that was entered. */
  #slowRip = NaN;
  /** The slow half has just faulted: RIP may be another one than that of the instruction which it did. */
  #slowFault = false;
  readonly #count: InstructionCount | undefined;
  readonly #stacks: StackSampler | undefined;
  readonly #trace: InstructionTrace | undefined;

  constructor(memory: WebAssembly.Memory, contextAddress: number, host: ProcessorHost, options?: ProcessorOptions) {
    honourBranchHints();
    this.views = viewsOf(memory.buffer);
    this.vp = new VpBlock(this.views, vpBlockAt(0));
    this.context = new LpContext(this.views, contextAddress);
    this.intercepts = host.intercepts;
    this.fault = host.fault;
    this.features = host.features;
    this.modes = new CodeModes(host.features);
    this.#host = host;
    this.answers = new CpuidAnswers(this.views, contextAddress, host.cpuidCycles);
    this.#exits = new ShortcutAccount(this.views, contextAddress, host.exitCycles);
    this.#kickWord = (contextAddress + LpContextLayout.at.kick) >>> 2;
    const isOutdated = (): boolean => this.code.isOutdated;
    this.memory = new GuestMemory(this.views, contextAddress, this.vp, this.fault, host.translator, host.mmio, {
      get outdated() {
        return isOutdated();
      },
      beforeStore: (gfn, offset, bytes) => {
        if (this.#invalidate(gfn, offset, bytes) || hasCodeLines(this.views, gfn) || host.isMonitored(gfn)) return;
        // The second store in a row to a page that has no code any more: it is being filled, not patched.
        host.unwatchCode(gfn, () => hasCodeLines(this.views, gfn) || host.isMonitored(gfn));
      },
      // Nobody else can have translated in between, and nobody else waits for a store.
      afterStore: options?.alone
        ? () => undefined
        : (gfn, offset, bytes) => {
            this.#invalidate(gfn, offset, bytes);
            host.stored(gfn, offset, bytes);
          },
      running: (gfn) => {
        const rip = this.#rip();
        return rip === this.#slowRip || this.code.covers(rip, gfn);
      },
    });
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 256 });
    this.#count = options?.count;
    this.#stacks = options?.stacks;
    this.#trace = options?.trace;
    const floats = floatFunctions(memory);
    this.shortcuts = shortcutsOf(memory, {
      sysSlow: (descriptor) => this.#sys(descriptor),
      loadSlow: (gva, info) => this.memory.load(gva, info),
      storeSlow: (gva, width) => this.memory.store(gva, width),
      portRead: (port, bytes) => host.intercepts.ioRead(port, bytes as 1 | 2 | 4),
      portWrite: (port, bytes, value) => host.intercepts.ioWrite(port, bytes as 1 | 2 | 4, value >>> 0),
    });
    const env = {
      ...floats,
      memory,
      table,
      functions: functionTable(floats),
      loadSlow: this.shortcuts.loadMissed,
      storeSlow: this.shortcuts.storeMissed,
      atomicSlow: (gva: number, width: number) => this.memory.atomic(gva, width),
      segmentSlow: (offset: number, immediate: number) => this.#segmentSlow(offset, immediate),
      sys: this.shortcuts.sys,
    };
    this.code = new CodeCache(
      this.views,
      { fetchPage: (l) => this.memory.fetchPage(l), peekPage: (l) => this.memory.peekPage(l), watch: (g) => host.watchCode(g) },
      contextAddress,
      table,
      { env },
      options,
    );
    if (this.#trace !== undefined) this.code.stopBefore = this.#trace.from;
    const core = new WebAssembly.Instance(new WebAssembly.Module(coreModule()), { env });
    this.#run = core.exports.run as (vp: number, context: number) => number;
    this.copy = core.exports.copy as (to: number, from: number, bytes: number) => void;
  }

  /** Points everything at another VP of the partition. */
  load(index: number): void {
    (this.vp as { base: number }).base = vpBlockAt(index);
    this.debug.arm(this.vp);
    this.shortcuts.attach(this.vp.base, this.context.base);
    this.modeChanged();
  }

  charge(cycles: number): void {
    this.#charged += cycles;
    this.context.budget -= cycles;
  }
  /** What is left of the run's budget now, whatever runs: the guest's clock follows from it. */
  get remaining(): number {
    return this.context.budget + this.#aside;
  }

  modeChanged(): void {
    this.answers.forget();
    const vp = this.vp;
    const mode = applyMode(this);
    const user = vp.cpl === 3;
    this.memory.setMode(user, mode.bits === 64, checksAlignment(vp));
    this.#useTlb();
    this.code.setMode(mode, mode.bits === 64 ? 0 : this.views.u32[(vp.base + Slot.CS_BASE * 8) >>> 2], user);
  }

  /** The address space of a bank of the TLB is in use from now on. */
  selectBank(bank: number): void {
    this.memory.tlb = this.context.base + LpContextLayout.at.tlbs + bank * TLB_BANK_SIZE;
    this.#useTlb();
    this.code.jumps.selectBank(bank);
  }
  /** The half for the privilege; an empty one, and no shortcuts, while every access must be looked at. */
  #useTlb(): void {
    const none = this.context.base + LpContextLayout.at.noTlb;
    const all = this.memory.looksAtAll;
    this.context.tlb = all ? none : this.memory.tlb + (this.vp.cpl === 3 ? TLB_MODE_SIZE : 0);
    const watched = all || this.debug.active || this.#count !== undefined || this.#trace !== undefined;
    this.context.shortcuts = watched ? 0 : 1;
  }

  #rip(): number {
    const at = (this.vp.base + Slot.RIP * 8) >>> 2;
    return this.views.i32[at + 1] * 4294967296 + this.views.u32[at];
  }
  /** Where the next instruction is. */
  get linearRip(): number {
    return this.code.linear(this.#rip());
  }
  #setRip(rip: number): void {
    const at = (this.vp.base + Slot.RIP * 8) >>> 2;
    this.views.u32[at] = rip >>> 0;
    this.views.i32[at + 1] = Math.floor(rip / 4294967296);
  }

  /** Forgets what was made from the stored bytes' page. False when none of them is code. */
  #invalidate(gfn: number, offset: number, bytes: number): boolean {
    const before = this.code.epoch();
    if (!invalidateCode(this.views, gfn, offset, bytes)) return false;
    if (!this.code.forgetPage(gfn, before)) Atomics.store(this.views.i32, this.#kickWord, KICKED);
    this.#host.kickOthers();
    return true;
  }

  #segmentSlow(offset: number, immediate: number): number {
    try {
      if ((immediate & SEGCHECK_EXECUTE) !== 0) generalProtection(this);
      segmentCheckSlow(this, immediate & 15, offset, (immediate >>> 16) + 1, (immediate & 0x100) !== 0);
      return 0;
    } catch (e) {
      if (e === this.fault) return this.memory.recordFault();
      throw e;
    }
  }

  #sys(descriptor: number): number {
    try {
      this.#slowRip = this.#rip();
      const { i32 } = this.views;
      const epoch = i32[CODE_EPOCH];
      const left = sysHelpers[sysOp(descriptor)](this, descriptor);
      // The helper's own stores may have changed code: then everything is looked up again after this instruction. Another LP's come with a kick, and
      // many slow halves are serializing instructions: whoever runs CPUID because code was changed must not go on in what was made of it (SDM 3A 9.1.3, 9.3).
      const changed = epoch !== i32[CODE_EPOCH];
      if (left === 0 && !changed && i32[this.#kickWord] === 0) return SysResult.CONTINUE;
      if (left === 0) {
        const next = this.#rip() + sysLength(descriptor);
        this.#setRip(this.code.mode.bits === 64 ? next : next >>> 0);
      } else if (!changed && this.#count === undefined && !this.debug.active && !this.#host.attention()) return SysResult.DISPATCH;
      return SysResult.LEAVE;
    } catch (e) {
      if (e === this.fault) {
        this.memory.recordFault();
        this.#slowFault = true;
        return SysResult.FAULT;
      }
      throw e;
    }
  }

  /** Runs the instruction at RIP alone, in the mode given, outside the cache. */
  #runSingle(mode: CodeMode): number {
    const rip = this.#rip();
    const { i32 } = this.views;
    const header = this.code.single(rip, mode);
    this.code.jumps.enter(rip, header);
    const outer = this.#aside;
    this.#aside = outer + this.context.budget;
    let kicked = 0;
    let reason: number;
    do {
      // A kick that comes after this line makes the dispatcher leave before the instruction: it has to be run all the same,
      // or an interrupt shadow would be over with nothing executed in it.
      kicked |= Atomics.exchange(i32, this.#kickWord, 0);
      this.context.budget = 0;
      reason = this.#enter();
    } while (reason === Exit.BUDGET && this.context.budget === 0);
    // 0 -> -1 when the instruction was retired.
    this.context.budget += this.#aside - outer;
    this.#aside = outer;
    this.code.jumps.leave(rip);
    if (kicked) Atomics.store(i32, this.#kickWord, KICKED);
    return reason;
  }

  /** One instruction under an interrupt shadow (InterruptShadow): nothing is delivered before it has run. Returns as `run`. */
  runShadowed(shadow: number): number {
    const before = this.context.budget;
    const charged = this.#charged;
    this.#host.enterGuest();
    try {
      return (this.debug.active ? this.#step(shadow) : this.#runAlone()) ?? Left.ATTENTION;
    } catch (e) {
      if (e !== this.fault) throw e;
      return this.#deliver();
    } finally {
      this.#host.leaveGuest();
      this.#retire(before - this.context.budget - (this.#charged - charged));
    }
  }

  /** Enters guest code; why it was left. */
  #enter(): number {
    const reason = this.#run(this.vp.base, this.context.base);
    const answered = this.answers.takeGiven();
    if (answered > 0) {
      this.intercepts.cpuidAnswered(answered);
      this.#charged += answered * this.context.answerCycles;
    }
    this.#charged += this.#exits.settle(this.intercepts);
    if (this.#count !== undefined) this.#countExit(this.#count, reason);
    return reason;
  }
  /** For the account of instructions: guest code was left, perhaps in the middle of a block. */
  #countExit(count: InstructionCount, reason: number): void {
    count.exits[reason]++;
    if (reason === Exit.SYS) count.left(this.#slowRip, true);
    else if (reason === Exit.FAULT) count.left(this.#slowFault ? this.#slowRip : this.#rip(), false);
    else if (reason === Exit.BUS_LOCK || reason === Exit.SELF_MODIFIED) count.left(this.#rip(), false);
    this.#slowFault = false;
  }

  /** The instruction at RIP and what follows from it; traced where that is wanted. */
  #runAlone(): number | undefined {
    const trace = this.#trace;
    const rip = this.#rip();
    const linear = this.code.linear(rip);
    const { mode } = this.code;
    if (trace === undefined || !trace.wants(linear)) return this.#handle(this.#runSingle(mode));
    // What a fetch does happens now; the bytes are looked at before the instruction can change them.
    this.memory.fetchPage(linear);
    const bytes = this.code.peekInstruction(rip);
    trace.begin(this);
    const reason = this.#runSingle(mode);
    const note = reason === Exit.FAULT ? `fault=${this.vp.faultVector & 0xff}` : '';
    const left = this.#handle(reason);
    trace.end(this, mode.bits, rip, bytes, note);
    return left;
  }

  /** The instruction at RIP with all that the debug unit watches (SDM 3B 18.3). `shadow`: what the instruction before it holds off. */
  #step(shadow: number = InterruptShadow.NONE): number | undefined {
    const { vp, debug } = this;
    if (shadow !== InterruptShadow.STACK) {
      const due = debug.takeDue();
      if (due !== 0) return this.#debugTrap(due);
      const hits = (systemFlags(vp) & Rflags.RF) === 0 ? debug.executes(this.linearRip) : 0;
      if (hits !== 0) {
        // A fault: RF in the saved image lets the instruction pass when the handler returns.
        setSystemFlags(vp, systemFlags(vp) | Rflags.RF);
        return this.#debugTrap(hits);
      }
    }
    const resumed = systemFlags(vp) & Rflags.RF;
    const stepping = (systemFlags(vp) & Rflags.TF) !== 0;
    setSystemFlags(vp, systemFlags(vp) & ~Rflags.RF);
    debug.stepTrap = stepping;
    debug.oneIteration = stepping || debug.watchesData;
    debug.unfinished = false;
    if (debug.watchesData) this.memory.debug = debug;
    this.#useTlb();
    const delivered = this.#delivered;
    let left: number | undefined;
    try {
      left = this.#runAlone();
    } catch (e) {
      if (e === this.fault) debug.discard();
      throw e;
    } finally {
      this.memory.debug = undefined;
      debug.oneIteration = false;
      this.#useTlb();
    }
    if (delivered !== this.#delivered) {
      debug.discard();
      return left;
    }
    // Between iterations the instruction at RIP is one that has begun.
    if (debug.unfinished) setSystemFlags(vp, systemFlags(vp) | resumed | (debug.executes(this.linearRip) !== 0 ? Rflags.RF : 0));
    const trap = debug.takeTrap();
    return trap === 0 ? left : this.#debugTrap(trap);
  }
  /** #DB before the instruction at RIP. */
  #debugTrap(bits: number): number {
    const { vp } = this;
    noteDebug(vp, bits);
    this.charge(DELIVERY_CYCLES);
    // HLT and MWAIT end with a trap.
    const state = (vp.base + VpLayout.at.state) >>> 2;
    Atomics.compareExchange(this.views.i32, state, VpState.HALTED, VpState.RUNNING);
    deliver(this, EventKind.EXCEPTION, Vector.DB, -1, this.#rip());
    return Left.ATTENTION;
  }
  /** Faults delivered. */
  #delivered = 0;

  #deliver(): number {
    this.#delivered++;
    this.charge(DELIVERY_CYCLES);
    deliverFault(this, this.fault.vector, this.fault.error);
    return Left.ATTENTION;
  }

  /** Whether the instruction at RIP, refused for a non-canonical address, reached it through SS. */
  #throughStack(): boolean {
    const rsp = (this.vp.base >>> 3) + Slot.RSP;
    return isStackAccess(this.code.peekInstruction(this.#rip()), BigInt(this.fault.nonCanonical), this.views.u64[rsp]);
  }

  /** Runs the instruction at RIP alone although it stores into the code that it belongs to; what was made from that code is then forgotten. */
  #runUnwatched(mode: CodeMode): number {
    this.memory.bypassWatch = true;
    try {
      const reason = this.#runSingle(mode);
      this.code.noticeEpoch();
      return reason;
    } finally {
      this.memory.bypassWatch = false;
    }
  }

  /** Runs the instruction at RIP alone, whatever its alignment. */
  #runUnaligned(): number {
    this.memory.allowsUnaligned = true;
    try {
      return this.#runSingle(this.code.mode);
    } finally {
      this.memory.allowsUnaligned = false;
    }
  }

  /** A lone instruction ends with its budget used up: that is no reason to leave. */
  #afterSingle(reason: number): number | undefined {
    return reason === Exit.BUDGET ? undefined : this.#handle(reason);
  }

  /** Deals with an exit; undefined = go on in guest code. */
  #handle(reason: number): number | undefined {
    switch (reason) {
      case Exit.LOOKUP:
        checkCodeOffset(this, this.#rip(), this.vp.csLimit, this.code.mode.bits === 64);
        this.code.lookup(this.#rip());
        return undefined;
      case Exit.HOT:
        this.code.heat(this.#rip());
        return undefined;
      case Exit.FAULT: {
        const vp = this.vp;
        const hasError = (vp.faultVector & 0x100) !== 0;
        if ((vp.faultVector & 0xff) === Vector.AC && needsNoAlignment(this.code.peekInstruction(this.#rip()), this.code.mode.bits))
          return this.#afterSingle(this.#runUnaligned());
        const throughStack = (vp.faultVector & NON_CANONICAL) !== 0 && this.#throughStack();
        // A guest whose handlers only fault retires nothing: the charge is what ends its slice.
        this.charge(DELIVERY_CYCLES);
        if ((vp.faultVector & 0xff) === Vector.MF && (vp.cr0 & Cr0.NE) === 0) {
          this.intercepts.floatError();
          return Left.ATTENTION;
        }
        this.#delivered++;
        deliverFault(this, throughStack ? Vector.SS : vp.faultVector & 0xff, hasError ? vp.faultError : -1);
        return vp.pendingKind === EventKind.NONE ? undefined : Left.ATTENTION;
      }
      case Exit.SYS:
        return this.#host.attention() ? Left.ATTENTION : undefined;
      case Exit.BUS_LOCK: {
        this.charge(BUS_LOCK_CYCLES);
        this.#host.stopOthers();
        try {
          const mode = { ...this.code.mode, plainLocks: true };
          const reason = this.#runSingle(mode);
          // Its own code is what it changes: still with the bus locked, which cannot be had twice.
          return this.#afterSingle(reason === Exit.SELF_MODIFIED ? this.#runUnwatched(mode) : reason);
        } finally {
          this.#host.releaseOthers();
        }
      }
      case Exit.SELF_MODIFIED:
        return this.#afterSingle(this.#runUnwatched(this.code.mode));
      default:
        return Left.BUDGET;
    }
  }

  /** Instructions retired. */
  retired = 0;
  #retire(instructions: number): void {
    this.retired += instructions;
    this.#stacks?.retire(instructions);
  }

  /** Runs guest code for at most `cycles` (instructions and charges). */
  run(cycles: number): number {
    const stacks = this.#stacks;
    if (stacks === undefined) return this.#runFor(cycles);
    // In slices, with a sample after each. The guest cannot tell: what is put aside belongs to what is left.
    for (let rest = cycles; ; ) {
      const slice = Math.min(rest, stacks.period);
      this.#aside = rest - slice;
      const left = this.#runFor(slice);
      rest = this.remaining;
      this.#aside = 0;
      this.context.budget = rest;
      stacks.sample(this);
      if (left !== Left.BUDGET || rest < 0 || Atomics.load(this.views.i32, this.#kickWord) !== 0) return left;
    }
  }

  #runFor(cycles: number): number {
    const context = this.context;
    context.budget = cycles;
    this.#host.enterGuest();
    try {
      for (;;) {
        this.code.noticeEpoch();
        const before = context.budget;
        const charged = this.#charged;
        let left: number | undefined;
        try {
          const { active } = this.debug;
          if (active || this.#trace?.wants(this.linearRip) === true) {
            left = active ? this.#step() : this.#runAlone();
            // A lone instruction always ends with its budget used up.
            if (left === Left.BUDGET && context.budget >= 0 && Atomics.load(this.views.i32, this.#kickWord) === 0) left = undefined;
          } else left = this.#handle(this.#enter());
        } catch (e) {
          // A fault thrown by a lookup: the instruction at RIP cannot be fetched.
          if (e !== this.fault) throw e;
          left = this.#deliver();
        }
        this.#retire(before - context.budget - (this.#charged - charged));
        if (left !== undefined) return left;
        if (context.budget < 0) return Left.BUDGET;
      }
    } finally {
      this.#host.leaveGuest();
    }
  }

  /** Clears the request to leave; true if there was one. */
  takeKick(): boolean {
    return Atomics.exchange(this.views.i32, this.#kickWord, 0) !== 0;
  }
}
