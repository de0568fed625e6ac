// What a key does: first what it means on the page that is shown, then what it means on all of them.
import type { Dashboard } from '../model/dashboard.js';
import type { Stroke } from './keys.js';
import type { Outcome, Page } from './page.js';
import { PAGES, type Prompt, type ScreenState, selectLp, selectPartition, turnPage } from './screen-state.js';

export type PageKeys = Pick<Page, 'name' | 'onKey' | 'onPrompt'>;

/** Characters that can be typed. */
const PROMPT_MAX = 200;

/** Keys that go through time, and how far. */
const BACK: Readonly<Record<string, number>> = { ',': 1000, '.': -1000, '<': 10_000, '>': -10_000 };

/** A key without a meaning does nothing. */
export function afterStroke(state: ScreenState, stroke: Stroke, dashboard: Dashboard, pages: readonly PageKeys[]): Outcome {
  if (stroke.interrupt) return { state, order: { kind: 'quit' } };
  const page = pages.find(({ name }) => name === state.page);
  if (state.prompt !== undefined) return typed(state, state.prompt, stroke, dashboard, page);
  return (state.help ? undefined : page?.onKey?.(state, stroke, dashboard)) ?? everywhere(state, stroke, dashboard);
}

/** Escape empties it and ends it, Enter ends it; a key that is not a character does nothing. */
function typed(state: ScreenState, prompt: Prompt, { input, key }: Stroke, dashboard: Dashboard, page: PageKeys | undefined): Outcome {
  const text = key.escape ? '' : key.backspace ? prompt.text.slice(0, -1) : `${prompt.text}${printable(input)}`.slice(0, PROMPT_MAX);
  const next = { ...prompt, text };
  const outcome = page?.onPrompt?.(state, next, dashboard, key.return);
  return { ...outcome, state: { ...(outcome?.state ?? state), prompt: key.escape || key.return ? undefined : next } };
}

const printable = (input: string): string => input.replace(/[^\x20-\x7e]/g, '');

function everywhere(state: ScreenState, { input, key }: Stroke, { stats }: Dashboard): Outcome {
  if (input === 'q') return { state, order: { kind: 'quit' } };
  if (input === 'p') return { state, order: { kind: 'pause' } };
  const back = BACK[input];
  if (back !== undefined) return { state, order: { kind: 'back', ms: back } };
  if (input === '?') return { state: { ...state, help: !state.help } };
  if (key.escape) return { state: state.help ? { ...state, help: false } : { ...state, lp: undefined, partition: undefined, vp: 0 } };
  if (key.tab) return { state: turnPage(state, key.shift ? -1 : 1) };
  if (key.downArrow || input === 'j') return { state: selectLp(state, stats, 1) };
  if (key.upArrow || input === 'k') return { state: selectLp(state, stats, -1) };
  if (key.rightArrow || input === 'l') return { state: selectPartition(state, stats, 1) };
  if (key.leftArrow || input === 'h') return { state: selectPartition(state, stats, -1) };
  const page = /^[1-9]$/.test(input) ? PAGES[Number(input) - 1] : undefined;
  return { state: page === undefined ? state : { ...state, help: false, page } };
}
