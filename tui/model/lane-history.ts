// The columns of every LP's lane of the last ten minutes and as many more as the widest screen shows of them, in rings of a fixed size.

/** Columns kept per LP, 2 bytes each. */
export const LANE_COLUMNS_MAX = 2944;

interface Ring {
  readonly cells: Int16Array;
  /** Columns that there have ever been. */
  end: number;
}

export class LaneHistory {
  readonly #rings = new Map<number, Ring>();
  #end = 0;

  push(lp: number, codes: readonly number[]): void {
    let ring = this.#rings.get(lp);
    if (ring === undefined) {
      ring = { cells: new Int16Array(LANE_COLUMNS_MAX), end: 0 };
      this.#rings.set(lp, ring);
    }
    for (const code of codes) ring.cells[ring.end++ % LANE_COLUMNS_MAX] = code;
    this.#end = Math.max(this.#end, ring.end);
  }

  /** Columns of the longest lane, from the beginning. */
  get end(): number {
    return this.#end;
  }

  /** The `count` columns before column `end` (fewer when there are not so many), oldest first. */
  last(lp: number, count: number, end = this.#end): number[] {
    const ring = this.#rings.get(lp);
    if (ring === undefined) return [];
    const cells: number[] = [];
    for (let n = Math.max(0, end - count, ring.end - LANE_COLUMNS_MAX); n < Math.min(end, ring.end); n++)
      cells.push(ring.cells[n % LANE_COLUMNS_MAX]!);
    return cells;
  }

  clear(): void {
    this.#rings.clear();
    this.#end = 0;
  }
}
