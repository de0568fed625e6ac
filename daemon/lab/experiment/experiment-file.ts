// Experiments in files: what they say, and what the script says that they name.
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { HvdError } from '../../../shared/protocol/errors.js';
import { formatPath } from '../../root/config/fields.js';
import { readMachineFile } from '../../root/config/machine-file.js';
import { readYaml } from '../../root/config/yaml-file.js';
import type { Parameters, ParameterValue } from '../parameters.js';
import { readScript } from '../script/script-file.js';
import { type Experiment, experimentSchema } from './experiment.js';

const anything = z.record(z.string(), z.unknown());

export interface ExperimentFile {
  readonly experiment: Experiment;
  /** That files named in its script are relative to. */
  readonly folder: string;
}

/** Throws config.*. */
export const readExperiment = (file: string): ExperimentFile => {
  const { load } = readYaml(file, anything);
  if (typeof load !== 'string') return { experiment: readYaml(file, experimentSchema({})), folder: dirname(resolve(file)) };
  const script = resolve(dirname(file), load);
  // What is wrong with it is said of that file.
  readScript(script);
  return { experiment: readYaml(file, experimentSchema(readYaml(script, anything))), folder: dirname(script) };
};

export interface Comparison {
  readonly policies: Readonly<Record<string, readonly ParameterValue[]>>;
  readonly parameters: Readonly<Record<string, readonly ParameterValue[]>>;
  /** In place of the script's own. */
  readonly values: Parameters;
  readonly seeds: number;
  readonly machine: string | undefined;
  readonly lps: number | undefined;
}

/** A script as an experiment: what it measures, or else operations, for each of the settings; the first of each is the baseline. Throws config.*, usage. */
export const readComparison = (file: string, { policies, parameters, values, seeds, machine, lps }: Comparison): ExperimentFile => {
  const script = readScript(file, values);
  const measure = Object.keys(script.measure).length > 0 ? script.measure : { 'operations/s': 'run.operationsPerSecond' };
  const basis = machine === undefined ? { clock: 'deterministic', idle: 'skip' } : { ...readMachineFile(machine), partitions: [] };
  const first = (axes: Comparison['policies']): [string, string][] => Object.entries(axes).map(([name, all]) => [name, String(all[0])]);
  const raw = readYaml(file, anything);
  const result = experimentSchema({ ...raw, parameters: script.parameters }).safeParse({
    name: script.name,
    question: script.about ?? `What do the settings change in ${script.name}?`,
    machine: { ...basis, ...(lps === undefined ? {} : { lps }) },
    matrix: { policies, parameters },
    seeds,
    measure,
    baseline: Object.fromEntries([...first(policies), ...first(parameters)]),
  });
  if (result.success) return { experiment: result.data, folder: dirname(resolve(file)) };
  const { path, message } = result.error.issues[0]!;
  throw new HvdError('usage', {
    what: `${formatPath(path)
      .replace(/^matrix\.policies\./, '--policy ')
      .replace(/^matrix\.parameters\./, '--parameter ')}: ${message}`,
  });
};
