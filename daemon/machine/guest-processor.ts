// One LP running one partition's guest code: registers in the VP block, translated code in the cache, slow halves in TypeScript.
// The run loop above hands it a VP and a budget of cycles and gets back why guest code was left.
import type { FeatureSet } from '../../shared/cpu/feature-set.js';
import { honourBranchHints } from '../../shared/kit/branch-hints.js';
import { LpContext, LpContextLayout, NO_WAIT, Shortcut, TLB_MODE_SIZE } from '../../shared/layout/lp-context.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { Slot, VpBlock } from '../../shared/layout/vp.js';
import { Exit } from '../translate/micro-op.js';
import { CodeCache, type CodeCacheOptions } from './code-cache.js';
import { applyMode, CodeModes } from './cpu/code-mode.js';
import { checksAlignment } from './cpu/mode.js';
import { ripOf } from './cpu/slots.js';
import { CpuidAnswers } from './cpuid-answers.js';
import { CycleAccount } from './cycle-account.js';
import { DebugUnit, type OutsideWatch } from './debug-unit.js';
import { GuestEntry } from './guest-entry.js';
import { GuestExits, Left } from './guest-exits.js';
import { GuestMemory } from './guest-memory.js';
import type { InstructionCount } from './instruction-count.js';
import type { InstructionTrace } from './instruction-trace.js';
import { Kick } from './kick.js';
import { LoneInstruction } from './lone-instruction.js';
import type { GuestFault, Intercepts, Processor } from './processor.js';
import type { ProcessorHost } from './processor-host.js';
import { SharedWords } from './shared-words.js';
import type { Shortcuts } from './shortcuts.js';
import { SingleStep } from './single-step.js';
import { SlowHalf } from './slow-half.js';
import type { StackSampler } from './stack-sampler.js';
import { WatchedCode } from './watched-code.js';

export interface ProcessorOptions extends CodeCacheOptions {
  /** Samples the guest's stacks. */
  readonly stacks?: StackSampler | undefined;
  /** Writes down each instruction; they are then run one at a time. */
  readonly trace?: InstructionTrace | undefined;
}

export interface ProcessorSaved {
  readonly code: CodeCache['saved'];
  readonly debug: DebugUnit['saved'];
  readonly hasStored: boolean;
  readonly lastRip: number;
  readonly hasFaulted: boolean;
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
  readonly copy: (to: number, from: number, bytes: number) => void;
  readonly fill: (to: number, value: number, bytes: number) => void;
  readonly #host: ProcessorHost;
  readonly #cycles: CycleAccount;
  readonly #kick: Kick;
  readonly #entry: GuestEntry;
  readonly #lone: LoneInstruction;
  readonly #slow: SlowHalf;
  readonly #exits: GuestExits;
  readonly #step: SingleStep;
  readonly #count: InstructionCount | undefined;
  readonly #stacks: StackSampler | undefined;
  readonly #trace: InstructionTrace | undefined;

  constructor(memory: WebAssembly.Memory, contextAddress: number, host: ProcessorHost, options?: ProcessorOptions) {
    honourBranchHints();
    this.views = viewsOf(memory.buffer);
    this.vp = new VpBlock(this.views, vpBlockAt(0));
    this.context = new LpContext(this.views, contextAddress);
    this.context.waitWindow = NO_WAIT;
    this.intercepts = host.intercepts;
    this.fault = host.fault;
    this.features = host.features;
    this.modes = new CodeModes(host.features);
    this.#host = host;
    this.answers = new CpuidAnswers(this.views, contextAddress, host.cpuidCycles);
    this.#cycles = new CycleAccount(this.context);
    this.#kick = new Kick(this.views, contextAddress);
    this.#count = options?.count;
    this.#stacks = options?.stacks;
    this.#trace = options?.trace;
    const slow = new SlowHalf(this, this.#kick, host.attention, this.#count !== undefined);
    this.#slow = slow;
    const alone = options?.alone ?? false;
    const watched = new WatchedCode(new SharedWords(this.views), alone);
    const isOutdated = (): boolean => this.code.isOutdated;
    this.memory = new GuestMemory(this.views, contextAddress, this.vp, this.fault, host.translator, host.mmio, {
      get outdated() {
        return isOutdated();
      },
      code: watched,
      beforeStore: (gfn, offset, bytes) => {
        const isInUse = (): boolean => watched.hasMarks(gfn) || host.isMonitored(gfn);
        // The second store in a row to a page that has no code any more: it is being filled, not patched.
        if (watched.isWatched(gfn) && !isInUse()) host.unwatchCode(gfn, isInUse);
        const before = watched.epoch();
        if (!watched.beginStore(gfn, offset, bytes)) return;
        if (!this.code.forgetPage(gfn, before)) this.#kick.raise();
        host.kickOthers();
      },
      afterStore: (gfn, offset, bytes) => {
        watched.endStore();
        // Nobody else waits for a store of the only VP.
        if (!alone) host.stored(gfn, offset, bytes);
      },
      running: (gfn) => {
        const rip = ripOf(this.vp);
        return rip === slow.lastRip || this.code.covers(rip, gfn);
      },
    });
    this.#entry = new GuestEntry(memory, this, host, slow, this.#cycles, this.#count);
    this.shortcuts = this.#entry.shortcuts;
    this.copy = this.#entry.copy;
    this.fill = this.#entry.fill;
    this.code = new CodeCache(
      this.views,
      watched,
      { fetchPage: (l) => this.memory.fetchPage(l), peekPage: (l) => this.memory.peekPage(l), watch: (g) => host.watchCode(g) },
      contextAddress,
      this.#entry.table,
      this.#entry.imports,
      options,
    );
    if (this.#trace !== undefined) this.code.stopBefore = this.#trace.from;
    this.#lone = new LoneInstruction(this, this.#entry, this.#cycles, this.#kick);
    this.#exits = new GuestExits(this, host, this.#lone, this.#count !== undefined);
    this.#step = new SingleStep(this, this.#exits, () => this.#runAlone());
  }

  /** Snapshots (shared/kit/saved). Between runs: the VP and its mode are told anew as the next one begins. */
  get saved(): ProcessorSaved {
    const { code, debug, memory } = this;
    return {
      code: code.saved,
      debug: debug.saved,
      hasStored: memory.hasStored,
      lastRip: this.#slow.lastRip,
      hasFaulted: this.#slow.hasFaulted,
    };
  }
  set saved({ code, debug, hasStored, lastRip, hasFaulted }: ProcessorSaved) {
    this.code.saved = code;
    this.debug.saved = debug;
    this.memory.hasStored = hasStored;
    this.#slow.lastRip = lastRip;
    this.#slow.hasFaulted = hasFaulted;
  }

  /** Points everything at another VP of the partition. */
  load(index: number): void {
    (this.vp as { base: number }).base = vpBlockAt(index);
    this.debug.arm(this.vp);
    this.shortcuts.attach(this.vp.base, this.context.base);
    this.modeChanged();
  }

  charge(cycles: number): void {
    this.#cycles.charge(cycles);
  }
  /** What is left of the run's budget now, whatever runs: the guest's clock follows from it. */
  get remaining(): number {
    return this.#cycles.remaining;
  }

  modeChanged(): void {
    this.answers.forget();
    const vp = this.vp;
    const mode = applyMode(this);
    const user = vp.cpl === 3;
    this.memory.setMode(user, mode.bits === 64, checksAlignment(vp));
    this.selectTlb();
    this.code.setMode(mode, mode.bits === 64 ? 0 : this.views.u32[(vp.base + Slot.CS_BASE * 8) >>> 2], user);
  }

  /** The address space of a bank of the TLB is in use from now on. */
  selectBank(bank: number): void {
    this.code.jumps.selectBank(bank);
    this.selectTlb();
  }
  /** The half for the privilege; an empty one, and no shortcuts, while every access must be looked at. */
  selectTlb(): void {
    const none = this.context.base + LpContextLayout.at.noTlb;
    const all = this.memory.looksAtAll;
    this.context.tlb = all ? none : this.memory.tlb + (this.vp.cpl === 3 ? TLB_MODE_SIZE : 0);
    const watched = all || this.debug.active || this.#count !== undefined || this.#trace !== undefined || this.#followed;
    this.context.shortcuts = watched ? 0 : this.#allTheWay ? Shortcut.OWN : Shortcut.OWN | Shortcut.INTERCEPTS;
  }

  #allTheWay = false;
  /** No intercept is dealt with short of the hypervisor, by a shortcut or by an answer that is remembered. */
  set allTheWay(value: boolean) {
    this.#allTheWay = value;
    this.#keepAnswers();
  }
  #followed = false;
  /** Whoever follows what the machine does sees each intercept and event with its time: there are no shortcuts at all. */
  set followed(value: boolean) {
    this.#followed = value;
    this.#keepAnswers();
  }
  #keepAnswers(): void {
    this.answers.isKept = !this.#allTheWay && !this.#followed;
    this.answers.forget();
    this.selectTlb();
  }

  /** Where the next instruction is. */
  get linearRip(): number {
    return this.code.linear(ripOf(this.vp));
  }

  /** Where a debugger stops the VPs that this LP runs, and which accesses it watches. */
  watchFromOutside(breakpoints: ReadonlySet<number>, watches: readonly OutsideWatch[]): void {
    this.code.setBreakpoints(breakpoints);
    this.debug.watchFromOutside(watches);
    this.selectTlb();
  }
  /** A debugger's breakpoint stands before the instruction at RIP. */
  get isAtBreakpoint(): boolean {
    return this.code.isBreakpoint(ripOf(this.vp));
  }

  /**
   * One instruction, whatever breakpoint stands before it, under an interrupt shadow (InterruptShadow): nothing is delivered before it has run. Returns as `run`.
   */
  runShadowed(shadow: number): number {
    const before = this.context.budget;
    const charged = this.#cycles.charged;
    this.#host.enterGuest();
    try {
      return (this.debug.active ? this.#step.step(shadow) : this.#runAlone()) ?? Left.ATTENTION;
    } catch (e) {
      if (e !== this.fault) throw e;
      return this.#exits.deliver();
    } finally {
      this.#host.leaveGuest();
      this.#retire(before - this.context.budget - (this.#cycles.charged - charged));
    }
  }

  /** The instruction at RIP and what follows from it; traced where that is wanted. */
  #runAlone(): number | undefined {
    const trace = this.#trace;
    const rip = ripOf(this.vp);
    const linear = this.code.linear(rip);
    const { mode } = this.code;
    if (trace === undefined || !trace.wants(linear)) return this.#exits.handle(this.#lone.run(mode));
    // What a fetch does happens now; the bytes are looked at before the instruction can change them.
    this.memory.fetchPage(linear);
    const bytes = this.code.peekInstruction(rip);
    trace.begin(this);
    const reason = this.#lone.run(mode);
    const note = reason === Exit.FAULT ? `fault=${this.vp.faultVector & 0xff}` : '';
    const left = this.#exits.handle(reason);
    trace.end(this, mode.bits, rip, bytes, note);
    return left;
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
      this.#cycles.aside = rest - slice;
      const left = this.#runFor(slice);
      rest = this.remaining;
      this.#cycles.aside = 0;
      this.context.budget = rest;
      stacks.sample(this);
      if (left !== Left.BUDGET || rest < 0 || this.#kick.isRaised) return left;
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
        const charged = this.#cycles.charged;
        let left: number | undefined;
        if (this.isAtBreakpoint) return Left.BREAKPOINT;
        try {
          const { active } = this.debug;
          if (active || this.#trace?.wants(this.linearRip) === true) {
            left = active ? this.#step.step() : this.#runAlone();
            // A lone instruction always ends with its budget used up.
            if (left === Left.BUDGET && context.budget >= 0 && !this.#kick.isRaised) left = undefined;
          } else left = this.#exits.handle(this.#entry.enter());
        } catch (e) {
          // A fault thrown by a lookup: the instruction at RIP cannot be fetched.
          if (e !== this.fault) throw e;
          left = this.#exits.deliver();
        }
        this.#retire(before - context.budget - (this.#cycles.charged - charged));
        if (left !== undefined) return left;
        if (context.budget < 0) return Left.BUDGET;
      }
    } finally {
      this.#host.leaveGuest();
    }
  }

  /** Clears the request to leave; true if there was one. */
  takeKick(): boolean {
    return this.#kick.take();
  }
}
