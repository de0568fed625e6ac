// Builds the processor of a partition on an LP: what surrounds it is the vTLB, the flush handshake and the intercepts.
import { lpContextAt } from '../../shared/layout/partition.js';
import type { Mmio } from '../machine/guest-memory.js';
import { GuestProcessor } from '../machine/guest-processor.js';
import type { Intercepts } from '../machine/processor.js';
import { WatchedCode } from '../machine/watched-code.js';
import type { Observer } from './observer.js';
import type { PartitionOnLp } from './partition-on-lp.js';

/** `attention`: whether the VP's state needs a look after an instruction done by the slow half. */
export const buildProcessor = (
  on: PartitionOnLp,
  intercepts: Intercepts,
  mmio: Mmio,
  attention: () => boolean,
  observer: Observer | undefined,
): GuestProcessor => {
  const { mmu, wiring } = on;
  const { handshake } = mmu.lp;
  const watched = new WatchedCode(handshake.words);
  return new GuestProcessor(
    wiring.memory,
    lpContextAt(wiring.lp),
    {
      features: on.model.features,
      fault: on.fault,
      translator: mmu,
      mmio,
      intercepts,
      cpuidCycles: on.roundTrip(),
      exitCycles: {
        apicPage: on.roundTrip('sptFill') + on.roundTrip('mmio'),
        port: on.roundTrip('portIo'),
        crAccess: on.roundTrip(),
        fill: on.roundTrip('sptFill'),
        invlpg: on.roundTrip(),
      },
      watchCode: (gfn) => handshake.watchCode(gfn),
      unwatchCode: (gfn, marked) => {
        if (handshake.unwatchCode(gfn, marked)) return;
        // Whoever translated in between did so from bytes that could be written unseen.
        watched.outdate(gfn);
        on.kickOtherLps();
      },
      isMonitored: (gfn) => on.monitors.watches(gfn),
      stored: (gfn, offset, bytes) => on.monitors.stored(gfn, offset, bytes),
      kickOthers: () => on.kickOtherLps(),
      stopOthers: () => handshake.stopOthers(),
      releaseOthers: () => handshake.releaseOthers(),
      attention,
      enterGuest: () => handshake.enterGuest(),
      leaveGuest: () => handshake.leaveGuest(),
    },
    {
      tiers: wiring.tiers,
      hotRuns: wiring.hotRuns,
      alone: on.vpCount === 1,
      keepsUnits: wiring.keepsUnits,
      count: observer?.count,
      stacks: observer?.stacks,
      trace: observer?.trace,
    },
  );
};
