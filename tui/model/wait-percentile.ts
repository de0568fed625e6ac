// Percentiles of waits that are counted in buckets of powers of two (protocol: LpStats.fillWaitUs).

/** Microseconds that the share `p` (0..1) of all waits did not exceed: the upper bound of its bucket, Infinity in the last one, NaN without waits. */
export function waitPercentile(buckets: readonly number[], p: number): number {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return Number.NaN;
  let seen = 0;
  for (const [bucket, count] of buckets.entries()) {
    seen += count;
    if (seen >= p * total) return bucket === buckets.length - 1 ? Number.POSITIVE_INFINITY : 2 ** bucket;
  }
  return Number.POSITIVE_INFINITY;
}
