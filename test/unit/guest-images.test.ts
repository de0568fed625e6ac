// The committed guest images are what their sources make, and their C header is what the layout says.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import * as agentJobs from '../../shared/layout/agent-jobs.js';
import { jobOrderWords, readJobOrder } from '../../shared/layout/job-order.js';
import * as jobPage from '../../shared/layout/job-page.js';
import { viewsOf } from '../../shared/layout/struct.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const guests = join(root, 'configs/guests');
/** Programs for Linux, not kernels. */
const PROGRAMS = ['agent/agent32.elf', 'agent/agent64.elf'];
const IMAGES = [
  'images/workload32.elf',
  'images/workload64.elf',
  'bench/guest32.elf',
  'bench/guest64.elf',
  'checks/checks32.elf',
  'checks/checks64.elf',
  'real16/real16.elf',
  'v86/v86.elf',
];

/** Name of the installed compiler and linker as `images/BUILT-WITH` has it, or why there is none. */
const installedTools = (): string => {
  try {
    const first = (tool: string): string =>
      execFileSync(tool, ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] })
        .toString()
        .split('\n')[0];
    const probe = execFileSync('gcc', ['-m32', '-x', 'c', '-c', '-', '-o', '/dev/null'], {
      input: 'int x;',
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    return probe.length === 0 ? `${first('gcc')}\n${first('ld')}\n` : '';
  } catch {
    return '';
  }
};

for (const name of IMAGES) {
  test(`${name} is a multiboot ELF32 image for its address`, (t) => {
    const image = readFileSync(join(guests, name));
    t.deepEqual([...image.subarray(0, 6)], [0x7f, 0x45, 0x4c, 0x46, 1, 1]);
    t.is(image.readUInt16LE(18), 3, 'machine: 80386');
    const magic = image.subarray(0, 8192).indexOf(Buffer.from([0x02, 0xb0, 0xad, 0x1b]));
    t.true(magic >= 0 && magic % 4 === 0);
    t.is((image.readUInt32LE(magic) + image.readUInt32LE(magic + 4) + image.readUInt32LE(magic + 8)) >>> 0, 0, 'checksum');
    t.is(image.readUInt32LE(24) >>> 16, /^(checks|real16|v86)/.test(name) ? 0x40 : 0x10, 'entry');
  });
}

const recorded = readFileSync(join(guests, 'images/BUILT-WITH'), 'utf8');
const installed = installedTools();
const rebuild = installed === recorded ? test : test.skip;
rebuild(
  `rebuilt images are the committed ones${installed === recorded ? '' : ` (skipped: they were built with ${recorded.split('\n')[0]}, here is ${installed.split('\n')[0] || 'no gcc -m32'})`}`,
  (t) => {
    t.timeout(120_000);
    const out = mkdtempSync(join(tmpdir(), 'hvd-images-'));
    try {
      execFileSync(process.execPath, [join(root, 'configs/guests/build.mjs'), '--out', out], { stdio: ['ignore', 'ignore', 'inherit'] });
      for (const name of [...IMAGES, ...PROGRAMS])
        t.true(
          readFileSync(join(out, name)).equals(readFileSync(join(guests, name))),
          `${name}: run npm run guests and commit what it makes`,
        );
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  },
);

for (const [file, generator, name, layout] of [
  ['workload/job-page.h', 'job-page-header.mjs', 'jobPageHeader', jobPage],
  ['agent/agent-jobs.h', 'agent-jobs-header.mjs', 'agentJobsHeader', agentJobs],
] as const)
  test(`${file} is generated from the layout`, async (t) => {
    const made = (await import(join(root, 'configs/guests', generator))) as Record<string, (layout: unknown) => string>;
    t.is(readFileSync(join(guests, file), 'utf8'), made[name]!(layout), 'run npm run guests and commit what it makes');
  });

test('host and guest halves of a job entry share no cache line', (t) => {
  const { at, size } = jobPage.JobEntryLayout;
  t.is(size % 64, 0);
  t.is(jobPage.JOB_ENTRIES_AT % 64, 0);
  t.true(at.parameters + jobPage.JOB_PARAMETERS * 4 <= 64);
  t.is(at.jobRunning, 64);
  t.true(jobPage.jobHistogramAt(jobPage.JOB_ENTRIES) <= jobPage.JOB_AREA_SIZE);
});

test('a quantile is the upper end of the count that it falls into', (t) => {
  const counts = new Uint32Array(jobPage.LATENCY_COUNTS);
  t.is(jobPage.latencyQuantile(counts, 0.99), 0);
  counts[3] = 99;
  t.is(jobPage.latencyQuantile(counts, 0.99), 4);
  // 5 * 256 to 6 * 256 cycles.
  counts[4 * 9 + 1] = 1;
  t.is(jobPage.latencyQuantile(counts, 0.99), 4);
  t.is(jobPage.latencyQuantile(counts, 0.995), 6 * 256);
  counts.fill(0xffff_ffff);
  t.is(jobPage.latencyQuantile(counts, 1), 2 ** 41);
});

test('a job order comes out of a mailbox as it went in, whatever stood there before', (t) => {
  const order = { area: 0xfff0_0000, vps: [0, 31, 32, 63], job: jobPage.JOBS.switch.number, parameters: [4, 0xffff_ffff, 1] };
  const mailbox = new Int32Array(16).fill(-1);
  mailbox.set(jobOrderWords(3, order), 1);
  t.is(mailbox[1], 3);
  t.deepEqual(readJobOrder(mailbox, 1), { ...order, parameters: [...order.parameters, 0, 0, 0, 0, 0] });
});

test('a job is written with its parameters and an even sequence that differs from the one before', (t) => {
  const views = viewsOf(new SharedArrayBuffer(2 * jobPage.JOB_AREA_SIZE));
  const area = 4096;
  const entry = new jobPage.JobEntry(views, area + jobPage.jobEntryAt(5));
  const parameters = jobPage.jobParameters(jobPage.JOBS.spinlock, { hold: 7 });
  t.deepEqual(parameters, [0, 7, 1000, 0, 0, 0, 0, 0]);
  jobPage.writeJob(views, area, 5, jobPage.JOBS.spinlock.number, parameters as number[]);
  t.is(entry.jobSequence, 2);
  t.is(entry.jobRequested, jobPage.JOBS.spinlock.number);
  t.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map((i) => views.u32[entry.parameters / 4 + i]),
    [0, 7, 1000, 0, 0, 0, 0, 0],
  );
  jobPage.writeJob(views, area, 5, jobPage.JOBS.idle.number, []);
  t.is(entry.jobSequence, 4);
  t.is(new jobPage.JobEntry(views, area + jobPage.jobEntryAt(4)).jobSequence, 0);
});

test('unknown parameters and values that are no u32 are named', (t) => {
  t.deepEqual(jobPage.jobParameters(jobPage.JOBS.compute, { hold: 1 }), { unknown: 'hold' });
  t.deepEqual(jobPage.jobParameters(jobPage.JOBS.compute, { unit: -1 }), { unknown: 'unit' });
  t.deepEqual(jobPage.jobParameters(jobPage.JOBS.compute, { unit: 1.5 }), { unknown: 'unit' });
  t.deepEqual(jobPage.jobParameters(jobPage.JOBS.compute, { constructor: 1 }), { unknown: 'constructor' });
  t.false(jobPage.isJobName('toString'));
});
