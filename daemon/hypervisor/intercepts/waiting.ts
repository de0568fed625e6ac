// HLT, MWAIT, PAUSE and loops that only wait: the VP has nothing to do, waits for a store, or spins for another VP (monitors, spin-window).
import { PartitionMap } from '../../../shared/layout/partition.js';
import { SpinKind } from '../../../shared/layout/schedule.js';
import { MWait, VpState } from '../../../shared/layout/vp.js';
import { SpinDetect } from '../../../shared/protocol/policies.js';
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import type { SpinWindow } from '../spin/spin-window.js';

export const waitingIntercepts = (
  on: PartitionOnLp,
  spinWindow: SpinWindow,
): Pick<Intercepts, 'halt' | 'monitor' | 'mwait' | 'pause' | 'waiting'> => ({
  halt() {
    const { vp } = on.processor;
    on.intercept('hlt');
    on.count(vp, 'hltIntercepts');
    on.setState(vp, VpState.HALTED);
  },
  monitor(spa) {
    const gpa = spa - PartitionMap.RAM;
    on.intercept('hlt');
    on.monitors.arm(on.processor.vp, gpa);
    on.mmu.lp.handshake.watchCode(gpa >>> 12);
  },
  mwait(maskedToo) {
    const { vp } = on.processor;
    on.intercept('hlt');
    on.count(vp, 'hltIntercepts');
    if (!on.monitors.isArmed(vp)) return false;
    vp.mwait = MWait.WAITING | (maskedToo ? MWait.MASKED_TOO : 0);
    on.setState(vp, VpState.HALTED);
    return true;
  },
  /** A spin loop gives the LP to another VP. */
  pause() {
    on.charge('pause');
    if (!on.detects(SpinDetect.PAUSE) || !spinWindow.pause(on.clock.cycles())) return;
    on.intercept('pause');
    on.count(on.processor.vp, 'pauseIntercepts');
    on.spins(spinWindow.isLong ? SpinKind.LONG : SpinKind.SHORT, SpinDetect.PAUSE, 'pauseSpins');
  },
  /** No instruction of the guest's: the simulated processor tells, as PAUSE-loop exiting does of PAUSEs. */
  waiting() {
    if (!on.detects(SpinDetect.LOOP)) return;
    const { processor } = on;
    const isFound = spinWindow.waited(on.clock.cycles());
    processor.context.waitWindow = spinWindow.piece(processor.remaining);
    if (!isFound) return;
    on.intercept('pause');
    on.spins(spinWindow.isLong ? SpinKind.LONG : SpinKind.SHORT, SpinDetect.LOOP, 'loopSpins');
  },
});
