// The lab and kill -9: an experiment in the middle of a cell without a course of its own (quantum clock), whoever plays a script, and the daemon under it. What is left is whole,
// nobody stays behind, and the next one says what it has found in a line or goes on.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import anyTest, { type TestFn } from 'ava';
import { connect, type HvdClient } from '../../shared/client/client.js';
import { HVD, hvd } from '../rig/hvd-process.js';

const test = anyTest.serial as TestFn<{ folder: string }>;

test.beforeEach((t) => {
  t.context.folder = mkdtempSync(join(tmpdir(), 'hvd-killed-lab-'));
});
test.afterEach.always((t) => rmSync(t.context.folder, { recursive: true, force: true }));

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await sleep(20);
};
const start = (
  ...args: string[]
): { readonly child: ChildProcess; readonly ended: Promise<number | null>; readonly said: () => string } => {
  const child = spawn(process.execPath, [HVD, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said += chunk;
    });
  return { child, ended: new Promise((resolve) => child.once('close', resolve)), said: () => said };
};
/** proc(5), stat: pid (comm) state ppid ... */
const childrenOf = (parent: number): number[] =>
  readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) &&
        readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')[1] === String(parent)
        ? [Number(name)]
        : [];
    } catch {
      return [];
    }
  });
const isGone = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .startsWith('Z');
  } catch {
    return true;
  }
};

test('an experiment in the quantum clock, killed in its second cell: whole results alone are kept, its processes end, the same command ends it', async (t) => {
  const { folder } = t.context;
  const file = join(folder, 'q.yaml');
  const out = join(folder, 'out');
  writeFileSync(
    file,
    `name: q
question: Is anything lost?
machine: { lps: 2, clock: quantum, idle: skip }
partitions: [{ name: a, image: workload64, vps: 2, memory: 16M }]
phases:
  - { name: warm, for: 4ms, jobs: { a: { job: compute } } }
  - { name: on, for: 8ms }
seeds: 2
measure: { rate: phases.on.operationsPerSecond }
`,
  );
  const cells = (): string[] =>
    existsSync(join(out, 'cells')) ? readdirSync(join(out, 'cells')).filter((name) => name.endsWith('.json')) : [];
  const kept: Record<string, string> = {};
  const { child, ended, said } = start('experiment', 'run', file, '--out', out, '-j', '1');
  await until(() => cells().length > 0 || child.exitCode !== null);
  t.is(child.exitCode, null, said());
  const processes = childrenOf(child.pid!);
  child.kill('SIGKILL');
  await ended;
  t.true(processes.length > 0);
  await until(() => processes.every(isGone));
  for (const name of cells()) {
    const text = readFileSync(join(out, 'cells', name), 'utf8');
    t.is((JSON.parse(text) as { state: string }).state, 'done');
    kept[name] = text;
  }
  t.is(Object.keys(kept).length, 1, 'it was in the middle');
  const { status, stdout, stderr } = await hvd('experiment', 'run', file, '--out', out, '-j', '1', '--json');
  t.is(status, 0, stderr);
  t.like(JSON.parse(stdout) as object, { done: 2, cells: 2 });
  for (const [name, text] of Object.entries(kept))
    t.is(readFileSync(join(out, 'cells', name), 'utf8'), text, 'what was done is not done again');
  t.deepEqual(
    readdirSync(join(out, 'cells')).filter((name) => !name.endsWith('.json')),
    [],
    'nothing half written is left',
  );
});

test('who plays a script is killed, then the daemon in the middle of a phase: others are told, the player says so in one line, the next start has the socket', async (t) => {
  const { folder } = t.context;
  const script = join(folder, 'long.yaml');
  const socket = join(folder, 'hvd.sock');
  writeFileSync(
    script,
    `partitions: [{ name: lab, image: workload64, vps: 1, memory: 16M }]
phases:
  - { name: short, for: 1ms, jobs: { lab: { job: compute } } }
  - { name: long, for: 100s, policies: { spin.express: on }, assert: ['phase.operations > 0'] }
`,
  );
  const begun = async (): Promise<{ daemon: ReturnType<typeof start>; client: HvdClient }> => {
    const daemon = start('start', '--lps', '1', '--no-pin', '--socket', socket);
    for (;;) {
      const client = await connect({ socket }).catch(() => undefined);
      if (client !== undefined) return { daemon, client };
      if (daemon.child.exitCode !== null) throw new Error(daemon.said());
      await sleep(20);
    }
  };
  const { daemon, client } = await begun();
  const told = async (): Promise<unknown[]> =>
    (await client.request('stats', {})).scripts.map(({ name, state, phase }) => [name, state, phase]);
  const inTheMiddle = async ({ child, said }: ReturnType<typeof start>): Promise<void> => {
    await until(async () => child.exitCode !== null || JSON.stringify(await told()) === '[["long","running","long"]]');
    t.is(child.exitCode, null, said());
  };
  try {
    const first = start('load', 'run', script, '--socket', socket);
    await inTheMiddle(first);
    first.child.kill('SIGKILL');
    await first.ended;
    await until(async () => JSON.stringify(await told()) === '[["long","stopped","long"]]');
    // What it had made is there, as it made it: the same script goes on with it.
    const second = start('load', 'run', script, '--socket', socket);
    await inTheMiddle(second);
    daemon.child.kill('SIGKILL');
    await daemon.ended;
    t.is(await second.ended, 69);
    t.regex(second.said(), /^long: begins\nhvd: [^\n]*\n$/m);
  } finally {
    daemon.child.kill('SIGKILL');
    await client.close();
  }
  const again = await begun();
  t.deepEqual((await again.client.request('stats', {})).scripts, []);
  await again.client.close();
  again.daemon.child.kill('SIGTERM');
  t.is(await again.daemon.ended, 0);
});
