// What has been chosen on the page of VMs, and its keys: how the table is sorted, which rows it has, and whether the chosen one is shown in full.
import type { Dashboard } from '../model/dashboard.js';
import { isMatch, sorted, VM_COLUMNS, type VmColumn, type VmRow, vmRows } from '../model/vm-rows.js';
import type { Stroke } from './keys.js';
import type { Outcome } from './page.js';
import { type Prompt, type ScreenState, selectVp } from './screen-state.js';

export interface VmsChoice {
  readonly sort: VmColumn;
  readonly descending: boolean;
  readonly filter: string;
  readonly search: string;
  readonly details: boolean;
}

export const FIRST_VMS: VmsChoice = { sort: 'name', descending: false, filter: '', search: '', details: false };

/** The rows of the table as they are shown. */
export const shownVms = ({ stats, rates }: Dashboard, { vms }: ScreenState): VmRow[] =>
  stats === undefined || rates === undefined
    ? []
    : sorted(
        vmRows(stats, rates).filter((row) => isMatch(row, vms.filter)),
        vms.sort,
        vms.descending,
      );

/** The partition whose details are shown: the chosen one, or the first of the table. */
export const detailsOf = (dashboard: Dashboard, screen: ScreenState): string | undefined =>
  screen.partition ?? shownVms(dashboard, screen)[0]?.name;

/** By another column: numbers the largest first. */
export const sortedBy = (state: ScreenState, sort: VmColumn): ScreenState => ({
  ...state,
  vms: { ...state.vms, sort, descending: state.vms.sort === sort ? !state.vms.descending : sort !== 'name' && sort !== 'state' },
});

export function vmsKey(state: ScreenState, { input, key }: Stroke, dashboard: Dashboard): Outcome | undefined {
  const { vms } = state;
  const put = (change: Partial<VmsChoice>): Outcome => ({ state: { ...state, vms: { ...vms, ...change } } });
  const ask = (purpose: 'filter' | 'search'): Outcome => ({ state: { ...state, prompt: { purpose, text: vms[purpose] } } });
  const by = key.downArrow || input === 'j' ? 1 : key.upArrow || input === 'k' ? -1 : 0;
  if (by !== 0) return { state: moved(state, dashboard, by) };
  if (key.home || key.end) return { state: { ...state, partition: shownVms(dashboard, state).at(key.home ? 0 : -1)?.name } };
  if (key.return) return put({ details: !vms.details });
  if (key.escape && vms.details) return put({ details: false });
  if (input === 's') return { state: sortedBy(state, VM_COLUMNS[(VM_COLUMNS.indexOf(vms.sort) + 1) % VM_COLUMNS.length]!) };
  if (input === 'S') return put({ descending: !vms.descending });
  if (input === 'f') return ask('filter');
  if (input === '/') return ask('search');
  if (input === 'n') return { state: found(state, dashboard, 1) };
  if (input === 'N') return { state: found(state, dashboard, -1) };
  if (input === 'v') return { state: selectVp(state, dashboard.stats, 1) };
  if (input === 'V') return { state: selectVp(state, dashboard.stats, -1) };
  return undefined;
}

/** The table follows what is typed. */
export const vmsPrompt = (state: ScreenState, { purpose, text }: Prompt, dashboard: Dashboard): ScreenState => {
  if (purpose === 'filter') return { ...state, vms: { ...state.vms, filter: text } };
  const searching = { ...state, vms: { ...state.vms, search: text } };
  return found(searching, dashboard, 0);
};

const moved = (state: ScreenState, dashboard: Dashboard, by: number): ScreenState => {
  const names = shownVms(dashboard, state).map(({ name }) => name);
  if (names.length === 0) return state;
  const at = state.partition === undefined ? (by > 0 ? -1 : 0) : names.indexOf(state.partition);
  return { ...state, vp: 0, partition: names[(at + by + names.length) % names.length] };
};

/** The next row with what is searched, after the chosen one; `by` 0: that one too. */
const found = (state: ScreenState, dashboard: Dashboard, by: number): ScreenState => {
  const rows = shownVms(dashboard, state);
  if (state.vms.search === '' || rows.length === 0) return state;
  const at = Math.max(
    0,
    rows.findIndex(({ name }) => name === state.partition),
  );
  for (let i = 0; i < rows.length; i++) {
    const row = rows[(at + by + (by < 0 ? -i : i) + 2 * rows.length) % rows.length]!;
    if (isMatch(row, state.vms.search)) return row.name === state.partition ? state : { ...state, vp: 0, partition: row.name };
  }
  return state;
};
