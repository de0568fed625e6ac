// The last line: the pages with their numbers, and the keys that everybody needs; or what is to be said about the last key.
import type { Dashboard } from '../model/dashboard.js';
import { Line } from './line.js';
import { PAGES, type ScreenState } from './screen-state.js';
import { style } from './style.js';

/** Columns below which names are short. */
const WIDE = 96;
const WIDEST = 132;
const SHORT: Readonly<Partial<Record<string, string>>> = { interrupts: 'intr' };

export function footerPanel({ paused, notice }: Dashboard, screen: ScreenState, width: number): string[] {
  const line = new Line(width).put(' ');
  if (notice !== undefined) return [line.put(notice.text, notice.bad ? style.bad : style.good).end()];
  if (screen.prompt !== undefined) {
    const { purpose, text } = screen.prompt;
    return [line.put(`${purpose}: `, style.heading).put(text, style.number).put('_', style.wait).end()];
  }
  for (const [index, name] of PAGES.entries()) {
    const text = `${index + 1} ${width < WIDE ? (SHORT[name] ?? name) : name}`;
    line.put(text, name === screen.page ? style.tab : style.dim).put(' ');
  }
  const keys = `${width >= WIDEST ? `↑↓ ←→ choose  tab page  p ${paused ? 'go on' : 'pause'}  ` : ''}? ${screen.help ? 'close' : 'help'}  q quit`;
  return [
    line
      .to(width - keys.length - 1)
      .put(keys, style.dim)
      .end(),
  ];
}
