// What the hypercall page holds: the instruction that calls the hypervisor on this processor, and a near return; INT3 behind them.
// The same four bytes serve callers of 16, 32 and 64 bits (TLFS 3.13; page content as other hypervisors of the family have it).
import { PartitionOverlay } from '../../../shared/layout/hyperv.js';
import type { HyperV } from './hyperv.js';

/** VMCALL; RET. The simulated processors are Intel's. */
const CALL_AND_RETURN = [0x0f, 0x01, 0xc1, 0xc3];
const INT3 = 0xcc;

/** Before the page is first mapped; nobody writes it afterwards. */
export const fillHypercallPage = ({ on, overlays }: HyperV): void => {
  const at = overlays.address(PartitionOverlay.HYPERCALL);
  if (on.views.u8[at] !== 0) return;
  on.views.u8.fill(INT3, at, at + 4096);
  on.views.u8.set(CALL_AND_RETURN, at);
};
