// Chooses the home LP of each VP of a new partition: the least loaded ones first, so that partitions spread over the machine.

/** Home LPs of VPs 0..vps-1. `load[lp]` is the number of VPs that live there already; only LPs of `alive` are chosen (it must not be empty). */
export const placeVps = (vps: number, alive: readonly number[], load: readonly number[]): number[] => {
  const standing = new Map(alive.map((lp) => [lp, load[lp] ?? 0]));
  return Array.from({ length: vps }, () => {
    let home = alive[0]!;
    for (const lp of alive) if (standing.get(lp)! < standing.get(home)!) home = lp;
    standing.set(home, standing.get(home)! + 1);
    return home;
  });
};
