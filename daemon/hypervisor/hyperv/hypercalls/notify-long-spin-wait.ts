// HvCallNotifyLongSpinWait (TLFS 10.1.1): the caller spins for what another VP has. Its LP runs another VP, as after a loop of PAUSEs. Never fails.
import { HvCall, HvStatus } from '../../../../shared/abi/hyperv.js';
import { SpinKind } from '../../../../shared/layout/schedule.js';
import { SpinDetect } from '../../../../shared/protocol/policies.js';
import type { SimpleHypercall } from '../hypercall.js';

/** Input: +0 u32 how often it has tried, +4 u32 zero; neither changes anything. */
export const notifyLongSpinWait = (): SimpleHypercall => ({
  kind: 'simple',
  code: HvCall.NOTIFY_LONG_SPIN_WAIT,
  name: 'NotifyLongSpinWait',
  allowed: () => true,
  header: 8,
  output: 0,
  run: ({ on }) => {
    on.count(on.processor.vp, 'longSpinWaits');
    on.spins(SpinKind.LONG, SpinDetect.HYPERCALL, 'hypercallSpins');
    return HvStatus.SUCCESS;
  },
});
