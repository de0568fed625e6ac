// The daemon's log, the newest record last.
import { Line } from './line.js';
import type { Panel } from './panel.js';
import { type Style, style } from './style.js';

const LEVELS: Readonly<Record<string, Style>> = { warn: style.wait, error: style.bad, fatal: style.bad, info: style.label };
const TIME = 13;
const LEVEL = 6;

export const logPanel: Panel = ({ log }, screen, width, height) => {
  const { back, warnings } = screen.log;
  const all = log.lines(warnings);
  const end = all.length - Math.min(back, Math.max(0, all.length - 1));
  const lines = all.slice(Math.max(0, end - height), end).map(({ at, level, text }) =>
    new Line(width)
      .left(new Date(at).toISOString().slice(11, 23), TIME, style.dim)
      .left(level, LEVEL, LEVELS[level] ?? style.dim)
      .put(text, LEVELS[level] ?? style.dim)
      .end(),
  );
  if (all.length === 0 && height > 0) lines.push(new Line(width).put(warnings ? 'no warnings' : 'nothing yet', style.dim).end());
  return lines;
};
