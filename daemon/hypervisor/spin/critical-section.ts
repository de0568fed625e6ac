// Whether a VP is in a critical section, as far as a hypervisor can tell (US20100031254A1): policy `spin.hints`.
// Only code of level 0 holds a kernel's locks. Interrupts off is how a kernel keeps its own processor out (spin_lock_irqsave); a task priority from 2 on is how
// another one does (DISPATCH_LEVEL); RIP in a range is for guests that do neither and whose symbols the operator knows.
import { Rflags } from '../../../shared/abi/registers.js';
import { type VpRange, vpRangesOf } from '../../../shared/layout/critical-ranges.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { findPolicy, SpinHint, settingIn } from '../../../shared/protocol/policies.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

const HINTS = findPolicy('spin.hints');
/** Task priority class from which on it counts. */
const TPR_CLASS = 2;

export class CriticalSection {
  readonly #on: PartitionOnLp;
  readonly #ranges: readonly VpRange[];

  constructor(on: PartitionOnLp) {
    this.#on = on;
    this.#ranges = vpRangesOf(on.views);
  }

  holds(vp: VpBlock): boolean {
    if (vp.cpl !== 0) return false;
    const on = this.#on;
    const hints = settingIn(on.views, on.wiring.machine, HINTS);
    if ((hints & SpinHint.INTERRUPTS_OFF) !== 0 && (on.systemFlags(vp) & Rflags.IF) === 0) return true;
    if ((hints & SpinHint.TASK_PRIORITY) !== 0 && vp.apicTpr >>> 4 >= TPR_CLASS) return true;
    if ((hints & SpinHint.INSPECTION) === 0 || this.#ranges.length === 0) return false;
    const rip = BigInt.asUintN(64, on.views.u64[(vp.base >>> 3) + Slot.RIP]);
    return this.#ranges.some(({ from, to }) => rip >= from && rip < to);
  }
}
