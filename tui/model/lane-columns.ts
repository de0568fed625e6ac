// Turns one LP's schedule switches between two samples into lane columns: each column shows what ran longest in its share of the time.
// Why by longest: a column is 250 ms wide and a slice some milliseconds; the last switch alone would make the lane a lottery.

/** Lane cells that are not a VP (VPs are 0 and up). */
export const LaneCell = { IDLE: -1, GAP: -2, DEAD: -3 } as const;

/** From LP clock `clock` on, `code` runs (a VP's mark, or LaneCell.IDLE). */
export interface LaneSwitch {
  readonly clock: number;
  readonly code: number;
}

/**
 * `count` columns for LP clock `from`..`to`, where `start` ran at `from`; `switches` are in clock order.
 * Without any progress of the clock, or without switches, all columns show `end`.
 */
export function laneColumns(
  from: number,
  to: number,
  start: number,
  switches: readonly LaneSwitch[],
  count: number,
  end: number,
): number[] {
  if (!(to > from) || switches.length === 0) return new Array<number>(count).fill(end);
  const columns: number[] = [];
  const width = (to - from) / count;
  let running = start;
  let next = 0;
  while (next < switches.length && switches[next]!.clock <= from) running = switches[next++]!.code;
  for (let column = 0; column < count; column++) {
    const columnEnd = column === count - 1 ? to : from + (column + 1) * width;
    let at = from + column * width;
    const cycles = new Map<number, number>();
    while (next < switches.length && switches[next]!.clock < columnEnd) {
      cycles.set(running, (cycles.get(running) ?? 0) + switches[next]!.clock - at);
      at = switches[next]!.clock;
      running = switches[next++]!.code;
    }
    cycles.set(running, (cycles.get(running) ?? 0) + columnEnd - at);
    columns.push(longest(cycles, running));
  }
  return columns;
}

function longest(cycles: ReadonlyMap<number, number>, otherwise: number): number {
  let best = otherwise;
  let most = 0;
  for (const [code, spent] of cycles) {
    if (spent > most) {
      best = code;
      most = spent;
    }
  }
  return best;
}

/** Event records carry the low 32 bits of the LP clock; the full one is the nearest to `near` that ends in them. */
export function widenClock(clock: number, near: number): number {
  if (clock >= 2 ** 32) return clock;
  const wide = Math.floor(near / 2 ** 32) * 2 ** 32 + clock;
  if (wide - near > 2 ** 31 && wide >= 2 ** 32) return wide - 2 ** 32;
  return near - wide > 2 ** 31 ? wide + 2 ** 32 : wide;
}
