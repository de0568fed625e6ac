// Two minutes of the charted quantities, in half-second buckets, whatever the sample rate.

/** Width of one bucket, and buckets kept: 240 x 0.5 s = two minutes. */
export const BUCKET_MS = 500;
export const BUCKETS = 240;

export class ChartHistory {
  readonly #lines = new Map<string, Float64Array>();
  /** Buckets filled since the start; bucket n is at n % BUCKETS. */
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
    this.#filled = Math.max(this.#filled, target - BUCKETS);
    const means = new Map([...this.#accumulated].map(([name, total]) => [name, total / this.#weightMs]));
    for (const name of means.keys()) if (!this.#lines.has(name)) this.#lines.set(name, new Float64Array(BUCKETS));
    for (; this.#filled < target; this.#filled++) {
      for (const [name, values] of this.#lines) values[this.#filled % BUCKETS] = means.get(name) ?? 0;
    }
    this.#accumulated = new Map();
    this.#weightMs = 0;
    this.#forgetEmpty();
  }

  /** Buckets measured so far, at most BUCKETS. */
  get length(): number {
    return Math.min(this.#filled, BUCKETS);
  }

  /** The newest `count` values, oldest first; 0 where nothing was measured yet. */
  line(name: string, count = BUCKETS): number[] {
    const line = this.#lines.get(name);
    if (line === undefined) return new Array<number>(count).fill(0);
    const values: number[] = [];
    for (let i = BUCKETS - count; i < BUCKETS; i++) values.push(line[(this.#filled + i) % BUCKETS]!);
    return values;
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

  /** A destroyed partition's line goes when its last value has left the window. */
  #forgetEmpty(): void {
    for (const [name, line] of this.#lines) if (line.every((value) => value === 0)) this.#lines.delete(name);
  }
}
