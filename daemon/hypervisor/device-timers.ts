// The platform's timers are VP 0's LP's to wait for (VpReadiness). What a VP on another LP has made due earlier that LP must hear of, or it sleeps past it.
import type { PartitionOnLp } from './partition-on-lp.js';

/** Before an access to a device: when its LP means to wake; -Infinity where it is this one, which looks itself. */
export const awaitedBefore = (on: PartitionOnLp): number =>
  on.vps[0].lp === on.wiring.lp ? Number.NEGATIVE_INFINITY : on.platform.nextDeadline();

/** After it. */
export const wakeIfEarlier = (on: PartitionOnLp, awaited: number): void => {
  if (on.platform.nextDeadline() < awaited) on.kick(0);
};
