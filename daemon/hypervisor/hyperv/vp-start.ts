// Starting a VP from another one: the registers are left in partition memory, and the LP that has the VP takes them (TLFS 7.9).
// Why not written at once: only the LP that runs a VP may change its registers, and an INIT may be on its way to it.
import { HvStatus } from '../../../shared/abi/hyperv.js';
import { HypervVpLayout } from '../../../shared/layout/hyperv.js';
import { VpLayout, VpRequest, VpState } from '../../../shared/layout/vp.js';
import type { HyperV } from './hyperv.js';
import { applyContext, isPossible } from './initial-context.js';

const BYTES = HypervVpLayout.fields.startContext.bytes;

/** Leaves the registers at byte `at` of `input` for the VP, which waits for a start. */
export const requestStart = (hv: HyperV, index: number, input: DataView, at: number): HvStatus => {
  const { on, vps } = hv;
  const vp = on.vps[index];
  const context = new DataView(input.buffer, at, BYTES);
  if (!isPossible(context, on.model.features)) return HvStatus.INVALID_REGISTER_VALUE;
  return hv.exclusively(() => {
    const request = (vp.base + VpLayout.at.requests) >>> 2;
    const { i32, u8 } = on.views;
    if (on.stateOf(vp) !== VpState.WAIT_FOR_SIPI || (Atomics.load(i32, request) & VpRequest.START) !== 0) return HvStatus.INVALID_VP_STATE;
    u8.set(new Uint8Array(input.buffer, at, BYTES), vps[index].startContext);
    Atomics.or(i32, request, VpRequest.START);
    on.kick(index);
    return HvStatus.SUCCESS;
  });
};

/** The VP's own LP has taken the request. */
export const takeStart = ({ on, vps }: HyperV, index: number): void => {
  const vp = on.vps[index];
  if (on.stateOf(vp) !== VpState.WAIT_FOR_SIPI) return;
  const bytes = on.views.u8.slice(vps[index].startContext, vps[index].startContext + BYTES);
  applyContext(vp, new DataView(bytes.buffer));
  on.setState(vp, VpState.READY);
};
