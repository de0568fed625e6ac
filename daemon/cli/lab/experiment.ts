// hvd experiment run, report; hvd compare.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { HvdError, RunExit, reasonOf } from '../../../shared/protocol/errors.js';
import type { Experiment } from '../../lab/experiment/experiment.js';
import { type ExperimentFile, readComparison, readExperiment } from '../../lab/experiment/experiment-file.js';
import { workAt } from '../../lab/experiment/nats-queue.js';
import { type ExperimentReport, type Progress, runExperiment } from '../../lab/experiment/run-experiment.js';
import { ResultStore } from '../../lab/experiment/store.js';
import { groupsOf, keyOf } from '../../lab/report/groups.js';
import { formatNumber, formatRatio } from '../../lab/report/numbers.js';
import { htmlOf, markdownOf, type Run, resultsHash } from '../../lab/report/report.js';
import { parseParameter } from '../../lab/script/script-file.js';
import { formatTable, printJson, printLine } from '../output.js';
import { onSignal } from '../signals.js';
import { StatusLine } from '../status-line.js';

export interface ExperimentRunFlags {
  readonly jobs?: string;
  readonly out?: string;
  readonly quick?: boolean;
  readonly nats?: string;
  readonly json?: boolean;
}
export interface WorkerFlags {
  readonly nats: string;
  readonly jobs?: string;
  readonly idle?: string;
}
export interface ReportFlags {
  readonly against?: string;
  readonly html?: string;
  readonly markdown?: string;
}
export interface CompareFlags {
  readonly load: string;
  readonly policy?: readonly string[];
  readonly parameter?: readonly string[];
  readonly set?: readonly string[];
  readonly machine?: string;
  readonly lps?: string;
  readonly seeds?: string;
  readonly jobs?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** A cell could not be done, or an assertion did not hold. */
const FAILED = RunExit.FAILED;
const JOBS_MAX = 1024;

const countOf = (name: string, value: string | undefined, max: number): number | undefined => {
  if (value === undefined) return undefined;
  const count = Number(value);
  if (!Number.isInteger(count) || count < 1 || count > max)
    throw new HvdError('usage', { what: `${name}: expected a whole number from 1 to ${max}, got ${JSON.stringify(value)}` });
  return count;
};

/** Each LP of a cell is a thread; in deterministic mode one of them runs at a time. */
const defaultJobs = ({ machine }: Experiment): number =>
  Math.max(1, Math.floor(availableParallelism() / (machine.clock === 'deterministic' ? 1 : machine.lps)));

const shellWord = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

const runIt = async (
  file: ExperimentFile,
  {
    jobs,
    quick,
    command,
    out,
  }: { readonly jobs: number | { readonly nats: string }; readonly quick: boolean; readonly command: string; readonly out: string },
): Promise<ExperimentReport & { readonly isInterrupted: boolean }> => {
  const controller = new AbortController();
  const stopListening = onSignal(() => controller.abort());
  const bar = new ProgressBar();
  try {
    const report = await runExperiment({
      ...file,
      out,
      jobs,
      quick,
      command,
      tell: (progress) => bar.show(progress),
      complain: (text) => bar.say(text),
      signal: controller.signal,
    });
    return { ...report, isInterrupted: controller.signal.aborted };
  } finally {
    bar.end();
    stopListening();
  }
};

const statusOf = ({ isInterrupted, isWhole, failures, store }: Awaited<ReturnType<typeof runIt>>): number => {
  if (isInterrupted) return RunExit.INTERRUPTED;
  const holds = store.results.every(({ assertions }) => assertions.every((one) => one.holds));
  return isWhole && failures.length === 0 && holds ? 0 : FAILED;
};

export const experimentRun = async (file: string, flags: ExperimentRunFlags): Promise<number> => {
  const read = readExperiment(file);
  if (flags.nats !== undefined && flags.jobs !== undefined)
    throw new HvdError('usage', { what: '-j: expected none with --nats: workers say how many cells they do at a time' });
  const jobs = flags.nats === undefined ? (countOf('-j', flags.jobs, JOBS_MAX) ?? defaultJobs(read.experiment)) : { nats: flags.nats };
  const quick = flags.quick === true;
  const out = resolve(flags.out ?? `${read.experiment.name}${quick ? '-quick' : ''}.results`);
  const command = `hvd experiment run ${shellWord(relative('.', resolve(file)))}${quick ? ' --quick' : ''}`;
  const result = await runIt(read, { jobs, quick, command, out });
  const run = runOf(result.store);
  if (flags.json === true) printJson({ out, done: run.results.length, cells: run.manifest.cells.length, hash: resultsHash(run) });
  else {
    printTableOf(run);
    printLine(`${run.results.length} of ${run.manifest.cells.length} cells in ${relative('.', out) || '.'}; results ${resultsHash(run)}`);
  }
  if (result.isInterrupted) process.stderr.write(`hvd: interrupted; the same command goes on where it was\n`);
  return statusOf(result);
};

export const experimentWorker = async (flags: WorkerFlags): Promise<number> => {
  const jobs = countOf('-j', flags.jobs, JOBS_MAX) ?? availableParallelism();
  const idleMs = flags.idle === undefined ? Number.POSITIVE_INFINITY : 1000 * countOf('--idle', flags.idle, 1e9)!;
  const controller = new AbortController();
  const stopListening = onSignal(() => controller.abort());
  try {
    await workAt({ url: flags.nats, jobs, idleMs, tell: printLine, signal: controller.signal });
    return 0;
  } finally {
    stopListening();
  }
};

export const compare = async (flags: CompareFlags): Promise<number> => {
  const axes = (kind: string, words: readonly string[] | undefined): Record<string, (string | number | boolean)[]> =>
    Object.fromEntries((words ?? []).map((word) => axisOf(kind, word)));
  const policies = axes('--policy', flags.policy);
  const parameters = axes('--parameter', flags.parameter);
  if (Object.keys(policies).length + Object.keys(parameters).length === 0)
    throw new HvdError('usage', { what: 'expected --policy NAME=A,B or --parameter NAME=A,B: there is nothing to compare' });
  const lps = countOf('--lps', flags.lps, 64);
  const read = readComparison(flags.load, {
    policies,
    parameters,
    values: Object.fromEntries((flags.set ?? []).map(parseParameter)),
    seeds: countOf('--seeds', flags.seeds, 10_000) ?? 1,
    machine: flags.machine,
    lps,
  });
  const jobs = countOf('-j', flags.jobs, JOBS_MAX) ?? defaultJobs(read.experiment);
  const out = flags.out === undefined ? mkdtempSync(join(tmpdir(), 'hvd-compare-')) : resolve(flags.out);
  try {
    const command = `hvd ${process.argv.slice(2).map(shellWord).join(' ')}`;
    const result = await runIt(read, { jobs, quick: false, command, out });
    const run = runOf(result.store);
    if (flags.json === true) printJson(groupsOf(run.manifest, run.results));
    else printTableOf(run);
    for (const { settings, why } of result.failures) process.stderr.write(`hvd: ${keyOf(settings)}: ${why}\n`);
    return statusOf(result);
  } finally {
    if (flags.out === undefined) rmSync(out, { recursive: true, force: true });
  }
};

const axisOf = (kind: string, word: string): [string, (string | number | boolean)[]] => {
  const match = /^([A-Za-z][\w.-]*)=(.+)$/.exec(word);
  if (match === null) throw new HvdError('usage', { what: `${kind}: expected NAME=A,B, got ${JSON.stringify(word)}` });
  return [match[1]!, match[2]!.split(',').map((value) => (kind === '--policy' ? value : parseParameter(`x=${value}`)[1]))];
};

const runOf = ({ manifest, results }: ResultStore): Run => ({ manifest, results });

const printTableOf = ({ manifest, results }: Run): void => {
  const axes = manifest.axes.filter(({ values }) => values.length > 1).map(({ name }) => name);
  const measures = Object.entries(manifest.measure);
  const groups = groupsOf(manifest, results);
  const hasBaseline = groups.some(({ isBaseline }) => isBaseline);
  const head = [
    ...axes,
    ...measures.flatMap(([name, { unit }]) => [unit === '' ? name : `${name} (${unit})`, ...(hasBaseline ? ['×'] : [])]),
  ];
  const rows = groups.map((group) => [
    ...axes.map((name) => group.settings[name] ?? ''),
    ...measures.flatMap(([name]) => [
      group.measured[name] === undefined ? '-' : formatNumber(group.measured[name].mean),
      ...(hasBaseline ? [formatRatio(group.against[name]) || '-'] : []),
    ]),
  ]);
  printLine(formatTable(head, rows));
};

export const experimentReport = (folder: string, flags: ReportFlags): number => {
  const run = runOf(ResultStore.read(folder));
  const against = flags.against === undefined ? undefined : runOf(ResultStore.read(flags.against));
  const html = resolve(flags.html ?? join(folder, 'report.html'));
  const markdown = resolve(flags.markdown ?? join(folder, 'report.md'));
  for (const [file, text] of [
    [html, htmlOf(run, against)],
    [markdown, markdownOf(run, against)],
  ] as const)
    try {
      writeFileSync(file, text);
    } catch (error) {
      throw new HvdError('experiment.unwritten', { file, why: reasonOf(error) }, error);
    }
  printLine(relative('.', html));
  printLine(relative('.', markdown));
  return 0;
};

const timeText = (ms: number): string => {
  const seconds = Math.ceil(ms / 1000);
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  return hours > 0 ? `${hours} h ${minutes % 60} min` : minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
};

const WIDTH = 30;
/** On a terminal one line that is written over; else a line for each cell. */
class ProgressBar {
  readonly #line = new StatusLine();

  show({ done, all, leftMs, last }: Progress): void {
    const left = leftMs === undefined ? '' : `, ${timeText(leftMs)} left`;
    const { isTerminal } = this.#line;
    if (last !== undefined && (last.state !== 'done' || !isTerminal)) {
      const why = last.state === 'done' ? `${(last.host.runMs / 1000).toFixed(1)} s` : `${last.state}: ${last.why}`;
      this.#line.say(`${done}/${all} ${keyOf(last.settings)} seed=${last.seed}: ${why}${isTerminal ? '' : left}`);
    }
    const filled = all === 0 ? WIDTH : Math.floor((WIDTH * done) / all);
    this.#line.show(`[${'='.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${done}/${all}${left}`);
  }
  say(text: string): void {
    this.#line.say(`hvd: ${text}`);
  }
  end(): void {
    this.#line.end();
  }
}
