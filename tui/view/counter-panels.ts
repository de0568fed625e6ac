// The tables of intercepts, interrupts and the vTLB: as a narrow table (overview) or as a matrix by LP or partition (their own pages).
import type { MachineStats, PartitionStats } from '../../shared/protocol/messages.js';
import { byTlfsName, tlfsName } from '../model/counter-names.js';
import { addCounters } from '../model/counter-rate.js';
import type { Dashboard } from '../model/dashboard.js';
import { words } from '../model/format.js';
import { isVtlbGauge, type MachineRates, type PartitionRates } from '../model/machine-rates.js';
import type { Panel } from './panel.js';
import type { ScreenState } from './screen-state.js';
import { partitionStyle, style } from './style.js';
import { type MatrixColumn, rateMatrix, rateTable, type TableRow } from './table-panel.js';

export const interceptsTable: Panel = (dashboard, screen, width, height) => {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return [];
  return rateTable(named(interceptRows(stats, rates, screen.lp)), width, height, { name: 'reason', total: width >= 34 });
};

export const interceptsMatrix: Panel = (dashboard, _screen, width, height) => {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return [];
  const columns = rates.lps.map((lp): MatrixColumn => ({ title: `LP ${lp.id}`, style: style.heading, values: lp.byReason }));
  return rateMatrix(interceptRows(stats, rates, undefined), columns, width, height, 'reason');
};

export const interruptsTable: Panel = (dashboard, screen, width, height) => {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return [];
  const kinds = named(rowsOf(stats, rates, screen, kindTotals, kindRates)).filter((row) => row.total > 0);
  const kindHeight = Math.min(kinds.length + 1, Math.ceil(height / 2));
  const vectors = rowsOf(stats, rates, screen, vectorTotals, vectorRates).map((row) => ({ ...row, name: vectorName(row.name) }));
  const total = width >= 34;
  return [
    ...rateTable(kinds, width, kindHeight, { name: 'kind', total }),
    ...rateTable(vectors, width, height - kindHeight, { name: 'vector', total }),
  ].slice(0, height);
};

export const interruptsMatrix: Panel = (dashboard, _screen, width, height) => {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return [];
  const kindRows = rowsOf(stats, rates, undefined, kindTotals, kindRates);
  const kindHeight = Math.min(1 + kindRows.filter((row) => row.total > 0).length, Math.ceil(height / 2));
  const vectorRows = rowsOf(stats, rates, undefined, vectorTotals, vectorRates).map((row) => ({ ...row, name: vectorName(row.name) }));
  const vectorColumns = partitionColumns(dashboard, rates, (partition) =>
    Object.fromEntries(Object.entries(partition.byVector).map(([vector, rate]) => [vectorName(vector), rate])),
  );
  return [
    ...rateMatrix(kindRows, partitionColumns(dashboard, rates, kindRates), width, kindHeight, 'kind', [...kindRows, ...vectorRows]),
    ...rateMatrix(vectorRows, vectorColumns, width, height - kindHeight, 'vector', [...kindRows, ...vectorRows]),
  ].slice(0, height);
};

export const vtlbTable: Panel = (dashboard, screen, width, height) => {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return [];
  const rows = vtlbRows(stats, rates, screen).filter((row) => !isVtlbGauge(row.name) || row.name.endsWith('Live'));
  const shown = byRank(rows)
    .slice(0, Math.max(0, height - 1))
    .map((row) => ({ ...row, name: tlfsName(row.name) }));
  return rateTable(named(shown), width, height, { name: 'vTLB', total: width >= 30 });
};

export const vtlbMatrix: Panel = (dashboard, _screen, width, height) => {
  const { stats, rates } = dashboard;
  if (stats === undefined || rates === undefined) return [];
  const own = vtlbRows(stats, rates, undefined);
  const renamed = (row: TableRow): TableRow => ({ ...row, name: tlfsName(row.name) });
  const gauges = own.filter((row) => isVtlbGauge(row.name)).map(renamed);
  const gaugeHeight = Math.min(1 + gauges.filter((row) => row.total > 0).length, Math.ceil(height / 3));
  const counters = byRank(own.filter((row) => !isVtlbGauge(row.name)))
    .slice(0, Math.max(0, height - gaugeHeight - 1))
    .map(renamed);
  const rows = [...gauges, ...counters];
  const gaugeColumns = rates.partitions.map((partition, index) => ({
    title: partition.name,
    style: partitionStyle(dashboard.marks.partition(partition.name)),
    values: byTlfsName(stats.partitions[index]?.vtlb ?? {}),
  }));
  return [
    ...rateMatrix(gauges, gaugeColumns, width, gaugeHeight, 'now', rows),
    ...rateMatrix(
      counters,
      partitionColumns(dashboard, rates, (partition) => byTlfsName(vtlbRates(partition))),
      width,
      height - gaugeHeight,
      'counter',
      rows,
    ),
  ].slice(0, height);
};

/** Those that have counted, the more telling ones first. */
const byRank = (rows: readonly TableRow[]): TableRow[] => {
  const rank = (row: TableRow): number => (VTLB_FIRST.includes(row.name) ? VTLB_FIRST.indexOf(row.name) : VTLB_FIRST.length);
  return rows.filter((row) => row.total > 0).sort((a, b) => rank(a) - rank(b));
};

/** What is shown when there is no room for all. */
const VTLB_FIRST: readonly string[] = [
  'fills',
  'pendingFillWaits',
  'flushHandshakes',
  'invalidations',
  'guestFaults',
  'addressSpaceSwitches',
  'globalLockWaits',
  'reclaims',
  'fillRetries',
  'sptLive',
  'sasLive',
  'tagHits',
  'tagMisses',
  'pageTableWriteIntercepts',
  'validations',
  'purges',
  'wholeFlushes',
  'sptAllocated',
  'sasEvicted',
  'reclaimVictims',
  'tablesUnshadowed',
  'remoteWalks',
];

const kindTotals = (partition: PartitionStats): Record<string, number> => partition.interrupts.byKind;
const kindRates = (partition: PartitionRates): Record<string, number> => partition.byKind;
const vectorTotals = (partition: PartitionStats): Record<string, number> => partition.interrupts.byVector;
const vectorRates = (partition: PartitionRates): Record<string, number> => partition.byVector;
const vtlbTotals = (partition: PartitionStats): Record<string, number> => partition.vtlb;
const vtlbRates = (partition: PartitionRates): Record<string, number> => partition.vtlb;

const named = (rows: readonly TableRow[]): TableRow[] => rows.map((row) => ({ ...row, name: words(row.name) }));
const vectorName = (vector: string): string => (/^\d+$/.test(vector) ? `0x${Number(vector).toString(16).padStart(2, '0')}` : vector);

function interceptRows(stats: MachineStats, rates: MachineRates, lp: number | undefined): TableRow[] {
  const totals: Record<string, number> = {};
  for (const other of stats.lps) if (lp === undefined || other.id === lp) addCounters(totals, other.intercepts);
  const byReason = lp === undefined ? rates.byReason : (rates.lps.find((other) => other.id === lp)?.byReason ?? {});
  return Object.keys(totals).map((name) => ({ name, total: totals[name] ?? 0, rate: byReason[name] ?? 0 }));
}

/** The partitions' counters and gauges. */
const vtlbRows = (stats: MachineStats, rates: MachineRates, screen: ScreenState | undefined): TableRow[] =>
  rowsOf(stats, rates, screen, vtlbTotals, vtlbRates).map((row) => (isVtlbGauge(row.name) ? { ...row, rate: Number.NaN } : row));

type TotalsOf = (partition: PartitionStats) => Readonly<Record<string, number>>;
type RatesOf = (partition: PartitionRates) => Readonly<Record<string, number>>;

/** Sums over all partitions, or of the chosen one. */
function rowsOf(
  stats: MachineStats,
  rates: MachineRates,
  screen: ScreenState | undefined,
  totalsOf: TotalsOf,
  ratesOf: RatesOf,
): TableRow[] {
  const totals: Record<string, number> = {};
  const perSecond: Record<string, number> = {};
  stats.partitions.forEach((partition, index) => {
    if (screen?.partition !== undefined && partition.name !== screen.partition) return;
    addCounters(totals, totalsOf(partition));
    const partitionRates = rates.partitions[index];
    if (partitionRates !== undefined) addCounters(perSecond, ratesOf(partitionRates));
  });
  return Object.keys(totals).map((name) => ({ name, total: totals[name] ?? 0, rate: perSecond[name] ?? 0 }));
}

const partitionColumns = (dashboard: Dashboard, rates: MachineRates, of: RatesOf): MatrixColumn[] =>
  rates.partitions.map((partition) => ({
    title: partition.name,
    style: partitionStyle(dashboard.marks.partition(partition.name)),
    values: of(partition),
  }));
