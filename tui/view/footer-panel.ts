// The last line: the pages with their numbers, and the keys that everybody needs; or what is to be said about the last key.
import type { Dashboard } from '../model/dashboard.js';
import { Line } from './line.js';
import type { Hit } from './region.js';
import { PAGES, type PageName, type ScreenState } from './screen-state.js';
import { style } from './style.js';

/** Columns below which names are short. */
const WIDE = 96;
const WIDEST = 132;
const SHORT: Readonly<Partial<Record<string, string>>> = { interrupts: 'intr' };

/** Each page's tab: its first column and its text. */
const tabs = (width: number): { readonly page: PageName; readonly x: number; readonly text: string }[] => {
  let x = 1;
  return PAGES.map((page, index) => {
    const text = `${index + 1} ${width < WIDE ? (SHORT[page] ?? page) : page}`;
    const tab = { page, x, text };
    x += text.length + 1;
    return tab;
  });
};

export const footerHit: Hit = (state, _dashboard, { x, width }) => {
  const tab = tabs(width).find((one) => x >= one.x && x < one.x + one.text.length);
  return tab && { ...state, help: false, prompt: undefined, page: tab.page };
};

export function footerPanel({ paused, notice }: Dashboard, screen: ScreenState, width: number): string[] {
  const line = new Line(width).put(' ');
  if (notice !== undefined) return [line.put(notice.text, notice.bad ? style.bad : style.good).end()];
  if (screen.prompt !== undefined) {
    const { purpose, text } = screen.prompt;
    return [line.put(`${purpose}: `, style.heading).put(text, style.number).put('_', style.wait).end()];
  }
  for (const { page, text } of tabs(width)) line.put(text, page === screen.page ? style.tab : style.dim).put(' ');
  const keys = `${width >= WIDEST ? `↑↓ ←→ choose  tab page  p ${paused ? 'go on' : 'pause'}  ` : ''}? ${screen.help ? 'close' : 'help'}  q quit`;
  return [
    line
      .to(width - keys.length - 1)
      .put(keys, style.dim)
      .end(),
  ];
}
