// The same guest again under the deterministic clock takes the same course, whatever the host lets its threads do and wherever it keeps its files: events and memory hash alike.

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { type Ended, hvd, hvdOnOneCore } from '../rig/hvd-process.js';

const IMAGE = join(packageRoot(), 'configs/guests/images/workload64.elf');

/** The same image where another host may have it: the folder is another one, and its name longer. */
const elsewhere = mkdtempSync(join(tmpdir(), `hvd-${'elsewhere-'.repeat(10)}`));
const MOVED = join(elsewhere, basename(IMAGE));
copyFileSync(IMAGE, MOVED);
test.after.always(() => rmSync(elsewhere, { recursive: true, force: true }));

const hashes = (
  start: (...args: readonly string[]) => Promise<Ended>,
  vps: number,
  lps: number,
  append: string,
  ...end: readonly string[]
): Promise<string> => hashesOf(IMAGE, start, vps, lps, append, ...end);
const hashesOf = async (
  image: string,
  start: (...args: readonly string[]) => Promise<Ended>,
  vps: number,
  lps: number,
  append: string,
  ...end: readonly string[]
): Promise<string> => {
  const shape = ['--vps', String(vps), '--lps', String(lps), '--memory', '32M', '--append', append];
  const run = await start(
    'run',
    image,
    ...shape,
    '--clock',
    'deterministic',
    '--seed',
    '1',
    '--hash',
    '--timeout',
    '240',
    '--debug-exit',
    ...end,
  );
  return run.stdout.split('\n').find((line) => line.startsWith('trace ')) ?? '';
};

for (const [vps, lps] of [
  [1, 1],
  [3, 2],
  [4, 3],
] as const) {
  test.serial(`${vps} VPs on ${lps} LPs: the same trace and memory twice, the second time with an image in another folder`, async (t) => {
    t.timeout(300_000);
    const from = (image: string): Promise<string> => hashesOf(image, hvd, vps, lps, 'job=spinlock milliseconds=20');
    const first = await from(IMAGE);
    t.regex(first, /^trace [0-9a-f]+ memory [0-9a-f]{64}$/);
    t.is(await from(MOVED), first);
  });
}

// VPs that send each other interrupts and halt: LPs give their turn away some hundred times, each time to one that may post to them before they sleep.
test.serial('LPs that share a core of the host take the same course as LPs that do not', async (t) => {
  t.timeout(300_000);
  const job = 'job=ipi milliseconds=20';
  const first = await hashes(hvd, 4, 2, job);
  t.regex(first, /^trace [0-9a-f]+ memory [0-9a-f]{64}$/);
  for (let i = 0; i < 3; i++) t.is(await hashes(hvdOnOneCore, 4, 2, job), first);
});

// What LPs wait for each other in virtual time is booked in memory that they share (vtlb/busy-diary.ts).
for (const lock of ['generation', 'global', 'fine'])
  test.serial(`fills, INVLPGs and shootdowns under vtlb.lock=${lock} take the same time each time`, async (t) => {
    t.timeout(300_000);
    const churn = ['job=pagechurn:pages=16,reload=1 milliseconds=10', '--policy', `vtlb.lock=${lock}`] as const;
    const first = await hashes(hvd, 3, 3, ...churn);
    t.regex(first, /^trace [0-9a-f]+ memory [0-9a-f]{64}$/);
    t.is(await hashes(hvdOnOneCore, 3, 3, ...churn), first);
    // Counted instructions take no shortcuts (daemon/shortcuts): fills and INVLPGs in TypeScript take the same time as theirs.
    if (lock === 'generation') t.is(await hashes(hvd, 3, 3, ...churn, '--count'), first);
  });

// The job would go on for long: the end is a point of the guest's time, whatever the host's clock says.
for (const end of [
  ['--until', 'READY'],
  ['--run-for', '0.03'],
])
  test.serial(`a run that ${end[0]} ends takes the same course each time`, async (t) => {
    t.timeout(300_000);
    const job = 'job=spinlock milliseconds=10000';
    const first = await hashes(hvd, 3, 2, job, ...end);
    t.regex(first, /^trace [0-9a-f]+ memory [0-9a-f]{64}$/);
    t.is(await hashes(hvdOnOneCore, 3, 2, job, ...end), first);
  });
