// IN and OUT: the platform answers. A write may start a device timer that is due before the run would end.
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import type { VpReadiness } from '../vp-readiness.js';

export const portIntercepts = (on: PartitionOnLp, readiness: VpReadiness): Pick<Intercepts, 'ioRead' | 'ioWrite'> => {
  const account = on.account('io', 'ioIntercepts', 'portIo');
  /** Ends the run early when a timer of this LP's VPs is due within it. */
  const shorten = (): void => {
    if (on.wiring.realtime) return;
    if (readiness.deadline() - on.clock.cycles() < on.processor.remaining) on.kickSelf();
  };
  return {
    ioRead(port, bytes) {
      account();
      return on.platform.ioRead(port, bytes);
    },
    ioWrite(port, bytes, value) {
      account();
      on.platform.ioWrite(port, bytes, value);
      if (on.platform.nextDeadline() < Number.POSITIVE_INFINITY) shorten();
    },
  };
};
