// Rates out of totals: the daemon sends monotonic counters, the reader takes the differences.

const WRAP = 2 ** 32;

/** Per second. Counters are 32 bits wide at their source and wrap; a counter that was reset (partition restarted) counts from 0. */
export function counterRate(before: number | undefined, now: number | undefined, seconds: number): number {
  if (before === undefined || now === undefined || !(seconds > 0)) return 0;
  let difference = now - before;
  if (difference < 0) difference = before > WRAP * 0.75 && before < WRAP && now < WRAP * 0.25 ? difference + WRAP : now;
  return difference / seconds;
}

/** The rate of every counter in `now`. */
export function counterRates(
  before: Readonly<Record<string, number>> | undefined,
  now: Readonly<Record<string, number>>,
  seconds: number,
): Record<string, number> {
  const rates: Record<string, number> = {};
  for (const name of Object.keys(now)) rates[name] = before === undefined ? 0 : counterRate(before[name] ?? 0, now[name], seconds);
  return rates;
}

/** Adds the counters of `from` to `into`. */
export function addCounters(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const name of Object.keys(from)) into[name] = (into[name] ?? 0) + (from[name] ?? 0);
}

export const sum = (record: Readonly<Record<string, number>>): number => Object.values(record).reduce((total, n) => total + n, 0);
