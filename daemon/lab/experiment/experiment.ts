// An experiment: a script that is played on a private machine for each combination of settings and each seed. Files of `hvd experiment run`.
import { z } from 'zod';
import type { MachineConfig } from '../../../shared/protocol/messages.js';
import { findPolicy, settingOf } from '../../../shared/protocol/policies.js';
import { choice, integer, list, nameSchema, show, strict, text } from '../../root/config/fields.js';
import { machineFile } from '../../root/config/machine-file.js';
import { seedSchema } from '../../root/config/schema.js';
import type { Duration } from '../duration.js';
import { EXPRESSION_MAX } from '../expression.js';
import { PARAMETER_NAME, type Parameters, type ParameterValue } from '../parameters.js';
import { duration, parameterValues, type Script, scriptSchema } from '../script/script.js';
import { withParameters } from '../script/script-file.js';

export const CELLS_MAX = 100_000;
const SEEDS_MAX = 10_000;
const VALUES_MAX = 200;
const TEXT_MAX = 8000;
/** Of a cell's limit, ms: a week. */
const LIMIT_MAX_MS = 7 * 86_400_000;

/** A value of each axis by name. */
export type Settings = Readonly<Record<string, string>>;

export interface Measure {
  readonly value: string;
  readonly unit: string;
  readonly better: 'more' | 'less' | 'neither';
}
/** What others have found. */
export interface Published {
  readonly claim: string;
  readonly source: string;
  /** Of what is measured here, if it can be said in such words: `measure` of the settings against the baseline's. */
  readonly measure?: string | undefined;
  readonly settings?: Settings | undefined;
  readonly range?: readonly [number, number] | undefined;
  /** Why ours is another one. */
  readonly differs?: string | undefined;
}
export interface Experiment {
  readonly name: string;
  readonly question: string;
  readonly machine: MachineConfig;
  /** The script before parameters are in their places: an object as in a script's file. */
  readonly script: Readonly<Record<string, unknown>>;
  readonly axes: readonly { readonly name: string; readonly kind: 'policy' | 'parameter'; readonly values: readonly ParameterValue[] }[];
  readonly without: readonly Settings[];
  readonly seeds: readonly number[];
  readonly measure: Readonly<Record<string, Measure>>;
  readonly baseline: Settings;
  readonly published: readonly Published[];
  readonly plot: { readonly x?: string | undefined; readonly series?: string | undefined };
  /** Of the host's time for a cell. */
  readonly limitMs: number;
}

const record = <T extends z.ZodType>(value: T, of: string) =>
  z.record(z.string(), value, { error: (issue) => `expected ${of}, got ${show(issue.input)}` });
const value = z.union([z.number(), z.boolean(), z.string()], {
  error: (issue) => `expected a number, text, true or false, got ${show(issue.input)}`,
});
const settings = record(value.transform(String), 'names of axes and values');
const axis = list(value, VALUES_MAX).min(1, { error: 'expected at least one value' });

/** An expression, looked at with a cell's parameters in their places. */
const measured = text(EXPRESSION_MAX);
const measure: z.ZodType<Measure> = z
  .union([
    measured.transform((text) => ({ value: text })),
    strict({ value: measured, unit: text(40).optional(), better: choice(['more', 'less', 'neither']).optional() }),
  ])
  .transform((one) => ({ unit: '', better: 'more' as const, ...one })) as unknown as z.ZodType<Measure>;

const published = strict({
  claim: text(TEXT_MAX),
  source: text(TEXT_MAX),
  measure: text(64).optional(),
  settings: settings.optional(),
  range: z.tuple([z.number(), z.number()], { error: (issue) => `expected two numbers, got ${show(issue.input)}` }).optional(),
  differs: text(TEXT_MAX).optional(),
});

/** `seeds: 5` is 1 to 5. */
const seeds = z.union(
  [
    integer(1, SEEDS_MAX).transform((count) => Array.from({ length: count }, (_, index) => index + 1)),
    list(seedSchema, SEEDS_MAX).min(1, { error: 'expected at least one seed' }),
  ],
  { error: (issue) => `expected a number of seeds from 1 to ${SEEDS_MAX}, or a list of them, got ${show(issue.input)}` },
);

/** Keys of a script that an experiment may have itself; they are looked at with a cell's parameters in their places. */
const SCRIPT_KEYS = ['about', 'partitions', 'policies', 'phases', 'assert'] as const;
const raw = z.unknown().optional();

/** A script of the cells with these values of parameters. */
const scriptWith = (script: Record<string, unknown>, parameters: Parameters): ReturnType<ReturnType<typeof scriptSchema>['safeParse']> =>
  withParameters(scriptSchema('cell'), parameters).safeParse(script);

/** So many cycles take a machine of that frequency so long at its own pace. */
const limitMsOf = (limit: Duration, frequencyHz: number): number => ('ns' in limit ? limit.ns / 1e6 : (limit.cycles / frequencyHz) * 1e3);

/** What is done to a partition that there is not: a cell's machine has those of the script only. */
const strayOf = ({ partitions, phases }: Script): { readonly path: (string | number)[]; readonly message: string } | undefined => {
  const names = partitions.map(({ name }) => name);
  for (const [index, phase] of phases.entries())
    for (const key of ['partitions', 'jobs'] as const)
      for (const name of Object.keys(phase[key]))
        if (!names.includes(name))
          return {
            path: ['phases', index, key, name],
            message: `expected a partition of the script (${names.join(', ') || 'there is none'}), got ${name}`,
          };
  return undefined;
};

/** `base`: what stands in the file that `load:` names, or nothing; what stands in the experiment's wins. */
export const experimentSchema = (base: Readonly<Record<string, unknown>>): z.ZodType<Experiment> =>
  strict({
    name: nameSchema,
    question: text(TEXT_MAX),
    machine: machineFile.optional(),
    parameters: parameterValues.default({}),
    load: text(4095).optional(),
    about: raw,
    partitions: raw,
    policies: raw,
    phases: raw,
    assert: raw,
    matrix: strict({
      policies: record(axis, 'policies and lists of settings').default({}),
      parameters: record(axis, 'parameters and lists of values').default({}),
    }).default({
      policies: {},
      parameters: {},
    }),
    without: list(settings, VALUES_MAX).default([]),
    seeds: seeds.default([1]),
    measure: record(measure, 'names and expressions'),
    baseline: settings.default({}),
    published: list(published, 50).default([]),
    plot: strict({ x: text(64).optional(), series: text(64).optional() }).default({}),
    limit: duration.default({ ns: 300e9 }),
  }).transform((file, context): Experiment => {
    const refuse = (path: (string | number)[], message: string): never => {
      context.addIssue({ code: 'custom', path, message });
      return z.NEVER;
    };
    for (const [policy, values] of Object.entries(file.matrix.policies))
      for (const [index, setting] of values.entries())
        try {
          settingOf(findPolicy(policy), String(setting));
        } catch (error) {
          return refuse(['matrix', 'policies', policy, index], (error as Error).message);
        }
    for (const parameter of Object.keys(file.matrix.parameters))
      if (!PARAMETER_NAME.test(parameter)) return refuse(['matrix', 'parameters', parameter], 'expected a name of letters, digits and _');
    for (const [kind, all] of Object.entries(file.matrix))
      for (const [name, values] of Object.entries(all)) {
        const texts = values.map(String);
        const twice = texts.findIndex((text, index) => texts.indexOf(text) < index);
        if (twice >= 0) return refuse(['matrix', kind, name, twice], `expected each value once, got ${texts[twice]} twice`);
      }
    const again = file.seeds.findIndex((seed, index) => file.seeds.indexOf(seed) < index);
    if (again >= 0) return refuse(['seeds', again], `expected each seed once, got ${file.seeds[again]} twice`);
    const machine = file.machine ?? machineFile.parse({ clock: 'deterministic', idle: 'skip' });
    const limitMs = limitMsOf(file.limit, machine.frequencyHz);
    if (limitMs < 1 || limitMs > LIMIT_MAX_MS) return refuse(['limit'], 'expected a time from 1ms to a week (604800s)');
    const axes = [
      ...Object.entries(file.matrix.policies).map(([name, values]) => ({ name, kind: 'policy' as const, values })),
      ...Object.entries(file.matrix.parameters).map(([name, values]) => ({ name, kind: 'parameter' as const, values })),
    ];
    const known = (path: (string | number)[], all: Settings): boolean => {
      for (const [name, setting] of Object.entries(all)) {
        const found = axes.find((one) => one.name === name);
        const names = found === undefined ? axes.map((one) => one.name) : found.values.map(String);
        if (found === undefined || !names.includes(setting)) {
          refuse(
            [...path, name],
            `expected ${found === undefined ? 'an axis of the matrix' : 'one of its values'} (${names.join(', ') || 'there is none'}), got ${found === undefined ? name : setting}`,
          );
          return false;
        }
      }
      return true;
    };
    if (!known(['baseline'], file.baseline)) return z.NEVER;
    for (const [index, one] of file.without.entries()) if (!known(['without', index], one)) return z.NEVER;
    for (const [index, one] of file.published.entries()) {
      if (one.settings !== undefined && !known(['published', index, 'settings'], one.settings)) return z.NEVER;
      if (one.measure !== undefined && !Object.hasOwn(file.measure, one.measure))
        return refuse(['published', index, 'measure'], `expected something that is measured, got ${one.measure}`);
    }
    for (const key of ['x', 'series'] as const) {
      const name = file.plot[key];
      if (name !== undefined && !axes.some((one) => one.name === name))
        return refuse(['plot', key], `expected an axis of the matrix, got ${name}`);
    }
    const own = Object.fromEntries(SCRIPT_KEYS.flatMap((key) => (file[key] === undefined ? [] : [[key, file[key]]])));
    const { name: _, measure: __, parameters: basic, ...loaded } = base;
    const expressions = Object.fromEntries(Object.entries(file.measure).map(([name, one]) => [name, one.value]));
    const script = { ...loaded, ...own, measure: expressions, parameters: { ...(basic as Parameters | undefined), ...file.parameters } };
    // Each value of each axis is tried once, so that what is wrong with it is said before anything runs.
    const first = Object.fromEntries(axes.filter(({ kind }) => kind === 'parameter').map(({ name, values }) => [name, values[0]!]));
    const trials = axes.flatMap(({ name, kind, values }) => (kind === 'parameter' ? values.map((one) => ({ ...first, [name]: one })) : []));
    for (const trial of [first, ...trials]) {
      const result = scriptWith(script, trial);
      if (result.success) {
        const stray = strayOf(result.data);
        if (stray === undefined) continue;
        return refuse(stray.path, stray.message);
      }
      const { path, message } = result.error.issues[0]!;
      return refuse(path as (string | number)[], message);
    }
    return {
      name: file.name,
      question: file.question,
      machine,
      script,
      axes,
      without: file.without,
      seeds: file.seeds,
      measure: file.measure,
      baseline: file.baseline,
      published: file.published,
      plot: file.plot,
      limitMs,
    };
  }) as unknown as z.ZodType<Experiment>;
