// A script as a list of moments: at which cycle what is done. Pure.
import { HvdError } from '../../../shared/protocol/errors.js';
import type { Deed } from '../../../shared/protocol/messages.js';
import { cyclesOf } from '../duration.js';
import { jobInStep, type Phase, type Script } from './script.js';

export interface Moment {
  /** Cycles since the script's beginning. */
  readonly cycle: number;
  readonly phase: number;
  /** Of the phase's steps. */
  readonly step: number;
  readonly deeds: readonly Deed[];
}
export interface Plan {
  readonly moments: readonly Moment[];
  /** Of each phase, and of the last. */
  readonly ends: readonly number[];
  readonly end: number;
}

const policyDeeds = (policies: Script['policies'], policiesOf: Script['policiesOf']): Deed[] => [
  ...Object.entries(policies).map(([name, value]): Deed => ({ kind: 'policy', name, value })),
  ...Object.entries(policiesOf).flatMap(([vm, own]) =>
    Object.entries(own).map(([name, value]): Deed => ({ kind: 'policy', name, value, vm })),
  ),
];

const deedsOf = ({ policies, policiesOf, partitions, jobs, steps }: Phase, step: number): Deed[] => {
  const loads = Object.entries(jobs).flatMap(([vm, list]): Deed[] =>
    list === 'stop' ? [{ kind: 'idle', vm }] : list.map((job) => ({ kind: 'load', vm, load: jobInStep(job, step, steps) })),
  );
  if (step > 0) return loads.filter((deed) => deed.kind === 'load');
  return [
    ...Object.entries(partitions).map(([vm, verb]): Deed => ({ kind: 'verb', vm, verb })),
    ...policyDeeds(policies, policiesOf),
    ...loads,
  ];
};

const changes = ({ jobs }: Phase): boolean =>
  Object.values(jobs).some(
    (list) => list !== 'stop' && list.some(({ parameters }) => Object.values(parameters ?? {}).some((value) => typeof value === 'object')),
  );

/** Throws script.time where a phase would begin before the one before it has ended. */
export const planOf = ({ name, phases, policies, policiesOf }: Script, frequencyHz: number): Plan => {
  const moments: Moment[] = [];
  const ends: number[] = [];
  let now = 0;
  for (const [index, phase] of phases.entries()) {
    const begin = phase.at === undefined ? now : cyclesOf(phase.at, frequencyHz);
    if (begin < now) throw new HvdError('script.time', { script: name, phase: phase.name, at: begin, least: now });
    const next = phases[index + 1]?.at;
    const length = phase.for === undefined ? cyclesOf(next!, frequencyHz) - begin : cyclesOf(phase.for, frequencyHz);
    if (length <= 0)
      throw new HvdError('script.time', {
        script: name,
        phase: phases[index + 1]?.name ?? phase.name,
        at: begin + length,
        least: begin + 1,
      });
    const before = index === 0 ? policyDeeds(policies, policiesOf) : [];
    // A ramp in which nothing changes is steps of the table only.
    for (let step = 0; step < phase.steps; step++)
      moments.push({
        cycle: begin + Math.round((length * step) / phase.steps),
        phase: index,
        step,
        deeds: step > 0 && !changes(phase) ? [] : [...(step === 0 ? before : []), ...deedsOf(phase, step)],
      });
    now = begin + length;
    ends.push(now);
  }
  return { moments, ends, end: now };
};
