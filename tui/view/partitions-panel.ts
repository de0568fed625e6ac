// The partitions and their VPs: state, LP, speed, shares of time. Full rows where they fit, one line of marks per partition where not.
import type { PartitionStats, VpStats } from '../../shared/protocol/messages.js';
import type { Dashboard } from '../model/dashboard.js';
import { bytes, mips, percent, si } from '../model/format.js';
import type { PartitionRates, VpRates } from '../model/machine-rates.js';
import { Line } from './line.js';
import { partitionStyle, type Style, stateStyle, style, vpCellStyle } from './style.js';

/** Rows that show every VP on a row of its own. */
export const partitionRows = (dashboard: Dashboard): number =>
  (dashboard.stats?.partitions ?? []).reduce((rows, partition) => rows + 1 + partition.vps.length, 0);

/** Title and one line of marks. */
const COMPACT_ROWS = 2;

export function partitionsPanel(dashboard: Dashboard, selected: string | undefined, width: number, height: number): string[] {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return [];
  if (stats.partitions.length === 0) return [new Line(width).put('no partition yet: hvd vm create FILE', style.dim).end()];
  const compact = partitionRows(dashboard) > height;
  const at = stats.partitions.findIndex((partition) => partition.name === selected);
  const lines: string[] = [];
  // Compact: the selected partition keeps its rows, when they fit; the others are one line of marks each.
  for (let i = firstShown(stats.partitions, at, height, compact); i < stats.partitions.length && lines.length < height; i++) {
    const partition = stats.partitions[i]!;
    const partitionRate = rates.partitions[i];
    const chosen = i === at;
    lines.push(title(dashboard, partition, partitionRate, width, chosen));
    if (compact && !chosen) {
      for (const line of marks(dashboard, partition, width)) if (lines.length < height) lines.push(line);
      continue;
    }
    partition.vps.forEach((vp, index) => {
      if (lines.length < height) lines.push(row(dashboard, partition, vp, partitionRate?.vps[index], width));
    });
  }
  return lines;
}

/** So far back before the chosen partition that its own rows still fit. */
function firstShown(partitions: readonly PartitionStats[], at: number, height: number, compact: boolean): number {
  if (!compact || at <= 0) return 0;
  let room = height - 1 - partitions[at]!.vps.length;
  let first = at;
  while (first > 0 && room >= COMPACT_ROWS) {
    first--;
    room -= COMPACT_ROWS;
  }
  return first;
}

function title(dashboard: Dashboard, partition: PartitionStats, rates: PartitionRates | undefined, width: number, chosen: boolean): string {
  const line = new Line(width, chosen ? style.selected : '');
  line
    .put('■ ', partitionStyle(dashboard.marks.partition(partition.name)))
    .left(partition.name, 12, partitionStyle(dashboard.marks.partition(partition.name)));
  line.put(' ').put(partition.state, stateStyle(partition.state));
  if (partition.reason !== null && partition.reason !== '') return line.put(` ${partition.reason}`, style.bad).end();
  const numbers = `${bytes(partition.memory)}  ${mips(rates?.instructions ?? 0)} MIPS`;
  return line
    .to(width - numbers.length - 1)
    .put(' ')
    .put(numbers, style.label)
    .end();
}

interface VpColumn {
  readonly text: string;
  readonly columns: number;
  readonly style: Style;
}

function row(dashboard: Dashboard, partition: PartitionStats, vp: VpStats, rates: VpRates | undefined, width: number): string {
  const mark = dashboard.marks.mark(dashboard.marks.code(partition.name, vp.id));
  const line = new Line(width)
    .put('  ')
    .put(mark.letter, vpCellStyle(mark.partition, mark.vp))
    .put(' ')
    .left(`VP ${vp.id}`, 6, style.label);
  line.left(vp.state, 10, stateStyle(vp.state));
  line.left(vp.lp === null ? '' : `LP ${vp.lp}`, 6, style.label);
  const columns: VpColumn[] = [
    { text: `${mips(rates?.instructions ?? 0)} MIPS`, columns: 11, style: style.number },
    { text: `run ${percent(rates?.runShare ?? 0)}`, columns: 10, style: style.label },
    { text: `ready ${percent(rates?.readyShare ?? 0)}`, columns: 12, style: (rates?.readyShare ?? 0) > 0.25 ? style.wait : style.label },
    { text: `${si(rates?.migrations ?? 0)} moves/s`, columns: 14, style: style.dim },
  ];
  for (const column of columns) if (line.column + column.columns <= width) line.right(column.text, column.columns, column.style);
  return line.end();
}

/** `A 2  B -  C 0`: the mark and the LP; the colour of the number is the VP's state. */
function marks(dashboard: Dashboard, partition: PartitionStats, width: number): string[] {
  const lines: string[] = [];
  let line = new Line(width).put('  ');
  for (const vp of partition.vps) {
    if (line.column + 5 > width) {
      lines.push(line.end());
      line = new Line(width).put('  ');
    }
    const mark = dashboard.marks.mark(dashboard.marks.code(partition.name, vp.id));
    line.put(mark.letter, vpCellStyle(mark.partition, mark.vp)).left(stateSign(vp), 4, stateStyle(vp.state));
  }
  lines.push(line.end());
  return lines;
}

const stateSign = (vp: VpStats): string =>
  vp.state === 'running' ? `►${vp.lp ?? ''}` : vp.state === 'ready' ? `…${vp.lp ?? ''}` : vp.state === 'halted' ? 'z' : '×';
