// The way into guest code and back: the core module (dispatcher and micro-op machine), what it and compiled units import, and the accounts that are settled
// each time guest code is left.

import { coreModule } from '../translate/emit/core-module.js';
import { Exit } from '../translate/micro-op.js';
import { ripOf } from './cpu/slots.js';
import type { CycleAccount } from './cycle-account.js';
import { floatFunctions, functionTable } from './float-module.js';
import type { GuestProcessor } from './guest-processor.js';
import type { InstructionCount } from './instruction-count.js';
import type { ProcessorHost } from './processor-host.js';
import { ShortcutAccount } from './shortcut-account.js';
import { type Shortcuts, shortcutsOf } from './shortcuts.js';
import type { SlowHalf } from './slow-half.js';

export class GuestEntry {
  /** Compiled units, by number. */
  readonly table: WebAssembly.Table = new WebAssembly.Table({ element: 'anyfunc', initial: 256 });
  readonly imports: WebAssembly.Imports;
  readonly shortcuts: Shortcuts;
  /** Copies host memory of the partition; the ranges may overlap. */
  readonly copy: (to: number, from: number, bytes: number) => void;
  /** Fills it with a byte. */
  readonly fill: (to: number, value: number, bytes: number) => void;
  readonly #p: GuestProcessor;
  readonly #slow: SlowHalf;
  readonly #cycles: CycleAccount;
  readonly #exits: ShortcutAccount;
  readonly #count: InstructionCount | undefined;
  readonly #run: (vp: number, context: number) => number;

  constructor(
    memory: WebAssembly.Memory,
    p: GuestProcessor,
    host: ProcessorHost,
    slow: SlowHalf,
    cycles: CycleAccount,
    count: InstructionCount | undefined,
  ) {
    this.#p = p;
    this.#slow = slow;
    this.#cycles = cycles;
    this.#exits = new ShortcutAccount(p.views, p.context.base, host.exitCycles);
    this.#count = count;
    const floats = floatFunctions(memory);
    this.shortcuts = shortcutsOf(memory, {
      sysSlow: (descriptor) => slow.sys(descriptor),
      loadSlow: (gva, info) => p.memory.load(gva, info),
      storeSlow: (gva, width) => p.memory.store(gva, width),
      portRead: (port, bytes) => host.intercepts.ioRead(port, bytes as 1 | 2 | 4),
      portWrite: (port, bytes, value) => host.intercepts.ioWrite(port, bytes as 1 | 2 | 4, value >>> 0),
    });
    const env = {
      ...floats,
      memory,
      table: this.table,
      functions: functionTable(floats),
      loadSlow: this.shortcuts.loadMissed,
      storeSlow: this.shortcuts.storeMissed,
      atomicSlow: (gva: number, width: number) => p.memory.atomic(gva, width),
      segmentSlow: (offset: number, immediate: number) => slow.segment(offset, immediate),
      sys: this.shortcuts.sys,
    };
    this.imports = { env };
    const core = new WebAssembly.Instance(new WebAssembly.Module(coreModule()), this.imports);
    this.#run = core.exports.run as (vp: number, context: number) => number;
    this.copy = core.exports.copy as (to: number, from: number, bytes: number) => void;
    this.fill = core.exports.fill as (to: number, value: number, bytes: number) => void;
  }

  /** Enters guest code; why it was left (Exit). */
  enter(): number {
    const p = this.#p;
    const reason = this.#run(p.vp.base, p.context.base);
    const answered = p.answers.takeGiven();
    if (answered > 0) {
      p.intercepts.cpuidAnswered(answered);
      this.#cycles.charged += answered * p.context.answerCycles;
    }
    this.#cycles.charged += this.#exits.settle(p.intercepts);
    if (this.#count !== undefined) this.#countExit(this.#count, reason);
    return reason;
  }
  /** For the account of instructions: guest code was left, perhaps in the middle of a block. */
  #countExit(count: InstructionCount, reason: number): void {
    const slow = this.#slow;
    const rip = ripOf(this.#p.vp);
    count.exits[reason]++;
    if (reason === Exit.SYS) count.left(slow.lastRip, true);
    else if (reason === Exit.FAULT) count.left(slow.hasFaulted ? slow.lastRip : rip, false);
    else if (reason === Exit.BUS_LOCK || reason === Exit.SELF_MODIFIED) count.left(rip, false);
    slow.hasFaulted = false;
  }
}
