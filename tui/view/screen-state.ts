// What the person at the keyboard has chosen: page, selection, help. Pure transitions, so that keys are tested without a terminal.
import type { MachineStats } from '../../shared/protocol/messages.js';

export const PAGES = ['overview', 'intercepts', 'interrupts', 'vtlb', 'load'] as const;
export type Page = (typeof PAGES)[number];

export interface ScreenState {
  readonly page: Page;
  readonly help: boolean;
  /** LP id, or undefined: the whole machine. */
  readonly lp: number | undefined;
  /** Partition name, or undefined: all. */
  readonly partition: string | undefined;
}

export const FIRST_SCREEN: ScreenState = { page: 'overview', help: false, lp: undefined, partition: undefined };

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
  partition: step(
    (stats?.partitions ?? []).map((partition) => partition.name),
    state.partition,
    by,
  ),
});

/** Drops a selection whose LP or partition is gone. */
export const reconcile = (state: ScreenState, stats: MachineStats): ScreenState => {
  const lp = stats.lps.some((other) => other.id === state.lp) ? state.lp : undefined;
  const partition = stats.partitions.some((other) => other.name === state.partition) ? state.partition : undefined;
  return lp === state.lp && partition === state.partition ? state : { ...state, lp, partition };
};

/** Next of `list` after `current`; from nothing to the first or last; past either end, nothing again. */
function step<T>(list: readonly T[], current: T | undefined, by: number): T | undefined {
  if (current === undefined) return by > 0 ? list[0] : list[list.length - 1];
  const at = list.indexOf(current);
  return at < 0 ? undefined : list[at + by];
}
