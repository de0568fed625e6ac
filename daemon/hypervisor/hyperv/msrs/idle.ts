// GUEST_IDLE: a read of it lets the VP wait for an interrupt, also for one that RFLAGS.IF keeps from it (TLFS 10.1.4).
import { HvMsr } from '../../../../shared/abi/hyperv.js';
import { countSpin } from '../../../../shared/layout/schedule.js';
import { MWait, VpState } from '../../../../shared/layout/vp.js';
import { SpinDetect } from '../../../../shared/protocol/policies.js';
import { REFUSED, type Registers } from '../../msr/register.js';
import type { HyperV } from '../hyperv.js';

export const idleRegisters = ({ on }: HyperV): Registers => [
  [
    HvMsr.GUEST_IDLE,
    {
      read: ({ apic: { vp } }) => {
        if (!on.detects(SpinDetect.IDLE)) return 0n;
        on.count(vp, 'hltIntercepts');
        countSpin(on.schedules[vp.index], 'idleWaits');
        vp.mwait = MWait.MASKED_TOO;
        on.setState(vp, VpState.HALTED);
        return 0n;
      },
      write: () => REFUSED,
    },
  ],
];
