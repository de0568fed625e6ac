// Accesses to guest-physical addresses that are not RAM: the VP's own APIC page, the platform's devices, and nothing at all.
import { ApicRegister } from '../../shared/abi/apic.js';
import { NO_WAIT } from '../../shared/layout/lp-context.js';
import type { Mmio } from '../machine/guest-memory.js';
import { hasPosted } from './apic/post.js';
import { awaitedBefore, wakeIfEarlier } from './device-timers.js';
import type { PartitionOnLp } from './partition-on-lp.js';

const XAPIC_FIRST = 0xfee0_0000;
const XAPIC_END = 0xfef0_0000;
/** The time for registers that do not ask for it. */
const TIMELESS = 0;
const ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;

export class DeviceMemory implements Mmio {
  readonly #on: PartitionOnLp;
  /** The virtual APIC counts its accesses itself. */
  readonly #apicIntercept: () => void;
  readonly #intercept: () => void;

  constructor(on: PartitionOnLp) {
    this.#on = on;
    this.#apicIntercept = on.account('apicMmio', undefined, 'mmio');
    this.#intercept = on.account('mmio', undefined, 'mmio');
  }

  read(gpa: number, bytes: 1 | 2 | 4): number {
    const on = this.#on;
    this.#account(gpa);
    // A loop that asks a device may wait for no more than time to pass.
    on.processor.context.waitEnd = -NO_WAIT;
    const apic = on.apics[on.current];
    if (apic.respondsAt(gpa)) {
      const offset = gpa & 0xffc;
      const value = apic.mmioRead(bytes === 4 ? gpa & 0xfff : offset, offset === ApicRegister.TIMER_CURRENT ? on.clock.now() : TIMELESS);
      return bytes === 4 ? value : (value >>> ((gpa & 3) * 8)) & ONES[bytes];
    }
    on.count(on.vps[on.current], 'mmioAccesses');
    // Addresses that nothing answers read as all ones.
    return on.platform.claimsMmio(gpa) ? on.platform.mmioRead(gpa, bytes) : ONES[bytes];
  }

  write(gpa: number, bytes: 1 | 2 | 4, value: number): boolean {
    const on = this.#on;
    this.#account(gpa);
    const apic = on.apics[on.current];
    if (apic.respondsAt(gpa)) {
      if (bytes !== 4) return false;
      const offset = gpa & 0xfff;
      // TPR and EOI do no more than let an interrupt through that is there already; other registers may start a timer, too.
      const timeless = offset === ApicRegister.TPR || offset === ApicRegister.EOI;
      apic.mmioWrite(offset, value, timeless ? TIMELESS : on.clock.now());
      const isWanted = apic.pendingVector() >= 0 || hasPosted(apic.vp);
      if (!timeless || isWanted) on.kickSelf();
      // What a command has sent its own processor comes before the next instruction, as on real ones; a timer that was set is looked at when the LP next does.
      return isWanted;
    }
    on.count(on.vps[on.current], 'mmioAccesses');
    if (!on.platform.claimsMmio(gpa)) return false;
    const awaited = awaitedBefore(on);
    on.platform.mmioWrite(gpa, bytes, value);
    wakeIfEarlier(on, awaited);
    return false;
  }

  #account(gpa: number): void {
    if (gpa >= XAPIC_FIRST && gpa < XAPIC_END) this.#apicIntercept();
    else this.#intercept();
  }
}
