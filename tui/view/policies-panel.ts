// The page of policies: all of them with their values, the meaning of the chosen one with its settings, and what the last change of it did.
import { POLICIES } from '../../shared/protocol/policies.js';
import { BUCKET_MS } from '../model/chart-history.js';
import type { Dashboard } from '../model/dashboard.js';
import { QUANTITIES } from '../model/dashboard.js';
import { duration, si } from '../model/format.js';
import { QUANTITY_TITLES } from './chart-panel.js';
import { Line, wrapped } from './line.js';
import type { Panel } from './panel.js';
import { choicesOf, chosenPolicy, vmOf } from './policies-choice.js';
import type { Hit } from './region.js';
import type { ScreenState } from './screen-state.js';
import { style } from './style.js';

const NAME = 18;
const BASELINE = 11;
const VALUE_MAX = 28;
/** Columns of the meaning below which it is left out: it stands under the table anyway. */
const MEANING_MIN = 20;

/** The first row shown of `count`, so that row `at` is in sight. */
export const firstInSight = (at: number, count: number, room: number): number =>
  Math.min(Math.max(0, at - Math.floor(room / 2)), Math.max(0, count - room));

/** A row for each policy. */
export const policiesTable: Panel = ({ stats }, screen, width, height) => {
  const value = Math.max(10, Math.min(VALUE_MAX, width - NAME - BASELINE - 3));
  const meaning = width - NAME - value - BASELINE - 3;
  const head = new Line(width).put('  ').left('policy', NAME, style.heading).left('value', value, style.heading);
  head.left('baseline', BASELINE, style.heading);
  if (meaning >= MEANING_MIN) head.put(' meaning', style.heading);
  const room = Math.max(1, height - 1);
  const first = firstInSight(screen.policies.row, POLICIES.length, room);
  const rows = POLICIES.slice(first, first + room).map((policy) => {
    const chosen = policy === chosenPolicy(screen);
    const line = new Line(width, chosen ? style.selected : '');
    const now = stats?.policies[policy.name] ?? '-';
    const draft = chosen ? screen.policies.draft : undefined;
    line.put(now === policy.baseline ? '  ' : '* ', style.wait).left(policy.name, NAME, chosen ? style.bold : style.label);
    if (draft === undefined) line.left(now, value - 1, now === policy.baseline ? style.dim : style.number).put(' ');
    else line.left(`<${draft.value}>`, value - 1, style.badge).put(' ');
    line.left(policy.baseline, BASELINE, style.dim);
    if (meaning >= MEANING_MIN) line.put(' ').left(policy.meaning, meaning, style.dim);
    return line.end();
  });
  return [head.end(), ...rows].slice(0, height);
};

/** A click chooses the policy; one on the chosen policy begins to change it. */
export const policiesHit: Hit = (state, { stats }, { y, height }) => {
  const row = firstInSight(state.policies.row, POLICIES.length, Math.max(1, height - 1)) + y - 1;
  const policy = POLICIES[row];
  if (y < 1 || policy === undefined) return undefined;
  const value = stats?.policies[policy.name];
  const draft = row === state.policies.row && value !== undefined ? { value, word: 0 } : undefined;
  return { ...state, policies: { ...state.policies, row, draft } };
};

/** Rows that the table wants. */
export const POLICY_ROWS = POLICIES.length + 1;

/** The chosen policy in words, its settings with the one it has, and what its last change did to every quantity. */
export const policyPanel: Panel = (dashboard, screen, width, height) => {
  const policy = chosenPolicy(screen);
  const lines = wrapped(policy.meaning, width).map((text) => new Line(width).put(text, style.label).end());
  return [...lines, settings(dashboard, screen, width), ...effects(dashboard, screen, width)].slice(0, height);
};

function settings({ stats }: Dashboard, screen: ScreenState, width: number): string {
  const policy = chosenPolicy(screen);
  const vm = vmOf(screen);
  const { draft } = screen.policies;
  const value = draft?.value ?? stats?.policies[policy.name] ?? '';
  const line = new Line(width).put(`${vm === undefined ? (policy.set ? 'any of' : 'one of') : `for ${vm}`}: `, style.heading);
  const words = value.split('+');
  for (const [index, choice] of choicesOf(screen).entries()) {
    const isSet = policy.set === undefined ? choice === value : words.includes(choice);
    const at = draft !== undefined && (policy.set === undefined ? isSet : index === draft.word);
    const text = policy.set === undefined ? choice : `${isSet ? '+' : '-'}${choice}`;
    line.put(text, at ? style.badge : isSet ? style.number : style.dim).put(' ');
  }
  return line.end();
}

function effects(dashboard: Dashboard, screen: ScreenState, width: number): string[] {
  const { changes, chart, chartEnd: end } = dashboard;
  const policy = chosenPolicy(screen);
  const change = changes.lastOf(policy.name, end);
  if (change === undefined) return [new Line(width).put('not changed while hvtop watched', style.dim).end()];
  const ago = duration((end - change.bucket) * BUCKET_MS);
  const vm = change.vm === undefined ? '' : ` of ${change.vm}`;
  const head = new Line(width).put('┊ ', style.marker).put(`${change.from} → ${change.to}${vm}, ${ago} ago`, style.label).end();
  const title = new Line(width).left('', EFFECT_NAME, style.heading);
  for (const name of ['before', 'after', 'change']) title.right(name, EFFECT_NUMBER, style.heading);
  const of = screen.partition === undefined ? '' : `:${screen.partition}`;
  const rows = QUANTITIES.map((quantity) => {
    const name = quantity === 'intercepts' ? quantity : `${quantity}${of}`;
    const { before, after } = changes.effect(change, chart, name, end);
    const share = before > 0 ? after / before - 1 : Number.NaN;
    const line = new Line(width).left(QUANTITY_TITLES[quantity], EFFECT_NAME, style.label);
    line.right(si(before), EFFECT_NUMBER, style.label).right(si(after), EFFECT_NUMBER, style.number);
    return line.right(signedPercent(share), EFFECT_NUMBER, Math.abs(share) >= NOTABLE ? style.wait : style.dim).end();
  });
  return [head, title.end(), ...rows];
}

const EFFECT_NAME = 22;
const EFFECT_NUMBER = 9;
/** A change from which on it stands out. */
const NOTABLE = 0.05;

/** `+17 %`, `-3 %`; `-` where there is none. */
const signedPercent = (share: number): string => {
  if (!Number.isFinite(share)) return '-';
  const percent = Math.round(share * 100);
  return Math.abs(percent) > 9999 ? '>9999 %' : `${percent > 0 ? '+' : ''}${percent} %`;
};
