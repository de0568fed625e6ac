// Runs the cells of an experiment that are not done yet, and writes its tables.
import { createHash } from 'node:crypto';
import { runCells } from './cell-pool.js';
import { environmentNow } from './environment.js';
import type { ExperimentFile } from './experiment-file.js';
import { cellsOf, quickly } from './matrix.js';
import { queueCells } from './nats-queue.js';
import type { CellResult } from './run-cell.js';
import { manifestOf, ResultStore } from './store.js';

export interface ExperimentRequest extends ExperimentFile {
  readonly out: string;
  /** Processes here, or the queue at which workers elsewhere are. */
  readonly jobs: number | { readonly nats: string };
  readonly quick: boolean;
  readonly command: string;
  readonly tell: (progress: Progress) => void;
  /** What goes on for longer than it should. */
  readonly complain: (text: string) => void;
  readonly signal: AbortSignal;
}
export interface Progress {
  readonly done: number;
  readonly all: number;
  /** Of this run, ms. */
  readonly leftMs: number | undefined;
  readonly last: CellResult | undefined;
}
export interface ExperimentReport {
  readonly store: ResultStore;
  readonly isWhole: boolean;
  readonly failures: readonly CellResult[];
}

/** Throws config.*, experiment.*. A signal ends it: what is done is kept. */
export const runExperiment = async (request: ExperimentRequest): Promise<ExperimentReport> => {
  const experiment = request.quick ? quickly(request.experiment) : request.experiment;
  const cells = cellsOf(experiment, request.folder);
  const store = ResultStore.open(request.out, manifestOf(experiment, cells, request.command, environmentNow()));
  const waiting = cells.filter(({ id }) => !store.isDone(id));
  const before = cells.length - waiting.length;
  const failures: CellResult[] = [];
  const startedAt = performance.now();
  let ran = 0;
  const tell = (last: CellResult | undefined): void => {
    const left = waiting.length - ran;
    const leftMs = ran === 0 ? undefined : ((performance.now() - startedAt) / ran) * left;
    request.tell({ done: before + ran, all: cells.length, leftMs, last });
  };
  tell(undefined);
  try {
    const { jobs, signal } = request;
    const take = (result: CellResult): void => {
      ran++;
      store.put(result);
      if (result.state !== 'done') failures.push(result);
      tell(result);
    };
    if (typeof jobs === 'number') await runCells(waiting, jobs, take, signal);
    else if (waiting.length > 0)
      await queueCells(waiting, { url: jobs.nats, run: runOf(store.manifest.cells), tell: take, complain: request.complain, signal });
  } catch (error) {
    if (!request.signal.aborted) throw error;
  }
  store.writeTables();
  return { store, isWhole: store.results.length === cells.length, failures };
};

/** Whoever runs the same cells shares them. */
const runOf = (cells: readonly string[]): string => createHash('sha256').update(cells.join(' ')).digest('hex').slice(0, 16);
