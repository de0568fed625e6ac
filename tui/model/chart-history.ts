// The charted quantities of the last twelve minutes, in half-second buckets, whatever the sample rate: two minutes are shown, as they were up to ten minutes ago.

/** Width of one bucket, and buckets that a chart shows: 240 x 0.5 s = two minutes. */
export const BUCKET_MS = 500;
export const BUCKETS = 240;
/** Buckets kept: what a chart of ten minutes ago shows. 8 bytes each for every line. */
export const BUCKETS_KEPT = BUCKETS + 600_000 / BUCKET_MS;

interface Values {
  readonly values: Float64Array;
  /** Bucket of the last value that was not 0. */
  lastSeen: number;
}

export class ChartHistory {
  readonly #lines = new Map<string, Values>();
  /** Buckets filled since the start; bucket n is at n % BUCKETS_KEPT. */
  #filled = 0;
  #elapsedMs = 0;
  #accumulated = new Map<string, number>();
  #weightMs = 0;

  /** Takes rates that held for `ms`. Lines that are missing were 0. */
  push(values: ReadonlyMap<string, number>, ms: number): void {
    for (const [name, value] of values) this.#accumulated.set(name, (this.#accumulated.get(name) ?? 0) + value * ms);
    this.#weightMs += ms;
    this.#elapsedMs += ms;
    const target = Math.floor(this.#elapsedMs / BUCKET_MS + 0.25);
    if (target <= this.#filled) return;
    this.#filled = Math.max(this.#filled, target - BUCKETS_KEPT);
    for (const [name, total] of this.#accumulated)
      if (total !== 0 && !this.#lines.has(name)) this.#lines.set(name, { values: new Float64Array(BUCKETS_KEPT), lastSeen: 0 });
    for (; this.#filled < target; this.#filled++) {
      for (const [name, line] of this.#lines) {
        const value = (this.#accumulated.get(name) ?? 0) / this.#weightMs;
        line.values[this.#filled % BUCKETS_KEPT] = value;
        if (value !== 0) line.lastSeen = this.#filled;
      }
    }
    this.#accumulated = new Map();
    this.#weightMs = 0;
    // A destroyed partition's line goes when its last value has left what is kept.
    for (const [name, { lastSeen }] of this.#lines) if (lastSeen <= this.#filled - BUCKETS_KEPT) this.#lines.delete(name);
  }

  /** Number of the bucket that is filled next. */
  get end(): number {
    return this.#filled;
  }

  /** Buckets measured until `end`, at most BUCKETS. */
  measured(end = this.#filled): number {
    return Math.min(end, BUCKETS);
  }

  /** The `count` values before bucket `end`, oldest first; 0 where nothing was measured yet. */
  line(name: string, count = BUCKETS, end = this.#filled): number[] {
    const line = this.#lines.get(name);
    if (line === undefined) return new Array<number>(count).fill(0);
    const values: number[] = [];
    for (let n = end - count; n < end; n++) values.push(this.#at(line, n));
    return values;
  }

  /** Mean of buckets `from` to before `to`; NaN where there is none. */
  mean(name: string, from: number, to: number): number {
    const line = this.#lines.get(name);
    const first = Math.max(from, 0, this.#filled - BUCKETS_KEPT);
    if (to <= first) return Number.NaN;
    let total = 0;
    if (line !== undefined) for (let n = first; n < to; n++) total += this.#at(line, n);
    return total / (to - first);
  }

  names(): string[] {
    return [...this.#lines.keys()];
  }

  clear(): void {
    this.#lines.clear();
    this.#accumulated.clear();
    this.#filled = 0;
    this.#elapsedMs = 0;
    this.#weightMs = 0;
  }

  #at({ values }: Values, bucket: number): number {
    return bucket < 0 || bucket < this.#filled - BUCKETS_KEPT ? 0 : values[bucket % BUCKETS_KEPT]!;
  }
}
