// What the person at the keyboard has chosen: page, selection, help, what is being typed. Pure transitions, so that keys are tested without a terminal.
import type { MachineStats } from '../../shared/protocol/messages.js';
import { FIRST_LOADS, type LoadsChoice } from './loads-choice.js';
import { FIRST_LOG, type LogChoice } from './log-choice.js';
import { FIRST_POLICIES, type PoliciesChoice } from './policies-choice.js';
import { FIRST_VMS, type VmsChoice } from './vms-choice.js';

/** In the order of their numbers, from 1 on. */
export const PAGES = ['machine', 'vms', 'vtlb', 'interrupts', 'spin', 'policies', 'loads', 'log'] as const;
export type PageName = (typeof PAGES)[number];

export interface ScreenState {
  readonly page: PageName;
  readonly help: boolean;
  /** LP id, or undefined: the whole machine. */
  readonly lp: number | undefined;
  /** Partition name, or undefined: all. */
  readonly partition: string | undefined;
  /** The VP whose last interrupts are shown, of the chosen partition or the first one. */
  readonly vp: number;
  /** The page of the machine shows intercepts by LP in place of its tables. */
  readonly byLp: boolean;
  /** What is being typed; keys are characters then. */
  readonly prompt: Prompt | undefined;
  readonly vms: VmsChoice;
  readonly policies: PoliciesChoice;
  readonly loads: LoadsChoice;
  readonly log: LogChoice;
}
export interface Prompt {
  readonly purpose: 'filter' | 'search' | 'load' | 'load of all VPs';
  readonly text: string;
}

export const FIRST_SCREEN: ScreenState = {
  page: 'machine',
  help: false,
  lp: undefined,
  partition: undefined,
  vp: 0,
  byLp: false,
  prompt: undefined,
  vms: FIRST_VMS,
  policies: FIRST_POLICIES,
  loads: FIRST_LOADS,
  log: FIRST_LOG,
};

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

/** Next of `list` after `current`; from nothing to the first or last; past either end, nothing again. */
export function step<T>(list: readonly T[], current: T | undefined, by: number): T | undefined {
  if (current === undefined) return by > 0 ? list[0] : list[list.length - 1];
  const at = list.indexOf(current);
  return at < 0 ? undefined : list[at + by];
}
