// Stretches of a machine's time in files: `10ms`, `2s`, `500us`, `4000000cycles`.

const NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
/** A month of a machine's time. */
export const DURATION_MAX_NS = 30 * 86_400 * 1e9;

export type Duration = { readonly ns: number } | { readonly cycles: number };

/** Undefined: it is none, or too long. */
export const parseDuration = (value: unknown): Duration | undefined => {
  const match = typeof value === 'string' ? /^(\d{1,15}(?:\.\d{1,9})?)\s*(ns|us|ms|s|cycles)$/.exec(value) : null;
  if (match === null) return undefined;
  const [, number, unit] = match;
  if (unit === 'cycles') return Number.isSafeInteger(Number(number)) ? { cycles: Number(number) } : undefined;
  const ns = Number(number) * NS[unit!]!;
  return ns <= DURATION_MAX_NS ? { ns } : undefined;
};

export const cyclesOf = (duration: Duration, frequencyHz: number): number =>
  'cycles' in duration ? duration.cycles : Math.round((duration.ns * frequencyHz) / 1e9);

/** `1.25 s`, `40 ms`: for people. */
export const formatSeconds = (seconds: number): string => {
  if (seconds >= 1) return `${Number(seconds.toFixed(2))} s`;
  if (seconds >= 1e-3) return `${Number((seconds * 1e3).toFixed(2))} ms`;
  return `${Number((seconds * 1e6).toFixed(1))} us`;
};
