// Results put together: the cells of one combination of settings, over all seeds. Pure.
import type { Settings } from '../experiment/experiment.js';
import type { CellResult } from '../experiment/run-cell.js';
import type { Manifest } from '../experiment/store.js';

export interface Summary {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}
export interface Group {
  readonly settings: Settings;
  readonly isBaseline: boolean;
  readonly seeds: number;
  readonly measured: Readonly<Record<string, Summary>>;
  /** Means against those of the group that has the baseline's settings and is else the same; undefined where there is none, or it is 0. */
  readonly against: Readonly<Record<string, number | undefined>>;
}

export const keyOf = (settings: Settings): string =>
  Object.entries(settings)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

const summaryOf = (values: readonly number[]): Summary => ({
  mean: values.reduce((sum, value) => sum + value, 0) / values.length,
  min: Math.min(...values),
  max: Math.max(...values),
  count: values.length,
});

/** In the order of the cells. */
export const groupsOf = ({ measure, baseline }: Manifest, results: readonly CellResult[]): Group[] => {
  const byKey = new Map<string, CellResult[]>();
  for (const result of results) {
    const key = keyOf(result.settings);
    const list = byKey.get(key);
    if (list === undefined) byKey.set(key, [result]);
    else list.push(result);
  }
  const means = new Map<string, Record<string, Summary>>();
  for (const [key, list] of byKey)
    means.set(
      key,
      Object.fromEntries(
        Object.keys(measure).flatMap((name) => {
          const values = list.flatMap(({ measured }) => (Object.hasOwn(measured, name) ? [Number(measured[name])] : []));
          return values.length === 0 ? [] : [[name, summaryOf(values)]];
        }),
      ),
    );
  const hasBaseline = Object.keys(baseline).length > 0;
  return [...byKey].map(([key, list]) => {
    const { settings } = list[0]!;
    const measured = means.get(key)!;
    const base = hasBaseline ? means.get(keyOf({ ...settings, ...baseline })) : undefined;
    const ratio = (name: string): number | undefined => {
      const of = base?.[name]?.mean;
      return of === undefined || of === 0 ? undefined : measured[name]!.mean / of;
    };
    return {
      settings,
      isBaseline: hasBaseline && Object.entries(baseline).every(([name, value]) => settings[name] === value),
      seeds: list.length,
      measured,
      against: Object.fromEntries(Object.keys(measured).map((name) => [name, ratio(name)])),
    };
  });
};

export interface Change {
  readonly settings: Settings;
  readonly measure: string;
  readonly before: Summary;
  readonly after: Summary;
}
export interface Changes {
  readonly same: number;
  readonly changed: readonly Change[];
  /** Combinations that only one of the two has. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
}

/** Two runs of experiments that have combinations of settings in common. Deterministic numbers are the same, or something has changed. */
export const changesOf = (before: readonly Group[], after: readonly Group[]): Changes => {
  const old = new Map(before.map((group) => [keyOf(group.settings), group]));
  const now = new Map(after.map((group) => [keyOf(group.settings), group]));
  const changed: Change[] = [];
  let same = 0;
  for (const [key, group] of now) {
    const other = old.get(key);
    if (other === undefined) continue;
    for (const [measure, summary] of Object.entries(group.measured)) {
      const was = other.measured[measure];
      if (was === undefined) continue;
      if (was.mean === summary.mean && was.min === summary.min && was.max === summary.max) same++;
      else changed.push({ settings: group.settings, measure, before: was, after: summary });
    }
  }
  return {
    same,
    changed,
    onlyBefore: [...old.keys()].filter((key) => !now.has(key)),
    onlyAfter: [...now.keys()].filter((key) => !old.has(key)),
  };
};
