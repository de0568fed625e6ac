// Runs of the careful guest (test/interleave/careful-guest) under settings of the vTLB's policies: whatever those are, its memory and what its processors have read must be the same.
import { MachineLayout } from '../../shared/layout/machine.js';
import { findPolicy, POLICIES, settingOf } from '../../shared/protocol/policies.js';
import { CarefulGuest } from '../interleave/careful-guest.js';
import { MUTANTS } from '../interleave/mutants.js';

export type Settings = Readonly<Record<string, string>>;
export interface Dimension {
  readonly name: string;
  readonly values: readonly string[];
}

/** Settings that differ by a number only: the ends and what lies between. */
const FEWER: Readonly<Record<string, readonly string[]>> = {
  'vtlb.coalesce': ['off', '16', '4096'],
  'vtlb.pages': ['all', '64', '128'],
  'vtlb.tags': ['1', '2', '64'],
  'vtlb.untracked': ['0', '16', '1024'],
};
/** Every policy of the vTLB with all its settings, or with few of those that are numbers. */
export const ALL_SETTINGS: readonly Dimension[] = POLICIES.filter(({ name }) => name.startsWith('vtlb.'));
export const KINDS_OF_SETTINGS: readonly Dimension[] = ALL_SETTINGS.map(({ name, values }) => ({ name, values: FEWER[name] ?? values }));
export const BASELINE: Settings = Object.fromEntries(ALL_SETTINGS.map(({ name }) => [name, findPolicy(name)!.baseline]));

export const settingsOf = (dimensions: readonly Dimension[], choices: readonly number[]): Settings =>
  Object.fromEntries(dimensions.map(({ name, values }, i) => [name, values[choices[i]!]!]));

/** Of the run before: memory is not made anew for each. */
let machine: CarefulGuest['machine'] | undefined;
const set = ({ machine: { i32 } }: CarefulGuest['machine'], settings: Settings): void => {
  for (const { name } of ALL_SETTINGS) {
    const policy = findPolicy(name)!;
    i32[(MachineLayout.at.policies >>> 2) + policy.word] = settingOf(policy, settings[name] ?? policy.default);
  }
};

/** `change`: settings that come one after the other while the guest runs. What it returns is good until the next run. */
export const runCarefully = (
  seed: number,
  steps: number,
  settings: Settings,
  { change = [], mutant }: { readonly change?: readonly Settings[]; readonly mutant?: string | undefined } = {},
): CarefulGuest => {
  const guest: CarefulGuest = new CarefulGuest(seed, machine, MUTANTS.find(({ name }) => name === mutant)?.classes);
  machine = guest.machine;
  set(machine, settings);
  for (let step = 0; step < steps; step++) {
    if (change.length > 0 && step % 50 === 49) set(machine, change[Math.floor(step / 50) % change.length]!);
    guest.step();
  }
  return guest;
};
