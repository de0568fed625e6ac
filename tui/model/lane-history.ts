// The last columns of every LP's lane, in rings of a fixed size.

/** Columns kept per LP: more than the widest terminal shows. */
export const LANE_COLUMNS_MAX = 512;

interface Ring {
  readonly cells: Int16Array;
  length: number;
  next: number;
}

export class LaneHistory {
  readonly #rings = new Map<number, Ring>();

  push(lp: number, codes: readonly number[]): void {
    let ring = this.#rings.get(lp);
    if (ring === undefined) {
      ring = { cells: new Int16Array(LANE_COLUMNS_MAX), length: 0, next: 0 };
      this.#rings.set(lp, ring);
    }
    for (const code of codes) {
      ring.cells[ring.next] = code;
      ring.next = (ring.next + 1) % LANE_COLUMNS_MAX;
      ring.length = Math.min(ring.length + 1, LANE_COLUMNS_MAX);
    }
  }

  /** The newest `count` columns (fewer when there are not so many yet), oldest first. */
  last(lp: number, count: number): number[] {
    const ring = this.#rings.get(lp);
    if (ring === undefined) return [];
    const length = Math.min(count, ring.length);
    const cells: number[] = [];
    for (let i = length; i > 0; i--) cells.push(ring.cells[(ring.next - i + LANE_COLUMNS_MAX) % LANE_COLUMNS_MAX]!);
    return cells;
  }

  clear(): void {
    this.#rings.clear();
  }
}
