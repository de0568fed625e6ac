// The laboratory as a user has it: scripts played on a daemon, experiments that are killed and go on, workers at a queue, reports. On real LPs.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import anyTest, { type TestFn } from 'ava';
import { connect } from '../../shared/client/client.js';
import { type Ended, HVD, hvd } from '../rig/hvd-process.js';

const test = anyTest.serial as TestFn<{ folder: string }>;

test.beforeEach((t) => {
  t.context.folder = mkdtempSync(join(tmpdir(), 'hvd-lab-'));
});
test.afterEach.always((t) => rmSync(t.context.folder, { recursive: true, force: true }));

const SCRIPT = `
parameters: { hold: 100 }
partitions: [{ name: lab, image: workload64, vps: 2, memory: 16M }]
phases:
  - { name: warm, for: 3ms, jobs: { lab: { job: spinlock, parameters: { hold: $hold } } } }
  - { name: on, for: 4ms, policies: { spin.express: on }, assert: ['phase.partitions.lab.operations > 0'] }
measure: { rate: phases.on.operationsPerSecond }
`;
const EXPERIMENT = `
name: small
question: Is it the same each time?
load: script.yaml
machine: { lps: 1, clock: deterministic, idle: skip, quantumCycles: 32000 }
matrix: { policies: { spin.detect: [off, pause] }, parameters: { hold: [100] } }
seeds: 2
measure: { rate: phases.on.operationsPerSecond }
baseline: { spin.detect: off }
`;
const write = (folder: string): { script: string; experiment: string } => {
  const files = { script: join(folder, 'script.yaml'), experiment: join(folder, 'small.yaml') };
  writeFileSync(files.script, SCRIPT);
  writeFileSync(files.experiment, EXPERIMENT);
  return files;
};
const json = <T>({ stdout, stderr, status }: Ended): T => {
  if (stdout === '') throw new Error(`status ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
};
interface RunJson {
  readonly done: number;
  readonly cells: number;
  readonly hash: string;
}
const cellsIn = (out: string): string[] => {
  try {
    return readdirSync(join(out, 'cells')).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
};
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await sleep(20);
};

test('an experiment that is killed goes on where it was, and its numbers are those of one that was not', async (t) => {
  const { experiment } = write(t.context.folder);
  const whole = join(t.context.folder, 'whole');
  const killed = join(t.context.folder, 'killed');
  const one = json<RunJson>(await hvd('experiment', 'run', experiment, '--out', whole, '-j', '2', '--json'));
  t.like(one, { done: 4, cells: 4 });

  const child = spawn(process.execPath, [HVD, 'experiment', 'run', experiment, '--out', killed, '-j', '1'], { stdio: 'ignore' });
  await until(() => cellsIn(killed).length >= 2);
  child.kill('SIGKILL');
  const kept = cellsIn(killed).map((name) => [name, readFileSync(join(killed, 'cells', name), 'utf8')]);
  t.true(kept.length < 4);
  const two = json<RunJson>(await hvd('experiment', 'run', experiment, '--out', killed, '-j', '1', '--json'));
  t.is(two.hash, one.hash);
  for (const [name, text] of kept) t.is(readFileSync(join(killed, 'cells', name!), 'utf8'), text, 'what was done is not done again');
  t.is(readFileSync(join(killed, 'results.csv'), 'utf8'), readFileSync(join(whole, 'results.csv'), 'utf8'));

  const report = await hvd('experiment', 'report', whole, '--against', killed);
  t.is(report.status, 0, report.stderr);
  t.regex(readFileSync(join(whole, 'report.md'), 'utf8'), /4 of 4 cells done.*\n[\s\S]*2 numbers are the same, 0 are others/);
  t.regex(readFileSync(join(whole, 'report.html'), 'utf8'), /<svg /);
  t.regex(
    (await hvd('experiment', 'run', experiment, '--out', whole, '--quick')).stderr,
    /holds results of another experiment or of another version of it/,
  );
});

test('a process that dies takes no cell with it', async (t) => {
  const { experiment } = write(t.context.folder);
  const out = join(t.context.folder, 'out');
  const child = spawn(process.execPath, [HVD, 'experiment', 'run', experiment, '--out', out, '-j', '1', '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  await until(() => cellsIn(out).length >= 1);
  const workers = readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1] === String(child.pid);
    } catch {
      return false;
    }
  });
  for (const pid of workers) process.kill(Number(pid), 'SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  t.like(JSON.parse(stdout) as RunJson, { done: 4, cells: 4 });
});

test('hvd compare: the settings in a table, the first is the baseline', async (t) => {
  const { script } = write(t.context.folder);
  const { stdout, status, stderr } = await hvd('compare', '--load', script, '--policy', 'spin.detect=off,pause', '--lps', '1', '-j', '2');
  t.is(status, 0, stderr);
  t.regex(stdout, /^spin\.detect +rate +×\noff +[\d,.]+ +1\.00 ×\npause +[\d,.]+ +[\d.]+ ×\n$/);
  for (const [args, sentence] of [
    [['--policy', 'spin.detect=never'], /--policy spin\.detect\[0\]: spin\.detect: never is not one of/],
    [[], /expected --policy NAME=A,B or --parameter NAME=A,B/],
    [['--parameter', 'hold=100', '--seeds', '0'], /--seeds: expected a whole number from 1 to 10000, got "0"/],
    [['--set', 'colour=red', '--policy', 'spin.detect=off'], /has no parameter colour; it has hold/],
  ] as const) {
    const refused = await hvd('compare', '--load', script, ...args);
    t.not(refused.status, 0);
    t.regex(refused.stderr, sentence);
    t.is(refused.stderr.trim().split('\n').length, 1);
  }
});

test('hvd load run: phases on a daemon that others use, what it has changed is put back, a program drives it too', async (t) => {
  const { script } = write(t.context.folder);
  const socket = join(t.context.folder, 'hvd.sock');
  const at = ['--socket', socket];
  const started = await hvd('start', '--lps', '2', '--no-pin', '--detach', ...at);
  t.is(started.status, 0, started.stderr);
  try {
    const played = await hvd('load', 'run', script, '--set', 'hold=50', ...at);
    t.is(played.status, 0, played.stderr);
    t.regex(played.stderr, /^warm: [\s\S]*^holds \(on\): phase\.partitions\.lab\.operations > 0$/m);
    t.regex(played.stdout, /^on +[\d.]+ ms +[1-9]/m);
    t.deepEqual(json<unknown[]>(await hvd('vm', 'list', '--json', ...at)), [], 'what it made is gone');
    t.is(json<{ value: string }>(await hvd('policy', 'get', 'spin.express', '--json', ...at)).value, 'off');
    t.regex((await hvd('load', 'list', '--seconds', '0.1', ...at)).stdout, /^script script: passed; assertions: 1 holds$/m);

    writeFileSync(script, SCRIPT.replace('> 0', '< 0'));
    const failed = await hvd('load', 'run', script, '--keep', ...at);
    t.is(failed.status, 1);
    t.regex(failed.stderr, /^FAILS \(on\): phase\.partitions\.lab\.operations < 0$/m);
    t.is(json<unknown[]>(await hvd('vm', 'list', '--json', ...at)).length, 1, '--keep keeps it');

    // The partition is there: another one than the script means is refused before anything is done, the same one goes on with what it had of its own.
    writeFileSync(script, SCRIPT.replace('memory: 16M', 'memory: 32M'));
    const refused = await hvd('load', 'run', script, ...at);
    t.is(refused.status, 65);
    t.regex(refused.stderr, /^hvd: script: partitions: lab: memory: 32M is wanted, and the partition of that name has 16M \(.*\)\n$/);
    await hvd('policy', 'set', 'apic.eoi', 'assist', '--vm', 'lab', ...at);
    writeFileSync(script, SCRIPT.replace('for: 3ms,', 'for: 3ms, policiesOf: { lab: { apic.eoi: auto, synic.pending: always } },'));
    t.is((await hvd('load', 'run', script, ...at)).status, 0);
    const client = await connect({ socket });
    t.like(await client.request('policy.get', { name: 'apic.eoi', vm: 'lab' }), { value: 'assist', own: true });
    t.like(await client.request('policy.get', { name: 'synic.pending', vm: 'lab' }), { own: false });
    await client.close();

    const recorded = join(t.context.folder, 'recorded.yaml');
    const recorder = spawn(process.execPath, [HVD, 'load', 'record', '-o', recorded, ...at], { stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise((resolve) => recorder.stderr.once('data', resolve));
    await hvd('load', 'set', 'lab', 'compute', 'unit=77', ...at);
    await hvd('policy', 'set', 'vtlb.tags', '8', ...at);
    recorder.kill('SIGINT');
    await new Promise((resolve) => recorder.once('close', resolve));
    const text = readFileSync(recorded, 'utf8');
    t.regex(text, /^about: "?Recorded\. Needs partitions that are there already: lab\.?"?$/m);
    t.regex(text, /unit: 77[\s\S]*vtlb\.tags: "?8/);
    t.is((await hvd('load', 'run', recorded, ...at)).status, 0);

    const program = join(t.context.folder, 'drive.ts');
    writeFileSync(
      program,
      `import { connect } from 'hvd/client';
interface Answer { readonly name: string }
const hvd = await connect();
const [vm]: Answer[] = await hvd.request('vm.list', {});
await hvd.request('load.set', { name: vm!.name, job: 'compute' });
console.log('drove', vm!.name, JSON.parse(process.env.HVD_PARAMETERS!).x);
await hvd.close();
process.exitCode = 3;
`,
    );
    t.like(await hvd('load', 'run', program, '--set', 'x=5', ...at), { status: 3, stdout: 'drove lab 5\n' });
  } finally {
    await hvd('stop', ...at);
  }
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
const start = (...args: string[]): ChildProcess => spawn(args[0]!, args.slice(1), { stdio: 'ignore' });
/** Skipped, and said so, where there is no server. */
const withNats = spawnSync('nats-server', ['--version']).status === 0 ? test : test.skip;
const note = withNats === test ? '' : ' (nats-server is not installed)';

withNats(
  `workers at a NATS queue: one is killed in the middle, nothing is lost, and the numbers are those of a local run${note}`,
  async (t) => {
    const { experiment } = write(t.context.folder);
    const port = await freePort();
    const url = `nats://127.0.0.1:${port}`;
    const processes = [start('nats-server', '-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(t.context.folder, 'nats'))];
    const worker = (): ChildProcess => {
      const child = start(process.execPath, HVD, 'experiment', 'worker', '--nats', url, '-j', '1');
      processes.push(child);
      return child;
    };
    try {
      const local = json<RunJson>(await hvd('experiment', 'run', experiment, '--out', join(t.context.folder, 'local'), '--json'));
      const doomed = worker();
      const out = join(t.context.folder, 'remote');
      const remote = hvd('experiment', 'run', experiment, '--out', out, '--nats', url, '--json');
      await until(() => cellsIn(out).length >= 1);
      doomed.kill('SIGKILL');
      worker();
      t.deepEqual(json<RunJson & { out: string }>(await remote), { ...local, out });
    } finally {
      for (const child of processes) child.kill('SIGKILL');
    }
  },
);

withNats(
  `whatever else comes by the queue: no worker ends, no result is believed that is none, and what has failed has another chance${note}`,
  async (t) => {
    const { experiment } = write(t.context.folder);
    writeFileSync(experiment, EXPERIMENT.replace('seeds: 2', 'seeds: 1'));
    const port = await freePort();
    const url = `nats://127.0.0.1:${port}`;
    const processes = [start('nats-server', '-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(t.context.folder, 'nats'))];
    const { connect } = await import('@nats-io/transport-node');
    const connection = await connect({ servers: url, waitOnFirstConnect: true });
    const out = join(t.context.folder, 'remote');
    const run = (): Promise<Ended> => hvd('experiment', 'run', experiment, '--out', out, '--nats', url, '--json');
    const seen: string[] = [];
    connection.subscribe('hvd.cells.>', {
      callback: (_, message) => {
        const [version, run, id] = message.subject.split('.').slice(2) as [string, string, string];
        if (id === 'x' || seen.includes(id)) return;
        seen.push(id);
        const { cell } = message.json<{ cell: { seed: number; settings: Record<string, string> } }>();
        const base = { id, version: '', ...cell, measured: {}, assertions: [], traceHash: '', host: { startMs: 0, runMs: 0 } };
        for (const result of [
          '{',
          'null',
          { id, state: 'done' },
          { ...base, state: 'done', measured: { rate: null } },
          { ...base, id: 'x', state: 'done' },
        ])
          connection.publish(`hvd.results.${run}.${id}`, typeof result === 'string' ? result : JSON.stringify(result));
        if (seen.length === 2)
          connection.publish(`hvd.results.${run}.${id}`, JSON.stringify({ ...base, state: 'failed', why: 'no reason' }));
        for (const job of [
          '{',
          'null',
          '7',
          { run, cell: null },
          { run: 'a b', cell },
          { run, cell: { ...cell, seed: 77 } },
          { run, cell: { id: '../x' } },
        ])
          connection.publish(`hvd.cells.${version}.${run}.x`, typeof job === 'string' ? job : JSON.stringify(job));
      },
    });
    try {
      const first = run();
      await until(() => seen.length === 2);
      await connection.flush();
      const worker = start(process.execPath, HVD, 'experiment', 'worker', '--nats', url, '-j', '1');
      processes.push(worker);
      t.like(await first, { status: 1 });
      t.is(cellsIn(out).length, 1);
      const local = json<RunJson>(
        await hvd('experiment', 'run', experiment, '--out', join(t.context.folder, 'local'), '-j', '1', '--json'),
      );
      t.deepEqual(json<RunJson & { out: string }>(await run()), { ...local, out });
      t.is(worker.exitCode, null, 'it still works');
    } finally {
      await connection.close();
      for (const child of processes) child.kill('SIGKILL');
    }
  },
);

test('a folder that cannot be written: one line, at once', async (t) => {
  const { experiment } = write(t.context.folder);
  const out = join(t.context.folder, 'file');
  writeFileSync(out, '');
  const refused = await hvd('experiment', 'run', experiment, '--out', out);
  t.deepEqual([refused.status, refused.stderr.trim().split('\n').length], [73, 1]);
  t.regex(refused.stderr, /cells: cannot be written: /);
});

withNats(`a server that keeps no queues: one line, at once${note}`, async (t) => {
  const port = await freePort();
  const server = start('nats-server', '-a', '127.0.0.1', '-p', String(port));
  try {
    const { connect } = await import('@nats-io/transport-node');
    await (await connect({ servers: `127.0.0.1:${port}`, waitOnFirstConnect: true })).close();
    const without = await hvd('experiment', 'worker', '--nats', `nats://127.0.0.1:${port}`);
    t.deepEqual([without.status, without.stderr.trim().split('\n').length], [69, 1], 'it has no JetStream');
  } finally {
    server.kill('SIGKILL');
  }
});

test('mistakes in files and flags: one line each, nothing begun', async (t) => {
  const { experiment, script } = write(t.context.folder);
  const out = join(t.context.folder, 'out');
  writeFileSync(experiment, EXPERIMENT.replace('seeds: 2', 'seeds: many'));
  const refused = await hvd('experiment', 'run', experiment, '--out', out);
  t.deepEqual([refused.status, refused.stderr.trim().split('\n').length], [65, 1]);
  t.regex(refused.stderr, /small\.yaml:7 seeds: expected a number of seeds from 1 to 10000, or a list of them, got "many"/);
  t.deepEqual(cellsIn(out), []);
  writeFileSync(script, SCRIPT.replace('3ms', '3'));
  writeFileSync(experiment, EXPERIMENT);
  t.regex((await hvd('experiment', 'run', experiment, '--out', out)).stderr, /script\.yaml:5 phases\[0\]\.for: expected a time/);
  t.regex((await hvd('experiment', 'report', out)).stderr, /no results of an experiment: there is no experiment\.json/);
  t.regex((await hvd('experiment', 'worker', '--nats', 'nats://127.0.0.1:1')).stderr, /^hvd: nats:\/\/127\.0\.0\.1:1: .*\n$/);
});
