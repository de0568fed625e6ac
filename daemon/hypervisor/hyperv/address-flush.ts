// What the four flush hypercalls have in common: their header, and the flush itself (TLFS 9.4.6; vtlb/remote-flush.ts). All flush every address space, whichever they name.
//
//   header:   +0 u64 address space   +8 u64 flags   +16 u64 mask of VPs, or HV_VP_SET
//   element:  u64 page address | pages beyond the first (11..0)
import { HvFlush, HvRecommendation, HvStatus } from '../../../shared/abi/hyperv.js';
import { LINEAR_ADDRESS_BITS } from '../../../shared/abi/registers.js';
import { isLongMode } from '../../machine/cpu/mode.js';
import type { CallData } from './hypercall.js';
import type { HyperV } from './hyperv.js';
import { VpTargets } from './vp-targets.js';

const Header = { FLAGS: 8, TARGETS: 16 } as const;
export const MASK_HEADER = 24;
/** Fixed part of the header with a set; its banks are the variable part. */
export const SET_HEADER = 32;
/** A range longer than this is cheaper to flush with everything else. */
const PAGES_MAX = 32;
const CANONICAL_LIMIT = 2 ** (LINEAR_ADDRESS_BITS - 1);

/** Whether the guest was told to use them, for itself or for other VPs. */
export const mayFlush = (hv: HyperV): boolean =>
  hv.recommends(HvRecommendation.REMOTE_FLUSH) || hv.recommends(HvRecommendation.LOCAL_FLUSH);
export const mayFlushSets = (hv: HyperV): boolean => mayFlush(hv) && hv.recommends(HvRecommendation.EX_PROCESSOR_MASKS);

/** The flush that is being made; one at a time on an LP. */
export class AddressFlush {
  readonly #targets = new VpTargets();
  #everything = false;

  /** Looks at the header. `set`: of an Ex call; `list`: a list of ranges follows, for which NON_GLOBAL_ONLY means nothing. */
  begin(call: CallData, set: boolean, list: boolean): HvStatus {
    this.#everything = !list;
    const flags = call.input.getBigUint64(Header.FLAGS, true);
    const known = HvFlush.ALL_PROCESSORS | HvFlush.ALL_ADDRESS_SPACES | (list ? 0 : HvFlush.NON_GLOBAL_ONLY);
    if ((flags & ~BigInt(known)) !== 0n) return HvStatus.INVALID_PARAMETER;
    const all = (flags & BigInt(HvFlush.ALL_PROCESSORS)) !== 0n;
    if (set) {
      const status = this.#targets.readSet(call, Header.TARGETS);
      if (status !== HvStatus.SUCCESS) return status;
    } else this.#targets.setMask(call.input.getBigUint64(Header.TARGETS, true));
    if (all) this.#targets.setAll();
    // A mask for nobody is a mistake; an empty set is a set.
    return !set && this.#targets.isEmpty ? HvStatus.INVALID_PARAMETER : HvStatus.SUCCESS;
  }

  /** One range of a list. What is no address of the guest is passed over. */
  range({ on }: HyperV, { input }: CallData, at: number): HvStatus {
    const low = input.getUint32(at, true);
    const gva = input.getInt32(at + 4, true) * 4294967296 + low - (low & 4095);
    const count = (low & 4095) + 1;
    const { vp } = on.processor;
    if (!isLongMode(vp) && (gva < 0 || gva >= 4294967296)) return HvStatus.SUCCESS;
    if (gva >= CANONICAL_LIMIT || gva < -CANONICAL_LIMIT) return HvStatus.SUCCESS;
    if (count > PAGES_MAX) this.#everything = true;
    else if (!this.#everything) on.mmu.lp.remote.pages(gva, count);
    return HvStatus.SUCCESS;
  }

  /** On return no target uses what was flushed. */
  end({ on }: HyperV): void {
    const { remote } = on.mmu.lp;
    if (this.#everything) remote.everySpace();
    let low = 0;
    let high = 0;
    this.#targets.each(on.vpCount, (index) => {
      const { lp } = on.vps[index];
      if (lp < 32) low |= 1 << lp;
      else high |= 1 << (lp & 31);
    });
    remote.hardwareTlbs(low, high);
    on.count(on.processor.vp, 'addressDomainFlushes');
  }
}
