// The registers of a caller of hypercalls (TLFS 3.7, 3.8): 64-bit code has them in RCX, RDX and R8, all other code in pairs; fast calls go on in XMM0 to XMM5.
import { HV_FAST_BYTES } from '../../../shared/abi/hyperv.js';
import { Slot, VectorSlot, type VpBlock } from '../../../shared/layout/vp.js';
import { is64BitCode } from '../../machine/cpu/mode.js';
import { setSlot32, setSlotHalves, slotHi, slotLo } from '../../machine/cpu/slots.js';

const REP_SHIFT = 16;
const REP_MASK = 0xfff << REP_SHIFT;

export class Caller {
  #vp: VpBlock | undefined;
  /** EFER.LMA and CS.L. */
  is64 = false;
  /** The hypercall input value, by halves. */
  controlLow = 0;
  controlHigh = 0;

  load(vp: VpBlock): void {
    this.#vp = vp;
    this.is64 = is64BitCode(vp);
    this.controlLow = this.is64 ? slotLo(vp, Slot.RCX) : slotLo(vp, Slot.RAX);
    this.controlHigh = this.is64 ? slotHi(vp, Slot.RCX) : slotLo(vp, Slot.RDX);
  }
  get #block(): VpBlock {
    return this.#vp as VpBlock;
  }

  /** Guest-physical address of the input (0) or output (1) parameters. */
  address(which: 0 | 1): number {
    return this.#parameterHigh(which) * 4294967296 + this.#parameterLow(which);
  }
  #parameterLow(which: 0 | 1): number {
    const vp = this.#block;
    if (this.is64) return slotLo(vp, which === 0 ? Slot.RDX : Slot.R8);
    return slotLo(vp, which === 0 ? Slot.RCX : Slot.RSI);
  }
  #parameterHigh(which: 0 | 1): number {
    const vp = this.#block;
    if (this.is64) return slotHi(vp, which === 0 ? Slot.RDX : Slot.R8);
    return slotLo(vp, which === 0 ? Slot.RBX : Slot.RDI);
  }

  /** Input of a fast call: two parameters, then as much of the XMM registers as makes up `bytes`. */
  readFast(input: DataView, bytes: number): void {
    for (const which of [0, 1] as const) {
      input.setUint32(which * 8, this.#parameterLow(which), true);
      input.setUint32(which * 8 + 4, this.#parameterHigh(which), true);
    }
    const { data, base } = this.#vectors();
    for (let at = HV_FAST_BYTES; at < bytes; at += 8) input.setBigUint64(at, data.getBigUint64(base + at - HV_FAST_BYTES, true), true);
  }
  /** Bytes `first` to `end` of a fast call's output, which begins in the registers at byte `from` of the block (64-bit code only). */
  writeFast(output: DataView, from: number, first: number, end: number): void {
    const vp = this.#block;
    const { data, base } = this.#vectors();
    for (let at = from + first; at < from + end; at += 8) {
      const value = output.getBigUint64(at - from, true);
      if (at >= HV_FAST_BYTES) data.setBigUint64(base + at - HV_FAST_BYTES, value, true);
      else vp.views.u64[(vp.base >>> 3) + (at === 0 ? Slot.RDX : Slot.R8)] = value;
    }
  }
  #vectors(): { data: DataView; base: number } {
    const vp = this.#block;
    return { data: vp.views.data, base: vp.vectors + VectorSlot.XMM * 16 };
  }

  /** The call is over. */
  setResult(status: number, repsDone: number): void {
    const vp = this.#block;
    if (this.is64) setSlotHalves(vp, Slot.RAX, status, repsDone);
    else {
      setSlot32(vp, Slot.RAX, status);
      setSlot32(vp, Slot.RDX, repsDone);
    }
  }
  /** The instruction will be executed again, from this element on (TLFS 3.4). */
  setRepStart(start: number): void {
    const vp = this.#block;
    const high = (this.controlHigh & ~REP_MASK) | (start << REP_SHIFT);
    if (this.is64) setSlotHalves(vp, Slot.RCX, this.controlLow, high);
    else setSlot32(vp, Slot.RDX, high);
  }
}
