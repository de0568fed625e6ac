// Numbers as people read them on a screen: few characters, fixed widths, units.
// Why here: every panel and the plain-text snapshot must write the same quantity in the same way.

const SI = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** At most five characters: `0`, `7.5`, `842`, `12.3k`, `1.20M`. */
export function si(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const negative = value < 0;
  let rest = Math.abs(value);
  if (rest < 0.05) return '0';
  let power = 0;
  while (rest >= 999.5 && power < SI.length - 1) {
    rest /= 1000;
    power++;
  }
  const digits = power === 0 ? (rest < 9.95 && !Number.isInteger(rest) ? 1 : 0) : rest < 9.995 ? 2 : rest < 99.95 ? 1 : 0;
  return `${negative ? '-' : ''}${rest.toFixed(digits)}${SI[power]}`;
}

/** Millions of instructions a second: `7.5`, `842`, `1200`. */
export const mips = (instructionsPerSecond: number): string => {
  const millions = instructionsPerSecond / 1e6;
  return millions < 0.05 ? '0' : millions.toFixed(millions < 9.95 ? 1 : 0);
};

/** The power of 1000 that keeps `max` below 1000, for axes whose labels have no room for units. */
export function scaleOf(max: number): { divisor: number; prefix: string } {
  let power = 0;
  while (max >= 10000 && power < SI.length - 1) {
    max /= 1000;
    power++;
  }
  return { divisor: 1000 ** power, prefix: SI[power] ?? '' };
}

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `64 MiB`, `1.5 GiB`. */
export function bytes(value: number): string {
  let power = 0;
  while (value >= 1024 && power < BINARY.length - 1) {
    value /= 1024;
    power++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${BINARY[power]}`;
}

/** Virtual time with milliseconds: `12.345 s`, `3m05.2s`, `1h02m03`. */
export function clockTime(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '-';
  if (seconds < 100) return `${seconds.toFixed(3)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${(seconds % 60).toFixed(1).padStart(4, '0')}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m${two(Math.floor(seconds) % 60)}`;
}

/** Host time without fractions: `42s`, `3m12s`, `2h05m`, `4d03h`. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86400)}d${two(Math.floor(s / 3600) % 24)}h`;
}

/** A share of 0..1 in at most four characters: `7%`, `100%`. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(Math.min(Math.max(share, 0), 9.99) * 100)}%` : '-';
}

/** `generationCounter` → `generation counter`; acronyms stay together. */
export function words(identifier: string): string {
  return identifier
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase();
}

const two = (n: number): string => String(n).padStart(2, '0');
