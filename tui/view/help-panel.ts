// The help: the keys of the page that is shown, those of every page, and what the signs of the lanes mean.
import { Line } from './line.js';
import type { Page } from './page.js';
import { PAGES } from './screen-state.js';
import { style, vpCellStyle } from './style.js';

const KEYS: readonly (readonly [string, string])[] = [
  ['q', 'quit; the daemon goes on'],
  [`tab 1-${PAGES.length}`, 'next page (shift-tab: the one before), or the one with that number'],
  ['p', 'pause the display; again to go on, from now'],
  [', . < >', 'back and forward by 1 s, by 10 s, through the last 10 minutes'],
  ['↑ ↓  k j', 'choose an LP: tables then show that LP alone'],
  ['← →  h l', 'choose a partition: tables and chart show it alone'],
  ['esc', 'choose nothing: the whole machine'],
  ['mouse', 'click: a tab, a heading, a row (again: open it); the wheel chooses'],
];

const SIGNS: readonly (readonly [string, string, string])[] = [
  ['A', vpCellStyle(0, 0), 'the VP that ran longest in a quarter second; coloured by partition'],
  ['·', style.faint, 'the LP was idle'],
  ['┊', style.wait, 'not seen: there was no connection'],
  ['◆', style.odd, 'CTR is odd: the LP is inside a vTLB fill; invalidators wait for it'],
  ['■', '38;5;185', 'rates by order of magnitude, from dark (1/s) to light (100k/s)'],
  ['►3 …3 z', style.label, 'VP runs on LP 3, is ready in its queue, is halted'],
];

const KEY_COLUMNS = 10;
export const HELP_COLUMNS = 76;
/** Rows of the help of a page. */
export const helpRows = (page: Page): number =>
  (page.keys.length > 0 ? page.keys.length + 1 : 0) + KEYS.length + 1 + (page.lanes ? SIGNS.length + 1 : 0);

export function helpPanel(page: Page, width: number, height: number): string[] {
  const rows = (list: readonly (readonly [string, string])[]): string[] =>
    list.map(([key, meaning]) => new Line(width).left(key, KEY_COLUMNS, style.bold).put(meaning, style.label).end());
  const title = (text: string): string => new Line(width).put(text, style.heading).end();
  const lines = page.keys.length > 0 ? [title(`On this page (${page.name})`), ...rows(page.keys)] : [];
  lines.push(title('On every page'), ...rows(KEYS));
  if (!page.lanes) return lines.slice(0, height);
  lines.push(title('Signs'));
  for (const [sign, signStyle, meaning] of SIGNS)
    lines.push(new Line(width).put(sign, signStyle).to(KEY_COLUMNS).put(meaning, style.label).end());
  return lines.slice(0, height);
}
