// What others have published beside what came out here. Pure.
import type { Published } from '../experiment/experiment.js';
import type { Manifest } from '../experiment/store.js';
import type { Group } from './groups.js';

export interface Comparison extends Published {
  /** Lowest and highest ratio to the baseline of the groups that have these settings. */
  readonly ours: readonly [number, number] | undefined;
}

export const comparisonsOf = ({ published }: Manifest, groups: readonly Group[]): Comparison[] =>
  published.map((one) => {
    const { measure, settings } = one;
    if (measure === undefined || settings === undefined) return { ...one, ours: undefined };
    const ratios = groups
      .filter((group) => Object.entries(settings).every(([name, value]) => group.settings[name] === value))
      .flatMap((group) => group.against[measure] ?? []);
    return { ...one, ours: ratios.length === 0 ? undefined : [Math.min(...ratios), Math.max(...ratios)] };
  });
