// Results of an experiment in a folder: `experiment.json` (what was asked), `cells/ID.json` (one for each cell that is done, whole or not there at all), and at the end
// `results.csv` and `results.json`. Whatever is killed at whatever moment leaves a folder that the next run goes on with.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { formatPath } from '../../root/config/fields.js';
import { hvdVersion } from '../../root/version.js';
import { readResult } from './cell-result.js';
import type { Experiment } from './experiment.js';
import { type Cell, canonical } from './matrix.js';
import type { CellResult } from './run-cell.js';

export const RESULTS_FORMAT = 1;

/** What `experiment.json` holds. */
export interface Manifest {
  readonly format: number;
  readonly version: string;
  readonly name: string;
  readonly question: string;
  /** The command that did it. */
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly axes: readonly { readonly name: string; readonly values: readonly string[] }[];
  readonly seeds: readonly number[];
  readonly measure: Experiment['measure'];
  readonly baseline: Experiment['baseline'];
  readonly published: Experiment['published'];
  readonly plot: Experiment['plot'];
  /** Ids, in the order of the table. */
  readonly cells: readonly string[];
}

export const manifestOf = (
  { name, question, axes, seeds, measure, baseline, published, plot }: Experiment,
  cells: readonly Cell[],
  command: string,
  environment: Readonly<Record<string, string>>,
): Manifest => ({
  format: RESULTS_FORMAT,
  version: hvdVersion(),
  name,
  question,
  command,
  environment,
  axes: axes.map((axis) => ({ name: axis.name, values: axis.values.map(String) })),
  seeds,
  measure,
  baseline,
  published,
  plot,
  cells: cells.map(({ id }) => id),
});

const settings = z.record(z.string(), z.string());
const manifestSchema = z.object({
  version: z.string(),
  name: z.string(),
  question: z.string(),
  command: z.string(),
  environment: settings,
  axes: z.array(z.object({ name: z.string(), values: z.array(z.string()) })),
  seeds: z.array(z.number()),
  measure: z.record(z.string(), z.object({ value: z.string(), unit: z.string(), better: z.enum(['more', 'less', 'neither']) })),
  baseline: settings,
  published: z.array(
    z.object({
      claim: z.string(),
      source: z.string(),
      measure: z.string().optional(),
      settings: settings.optional(),
      range: z.tuple([z.number(), z.number()]).optional(),
      differs: z.string().optional(),
    }),
  ),
  plot: z.object({ x: z.string().optional(), series: z.string().optional() }),
  // What is asked for by name is a file in the folder.
  cells: z.array(z.string().regex(/^[0-9a-f]{16}$/)),
});

export class ResultStore {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly #wanted: ReadonlySet<string>;
  readonly #results = new Map<string, CellResult>();

  /** Takes up what is there of the same experiment. Throws experiment.other where it is of another one, experiment.unreadable. */
  static open(folder: string, manifest: Manifest): ResultStore {
    try {
      mkdirSync(join(folder, 'cells'), { recursive: true });
    } catch (error) {
      throw new HvdError('experiment.unwritten', { file: join(folder, 'cells'), why: reasonOf(error) }, error);
    }
    const before = readManifest(folder);
    if (before !== undefined && canonical(before.cells) !== canonical(manifest.cells)) {
      const what =
        before.name === manifest.name
          ? before.version === manifest.version
            ? 'its cells are other ones'
            : `by hvd ${before.version}`
          : before.name;
      throw new HvdError('experiment.other', { dir: folder, what });
    }
    writeWhole(join(folder, 'experiment.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    return new ResultStore(folder, manifest, true);
  }

  /** Of a run that there has been, or that goes on elsewhere: nothing in the folder is changed. Throws experiment.unreadable. */
  static read(folder: string): ResultStore {
    const manifest = readManifest(folder);
    if (manifest === undefined) throw new HvdError('experiment.unreadable', { dir: folder, why: 'there is no experiment.json' });
    return new ResultStore(folder, manifest, false);
  }

  private constructor(folder: string, manifest: Manifest, isOurs: boolean) {
    this.folder = folder;
    this.manifest = manifest;
    this.#wanted = new Set(manifest.cells);
    let names: string[];
    try {
      names = readdirSync(join(folder, 'cells'));
    } catch (error) {
      throw new HvdError('experiment.unreadable', { dir: folder, why: reasonOf(error) }, error);
    }
    for (const name of names)
      if (isOurs && isLeftOver(name)) rmSync(join(folder, 'cells', name), { force: true });
      else if (name.endsWith('.json') && this.#wanted.has(name.slice(0, -5))) this.#take(name);
  }
  #take(name: string): void {
    let result: CellResult | undefined;
    try {
      result = readResult(readFileSync(join(this.folder, 'cells', name), 'utf8'), name.slice(0, -5));
    } catch {
      // No result: the cell is done again.
    }
    if (result?.state === 'done') this.#results.set(result.id, result);
  }

  isDone(id: string): boolean {
    return this.#results.get(id)?.state === 'done';
  }
  get results(): CellResult[] {
    return this.manifest.cells.flatMap((id) => this.#results.get(id) ?? []);
  }

  /** The same cell twice is once: the later result is as good as the earlier. */
  put(result: CellResult): void {
    if (!this.#wanted.has(result.id)) return;
    this.#results.set(result.id, result);
    if (result.state === 'done') writeWhole(join(this.folder, 'cells', `${result.id}.json`), `${JSON.stringify(result)}\n`);
  }

  /** The tidy table: a row for each cell, a column for each axis and each measure. */
  writeTables(): void {
    const { axes, measure } = this.manifest;
    const columns = [...axes.map(({ name }) => name), 'seed', ...Object.keys(measure), 'assertions', 'failed', 'trace'];
    const rows = this.results.map((result) => [
      ...axes.map(({ name }) => result.settings[name] ?? ''),
      String(result.seed),
      ...Object.keys(measure).map((name) => String(result.measured[name] ?? '')),
      String(result.assertions.length),
      String(result.assertions.filter(({ holds }) => !holds).length),
      result.traceHash,
    ]);
    writeWhole(join(this.folder, 'results.csv'), `${[columns, ...rows].map((row) => row.map(csvField).join(',')).join('\n')}\n`);
    const tidy = this.results.map(({ settings, seed, measured, assertions, traceHash }) => ({
      settings,
      seed,
      measured,
      assertions,
      traceHash,
    }));
    writeWhole(join(this.folder, 'results.json'), `${JSON.stringify(tidy, null, 1)}\n`);
  }
}

/** RFC 4180. */
const csvField = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const readManifest = (folder: string): Manifest | undefined => {
  let text: string;
  try {
    text = readFileSync(join(folder, 'experiment.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HvdError('experiment.unreadable', { dir: folder, why: reasonOf(error) }, error);
  }
  try {
    const manifest = JSON.parse(text) as Manifest | null;
    if (manifest?.format !== RESULTS_FORMAT)
      throw new Error(`experiment.json is of format ${String(manifest?.format)}; this hvd reads ${RESULTS_FORMAT}`);
    const { error } = manifestSchema.safeParse(manifest);
    if (error !== undefined)
      throw new Error(`experiment.json: ${formatPath(error.issues[0]!.path as (string | number)[])}: ${error.issues[0]!.message}`);
    return manifest;
  } catch (error) {
    throw new HvdError('experiment.unreadable', { dir: folder, why: reasonOf(error) }, error);
  }
};

let writes = 0;
/** There is the old file, or the new one, at every moment. Throws experiment.unwritten. */
const writeWhole = (file: string, text: string): void => {
  const part = `${file}.${process.pid}-${writes++}.part`;
  try {
    writeFileSync(part, text);
    renameSync(part, file);
  } catch (error) {
    rmSync(part, { force: true });
    throw new HvdError('experiment.unwritten', { file, why: reasonOf(error) }, error);
  }
};

/** Of a writer that was killed; another run may be writing in the same folder. */
const isLeftOver = (name: string): boolean => {
  const pid = /\.(\d{1,10})-\d+\.part$/.exec(name)?.[1];
  if (pid === undefined || Number(pid) === 0) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
};
