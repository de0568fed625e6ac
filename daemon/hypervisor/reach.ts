// How a VP is reached that something was posted to: which of three things its LP has to be told. Any thread that posts.
//
// The order, on both sides:
//   who posts       1 the request is visible (apic/post)   2 the VP's state is read   3 its LP is told what that state needs
//   who runs it     1 the VP's new state is stored (it runs, is ready, has halted)    2 posts are looked for, a last time (RunLoop, VpReadiness)
// So either that look finds the post, or the state read here is the one that needs to be told. A VP that moves meanwhile is looked at by the LP that it comes to after its
// LP word has changed (lp/schedule/balance). test/interleave/lp-interleavings tries all orders.
import { type VpBlock, VpState } from '../../shared/layout/vp.js';

/** A partition as the LP has it from which something is posted. */
export interface Reaching {
  readonly lp: number;
  /** LP that runs the VP, or in whose queue it stands. */
  lpOf(vp: VpBlock): number;
  stateOf(vp: VpBlock): number;
  /** Makes an LP that runs this partition leave guest code soon. */
  setKick(lp: number): void;
  /** Another LP is concerned. */
  told(vp: VpBlock, lp: number): void;
  /** It looks for work, if it sleeps. */
  wake(lp: number): void;
}

/** What was posted to the VP is visible by now. */
export const reach = (from: Reaching, vp: VpBlock): void => {
  const lp = from.lpOf(vp);
  if (lp === from.lp) from.setKick(lp);
  else tell(from, vp, lp, from.stateOf(vp));
};

/** `state`: as it was read after the post. */
export const tell = (from: Reaching, vp: VpBlock, lp: number, state: number): void => {
  // In guest code it is made to leave.
  if (state === VpState.RUNNING) from.setKick(lp);
  from.told(vp, lp);
  // One that is ready has its LP awake, which looks before it runs it.
  if (state !== VpState.RUNNING && state !== VpState.READY) from.wake(lp);
};
