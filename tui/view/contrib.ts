// The line chart of blessed-contrib, drawn on a Braille canvas without a blessed screen: its own setData on an object that has just what that method reads.
// Why not the widget itself: it belongs to a second screen library that wants the whole terminal and its signals.
import { createRequire } from 'node:module';

export interface Series {
  readonly y: readonly number[];
  /** 256-colour number. */
  readonly colour: number;
}
export interface Chart {
  /** Lines of text with colours, as many as the chart is high. */
  draw(labels: readonly string[], series: readonly Series[]): string[];
  /** The column in which the value `at` of `count` is drawn. */
  column(at: number, count: number): number;
}

interface Context {
  readonly _canvas: { frame(): string };
}
type ContextClass = new (width: number, height: number) => Context;
interface Widget {
  setData(data: readonly object[]): void;
}
interface WidgetClass {
  readonly prototype: Widget;
}

/** A chart of `columns` x `rows` cells (2 x 4 dots each) with every n-th label written; made again when these change. */
export type ChartFactory = (columns: number, rows: number, labelEvery: number) => Chart;

/** Dots left of the values: room for five characters of the scale. */
const X_PADDING = 12;

/** Loads the chart code (0.2 s), so: once, and only when a screen is wanted. */
export function loadLineChart(): ChartFactory {
  const require = createRequire(import.meta.url);
  const CanvasContext = require('drawille-canvas-blessed-contrib') as ContextClass;
  const LineWidget = require('blessed-contrib/lib/widget/charts/line.js') as WidgetClass;
  return (columns, rows, labelEvery) => {
    const width = columns * 2;
    const height = rows * 4;
    const context = new CanvasContext(width, height);
    const widget = Object.create(LineWidget.prototype, {
      canvasSize: { value: { width, height } },
      options: {
        value: {
          showNthLabel: labelEvery,
          xLabelPadding: 3,
          xPadding: X_PADDING,
          numYLabels: Math.max(1, Math.min(5, Math.floor(rows / 3))),
          minY: 0,
          wholeNumbersOnly: false,
          legend: {},
          style: { line: 'cyan', text: 'white', baseline: 240 },
        },
      },
      ctx: { value: context },
      width: { value: columns },
      height: { value: rows },
    }) as Widget;
    return {
      draw(labels, series) {
        widget.setData(series.map((line) => ({ title: '', x: labels, y: line.y, style: { line: line.colour } })));
        return coalesce(context._canvas.frame()).split('\n').slice(0, rows);
      },
      // As the widget's getXPixel; two dots a column.
      column: (at, count) => Math.floor((((width - X_PADDING) / count) * at + X_PADDING + 2) / 2),
    };
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the canvas writes control sequences, which is what is searched for
const PIECES = /\x1b\[([0-9;]*)m|([^\x1b]+)/g;

/** The canvas sets and resets the colour of every cell; one sequence per run of a colour says the same in a tenth of the bytes. */
export function coalesce(frame: string): string {
  return frame
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => {
      let out = '';
      let current = '39';
      let wanted = '39';
      for (const [, colour, text] of line.matchAll(PIECES)) {
        if (text === undefined) {
          if (!colour!.startsWith('4')) wanted = colour!;
        } else {
          if (wanted !== current && text.trim() !== '') {
            out += `\x1b[${wanted}m`;
            current = wanted;
          }
          out += text;
        }
      }
      return current === '39' ? out : `${out}\x1b[39m`;
    })
    .join('\n');
}
