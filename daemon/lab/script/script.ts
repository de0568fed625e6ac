// A load script: phases of a machine's time, what is done at the beginning of each, and what must hold at its end. Files of `hvd load run`, and the `load:` of an experiment.
import { z } from 'zod';
import type { LoadSpec, PartitionConfig } from '../../../shared/protocol/messages.js';
import { checkIsOwn, checkOwn, findPolicy, INHERIT, settingOf } from '../../../shared/protocol/policies.js';
import { choice, integer, list, nameSchema, show, strict, text } from '../../root/config/fields.js';
import { partitionFile, refinePolicy } from '../../root/config/machine-file.js';
import { ownSettingsOrInherit, policySettings, vpListSchema } from '../../root/config/schema.js';
import { type Duration, parseDuration } from '../duration.js';
import { EXPRESSION_MAX, parseExpression } from '../expression.js';
import { PARAMETER_NAME, type Parameters } from '../parameters.js';

export const PHASES_MAX = 1000;
const ASSERTIONS_MAX = 100;
const STEPS_MAX = 1000;
const ABOUT_MAX = 4000;
/** What expressions of a script can name: the phase that ends, those before it and itself by name, and all since the beginning. */
export const SCOPE_NAMES = ['phase', 'phases', 'run'] as const;

export const PARTITION_VERBS = ['start', 'pause', 'resume', 'stop', 'destroy'] as const;
export type PartitionVerb = (typeof PARTITION_VERBS)[number];

/** From a value to another: a number of each step of a ramp. */
export interface Range {
  readonly from: number;
  readonly to: number;
}
export interface PhaseJob {
  readonly job: string;
  readonly vps?: number[] | undefined;
  readonly parameters?: Readonly<Record<string, number | Range>> | undefined;
}
/** Settings of partitions of their own, by name of the partition. */
export type OwnPolicies = Readonly<Record<string, Readonly<Record<string, string>>>>;
export interface Phase {
  readonly name: string;
  readonly about?: string | undefined;
  /** From the script's beginning; the end of the phase before when absent. */
  readonly at?: Duration | undefined;
  /** Up to the next one's `at` when absent. */
  readonly for?: Duration | undefined;
  readonly steps: number;
  readonly policies: Readonly<Record<string, string>>;
  readonly policiesOf: OwnPolicies;
  readonly partitions: Readonly<Record<string, PartitionVerb>>;
  readonly jobs: Readonly<Record<string, readonly PhaseJob[] | 'stop'>>;
  readonly assert: readonly string[];
}
export interface Script {
  readonly name: string;
  readonly about?: string | undefined;
  readonly parameters: Parameters;
  /** Made at the beginning, where there are none of that name. */
  readonly partitions: readonly PartitionConfig[];
  readonly policies: Readonly<Record<string, string>>;
  readonly policiesOf: OwnPolicies;
  readonly phases: readonly Phase[];
  /** Shown at the end. */
  readonly measure: Readonly<Record<string, string>>;
  readonly assert: readonly string[];
}

export const duration = z
  .unknown()
  .transform((value, context): Duration => {
    const parsed = parseDuration(value);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: 'custom', message: `expected a time like 40ms, 2s, 500us or 4000000cycles, got ${show(value)}` });
    return z.NEVER;
  })
  .meta({ type: ['string', 'number'], examples: ['40ms', '2s', '500us', '4000000cycles'] });

export const expression = (names: readonly string[]) =>
  text(EXPRESSION_MAX).superRefine((value, context) => {
    try {
      parseExpression(value, names);
    } catch (error) {
      context.addIssue({ code: 'custom', message: `expected an expression: ${(error as Error).message}` });
    }
  });

const record = <T extends z.ZodType>(value: T, of: string) =>
  z.record(z.string(), value, { error: (issue) => `expected ${of}, got ${show(issue.input)}` });

const PARAMETER_MAX = 2 ** 32 - 1;
const amount = z.unknown().transform((value, context): number | Range => {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= PARAMETER_MAX) return value as number;
  const range = typeof value === 'string' ? /^(\d{1,10})\.\.(\d{1,10})$/.exec(value) : null;
  if (range !== null && Number(range[1]) <= PARAMETER_MAX && Number(range[2]) <= PARAMETER_MAX)
    return { from: Number(range[1]), to: Number(range[2]) };
  context.addIssue({
    code: 'custom',
    message: `expected a whole number up to ${PARAMETER_MAX}, or a range like 200..2000 for a phase with steps, got ${show(value)}`,
  });
  return z.NEVER;
});
const phaseJob: z.ZodType<PhaseJob> = strict({
  job: text(32),
  vps: vpListSchema.optional(),
  parameters: record(amount, 'names and numbers').optional(),
});
const jobList = list(phaseJob, 64);
/** Not a union, which would not say what is wrong with a job. */
const jobs = z.unknown().transform((value, context): readonly PhaseJob[] | 'stop' => {
  if (value === 'stop') return value;
  if (typeof value !== 'object' || value === null) {
    context.addIssue({
      code: 'custom',
      message: `expected a job like {job: spinlock}, a list of them for different VPs, or stop, got ${show(value)}`,
    });
    return z.NEVER;
  }
  const parsed = Array.isArray(value) ? jobList.safeParse(value) : phaseJob.safeParse(value);
  if (parsed.success) return Array.isArray(parsed.data) ? parsed.data : [parsed.data];
  const { path, message } = parsed.error.issues[0]!;
  context.addIssue({ code: 'custom', path: [...path], message });
  return z.NEVER;
});

const policies = policySettings.superRefine((settings, context) => {
  for (const [name, value] of Object.entries(settings)) refinePolicy(name, () => settingOf(findPolicy(name), value), context, []);
});
const policiesOf = record(
  ownSettingsOrInherit.superRefine((settings, context) => {
    for (const [name, value] of Object.entries(settings))
      refinePolicy(name, () => (value === INHERIT ? checkIsOwn(findPolicy(name)) : checkOwn(findPolicy(name), value)), context, []);
  }),
  'partitions and settings of their own',
);

const phase = strict({
  name: nameSchema,
  about: text(ABOUT_MAX).optional(),
  at: duration.optional(),
  for: duration.optional(),
  steps: integer(1, STEPS_MAX).default(1),
  policies: policies.default({}),
  policiesOf: policiesOf.default({}),
  partitions: record(choice(PARTITION_VERBS), 'partitions and what is done with them').default({}),
  jobs: record(jobs, 'partitions and their jobs').default({}),
  assert: list(expression(SCOPE_NAMES), ASSERTIONS_MAX).default([]),
}).superRefine(({ jobs, steps }, context) => {
  if (steps > 1) return;
  for (const [vm, list] of Object.entries(jobs))
    for (const [index, job] of (list === 'stop' ? [] : list).entries())
      for (const [name, value] of Object.entries(job.parameters ?? {}))
        if (typeof value === 'object')
          context.addIssue({
            code: 'custom',
            path: ['jobs', vm, ...(index > 0 ? [index] : []), 'parameters', name],
            message: `expected a number, for a range needs steps: more than 1; got ${value.from}..${value.to}`,
          });
}) as z.ZodType<Phase>;

export const parameterValues = z
  .record(z.string(), z.union([z.number(), z.boolean(), z.string()]), {
    error: (issue) => `expected names and values, got ${show(issue.input)}`,
  })
  .superRefine((values, context) => {
    for (const name of Object.keys(values))
      if (!PARAMETER_NAME.test(name))
        context.addIssue({ code: 'custom', path: [name], message: `expected a name of letters, digits and _, got ${show(name)}` });
  });

const phases = list(phase, PHASES_MAX)
  .min(1, { error: 'expected at least one phase' })
  .superRefine((all, context) => {
    const refuse = (index: number, key: string, message: string): void => context.addIssue({ code: 'custom', path: [index, key], message });
    for (const [index, one] of all.entries()) {
      if (all.findIndex(({ name }) => name === one.name) < index) refuse(index, 'name', `expected a name of its own, ${one.name} is taken`);
      const next = all[index + 1];
      if (one.for === undefined && next?.at === undefined)
        refuse(
          index,
          'for',
          `expected a time, for ${next === undefined ? 'it is the last phase' : 'the next phase does not say at which time it begins'}`,
        );
    }
  });

const scriptShape = {
  name: nameSchema.optional(),
  about: text(ABOUT_MAX).optional(),
  parameters: parameterValues.default({}),
  partitions: list(partitionFile, 16).default([]),
  policies: policies.default({}),
  policiesOf: policiesOf.default({}),
  phases,
  measure: record(expression(SCOPE_NAMES), 'names and expressions').default({}),
  assert: list(expression(SCOPE_NAMES), ASSERTIONS_MAX).default([]),
};

/** `name`: of a script that has none of its own. */
export const scriptSchema = (name: string): z.ZodType<Script> =>
  strict(scriptShape).transform((script) => ({ ...script, name: script.name ?? name })) as unknown as z.ZodType<Script>;

/** A job as it is in step `step` of `steps`. */
export const jobInStep = ({ job, vps, parameters }: PhaseJob, step: number, steps: number): LoadSpec => {
  const share = steps === 1 ? 0 : step / (steps - 1);
  const values = Object.entries(parameters ?? {}).map(([name, value]): [string, number] => [
    name,
    typeof value === 'number' ? value : Math.round(value.from + (value.to - value.from) * share),
  ]);
  return {
    job,
    ...(vps === undefined ? {} : { vps }),
    ...(parameters === undefined ? {} : { parameters: Object.fromEntries(values) }),
  };
};
