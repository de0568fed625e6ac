// The help overlay: keys, and what the signs on the screen mean.
import { Line } from './line.js';
import { style, vpCellStyle } from './style.js';

const KEYS: readonly (readonly [string, string])[] = [
  ['q', 'quit; the daemon goes on'],
  ['?', 'this help'],
  ['tab', 'next page (shift-tab: the one before; 1-6: that one)'],
  ['p', 'pause the display; again to go on'],
  ['↑ ↓  k j', 'choose an LP: tables then show that LP alone'],
  ['← →  h l', 'choose a partition: tables and chart show it alone'],
  ['v V', 'on the page of interrupts: choose a VP, whose last ones are shown'],
  ['esc', 'choose nothing: the whole machine'],
];

const SIGNS: readonly (readonly [string, string, string])[] = [
  ['A', vpCellStyle(0, 0), 'the VP that ran longest in a quarter second; coloured by partition'],
  ['·', style.faint, 'the LP was idle'],
  ['┊', style.wait, 'not seen: paused, or no connection'],
  ['◆', style.odd, 'CTR is odd: the LP is inside a vTLB fill; invalidators wait for it'],
  ['■', '38;5;215', 'rates by order of magnitude, from blue (1/s) to red (100k/s)'],
  ['►3 …3 z', style.label, 'VP runs on LP 3, is ready in its queue, is halted'],
];

export const HELP_ROWS = KEYS.length + SIGNS.length + 3;
export const HELP_COLUMNS = 76;

export function helpPanel(width: number, height: number): string[] {
  const lines = [new Line(width).put('Keys', style.heading).end()];
  for (const [key, meaning] of KEYS) lines.push(new Line(width).left(key, 10, style.bold).put(meaning, style.label).end());
  lines.push(new Line(width).end(), new Line(width).put('Signs', style.heading).end());
  for (const [sign, signStyle, meaning] of SIGNS) lines.push(new Line(width).put(sign, signStyle).to(10).put(meaning, style.label).end());
  return lines.slice(0, height);
}
