// `npm run bench -- --suite record`: what a recording costs. The same deterministic run with and without one, in turn: the course is the same, so time alone differs.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunResult, runPrivately } from '../../daemon/cli/run/private-run.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { packageRoot } from '../../daemon/root/package-root.js';

const IMAGE = join(packageRoot(), 'configs/guests/bench/guest64.elf');

export interface RecordRow {
  readonly job: string;
  readonly what: string;
  readonly plainMs: number;
  readonly recordedMs: number;
  /** Median of the rounds' ratios, minus 1. */
  readonly overhead: number;
  readonly megabytes: number;
}

/** Of the bench guest, which ends by itself: nothing comes in, so that both runs take the same course. */
const JOBS: readonly (readonly [job: string, what: string, vps: number, divisor: number])[] = [
  ['crc', 'hardly an event', 1, 2],
  ['ptchurn', 'page tables that change', 1, 4],
  ['lapic', 'a timer that is set again and again', 1, 4],
  ['ping', 'an interrupt to another processor and back, as often as it goes', 2, 100],
];
/** The promise, as a share of the time without. */
export const OVERHEAD_MAX = 0.05;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const timed = async ([job, , vps, divisor]: (typeof JOBS)[number], file: string | undefined): Promise<RunResult> =>
  runPrivately({
    machine: { ...defaultMachine(), lps: vps, clock: 'deterministic', idle: 'skip', pin: false },
    guest: { name: 'guest', image: IMAGE, vps, memory: 64 << 20, append: `run=${job} div=${divisor}` },
    until: undefined,
    timeoutMs: 120_000,
    runForMs: Number.POSITIVE_INFINITY,
    debugExit: false,
    hash: true,
    record: file === undefined ? undefined : { file, embed: true },
    onOutput: () => {},
    signal: new AbortController().signal,
  });

export const measureRecording = async (rounds: number): Promise<RecordRow[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-bench-'));
  const file = join(folder, 'a.hvdr');
  try {
    const rows: RecordRow[] = [];
    for (const one of JOBS) {
      const [job, what] = one;
      const plain: RunResult[] = [];
      const recorded: RunResult[] = [];
      for (let round = 0; round < rounds; round++) {
        // Who goes first changes, so that what the one leaves behind falls on both.
        for (const records of round % 2 === 0 ? [false, true] : [true, false])
          (records ? recorded : plain).push(await timed(one, records ? file : undefined));
        const [a, b] = [plain[round]!, recorded[round]!];
        if (a.instructions !== b.instructions) throw new Error(`${job}: ${a.instructions} instructions, recorded ${b.instructions}`);
      }
      rows.push({
        job,
        what,
        plainMs: median(plain.map(({ elapsedMs }) => elapsedMs)),
        recordedMs: median(recorded.map(({ elapsedMs }) => elapsedMs)),
        overhead: median(recorded.map(({ elapsedMs }, n) => elapsedMs / plain[n]!.elapsedMs)) - 1,
        megabytes: statSync(file).size / 2 ** 20,
      });
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`.padStart(8);

export const recordingText = (rows: readonly RecordRow[]): string =>
  [
    `job         without   recorded  overhead     file   (bar: ${OVERHEAD_MAX * 100} %)`,
    ...rows.map(
      ({ job, what, plainMs, recordedMs, overhead, megabytes }) =>
        `${job.padEnd(10)} ${`${plainMs} ms`.padStart(8)} ${`${recordedMs} ms`.padStart(10)}  ${percent(overhead)} ${megabytes.toFixed(1).padStart(4)} MB  ${what}`,
    ),
    '',
  ].join('\n');
