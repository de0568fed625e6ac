// `hvd trace` against real guests: the file is what the trace-event format says, tells of every slice once, is the same twice under the deterministic clock, and
// whoever traces does not change what happens.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { type Daemon, startDaemon } from '../../daemon/root/daemon.js';
import { silentLog } from '../../daemon/root/log.js';
import { traceHash } from '../../daemon/root/record/hashes.js';
import { HVD, hvd } from '../rig/hvd-process.js';

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly cat?: string;
  readonly id?: number;
  readonly cname?: string;
  readonly args: Readonly<Record<string, unknown>>;
}

const CYCLES = 30_000_000;

const daemonWith = async (folder: string, clock: 'deterministic' | 'quantum', append: string, policies = {}): Promise<Daemon> => {
  const config = { ...defaultMachine(), lps: 2, nodes: 1, clock, seed: 1, pin: false, idle: 'skip' as const, policies };
  const daemon = await startDaemon({ config, log: silentLog(), socket: join(folder, 'hvd.sock') });
  await daemon.machine.add({
    name: 'guest',
    image: resolveImage('workload64', ''),
    vps: 3,
    memory: 32 << 20,
    append,
    autostart: false,
  });
  return daemon;
};

/** The command, once it traces; and how it ends. */
const traced = async (daemon: Daemon, file: string, ...options: readonly string[]) => {
  const child = spawn(process.execPath, [HVD, 'trace', '-o', file, '--socket', daemon.socket, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += String(chunk);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ended = new Promise<{ status: number | null; output: string }>((resolve) =>
    child.once('close', (status) => resolve({ status, output })),
  );
  for (let i = 0; i < 400 && (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  return { child, ended };
};

const inFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-trace-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** A traced start of the guest under the deterministic clock: the file, and the hash of the course when the guest has ended. */
const course = (
  append: string,
  isTraced: boolean,
  policies = {},
): Promise<{ text: string; hash: string; output: string; runCycles: number[] }> =>
  inFolder(async (folder) => {
    const daemon = await daemonWith(folder, 'deterministic', append, policies);
    const file = join(folder, 't.json');
    try {
      const running = isTraced ? await traced(daemon, file) : undefined;
      await daemon.machine.enter('vm.start', { name: 'guest' });
      const body = daemon.machine.partitions.get('guest').body;
      for (let i = 0; i < 1200 && body.stateName === 'running'; i++) await new Promise((resolve) => setTimeout(resolve, 25));
      // A drain of the rings after the end.
      await new Promise((resolve) => setTimeout(resolve, 100));
      running?.child.kill('SIGINT');
      const { output } = (await running?.ended) ?? { output: '' };
      const runCycles = daemon.machine.stats().partitions[0]!.vps.map((vp) => vp.runCycles);
      return { text: isTraced ? readFileSync(file, 'utf8') : '', hash: traceHash(daemon.machine.memory), output, runCycles };
    } finally {
      await daemon.stop();
    }
  });

/** Whole picoseconds: what the file's numbers stand for. */
const ps = (us: number): number => Math.round(us * 1e6);

const JOB = 'job=ipi milliseconds=20';

test.serial('a trace keeps the format, tells of all that ran, is the same twice, and changes nothing', async (t) => {
  t.timeout(300_000);
  const first = await course(JOB, true);
  t.regex(first.output, /t\.json: .* events, 0 records lost/);
  const events = JSON.parse(first.text) as TraceEvent[];

  const phases = new Set(events.map(({ ph }) => ph));
  t.deepEqual(
    [...phases].filter((ph) => !['X', 'M', 'i', 's', 't', 'f'].includes(ph)),
    [],
  );
  const isWhole = ({ ph, pid, tid, ts, dur }: TraceEvent): boolean =>
    Number.isInteger(pid) && Number.isInteger(tid) && (ph === 'M' || ts >= 0) && (ph !== 'X' || dur >= 0);
  t.deepEqual(
    events.filter((event) => !isWhole(event)),
    [],
  );
  for (const cat of ['vp', 'idle', 'intercept', 'interrupt', 'kick'])
    t.true(
      events.some((event) => event.cat === cat),
      cat,
    );
  t.true(new Set(events.filter(({ cat }) => cat === 'vp').map(({ cname }) => cname)).size > 1);

  // On a track, what overlaps lies in the other; outer ones come first.
  for (const lp of [0, 1]) {
    const open: number[] = [];
    let last = 0;
    for (const { ph, tid, ts, dur, name } of events) {
      if (ph !== 'X' || tid !== lp) continue;
      if (ps(ts) < last) t.fail(`${name} at ${ts}`);
      last = ps(ts);
      while (open.length > 0 && open.at(-1)! <= ps(ts)) open.pop();
      if (open.length > 0 && dur > 0 && ps(ts) + ps(dur) > open.at(-1)!) t.fail(`${name} at ${ts} for ${dur}`);
      if (dur > 0) open.push(ps(ts) + ps(dur));
    }
  }

  // A VP runs on one LP at a time, for as long as it is charged.
  const slices = events.filter(({ cat }) => cat === 'vp');
  for (let vp = 0; vp < 3; vp++) {
    const own = slices.filter(({ name }) => name === `guest/${vp}`).sort((a, b) => a.ts - b.ts);
    t.is(
      own.reduce((sum, { args }) => sum + (args.cycles as number), 0),
      first.runCycles[vp]!,
    );
    for (let i = 1; i < own.length; i++) t.true(ps(own[i]!.ts) >= ps(own[i - 1]!.ts) + ps(own[i - 1]!.dur), `VP ${vp} at ${own[i]!.ts}`);
  }

  // Every arrow has both its ends and goes forward.
  const arrows = new Map<number, TraceEvent[]>();
  for (const event of events) if (event.id !== undefined) arrows.set(event.id, [...(arrows.get(event.id) ?? []), event]);
  t.true(arrows.size > 10, `${arrows.size} arrows`);
  for (const parts of arrows.values()) {
    const [s, f] = ['s', 'f'].map((ph) => parts.filter((part) => part.ph === ph));
    t.true(s!.length === 1 && f!.length === 1 && parts.length <= 3 && s![0]!.ts <= f![0]!.ts, JSON.stringify(parts));
  }

  const second = await course(JOB, true);
  t.true(second.text === first.text, 'the same twice');
  t.is((await course(JOB, false)).hash, first.hash);
});

for (const [what, cat, job, policies] of [
  ['VPs that spin, and slices that end by it', 'spin', 'job=spinlock:hold=1000,think=2000 milliseconds=16', { 'spin.detect': 'pause' }],
  ['waits of the virtual TLB', 'vtlb', 'job=pagechurn:shared=1,pages=8 milliseconds=12', { 'vtlb.lock': 'global' }],
] as const)
  test.serial(`a trace tells of ${what}`, async (t) => {
    t.timeout(300_000);
    const events = JSON.parse((await course(job, true, policies)).text) as TraceEvent[];
    const found = events.filter((event) => event.cat === cat);
    t.true(found.length > 3, `${found.length}`);
    for (const { args } of found) t.true((args.cycles as number) > 0 && args.vp !== undefined, JSON.stringify(args));
    t.true(found.some(({ dur }) => dur > 0));
    if (cat === 'spin')
      t.true(events.some(({ cat: kind, args, cname }) => kind === 'vp' && args.end === 'spinning' && cname === 'terrible'));
  });

test.serial('--cycles cuts the trace off, --partition leaves out the others, a trace is whole when the daemon goes', async (t) => {
  t.timeout(300_000);
  await inFolder(async (folder) => {
    const daemon = await daemonWith(folder, 'quantum', 'job=spinlock milliseconds=10000');
    try {
      const files = ['a.json', 'b.json', 'c.json'].map((name) => join(folder, name));
      const first = await traced(daemon, files[0]!, '--cycles', String(CYCLES));
      const other = await traced(daemon, files[1]!, '--partition', 'guest');
      await daemon.machine.enter('vm.start', { name: 'guest' });
      t.is((await first.ended).status, 0);
      const cut = JSON.parse(readFileSync(files[0]!, 'utf8')) as TraceEvent[];
      const { startCycles, frequencyHz } = cut.at(-1)!.args as { startCycles: number; frequencyHz: number };
      const end = ps(((startCycles + CYCLES) * 1e6) / frequencyHz);
      for (const { ts, dur, ph } of cut) if (ph === 'X') t.true(ps(ts) + ps(dur) <= end, `${ts} ${dur}`);
      await daemon.machine.enter('policy', { name: 'spin.express', value: 'on' });
      await new Promise((resolve) => setTimeout(resolve, 100));
      await daemon.stop();
      t.is((await other.ended).status, 69);
      const rest = JSON.parse(readFileSync(files[1]!, 'utf8')) as TraceEvent[];
      t.true(rest.some(({ name, ph }) => name === 'policy spin.express' && ph === 'i'));
      t.is(daemon.machine.memory.header.tracing, 0);
    } finally {
      await daemon.stop();
    }
  });
});

test('wrong arguments are one line each', async (t) => {
  await inFolder(async (folder) => {
    const file = join(folder, 't.json');
    const errors = async (...args: readonly string[]): Promise<string> => {
      const { status, stderr } = await hvd('trace', ...args, '--socket', join(folder, 'none'));
      return `${status} ${stderr}`;
    };
    t.is(await errors('-o', file, '--seconds', '1', '--cycles', '5'), '64 hvd: --seconds and --cycles: give one of them\n');
    t.is(await errors('-o', file, '--seconds', '-1'), '64 hvd: --seconds: -1 is not a number above 0\n');
    t.is(await errors('-o', file, '--cycles', '1.5'), '64 hvd: --cycles: expected a whole number\n');
    t.regex(await errors('-o', folder), /^64 hvd: --output: .* cannot be written: [^\n]*\n$/);
    t.regex(await errors(), /^64 hvd: [^\n]*--output[^\n]*\n$/);
    t.regex(await errors('-o', file), /^69 hvd: .*no daemon answers/);
  });
});
