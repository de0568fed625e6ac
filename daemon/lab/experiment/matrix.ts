// The cells of an experiment: each combination of settings with each seed, in an order that is always the same.
import { createHash } from 'node:crypto';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { MachineConfig, PartitionConfig } from '../../../shared/protocol/messages.js';
import { GUEST_NAMES } from '../../root/config/images.js';
import { withPaths } from '../../root/config/machine-file.js';
import { hvdVersion } from '../../root/version.js';
import type { Parameters } from '../parameters.js';
import { type Script, scriptSchema } from '../script/script.js';
import { withParameters } from '../script/script-file.js';
import { CELLS_MAX, type Experiment, type Settings } from './experiment.js';

/** All that a cell's numbers come of: another host with the same version of hvd gets the same ones. */
export interface Cell {
  /** Of all of it. */
  readonly id: string;
  readonly settings: Settings;
  readonly seed: number;
  readonly machine: MachineConfig;
  readonly script: Script;
  readonly limitMs: number;
}

const combinations = ({ axes, without }: Experiment): Settings[] => {
  let all: Settings[] = [{}];
  for (const { name, values } of axes) all = all.flatMap((one) => values.map((value) => ({ ...one, [name]: String(value) })));
  return all.filter((one) => !without.some((left) => Object.entries(left).every(([name, value]) => one[name] === value)));
};

/** First and last value of an axis of numbers, one seed: whether it works at all, and roughly what comes out. */
export const quickly = (experiment: Experiment): Experiment => ({
  ...experiment,
  seeds: experiment.seeds.slice(0, 1),
  axes: experiment.axes.map((axis) => {
    const isLong = axis.values.length > 2 && axis.values.every((value) => typeof value === 'number');
    const kept = axis.values.filter(
      (value, index) => index === 0 || index === axis.values.length - 1 || String(value) === experiment.baseline[axis.name],
    );
    return isLong ? { ...axis, values: kept } : axis;
  }),
});

/** `folder`: that files in the script are relative to. Throws experiment.cells. */
export const cellsOf = (experiment: Experiment, folder: string): Cell[] => {
  const { axes, machine, script, seeds, limitMs, name } = experiment;
  const count = axes.reduce((product, { values }) => product * values.length, seeds.length);
  if (count > CELLS_MAX) throw new HvdError('experiment.cells', { name, cells: count, limit: CELLS_MAX });
  return combinations(experiment).flatMap((settings) => {
    const chosen: Parameters = Object.fromEntries(
      axes.flatMap((axis) =>
        axis.kind === 'parameter' ? [[axis.name, axis.values.find((value) => String(value) === settings[axis.name])!]] : [],
      ),
    );
    const own = withParameters(scriptSchema(name), chosen).parse(script);
    const policies = Object.fromEntries(axes.flatMap((axis) => (axis.kind === 'policy' ? [[axis.name, settings[axis.name]!]] : [])));
    const played: Script = { ...own, partitions: own.partitions.map((partition) => movable(partition, folder)) };
    return seeds.map((seed): Cell => {
      const cell = {
        settings,
        seed,
        machine: { ...machine, seed, policies: { ...machine.policies, ...policies } },
        script: played,
        limitMs,
      };
      return { id: idOf(cell), ...cell };
    });
  });
};

/** Guests that come with hvd stay names: where it is installed is no part of a cell, which may be done elsewhere. */
const movable = (partition: PartitionConfig, folder: string): PartitionConfig => {
  const located = withPaths(partition, folder);
  return GUEST_NAMES.includes(partition.image) ? { ...located, image: partition.image } : located;
};

const idOf = (cell: Omit<Cell, 'id'>): string =>
  createHash('sha256')
    .update(canonical({ ...cell, version: hvdVersion() }))
    .digest('hex')
    .slice(0, 16);

/** A cell of this version of hvd that nobody has changed. `value`: from anywhere. */
export const isWholeCell = (value: unknown): value is Cell => {
  if (typeof value !== 'object' || value === null) return false;
  const { id, ...cell } = value as Cell;
  return idOf(cell) === id;
};

/** JSON with keys in order. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
