// What has been chosen on the page of loads, and its keys: a VP, whose job is started, changed, stopped, or given to more or fewer VPs of its partition.
import { GUEST_JOBS, isGuestJob } from '../../shared/layout/agent-jobs.js';
import { jobParameters } from '../../shared/layout/job-page.js';
import { HvdError, reasonOf } from '../../shared/protocol/errors.js';
import type { LoadCounters } from '../../shared/protocol/messages.js';
import type { Dashboard } from '../model/dashboard.js';
import type { Stroke } from './keys.js';
import type { Order, Outcome } from './page.js';
import type { Prompt, ScreenState } from './screen-state.js';

export interface LoadRow {
  readonly partition: string;
  readonly load: LoadCounters;
}
export interface LoadsChoice {
  /** `partition/vp`; undefined: the first row. */
  readonly row: string | undefined;
}
export const FIRST_LOADS: LoadsChoice = { row: undefined };

const nameOf = ({ partition, load }: LoadRow): string => `${partition}/${load.vp}`;

/** The VPs whose jobs are shown, and the number of the chosen one. */
export const loadRows = ({ stats }: Dashboard, screen: ScreenState): { readonly rows: readonly LoadRow[]; readonly at: number } => {
  const rows = (stats?.partitions ?? [])
    .filter(({ name }) => screen.partition === undefined || name === screen.partition)
    .flatMap(({ name, load }) => load.map((one) => ({ partition: name, load: one })));
  return {
    rows,
    at: Math.max(
      0,
      rows.findIndex((row) => nameOf(row) === screen.loads.row),
    ),
  };
};

/** Parameters that are not as by default: `hold=200 think=500`. */
export const parametersText = ({ job, parameters }: LoadCounters): string => {
  const normal = isGuestJob(job) ? GUEST_JOBS[job]!.parameters : {};
  return Object.entries(parameters)
    .filter(([name, value]) => value !== normal[name])
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
};

/** `spinlock hold=200 think=500`. Throws an Error for the person who typed it. */
export const parseLoad = (text: string): { readonly job: string; readonly parameters: Record<string, number> } => {
  const [job = '', ...words] = text.trim().split(/\s+/);
  if (!isGuestJob(job)) throw new HvdError('load.unknown', { job, jobs: Object.keys(GUEST_JOBS).join(', ') });
  const parameters = Object.fromEntries(
    words.map((word) => {
      const match = /^([A-Za-z]\w*)=(\d+)$/.exec(word);
      if (match === null) throw new Error(`${word}: expected a parameter as in hold=200`);
      return [match[1]!, Number(match[2])];
    }),
  );
  const checked = jobParameters(GUEST_JOBS[job]!, parameters);
  if (!Array.isArray(checked)) {
    const known = Object.keys(GUEST_JOBS[job]!.parameters).join(', ') || 'none';
    throw new HvdError('load.parameter', { job, parameter: checked.unknown, parameters: known });
  }
  return { job, parameters };
};

const stop = (name: string, vps?: number[]): Order => ({
  kind: 'command',
  command: { method: 'load.stop', params: vps === undefined ? { name } : { name, vps } },
});
const set = (name: string, load: { readonly job: string; readonly parameters: Record<string, number> }, vps?: number[]): Order => ({
  kind: 'command',
  command: { method: 'load.set', params: vps === undefined ? { name, ...load } : { name, ...load, vps } },
});

export function loadsKey(state: ScreenState, { input, key }: Stroke, dashboard: Dashboard): Outcome | undefined {
  const { rows, at } = loadRows(dashboard, state);
  const row = rows[at];
  if (row === undefined) return undefined;
  const to = (next: LoadRow): Outcome => ({ state: { ...state, loads: { row: nameOf(next) } } });
  const by = key.downArrow || input === 'j' ? 1 : key.upArrow || input === 'k' ? -1 : 0;
  if (by !== 0) return to(rows[(at + by + rows.length) % rows.length]!);
  if (key.home || key.end) return to(rows.at(key.home ? 0 : -1)!);
  const { partition, load } = row;
  // What is typed and done is about this row, wherever the chosen one goes.
  const chosen: ScreenState = { ...state, loads: { row: nameOf(row) } };
  const prompt = (purpose: Prompt['purpose']): Outcome => {
    const text = load.job === 'idle' ? '' : `${load.job} ${parametersText(load)}`.trim();
    return { state: { ...chosen, prompt: { purpose, text } } };
  };
  if (key.return) return prompt('load');
  if (input === 'a') return prompt('load of all VPs');
  if (input === 'x') return { state: chosen, order: stop(partition, [load.vp]) };
  if (input === 'X') return { state: chosen, order: stop(partition) };
  if (input === '+' || input === '-') return { state: chosen, order: scaled(rows, row, input === '+') };
  return undefined;
}

/** One VP more of the partition with the job of this row, or one fewer: the last that has it, and then this one. */
const scaled = (rows: readonly LoadRow[], { partition, load }: LoadRow, up: boolean): Order => {
  if (load.job === 'idle') return { kind: 'say', text: `${partition}/${load.vp} runs no job: Enter starts one` };
  const others = rows.filter((other) => other.partition === partition && other.load.vp !== load.vp);
  if (!up) {
    const last = others.filter(({ load: { job } }) => job === load.job).at(-1);
    return stop(partition, [last?.load.vp ?? load.vp]);
  }
  const free = others.find(({ load: { job } }) => job === 'idle');
  if (free === undefined) return { kind: 'say', text: `every VP of ${partition} runs a job` };
  return set(partition, { job: load.job, parameters: load.parameters }, [free.load.vp]);
};

/** What was typed is carried out when it is done; nothing typed is nothing done. */
export const loadsPrompt = (state: ScreenState, { purpose, text }: Prompt, dashboard: Dashboard, done: boolean): Outcome => {
  const { rows, at } = loadRows(dashboard, state);
  const row = rows[at];
  if (!done || row === undefined || text.trim() === '') return { state };
  try {
    return { state, order: set(row.partition, parseLoad(text), purpose === 'load' ? [row.load.vp] : undefined) };
  } catch (error) {
    return { state, order: { kind: 'say', text: reasonOf(error) } };
  }
};
