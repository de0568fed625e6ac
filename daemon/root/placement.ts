// Chooses the home LP of each VP of a new partition: the least loaded ones first, so that partitions spread over the machine.
import { RESERVE_MAX } from '../../shared/layout/schedule.js';

/** What stands at an LP already. */
export interface Standing {
  /** VPs that live there. */
  readonly vps: number;
  /** Percent of it that is reserved. */
  readonly reserved: number;
}

/**
 * Home LPs of VPs 0..vps-1, each of which reserves `reserve` percent; only LPs of `allowed` are chosen (it must not be empty). Shorter than `vps` when there is no room
 * for what the others reserve.
 */
export const placeVps = (
  vps: number,
  reserve: number,
  allowed: readonly number[],
  standing: readonly (Standing | undefined)[],
): number[] => {
  const all = new Map(allowed.map((lp) => [lp, { ...(standing[lp] ?? { vps: 0, reserved: 0 }) }]));
  const homes: number[] = [];
  for (let vp = 0; vp < vps; vp++) {
    let home: number | undefined;
    for (const [lp, { vps: count, reserved }] of all) {
      if (reserve > 0 && reserved + reserve > RESERVE_MAX) continue;
      if (home === undefined || count < all.get(home)!.vps) home = lp;
    }
    if (home === undefined) break;
    const chosen = all.get(home)!;
    chosen.vps++;
    chosen.reserved += reserve;
    homes.push(home);
  }
  return homes;
};
