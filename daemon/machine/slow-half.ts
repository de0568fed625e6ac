// What translated code calls when it needs TypeScript: the slow half of an instruction (`sys`), and segment checks that the inline comparison did not settle.
// Why results and not exceptions: nothing is thrown through WebAssembly; a guest's fault is written down and returned as a number.
import { PartitionLayout } from '../../shared/layout/partition.js';
import { SysResult } from '../translate/emit/frame.js';
import { SEGCHECK_EXECUTE, sysGoesOn, sysLength, sysOp } from '../translate/micro-op.js';
import { generalProtection } from './cpu/raise.js';
import { segmentCheckSlow } from './cpu/segment-check.js';
import { ripOf, setRip } from './cpu/slots.js';
import { sysHelpers } from './cpu/sys-helpers.js';
import type { GuestProcessor } from './guest-processor.js';
import type { Kick } from './kick.js';

/** Read plainly: a store of this LP's own is seen at once, and one of another LP comes with a kick. */
const CODE_EPOCH = PartitionLayout.at.codeEpoch >>> 2;

export class SlowHalf {
  readonly #p: GuestProcessor;
  readonly #kick: Kick;
  readonly #attention: () => boolean;
  /** Every instruction is counted: the dispatcher must not go on by itself. */
  readonly #counted: boolean;
  /** Where it was last called: while RIP is still this, it does not name the code that was entered. */
  lastRip = NaN;
  /** It has just faulted: RIP may be another one than that of the instruction which it did. */
  hasFaulted = false;

  constructor(p: GuestProcessor, kick: Kick, attention: () => boolean, counted: boolean) {
    this.#p = p;
    this.#kick = kick;
    this.#attention = attention;
    this.#counted = counted;
  }

  /** Returns a SysResult. */
  sys(descriptor: number): number {
    const p = this.#p;
    try {
      this.lastRip = ripOf(p.vp);
      const { i32 } = p.views;
      const epoch = i32[CODE_EPOCH];
      const left = sysHelpers[sysOp(descriptor)](p, descriptor);
      // What it has handed over is not in its place yet: the next look at the kick and at the code is behind the instruction.
      if (left === 0 && sysGoesOn(descriptor)) return SysResult.CONTINUE;
      // The helper's own stores may have changed code: then everything is looked up again after this instruction. Another LP's come with a kick, and
      // many slow halves are serializing instructions: whoever runs CPUID because code was changed must not go on in what was made of it (SDM 3A 9.1.3, 9.3).
      const changed = epoch !== i32[CODE_EPOCH];
      if (left === 0 && !changed && !this.#kick.isRaised) return SysResult.CONTINUE;
      if (left === 0) {
        const next = ripOf(p.vp) + sysLength(descriptor);
        setRip(p.vp, p.code.mode.bits === 64 ? next : next >>> 0);
      } else if (!changed && !this.#counted && !p.debug.active && !this.#attention()) return SysResult.DISPATCH;
      return SysResult.LEAVE;
    } catch (e) {
      if (e !== p.fault) throw e;
      p.memory.recordFault();
      this.hasFaulted = true;
      return SysResult.FAULT;
    }
  }

  /** 0, or what `recordFault` says. */
  segment(offset: number, immediate: number): number {
    const p = this.#p;
    try {
      if ((immediate & SEGCHECK_EXECUTE) !== 0) generalProtection(p);
      segmentCheckSlow(p, immediate & 15, offset, (immediate >>> 16) + 1, (immediate & 0x100) !== 0);
      return 0;
    } catch (e) {
      if (e !== p.fault) throw e;
      return p.memory.recordFault();
    }
  }
}
