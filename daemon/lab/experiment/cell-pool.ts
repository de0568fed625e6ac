// So many processes that do cells. One that dies takes its cell with it, which another one does again, CELL_TRIES times in all.
import { type ChildProcess, fork } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { fileURLToPath } from 'node:url';
import { hvdVersion } from '../../root/version.js';
import type { Cell } from './matrix.js';
import type { CellResult } from './run-cell.js';

const PROGRAM = fileURLToPath(new URL('./cell-process.js', import.meta.url));
export const CELL_TRIES = 3;
/** Longer than a cell's limit: for the machine's start and its end. */
const GRACE_MS = 60_000;

/** Does the cells, and tells of each one that is done. Rejects with the signal's reason when that ends it. */
export const runCells = async (
  cells: readonly Cell[],
  jobs: number,
  tell: (result: CellResult) => void,
  signal: AbortSignal,
): Promise<void> => {
  const waiting = cells.map((cell) => ({ cell, tries: 0 })).reverse();
  // Where one of them cannot go on (nothing can be written any more) none does.
  const controller = new AbortController();
  const ends = AbortSignal.any([signal, controller.signal]);
  const workers = Array.from({ length: Math.min(jobs, cells.length) }, async () => {
    let child: CellChild | undefined;
    try {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        ends.throwIfAborted();
        child ??= new CellChild(ends);
        const result = await child.run(next.cell);
        ends.throwIfAborted();
        if (result !== undefined) {
          tell(result);
          continue;
        }
        const died = child.reason;
        child = undefined;
        next.tries++;
        if (next.tries < CELL_TRIES) waiting.push(next);
        else tell(failedCell(next.cell, `its process ended ${CELL_TRIES} times: ${died}`));
      }
    } catch (error) {
      controller.abort(error);
      throw error;
    } finally {
      child?.end();
    }
  });
  await Promise.all(workers);
};

export const failedCell = ({ id, settings, seed }: Cell, why: string): CellResult => ({
  id,
  version: hvdVersion(),
  settings,
  seed,
  state: 'failed',
  why,
  measured: {},
  assertions: [],
  traceHash: '',
  host: { startMs: 0, runMs: 0 },
});

export class CellChild {
  readonly #child: ChildProcess;
  readonly #ended: Promise<undefined>;
  reason = '';

  constructor(signal: AbortSignal) {
    // Ctrl-C in the terminal is for the parent: it ends its children itself.
    this.#child = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true });
    // There are as many of them as anybody likes.
    setMaxListeners(0, signal);
    const kill = (): boolean => this.#child.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    this.#ended = new Promise((resolve) => {
      const end = (reason: string): void => {
        this.reason = reason;
        signal.removeEventListener('abort', kill);
        resolve(undefined);
      };
      this.#child.once('exit', (status, by) => end(by ?? `status ${status}`));
      this.#child.once('error', (error) => end(error.message));
    });
  }

  /** Undefined: the process has ended. One that does not keep to the cell's limit is ended here. */
  async run(cell: Cell): Promise<CellResult | undefined> {
    const result = new Promise<CellResult>((resolve) => this.#child.once('message', (message) => resolve(message as CellResult)));
    this.#child.send(cell, () => {});
    const timer = setTimeout(() => this.end(), cell.limitMs + GRACE_MS);
    try {
      return await Promise.race([result, this.#ended]);
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}
