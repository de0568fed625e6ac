// The chart: two minutes of one quantity, a line per partition, the newest values in the line above it; a vertical line where a policy was changed.
import { BUCKET_MS, BUCKETS } from '../model/chart-history.js';
import type { Dashboard, Quantity } from '../model/dashboard.js';
import { scaleOf, si } from '../model/format.js';
import type { Chart, ChartFactory, Series } from './contrib.js';
import { Line, overBlank } from './line.js';
import { partitionColour, style } from './style.js';

/** Lines drawn at most; a chart of more cannot be read. */
export const SERIES_MAX = 8;

/** Buckets shown: the smallest window that holds all that was measured, so that a young chart is not an empty one. */
const WINDOWS: readonly number[] = [BUCKETS / 4, BUCKETS / 2, BUCKETS];
const LABELS_PER_WINDOW = 3;

/** `-1:30`: the age of each bucket. */
const labelsOf = (window: number): string[] =>
  Array.from({ length: window }, (_, i) => {
    const seconds = Math.floor(((window - i) * BUCKET_MS) / 1000);
    return `-${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  });

export const QUANTITY_TITLES: Readonly<Record<Quantity, string>> = {
  instructions: 'guest instructions/s',
  intercepts: 'intercepts/s',
  interrupts: 'interrupts/s',
  fills: 'vTLB fills/s',
  operations: 'operations/s',
  spins: 'spin waits/s',
};

export class ChartPanel {
  readonly #factory: ChartFactory;
  #chart: Chart | undefined;
  #size = '';

  constructor(factory: ChartFactory) {
    this.#factory = factory;
  }

  draw(dashboard: Dashboard, quantity: Quantity, partition: string | undefined, width: number, height: number): string[] {
    const { rates } = dashboard;
    if (rates === undefined || height < 4 || width < 20) return [];
    const end = dashboard.chartEnd;
    const window = WINDOWS.find((buckets) => buckets >= dashboard.chart.measured(end)) ?? BUCKETS;
    const names =
      quantity === 'intercepts'
        ? []
        : rates.partitions.map((other) => other.name).filter((name) => partition === undefined || name === partition);
    const lines = names.slice(0, SERIES_MAX).map((name) => {
      const y = dashboard.line(`${quantity}:${name}`, window);
      return { name, y, colour: partitionColour(dashboard.marks.partition(name)) };
    });
    if (lines.length === 0) lines.push({ name: 'all LPs', y: dashboard.line(quantity, window), colour: 117 });
    const max = lines.reduce((most, line) => line.y.reduce((a, b) => Math.max(a, b), most), 0);
    const { divisor, prefix } = scaleOf(max);
    const series = lines.map((line): Series => ({ colour: line.colour, y: line.y.map((value) => value / divisor) }));
    const legend = new Line(width);
    legend.right(prefix === '' ? '' : `(${prefix})`, 5, style.dim).put(' ');
    for (const line of lines)
      legend
        .put(' ■ ', `38;5;${line.colour}`)
        .put(`${line.name} `, style.label)
        .put(si(line.y[line.y.length - 1] ?? 0), style.number);
    const chart = this.#chartOf(width, height - 1, window / LABELS_PER_WINDOW);
    const marked = dashboard.changes.all
      .map(({ bucket }) => bucket - (end - window))
      .filter((at) => at >= 0 && at < window)
      .map((at) => chart.column(at, window));
    return [legend.end(), ...chart.draw(labelsOf(window), series).map((line) => marked.reduce(withMark, line))];
  }

  #chartOf(columns: number, rows: number, labelEvery: number): Chart {
    const size = `${columns}x${rows}/${labelEvery}`;
    if (this.#chart === undefined || this.#size !== size) {
      this.#chart = this.#factory(columns, rows, labelEvery);
      this.#size = size;
    }
    return this.#chart;
  }
}

const withMark = (line: string, column: number): string => overBlank(line, column, '┊', style.marker);
