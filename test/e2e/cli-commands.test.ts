// hvd as a user types it, against a daemon with stub LPs: output, JSON forms, one-line errors and exit statuses.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import anyTest, { type TestFn } from 'ava';
import { hvd, hvdIn } from '../rig/hvd-process.js';
import { type StubDaemon, startStubDaemon, stubPartition } from '../rig/stub-daemon.js';

const test = anyTest as TestFn<{ daemon: StubDaemon }>;

test.beforeEach(async (t) => {
  t.context.daemon = await startStubDaemon({ lps: 2, nodes: 2 });
});
test.afterEach.always(async (t) => t.context.daemon.end());

const client = (daemon: StubDaemon) => {
  const at = ['--socket', daemon.socket];
  return {
    run: (...args: string[]) => hvd(...args, ...at),
    json: async (...args: string[]): Promise<unknown> => JSON.parse((await hvd(...args, ...at, '--json')).stdout),
  };
};

test('partitions are created from flags and files, listed, moved through their life', async (t) => {
  const { run, json } = client(t.context.daemon);
  const file = join(t.context.daemon.folder, 'vm.yaml');
  writeFileSync(file, 'name: filed\nimage: workload64\nvps: 2\nmemory: 8M\n');
  t.deepEqual(await run('vm', 'create', 'flagged', '--image', 'workload64', '--vps', '2', '--memory', '8M', '--start'), {
    status: 0,
    stdout: 'flagged\n',
    stderr: '',
  });
  t.is((await run('vm', 'create', file)).stdout, 'filed\n');
  t.is((await run('vm', 'create', file, '--name', 'other', '--vps', '1')).stdout, 'other\n');
  const list = (await json('vm', 'list')) as { name: string; state: string; vps: number; memory: number }[];
  t.deepEqual(
    list.map(({ name, state, vps, memory }) => [name, state, vps, memory]),
    [
      ['flagged', 'running', 2, 8388608],
      ['filed', 'created', 2, 8388608],
      ['other', 'created', 1, 8388608],
    ],
  );
  t.regex((await run('vm', 'list')).stdout, /^PARTITION +STATE +VPS +MEMORY.*\nflagged +running +2 +8M/);
  for (const [verb, name, state] of [
    ['pause', 'flagged', 'paused'],
    ['resume', 'flagged', 'running'],
    ['stop', 'flagged', 'stopped'],
    ['start', 'filed', 'running'],
  ]) {
    t.deepEqual(await run('vm', verb!, name!), { status: 0, stdout: '', stderr: '' });
    t.is(((await json('vm', 'list')) as typeof list).find((p) => p.name === name)!.state, state!);
  }
  await run('vm', 'destroy', 'filed');
  t.is(((await json('vm', 'list')) as unknown[]).length, 2);
});

test("a partition's share is shown and changed; mistakes are one line and change nothing, in files too", async (t) => {
  const { run, json } = client(t.context.daemon);
  await run('vm', 'create', 'a', '--image', 'workload64', '--vps', '2', '--memory', '8M', '--start');
  t.deepEqual(await json('vm', 'schedule', 'a'), { weight: 100, reserve: 0, limit: 100, lps: [0, 1], homes: [0, 1] });
  t.is(
    (await run('vm', 'schedule', 'a', '--weight', '200', '--reserve', '25', '--limit', '50', '--affinity', '1')).stdout,
    'WEIGHT  RESERVE  LIMIT  LPS  HOMES\n   200  25 %     50 %     1  1,1\n',
  );
  const share = await json('vm', 'schedule', 'a', '--affinity', '0-1');
  t.deepEqual(share, { weight: 200, reserve: 25, limit: 50, lps: [0, 1], homes: [1, 1] });
  for (const [args, status, message] of [
    [['--affinity', '0,5'], 65, 'a: scheduling.lps: there is no LP 5; the last one is 1'],
    [['--affinity', '3-1'], 64, '--affinity: expected LPs as in 0,2-3, or all; got "3-1"'],
    [['--limit', '10'], 65, 'a: scheduling.limit: 10 % is less than the reserve, 25 %'],
    [
      ['--reserve', '60', '--limit', '60', '--affinity', '0'],
      75,
      'scheduling.reserve: 2 times 60 % is more than there is: 95 of LP 0 % free',
    ],
    [['--weight', 'much'], 65, 'weight: expected a whole number from 1 to 10000, got "much"'],
  ] as const) {
    const { stderr, stdout, status: got } = await run('vm', 'schedule', 'a', ...args);
    t.true(stderr.includes(message), stderr);
    t.is(stderr.trimEnd().split('\n').length, 1);
    t.is(stdout, '');
    t.is(got, status, stderr);
    t.deepEqual(await json('vm', 'schedule', 'a'), share);
  }
  const file = join(t.context.daemon.folder, 'vm.yaml');
  for (const [scheduling, message] of [
    ['{ lps: [1, 7] }', 'b: scheduling.lps: there is no LP 7; the last one is 1'],
    ['{ reserve: 80 }', 'b: scheduling.reserve: 3 times 80 % is more than there is'],
    ['{ reserve: 40, limit: 30 }', 'scheduling.limit: expected at least the reserve, 40; got 30'],
  ] as const) {
    writeFileSync(file, `name: b\nimage: workload64\nvps: 3\nmemory: 8M\nscheduling: ${scheduling}\n`);
    const { stderr, status } = await run('vm', 'create', file);
    t.true(stderr.includes(message), stderr);
    t.true(status !== 0 && stderr.trimEnd().split('\n').length === 1);
    t.is(((await json('vm', 'list')) as unknown[]).length, 1);
  }
});

test('fixed forms: policy list is an array of objects with these keys', async (t) => {
  const { json, run } = client(t.context.daemon);
  const policies = (await json('policy', 'list')) as Record<string, unknown>[];
  for (const policy of policies) t.deepEqual(Object.keys(policy), ['name', 'value', 'values', 'baseline', 'meaning']);
  t.like(policies[0], { name: 'vtlb.lock', value: 'generation', values: ['generation', 'global'], baseline: 'global' });
  t.is((await run('policy', 'set', 'vtlb.lock', 'global')).stdout, 'global\n');
  t.is((await run('policy', 'get', 'vtlb.lock')).stdout, 'global\n');
});

test('status and statistics as text and JSON', async (t) => {
  const { run, json } = client(t.context.daemon);
  await t.context.daemon.machine.add(stubPartition('a'));
  t.like((await json('status')) as object, { socket: t.context.daemon.socket, machine: { lps: 2, nodes: 2, clock: 'quantum' } });
  t.regex((await run('status')).stdout, /2 LPs on 2 nodes, clock quantum/);
  const stats = (await json('stats')) as { lps: unknown[]; partitions: { name: string }[] };
  t.is(stats.lps.length, 2);
  t.is(stats.partitions[0]!.name, 'a');
  t.regex((await run('stats')).stdout, /LP +NODE[\s\S]*PARTITION +STATE/);
});

test('console, screen and inspection of a partition', async (t) => {
  const { run, json } = client(t.context.daemon);
  await t.context.daemon.machine.add(stubPartition('say-1'));
  let console = '';
  for (let i = 0; i < 100 && console === ''; i++) console = (await run('vm', 'console', 'say-1')).stdout;
  t.is(console, 'hello from say-1\n');
  t.is(((await json('vm', 'screen', 'say-1')) as { lines: string[] }).lines.length, 25);
  t.is((await run('vm', 'screen', 'say-1')).stdout.split('\n').length, 26);
  t.like((await json('vm', 'inspect', 'say-1')) as object, { name: 'say-1', state: 'powered-off', unknownInstructions: [] });
  t.regex(
    (await run('vm', 'inspect', 'say-1')).stdout,
    /^say-1: powered-off \(the guest powered off\), 8M\nprocessor max: .*\btsc\b.*\nVP +STATE/,
  );
  t.is((await run('vm', 'console', 'say-1', '--send', 'x\\n')).status, 0);
});

test('loads are set and refused', async (t) => {
  const { run } = client(t.context.daemon);
  await t.context.daemon.machine.add(stubPartition('a', { vps: 2 }));
  t.is((await run('load', 'set', 'a', 'spinlock', 'hold=200', '--vps', '0,1')).status, 0);
  t.deepEqual(t.context.daemon.machine.partitions.get('a').pendingLoads, [{ job: 'spinlock', vps: [0, 1], parameters: { hold: 200 } }]);
  t.is((await run('load', 'stop', 'a')).status, 0);
  for (const [args, message] of [
    [['set', 'a', 'nothing'], /^hvd: no job named nothing; there are idle, compute, /],
    [['set', 'a', 'ipi', 'hold=1'], /^hvd: ipi has no parameter hold; it has mode/],
    [['set', 'a', 'ipi', 'hold'], /^hvd: "hold": expected a parameter as in hold=200\n$/],
    [['set', 'a', 'ipi', '--vps', '2'], /^hvd: a has VPs 0\.\.1, not 2\n$/],
    [['set', 'a', 'ipi', '--vps', 'x'], /^hvd: --vps: expected numbers/],
  ] as const) {
    const { status, stderr } = await run('load', ...args);
    t.true(status === 64 || status === 65);
    t.regex(stderr, message);
    t.is(stderr.split('\n').length, 2, 'one line');
  }
});

test('wrong commands end with one line and their own exit status', async (t) => {
  const { daemon } = t.context;
  const at = ['--socket', daemon.socket];
  const bad = join(daemon.folder, 'bad.yaml');
  writeFileSync(bad, 'name: a\nimage: workload64\nvps: 2\nmemory: 64M\nvpz: 1\n');
  const file = join(daemon.folder, 'file');
  writeFileSync(file, '');
  await daemon.machine.add(stubPartition('taken'));
  const cases: [string[], number, RegExp][] = [
    [['vm', 'start', 'nobody', ...at], 66, /no partition named nobody \(hvd vm list shows them\)/],
    [['vm', 'resume', 'taken', ...at], 75, /resume: taken is running; this needs paused/],
    [['vm', 'create', 'taken', '--image', 'workload64', ...at], 73, /a partition named taken exists/],
    [
      ['vm', 'create', 'a', '--image', 'workload64', '--memory', '5G', ...at],
      64,
      /--memory: expected a size from 1M to 3G in steps of 64K, got "5G"/,
    ],
    [['vm', 'create', 'a', '--image', 'workload64', '--vps', 'two', ...at], 64, /--vps: expected a whole number from 1 to 64, got "two"/],
    [['vm', 'create', 'a', ...at], 64, /a: give a \.yaml file, or --image/],
    [['vm', 'create', 'a', '--image', file, ...at], 65, /file/],
    [['vm', 'create', bad, ...at], 65, /bad\.yaml:5 \(all\): unknown key vpz/],
    [['vm', 'create', '/none.yaml', ...at], 66, /\/none\.yaml: cannot be read/],
    [['policy', 'set', 'vtlb.lock', 'x', ...at], 65, /vtlb\.lock: x is not one of generation, global/],
    [['policy', 'get', 'x', ...at], 66, /no policy named x/],
    [['status', '--socket', join(daemon.folder, 'none.sock')], 69, /no daemon answers \(start one with: hvd start --detach\)/],
    [['status', '--socket', `/tmp/${'x'.repeat(200)}`], 65, /longer than 107/],
    [['start', '--socket', daemon.socket], 73, /a daemon is already running \(pid \d+\)/],
    [['start', '--socket', file], 73, /exists and is not a socket/],
    [['start', '--machine', bad], 65, /bad\.yaml:1 \(all\): unknown key/],
    [['start', '--lps', '65'], 64, /--lps: expected a whole number from 1 to 64, got 65/],
    [['start', '--lps', '2', '--nodes', '3'], 64, /--nodes: expected at most one node an LP \(2\), got 3/],
    [['start', '--clock', 'fast'], 64, /--clock/],
    [['run', '/nonexistent'], 66, /\/nonexistent: cannot be read/],
    [['run', 'workload64', '--memory', '1'], 64, /--memory: expected a size/],
    [['run', 'workload64', '--timeout', 'x'], 64, /--timeout: expected seconds/],
    [['nothing'], 64, /unknown command/],
    [['vm', 'start'], 64, /missing required argument/],
  ];
  for (const [args, status, message] of cases) {
    const ended = await hvdIn({ XDG_RUNTIME_DIR: daemon.folder }, ...args);
    t.is(ended.status, status, `${args.join(' ')}: ${ended.stderr}`);
    t.regex(ended.stderr, message, args.join(' '));
    t.regex(ended.stderr, /^hvd: [^\n]+\n$/, args.join(' '));
  }
});

test('help is on stdout and not an error', async (t) => {
  const { status, stdout } = await hvd('--help');
  t.is(status, 0);
  for (const command of ['start', 'stop', 'status', 'vm', 'policy', 'load', 'stats', 'run', 'top'])
    t.regex(stdout, new RegExp(`^  ${command}`, 'm'));
});

test('the default socket is in the runtime folder', async (t) => {
  const { status, stdout } = await hvdIn({ XDG_RUNTIME_DIR: t.context.daemon.folder }, 'status', '--json');
  t.is(status, 0);
  t.like(JSON.parse(stdout) as object, { socket: t.context.daemon.socket });
});
