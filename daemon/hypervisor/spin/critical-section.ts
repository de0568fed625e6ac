// Whether a VP is in a critical section, as far as a hypervisor can tell (US20100031254A1): policy `spin.hints`.
// Only code of level 0 holds a kernel's locks. Interrupts off is how a kernel keeps its own processor out (spin_lock_irqsave); a task priority from 2 on is how
// another one does (DISPATCH_LEVEL); RIP in a range is for guests that do neither and whose symbols the operator knows; a word of each VP is for those that count
// (Linux: preempt_count, at an offset in GS), and for guests that tell on purpose.
import { Rflags } from '../../../shared/abi/registers.js';
import { type VpRange, type VpWord, vpRangesOf, vpWordOf, WordBase } from '../../../shared/layout/critical-ranges.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { findPolicy, SpinHint, settingIn } from '../../../shared/protocol/policies.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

const HINTS = findPolicy('spin.hints');
/** Task priority class from which on it counts. */
const TPR_CLASS = 2;

export class CriticalSection {
  readonly #on: PartitionOnLp;
  readonly #ranges: readonly VpRange[];
  readonly #word: VpWord;

  constructor(on: PartitionOnLp) {
    this.#on = on;
    this.#ranges = vpRangesOf(on.views);
    this.#word = vpWordOf(on.views);
  }

  holds(vp: VpBlock): boolean {
    if (vp.cpl !== 0) return false;
    const on = this.#on;
    const hints = settingIn(on.views, on.wiring.machine, HINTS);
    if ((hints & SpinHint.INTERRUPTS_OFF) !== 0 && (on.systemFlags(vp) & Rflags.IF) === 0) return true;
    if ((hints & SpinHint.TASK_PRIORITY) !== 0 && vp.apicTpr >>> 4 >= TPR_CLASS) return true;
    if ((hints & SpinHint.INSPECTION) !== 0 && this.#ranges.length > 0) {
      const rip = BigInt.asUintN(64, on.views.u64[(vp.base >>> 3) + Slot.RIP]);
      if (this.#ranges.some(({ from, to }) => rip >= from && rip < to)) return true;
    }
    return (hints & SpinHint.WORD) !== 0 && this.#word.base !== WordBase.NONE && this.#wordHolds(vp);
  }

  /** What cannot be read without effects on the guest (its page has not been touched for long) says nothing. */
  #wordHolds(vp: VpBlock): boolean {
    const { processor, views } = this.#on;
    // Addresses are those of the VP that the processor was loaded with.
    if (processor.vp.index !== vp.index) return false;
    const { base, offset, stride, mask } = this.#word;
    const segment = base === WordBase.GS ? Slot.GS_BASE : Slot.FS_BASE;
    const from = base === WordBase.LINEAR ? 0n : views.u64[(vp.base >>> 3) + segment];
    const value = processor.memory.peekWord(Number(BigInt.asIntN(64, from + offset + BigInt(stride * vp.index))), 4);
    return !Number.isNaN(value) && (value & mask) !== 0;
  }
}
