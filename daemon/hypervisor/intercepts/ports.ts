// IN and OUT: the platform answers. A write may start a device timer that is due before the run would end.
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Intercepts } from '../../machine/processor.js';
import { awaitedBefore, wakeIfEarlier } from '../device-timers.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import type { VpReadiness } from '../vp-readiness.js';
import { ignoreFloatError } from './float-error.js';

const A20_CLOSED = (PartitionMap.HEADER + PartitionLayout.at.a20Closed) >>> 2;
const SystemPort = { KEYBOARD_DATA: 0x60, KEYBOARD_COMMAND: 0x64, CONTROL_A: 0x92 } as const;

export const portIntercepts = (on: PartitionOnLp, readiness: VpReadiness): Pick<Intercepts, 'ioRead' | 'ioWrite'> => {
  const account = on.account('io', 'ioIntercepts', 'portIo');
  /** Ends the run early when a timer of this LP's VPs is due within it. */
  const shorten = (): void => {
    if (on.wiring.realtime) return;
    if (readiness.deadline() - on.clock.cycles() < on.processor.remaining) on.kickSelf();
  };
  /** Both ways to the A20 gate end in the keyboard controller. Outside the device lock: other LPs may be waiting for it, and must answer the flush. */
  const followA20 = (): void => {
    const closed = on.platform.a20 ? 0 : 1;
    if (Atomics.exchange(on.views.i32, A20_CLOSED, closed) !== closed) on.mmu.flushPartition();
  };
  return {
    ioRead(port, bytes) {
      account();
      return on.platform.ioRead(port, bytes);
    },
    ioWrite(port, bytes, value) {
      account();
      const awaited = awaitedBefore(on);
      if (!on.platform.ioWrite(port, bytes, value)) return;
      if (port === SystemPort.CONTROL_A || port === SystemPort.KEYBOARD_DATA || port === SystemPort.KEYBOARD_COMMAND) followA20();
      ignoreFloatError(on, port);
      if (on.platform.nextDeadline() < Number.POSITIVE_INFINITY) shorten();
      wakeIfEarlier(on, awaited);
    },
  };
};
