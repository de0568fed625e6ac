// Which VPs a hypercall is for: a mask of the first 64, or an HV_VP_SET (TLFS 4.2.5, 7.8.7.3). A partition here has no more than 64: further banks name nobody.
import { HvStatus, HvVpSet } from '../../../shared/abi/hyperv.js';
import type { CallData } from './hypercall.js';

const U64 = 0xffff_ffff_ffff_ffffn;
const bitsIn = (mask: bigint): number => {
  let bits = 0;
  for (let rest = mask; rest !== 0n; rest &= rest - 1n) bits++;
  return bits;
};

export class VpTargets {
  /** Bit n: VP n. */
  #mask = 0n;

  setMask(mask: bigint): void {
    this.#mask = mask;
  }
  setAll(): void {
    this.#mask = U64;
  }
  get isEmpty(): boolean {
    return this.#mask === 0n;
  }

  /** Takes an HV_VP_SET whose banks are the call's variable header: +0 u64 format, +8 u64 which banks there are, +16 u64 each bank. */
  readSet({ input, variableBytes }: CallData, at: number): HvStatus {
    const format = input.getBigUint64(at, true);
    if (format === HvVpSet.ALL) {
      this.setAll();
      return HvStatus.SUCCESS;
    }
    if (format !== HvVpSet.SPARSE) return HvStatus.INVALID_PARAMETER;
    const banks = input.getBigUint64(at + 8, true);
    if (bitsIn(banks) * 8 !== variableBytes) return HvStatus.INVALID_HYPERCALL_INPUT;
    this.#mask = (banks & 1n) === 0n ? 0n : input.getBigUint64(at + 16, true);
    return HvStatus.SUCCESS;
  }

  /** Calls `visit` for each of the partition's VPs that is meant. */
  each(vpCount: number, visit: (vp: number) => void): void {
    const low = Number(this.#mask & 0xffff_ffffn) | 0;
    const high = Number(this.#mask >> 32n) | 0;
    for (let vp = 0; vp < vpCount; vp++) if ((((vp < 32 ? low : high) >>> (vp & 31)) & 1) !== 0) visit(vp);
  }
}
