// Runs the instruction at RIP alone, outside the code cache: while it is watched, or because of what it does (a store into its own code, a misaligned access
// that is allowed none the less, a LOCK that needs the whole bus).
import type { CodeMode } from '../translate/code-mode.js';
import { Exit } from '../translate/micro-op.js';
import { ripOf } from './cpu/slots.js';
import type { CycleAccount } from './cycle-account.js';
import type { GuestEntry } from './guest-entry.js';
import type { GuestProcessor } from './guest-processor.js';
import type { Kick } from './kick.js';

export class LoneInstruction {
  readonly #p: GuestProcessor;
  readonly #entry: GuestEntry;
  readonly #cycles: CycleAccount;
  readonly #kick: Kick;

  constructor(p: GuestProcessor, entry: GuestEntry, cycles: CycleAccount, kick: Kick) {
    this.#p = p;
    this.#entry = entry;
    this.#cycles = cycles;
    this.#kick = kick;
  }

  /** In the mode given. Returns why guest code was left: Exit.BUDGET when the instruction was simply retired. */
  run(mode: CodeMode): number {
    const { code, context, memory, vp } = this.#p;
    const cycles = this.#cycles;
    const rip = ripOf(vp);
    const header = code.single(rip, mode);
    code.jumps.enter(rip, header);
    const outer = cycles.aside;
    cycles.aside = outer + context.budget;
    let kicked = false;
    let reason: number;
    memory.alone = true;
    try {
      do {
        // A kick that comes after this line makes the dispatcher leave before the instruction: it has to be run all the same,
        // or an interrupt shadow would be over with nothing executed in it.
        if (this.#kick.take()) kicked = true;
        context.budget = 0;
        reason = this.#entry.enter();
      } while (reason === Exit.BUDGET && context.budget === 0);
    } finally {
      // However it ends: the place that RIP leads to is that of the next such instruction.
      code.jumps.leave(rip);
      memory.alone = false;
    }
    // 0 -> -1 when the instruction was retired.
    context.budget += cycles.aside - outer;
    cycles.aside = outer;
    if (kicked) this.#kick.raise();
    return reason;
  }

  /** Although it stores into the code that it belongs to; what was made from that code is then forgotten. */
  runUnwatched(mode: CodeMode): number {
    const { code, memory } = this.#p;
    memory.bypassWatch = true;
    try {
      const reason = this.run(mode);
      code.noticeEpoch();
      return reason;
    } finally {
      memory.bypassWatch = false;
    }
  }

  /** Whatever its alignment. */
  runUnaligned(): number {
    const { code, memory } = this.#p;
    memory.allowsUnaligned = true;
    try {
      return this.run(code.mode);
    } finally {
      memory.allowsUnaligned = false;
    }
  }
}
