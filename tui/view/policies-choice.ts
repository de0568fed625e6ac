// What has been chosen on the page of policies, and its keys: a policy, the setting that it is to get, the quantity whose chart is shown.
import { POLICIES, type Policy } from '../../shared/protocol/policies.js';
import type { Dashboard } from '../model/dashboard.js';
import { QUANTITIES, type Quantity } from '../model/dashboard.js';
import type { Stroke } from './keys.js';
import type { Outcome } from './page.js';
import type { ScreenState } from './screen-state.js';

export interface PoliciesChoice {
  /** Index into POLICIES. */
  readonly row: number;
  /** The setting that it is to get; undefined: nothing is being changed. */
  readonly draft: Draft | undefined;
  readonly quantity: Quantity;
}
export interface Draft {
  readonly value: string;
  /** Of a policy whose settings are sets: the word that a space puts in or takes out. */
  readonly word: number;
}

export const FIRST_POLICIES: PoliciesChoice = { row: 0, draft: undefined, quantity: 'instructions' };

/** A partition's own setting is taken back by this one. */
const INHERIT = 'inherit';

export const chosenPolicy = ({ policies: { row } }: ScreenState): Policy => POLICIES[row] ?? POLICIES[0]!;
/** The partition whose own setting is changed; undefined: the machine's. */
export const vmOf = (screen: ScreenState): string | undefined => (chosenPolicy(screen).perPartition ? screen.partition : undefined);
/** Settings to choose from, or the words of a set. */
export const choicesOf = (screen: ScreenState): readonly string[] => {
  const policy = chosenPolicy(screen);
  return policy.set ?? (vmOf(screen) === undefined ? policy.values : [...policy.values, INHERIT]);
};

export function policiesKey(state: ScreenState, { input, key }: Stroke, { stats }: Dashboard): Outcome | undefined {
  const policy = chosenPolicy(state);
  const { draft } = state.policies;
  const put = (change: Partial<PoliciesChoice>): Outcome => ({ state: { ...state, policies: { ...state.policies, ...change } } });
  const command = (value: string): Outcome => {
    const vm = vmOf(state);
    const params = { name: policy.name, value, ...(vm === undefined ? {} : { vm }) };
    return { ...put({ draft: undefined }), order: { kind: 'command', command: { method: 'policy.set', params } } };
  };
  if (draft !== undefined) {
    const choices = choicesOf(state);
    if (key.escape) return put({ draft: undefined });
    if (key.return) return command(draft.value);
    const by = key.rightArrow || input === 'l' ? 1 : key.leftArrow || input === 'h' ? -1 : 0;
    const at = policy.set === undefined ? choices.indexOf(draft.value) : draft.word;
    const next = (at + by + choices.length) % choices.length;
    if (by !== 0) return put({ draft: policy.set === undefined ? { ...draft, value: choices[next]! } : { ...draft, word: next } });
    if (input === ' ' && policy.set !== undefined) return put({ draft: { ...draft, value: turned(policy.set, draft) } });
  }
  const value = stats?.policies[policy.name];
  const by = key.downArrow || input === 'j' ? 1 : key.upArrow || input === 'k' ? -1 : 0;
  if (by !== 0) return put({ draft: undefined, row: (state.policies.row + by + POLICIES.length) % POLICIES.length });
  if (key.home || key.end) return put({ draft: undefined, row: key.home ? 0 : POLICIES.length - 1 });
  if (key.return && value !== undefined) return put({ draft: { value, word: 0 } });
  if (input === 'b') return command(policy.baseline);
  if (input === 'd') return command(policy.default);
  if (input === 'c') return put({ quantity: QUANTITIES[(QUANTITIES.indexOf(state.policies.quantity) + 1) % QUANTITIES.length]! });
  return undefined;
}

/** The set with the draft's word put in or taken out. */
const turned = (set: readonly string[], { value, word }: Draft): string => {
  const words = new Set(value === 'off' ? [] : value.split('+'));
  const one = set[word]!;
  if (!words.delete(one)) words.add(one);
  return set.filter((other) => words.has(other)).join('+') || 'off';
};
