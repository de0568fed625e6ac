// HLT and PAUSE: the VP has nothing to do, or spins for another one (pause-loop).
import { VpState } from '../../../shared/layout/vp.js';
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import type { PauseLoop } from '../pause-loop.js';

export const waitingIntercepts = (on: PartitionOnLp, pauseLoop: PauseLoop): Pick<Intercepts, 'halt' | 'pause'> => ({
  halt() {
    const { vp } = on.processor;
    on.intercept('hlt');
    on.count(vp, 'hltIntercepts');
    on.setState(vp, VpState.HALTED);
  },
  /** A spin loop gives the LP to another VP. */
  pause() {
    on.charge('pause');
    if (!pauseLoop.pause(on.clock.cycles())) return;
    on.intercept('pause');
    on.count(on.processor.vp, 'pauseIntercepts');
    on.yielded = true;
    on.kickSelf();
  },
});
