// What the person at the keyboard has chosen: page, selection, help. Pure transitions, so that keys are tested without a terminal.
import type { MachineStats } from '../../shared/protocol/messages.js';
import type { Key } from './keys.js';

export const PAGES = ['overview', 'intercepts', 'interrupts', 'vtlb', 'load', 'spin'] as const;
export type Page = (typeof PAGES)[number];

export interface ScreenState {
  readonly page: Page;
  readonly help: boolean;
  /** LP id, or undefined: the whole machine. */
  readonly lp: number | undefined;
  /** Partition name, or undefined: all. */
  readonly partition: string | undefined;
  /** The VP whose last interrupts are shown, of the chosen partition or the first one. */
  readonly vp: number;
}

export const FIRST_SCREEN: ScreenState = { page: 'overview', help: false, lp: undefined, partition: undefined, vp: 0 };

export const turnPage = (state: ScreenState, by: number): ScreenState => {
  const at = PAGES.indexOf(state.page);
  return { ...state, help: false, page: PAGES[(at + by + PAGES.length) % PAGES.length]! };
};

export const selectLp = (state: ScreenState, stats: MachineStats | undefined, by: number): ScreenState => ({
  ...state,
  lp: step(
    (stats?.lps ?? []).map((lp) => lp.id),
    state.lp,
    by,
  ),
});

export const selectPartition = (state: ScreenState, stats: MachineStats | undefined, by: number): ScreenState => ({
  ...state,
  vp: 0,
  partition: step(
    (stats?.partitions ?? []).map((partition) => partition.name),
    state.partition,
    by,
  ),
});

/** The next VP of the chosen partition, or of the first one; after the last the first. */
export const selectVp = (state: ScreenState, stats: MachineStats | undefined, by: number): ScreenState => {
  const count = (stats?.partitions.find(({ name }) => name === state.partition) ?? stats?.partitions[0])?.vps.length ?? 1;
  return { ...state, vp: (Math.min(state.vp, count - 1) + by + count) % count };
};

/** Drops a selection whose LP or partition is gone. */
export const reconcile = (state: ScreenState, stats: MachineStats | undefined): ScreenState => {
  if (stats === undefined) return state;
  const lp = stats.lps.some((other) => other.id === state.lp) ? state.lp : undefined;
  const partition = stats.partitions.some((other) => other.name === state.partition) ? state.partition : undefined;
  return lp === state.lp && partition === state.partition ? state : { ...state, lp, partition };
};

/** What a key does to the screen; a key without a meaning does nothing. */
export function afterKey(state: ScreenState, input: string, key: Key, stats: MachineStats | undefined): ScreenState {
  if (input === '?') return { ...state, help: !state.help };
  if (key.escape) return state.help ? { ...state, help: false } : { ...state, lp: undefined, partition: undefined, vp: 0 };
  if (key.tab) return turnPage(state, key.shift ? -1 : 1);
  if (key.downArrow || input === 'j') return selectLp(state, stats, 1);
  if (key.upArrow || input === 'k') return selectLp(state, stats, -1);
  if (key.rightArrow || input === 'l') return selectPartition(state, stats, 1);
  if (key.leftArrow || input === 'h') return selectPartition(state, stats, -1);
  if (input === 'v') return selectVp(state, stats, 1);
  if (input === 'V') return selectVp(state, stats, -1);
  const page = /^[1-9]$/.test(input) ? PAGES[Number(input) - 1] : undefined;
  return page === undefined ? state : { ...state, help: false, page };
}

/** Next of `list` after `current`; from nothing to the first or last; past either end, nothing again. */
function step<T>(list: readonly T[], current: T | undefined, by: number): T | undefined {
  if (current === undefined) return by > 0 ? list[0] : list[list.length - 1];
  const at = list.indexOf(current);
  return at < 0 ? undefined : list[at + by];
}
