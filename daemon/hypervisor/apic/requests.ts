// Takes the requests that other threads have left a VP: INIT, start-up IPI, NMI (SDM 3A 9.4, 10.1, 11.6.1).
import { ApicBase } from '../../../shared/abi/apic.js';
import { Slot, type VpBlock, VpLayout, VpRequest, VpState, vpCounterIndex } from '../../../shared/layout/vp.js';
import { initRegisters } from '../../../shared/layout/vp-reset.js';
import type { VirtualApic } from './virtual-apic.js';

const STATE_AT = VpLayout.at.state;

/** Real mode at vector << 12, as a start-up IPI has it. */
const startAt = (vp: VpBlock, vector: number): void => {
  const slots = vp.base >>> 3;
  vp.csSelector = vector << 8;
  vp.views.u64[slots + Slot.CS_BASE] = BigInt(vector << 12);
  vp.views.u64[slots + Slot.RIP] = 0n;
};

const NMIS = VpRequest.NMI | VpRequest.NMI_AGAIN;
/** One is latched beside the one that is handled, or would be if the VP had looked (SDM 3A 6.7.1). */
const takeNmis = (vp: VpBlock, count: number): void => {
  vp.nmiPending = Math.min(vp.nmiPending + count, vp.nmiBlocked === 0 ? 2 : 1);
  vp.views.u32[(vp.counters >>> 2) + vpCounterIndex.nmis] += count;
};

/**
 * Takes all request bits at once and acts on INIT, SIPI and NMI. Owner LP only, outside guest code. Returns the bits taken: the run loop derives its
 * processor's modes anew after INIT, wakes a halted VP on NMI (`nmiPending` is set), and acts on the other bits itself.
 */
export const applyRequests = (apic: VirtualApic): number => {
  const { vp } = apic;
  const { i32 } = vp.views;
  const at = (vp.base + VpLayout.at.requests) >>> 2;
  if (Atomics.load(i32, at) === 0) return 0;
  const taken = Atomics.exchange(i32, at, 0);
  const state = (vp.base + STATE_AT) >>> 2;
  if ((taken & VpRequest.INIT) !== 0) {
    initRegisters(vp);
    apic.reset();
    // The bootstrap processor goes to the reset vector, the others wait for a start-up IPI (SDM 3A 9.4.2).
    Atomics.store(i32, state, (vp.apicBaseLo & ApicBase.BSP) !== 0 ? VpState.READY : VpState.WAIT_FOR_SIPI);
  }
  if ((taken & VpRequest.SIPI) !== 0 && Atomics.load(i32, state) === VpState.WAIT_FOR_SIPI) {
    startAt(vp, Atomics.load(i32, (vp.base + VpLayout.at.sipiVector) >>> 2) & 0xff);
    Atomics.store(i32, state, VpState.READY);
  }
  if ((taken & NMIS) !== 0) takeNmis(vp, (taken & NMIS) === NMIS ? 2 : 1);
  return taken;
};
