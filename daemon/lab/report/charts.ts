// Charts of a report, as SVG: for each measure means with the interval over the seeds, the baseline marked. Drawn by ECharts on no screen.
import { BarChart, CustomChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Settings } from '../experiment/experiment.js';
import type { Manifest } from '../experiment/store.js';
import { type Group, keyOf } from './groups.js';

use([BarChart, CustomChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

/** Okabe and Ito's, which most people can tell apart. */
const COLOURS = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#F0E442', '#000000'];
const WIDTH = 860;
const HEIGHT = 340;
/** Of one measure; what there are more of is in the table. */
export const CHARTS_MAX = 12;
const SERIES_MAX = COLOURS.length;

export interface Chart {
  readonly title: string;
  readonly svg: string;
}

/** The axis along which bars stand, the one that has a colour for each value, and the others, of which each combination has a chart. */
const axesOf = ({ axes, plot, baseline }: Manifest) => {
  const many = axes.filter(({ values }) => values.length > 1);
  const x = many.find(({ name }) => name === plot.x) ?? many.find(({ name }) => !(name in baseline)) ?? many[0];
  const rest = many.filter((axis) => axis !== x);
  const series = rest.find(({ name }) => name === plot.series) ?? rest.find(({ values }) => values.length <= SERIES_MAX);
  return { x, series, facets: rest.filter((axis) => axis !== series) };
};

export const chartsOf = (manifest: Manifest, groups: readonly Group[]): Chart[] => {
  const { x, series, facets } = axesOf(manifest);
  if (x === undefined) return [];
  const facetOf = (settings: Settings): string => keyOf(Object.fromEntries(facets.map(({ name }) => [name, settings[name]!])));
  const charts: Chart[] = [];
  for (const [measure, { unit }] of Object.entries(manifest.measure)) {
    const names = [...new Set(groups.map(({ settings }) => facetOf(settings)))].slice(0, CHARTS_MAX);
    for (const facet of names) {
      const shown = groups.filter(({ settings, measured }) => facetOf(settings) === facet && measured[measure] !== undefined);
      const title = `${measure}${unit === '' ? '' : `, ${unit}`}${facet === '' ? '' : ` (${facet})`}`;
      charts.push({ title, svg: draw(title, measure, shown, x, series) });
    }
  }
  return charts;
};

type Axis = Manifest['axes'][number];

const draw = (title: string, measure: string, groups: readonly Group[], x: Axis, series: Axis | undefined): string => {
  const lines = series === undefined ? [undefined] : series.values;
  const find = (at: string, line: string | undefined): Group | undefined =>
    groups.find(({ settings }) => settings[x.name] === at && (line === undefined || settings[series!.name] === line));
  const bars = lines.map((line, index) => ({
    type: 'bar' as const,
    name: line === undefined ? measure : `${series!.name}=${line}`,
    color: COLOURS[index % COLOURS.length]!,
    barMaxWidth: 40,
    data: x.values.map((at) => {
      const group = find(at, line);
      const value = group?.measured[measure]?.mean;
      // The baseline has a frame.
      return { value: value ?? '-', itemStyle: group?.isBaseline === true ? { borderColor: '#000', borderWidth: 2 } : {} };
    }),
  }));
  const intervals = lines.map((line, index) => ({
    type: 'custom' as const,
    silent: true,
    z: 10,
    data: x.values.flatMap((at, place) => {
      const one = find(at, line)?.measured[measure];
      return one === undefined || one.count < 2 ? [] : [[place, one.min, one.max]];
    }),
    renderItem: (_: unknown, api: BarApi) => {
      const [left, top] = api.coord([api.value(0), api.value(2)]);
      const [, bottom] = api.coord([api.value(0), api.value(1)]);
      const { offsetCenter = 0 } = api.barLayout({ count: lines.length, barMaxWidth: 40 })[index] ?? {};
      const at = left! + offsetCenter;
      const line = (x1: number, y1: number, x2: number, y2: number) => ({
        type: 'line',
        shape: { x1, y1, x2, y2 },
        style: { stroke: '#000', lineWidth: 1.2 },
      });
      return {
        type: 'group',
        children: [line(at, top!, at, bottom!), line(at - 4, top!, at + 4, top!), line(at - 4, bottom!, at + 4, bottom!)],
      };
    },
  }));
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption({
      animation: false,
      title: { text: title, textStyle: { fontSize: 14 } },
      legend: { top: 26, itemGap: 40, data: bars.map(({ name }) => name), show: series !== undefined },
      grid: { left: 90, right: 20, top: series === undefined ? 40 : 64, bottom: 50 },
      xAxis: { type: 'category', data: x.values, name: x.name, nameLocation: 'middle', nameGap: 30 },
      yAxis: { type: 'value' },
      series: [...bars, ...intervals] as never,
    });
    return still(chart.renderToSVGString());
  } finally {
    // Its timers would keep the process alive.
    chart.dispose();
  }
};

/** What it has for a pointer that moves over it: numbered through by the process, so that the same chart would never be the same text twice. */
const still = (svg: string): string =>
  svg
    .replace(/<style[^>]*>[\s\S]*?<\/style>/g, '')
    .replace(/ (class="zr[^"]*"|pointer-events="visible")/g, '')
    .replace(/ ecmeta_[a-z_]+="[^"]*"/g, '')
    .replaceAll(/zr\d+-/g, 'zr-');

interface BarApi {
  value(index: number): number;
  coord(point: readonly number[]): number[];
  barLayout(options: { readonly count: number; readonly barMaxWidth: number }): readonly { readonly offsetCenter?: number }[];
}
