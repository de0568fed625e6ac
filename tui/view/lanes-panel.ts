// One lane per LP: its super-mode, what runs on it now, what ran in the last seconds, who waits in its queue, its rates, its generation counter and clock.
import type { LpStats, MachineStats } from '../../shared/protocol/messages.js';
import { type Dashboard, LANE_COLUMN_MS } from '../model/dashboard.js';
import { clockTime, percent, si } from '../model/format.js';
import { LaneCell } from '../model/lane-columns.js';
import type { LpRates } from '../model/machine-rates.js';
import { Line } from './line.js';
import type { Hit } from './region.js';
import { partitionStyle, stateStyle, style, vpCellStyle } from './style.js';

/** States where there is no room for words. */
const SHORT: Readonly<Record<string, string>> = {
  running: 'run',
  hypervisor: 'hyp',
  waiting: 'wait',
  offline: 'off',
};

/** `long`, or `lgcy`. */
const SUPER_MODE = 4;

interface Columns {
  readonly state: number;
  readonly vp: number;
  readonly lane: number;
  readonly queue: number;
  readonly rate: number;
  readonly interrupts: boolean;
  readonly generation: number;
  readonly clock: number;
  /** Switches between super-modes, and the time that they take. */
  readonly switches: boolean;
  readonly busy: boolean;
  readonly core: boolean;
}

/** Inside a panel of `width` x `height`, heading first; scrolled so that LP `selected` is in sight. */
export function lanesPanel(dashboard: Dashboard, selected: number | undefined, width: number, height: number): string[] {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return waiting(dashboard, width, height);
  const columns = columnsFor(width);
  const room = Math.max(1, height - 1);
  const [first, last] = visibleLps(stats, selected, room);
  const lines = [heading(columns, width)];
  const queues = queuedVps(dashboard, stats);
  for (let i = first; i < last; i++) {
    const lp = stats.lps[i]!;
    lines.push(lane(dashboard, lp, rates.lps[i], queues.get(lp.id) ?? [], columns, width, lp.id === selected));
  }
  return lines;
}

/** Says which LPs are shown when not all are. `room` is the height inside the frame. */
export function lanesTitle(dashboard: Dashboard, selected: number | undefined, room: number): string {
  const { stats } = dashboard;
  if (stats === undefined) return 'logical processors';
  const [first, last] = visibleLps(stats, selected, Math.max(1, room - 1));
  const some = last - first < stats.lps.length ? ` ${first}-${last - 1} of ${stats.lps.length}, ↑↓ for more` : '';
  return `logical processors${some}`;
}

/** Range of LP positions shown in `room` rows. */
export function visibleLps(stats: MachineStats, selected: number | undefined, room: number): [number, number] {
  const count = stats.lps.length;
  const at = Math.max(
    0,
    stats.lps.findIndex((lp) => lp.id === selected),
  );
  const first = Math.min(Math.max(0, at - Math.floor(room / 2)), Math.max(0, count - room));
  return [first, Math.min(count, first + room)];
}

/** A click on a lane chooses its LP, or chooses it no more. */
export const lanesHit: Hit = (state, { stats }, { y, height }) => {
  if (stats === undefined || y < 1) return undefined;
  const [first, last] = visibleLps(stats, state.lp, Math.max(1, height - 1));
  const lp = first + y - 1 < last ? stats.lps[first + y - 1]?.id : undefined;
  return lp === undefined ? undefined : { ...state, lp: lp === state.lp ? undefined : lp };
};

function columnsFor(width: number): Columns {
  const wide = width >= 104;
  const fixed = {
    state: wide ? 10 : 5,
    vp: wide ? 13 : 10,
    queue: wide ? 8 : 4,
    rate: 6,
    interrupts: wide,
    generation: wide ? 10 : 8,
    clock: 9,
    switches: width >= 120,
    busy: width >= 90,
    core: width >= 130,
  };
  const left = 2 + 1 + 2 + 1 + fixed.state + 1 + SUPER_MODE + 1 + fixed.vp + 1;
  const right =
    1 +
    fixed.queue +
    1 +
    fixed.rate +
    (fixed.interrupts ? 7 : 0) +
    (fixed.switches ? 7 + 5 : 0) +
    1 +
    fixed.generation +
    1 +
    fixed.clock +
    (fixed.busy ? 5 : 0) +
    (fixed.core ? 5 : 0);
  return { ...fixed, lane: Math.max(4, width - left - right) };
}

function heading(columns: Columns, width: number): string {
  const seconds = (columns.lane * LANE_COLUMN_MS) / 1000;
  const title = columns.lane >= 24 ? `last ${seconds.toFixed(0)} s` : `${seconds.toFixed(0)} s`;
  const dashes = Math.max(0, columns.lane - title.length - 5);
  const line = new Line(width)
    .put('LP ', style.heading)
    .put('nd ', style.heading)
    .left('state', columns.state + 1, style.heading)
    .left('mode', SUPER_MODE + 1, style.heading)
    .left('runs', columns.vp + 1, style.heading)
    .put(`${title} `, style.heading)
    .put(`${'─'.repeat(dashes)} `, style.faint)
    .put('now ', style.heading)
    .left(columns.queue > 5 ? 'queue' : 'que', columns.queue + 1, style.heading)
    .right('icpt/s', columns.rate, style.heading);
  if (columns.interrupts) line.right('intr/s', 7, style.heading);
  if (columns.switches) line.right('sw/s', 7, style.heading).right('in', 5, style.heading);
  line.right('CTR', columns.generation + 1, style.heading).right('clock', columns.clock + 1, style.heading);
  if (columns.busy) line.right('busy', 5, style.heading);
  if (columns.core) line.right('core', 5, style.heading);
  return line.end();
}

function lane(
  dashboard: Dashboard,
  lp: LpStats,
  rates: LpRates | undefined,
  queue: readonly number[],
  columns: Columns,
  width: number,
  selected: boolean,
): string {
  const line = new Line(width, selected ? style.selected : '');
  line.right(String(lp.id), 2, style.bold).put(' ').left(`n${lp.node}`, 2, style.dim).put(' ');
  line.left(columns.state < 10 ? (SHORT[lp.state] ?? lp.state) : lp.state, columns.state, stateStyle(lp.state)).put(' ');
  const legacy = lp.superMode === 'legacy';
  line.left(legacy ? 'lgcy' : 'long', SUPER_MODE, legacy ? style.odd : style.dim).put(' ');
  running(line, dashboard, lp.vp, columns.vp);
  line.put(' ');
  const cells = dashboard.lane(lp.id, columns.lane);
  line.put(' '.repeat(columns.lane - cells.length));
  for (const cell of cells) laneCell(line, dashboard, cell);
  line.put(' ');
  queued(line, dashboard, lp, queue, columns.queue);
  line.put(' ').right(si(rates?.intercepts ?? 0), columns.rate, style.number);
  if (columns.interrupts) line.right(si(rates?.interrupts ?? 0), 7, style.number);
  if (columns.switches) line.right(si(rates?.worldSwitches ?? 0), 7, style.number).right(percent(rates?.windowShare ?? 0), 5, style.label);
  const odd = lp.generation % 2 !== 0;
  line
    .put(' ')
    .right(`${generation(lp.generation, columns.generation - 2)}${odd ? ' ◆' : '  '}`, columns.generation, odd ? style.odd : style.label);
  line.put(' ').right(clockOf(dashboard, lp), columns.clock, style.label);
  if (columns.busy) line.right(percent(rates?.busyShare ?? 0), 5, style.label);
  if (columns.core) line.right(lp.hostCore === null ? '-' : `#${lp.hostCore}`, 5, style.dim);
  return line.end();
}

const clockOf = (dashboard: Dashboard, lp: LpStats): string => clockTime(lp.clock / (dashboard.stats?.frequencyHz ?? 1));

/** The last digits matter (they move): a number too long loses its front. */
const generation = (value: number, digits: number): string => {
  const text = String(value);
  return text.length <= digits ? text : `…${text.slice(text.length - digits + 1)}`;
};

function running(line: Line, dashboard: Dashboard, vp: string | null, columns: number): void {
  if (vp === null) {
    line.left('·', columns, style.faint);
    return;
  }
  const mark = dashboard.marks.mark(dashboard.marks.codeOf(vp));
  line
    .put(mark.letter, vpCellStyle(mark.partition, mark.vp))
    .put(' ')
    .left(vp, columns - 2, partitionStyle(mark.partition));
}

function laneCell(line: Line, dashboard: Dashboard, cell: number): void {
  if (cell === LaneCell.IDLE) line.put('·', style.faint);
  else if (cell === LaneCell.GAP) line.put('┊', style.wait);
  else if (cell === LaneCell.DEAD) line.put('×', style.bad);
  else {
    const mark = dashboard.marks.mark(cell);
    line.put(mark.letter, vpCellStyle(mark.partition, mark.vp));
  }
}

function queued(line: Line, dashboard: Dashboard, lp: LpStats, queue: readonly number[], columns: number): void {
  const start = line.column;
  if (lp.queue === 0 && queue.length === 0) line.put('-', style.faint);
  else {
    line.put(String(lp.queue), lp.queue > 0 ? style.wait : style.dim).put(' ');
    for (const code of queue.slice(0, Math.max(0, columns - 3))) {
      const mark = dashboard.marks.mark(code);
      line.put(mark.letter, vpCellStyle(mark.partition, mark.vp));
    }
  }
  line.to(start + columns);
}

/** Marks of the ready VPs that stand in each LP's queue. */
function queuedVps(dashboard: Dashboard, stats: MachineStats): Map<number, number[]> {
  const queues = new Map<number, number[]>();
  for (const partition of stats.partitions) {
    for (const vp of partition.vps) {
      if (vp.state !== 'ready' || vp.lp === null) continue;
      const queue = queues.get(vp.lp) ?? [];
      queue.push(dashboard.marks.code(partition.name, vp.id));
      queues.set(vp.lp, queue);
    }
  }
  return queues;
}

function waiting(dashboard: Dashboard, width: number, height: number): string[] {
  const { connection } = dashboard;
  const text = connection.state === 'disconnected' ? connection.reason : 'waiting for the daemon';
  const lines = [new Line(width).end()];
  if (height > 1) lines.push(new Line(width).put(`  ${text}`, style.wait).end());
  if (height > 2) lines.push(new Line(width).put('  start one with: npx hvd start --detach', style.dim).end());
  return lines;
}
