// The policies: every mechanism that can be switched while guests run, its settings, and the word of the machine header that LPs read it from.
// Why words in memory: an LP looks at its policy with one load; there is no message to miss.
import { type MachineHeader, MachineLayout } from '../layout/machine.js';
import type { PolicyInfo } from './messages.js';

export interface Policy {
  readonly name: string;
  /** Setting i is stored as the number i. */
  readonly values: readonly string[];
  readonly baseline: string;
  readonly default: string;
  readonly meaning: string;
  /** Index of the policy's i32 in the machine header. */
  readonly word: number;
}

export const POLICIES: readonly Policy[] = [
  {
    name: 'vtlb.lock',
    values: ['generation', 'global'],
    baseline: 'global',
    default: 'generation',
    meaning: 'what keeps vTLB fills and invalidations apart: a generation counter for each LP (US7788464B2), or one lock for the partition',
    word: 0,
  },
];

/** Numbers of `vtlb.lock`. */
export const VtlbLock = { GENERATION: 0, GLOBAL: 1 } as const;

export const findPolicy = (name: string): Policy | undefined => POLICIES.find((policy) => policy.name === name);

const indexOf = (header: MachineHeader, policy: Policy): number => (header.base + MachineLayout.at.policies) / 4 + policy.word;

export const readPolicy = (header: MachineHeader, policy: Policy): string =>
  policy.values[Atomics.load(header.views.i32, indexOf(header, policy))] ?? policy.default;

/** False when `value` is not one of the policy's settings; nothing is changed then. */
export const writePolicy = (header: MachineHeader, policy: Policy, value: string): boolean => {
  const setting = policy.values.indexOf(value);
  if (setting < 0) return false;
  Atomics.store(header.views.i32, indexOf(header, policy), setting);
  return true;
};

export const describePolicy = (header: MachineHeader, policy: Policy): PolicyInfo => ({
  name: policy.name,
  value: readPolicy(header, policy),
  values: [...policy.values],
  baseline: policy.baseline,
  meaning: policy.meaning,
});
