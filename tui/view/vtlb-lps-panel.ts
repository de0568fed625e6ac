// What each LP does in the vTLB: its generation counter and parity, fills, flushes that it asked of others, and how long its invalidations waited for others' fills.
import { si } from '../model/format.js';
import { waitPercentile } from '../model/wait-percentile.js';
import { visibleLps } from './lanes-panel.js';
import { Line } from './line.js';
import type { Panel } from './panel.js';
import { style } from './style.js';

const NUMBER = 8;
/** Below that the waits are what is shown. */
const WIDE = 52;

export const vtlbLpsTable: Panel = (dashboard, screen, width, height) => {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return [];
  const wide = width >= WIDE;
  const generationColumns = wide ? Math.max(8, Math.min(14, width - 3 - 5 * NUMBER)) : 10;
  const head = new Line(width).left('LP', 3, style.heading).right('CTR', generationColumns, style.heading).put('  ');
  if (wide) for (const title of ['fills/s', 'flush/s', 'waits/s']) head.right(title, NUMBER, style.heading);
  head.right('waits', NUMBER, style.heading).right('p99 µs', NUMBER, style.heading);
  const lines = [head.end()];
  const [first, last] = visibleLps(stats, screen.lp, Math.max(1, height - 1));
  for (let i = first; i < last; i++) {
    const lp = stats.lps[i]!;
    const rate = rates.lps[i];
    const odd = lp.generation % 2 !== 0;
    const line = new Line(width, lp.id === screen.lp ? style.selected : '');
    line.left(String(lp.id), 3, style.bold).right(String(lp.generation), generationColumns, style.label);
    line.put(odd ? ' ◆' : '  ', style.odd);
    if (wide)
      for (const value of [rate?.fills ?? 0, rate?.flushHandshakes ?? 0, rate?.pendingFillWaits ?? 0])
        line.right(si(value), NUMBER, value > 0 ? style.number : style.dim);
    const p99 = waitPercentile(lp.fillWaitUs, 0.99);
    line.right(si(lp.pendingFillWaits), NUMBER, style.dim);
    line.right(Number.isNaN(p99) ? '-' : Number.isFinite(p99) ? si(p99) : '>16k', NUMBER, style.label);
    lines.push(line.end());
  }
  return lines;
};
