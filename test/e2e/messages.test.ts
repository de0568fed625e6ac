// Two guests that ask and answer each other, by messages and by event flags; ports and connections opened and closed as a user does it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import anyTest, { type TestFn } from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { type Daemon, startDaemon } from '../../daemon/root/daemon.js';
import { silentLog } from '../../daemon/root/log.js';
import { connect, type HvdClient } from '../../shared/client/client.js';
import { PORTS_MAX } from '../../shared/layout/synic.js';
import type { LoadCounters, PartitionConfig, PartitionStats } from '../../shared/protocol/messages.js';
import { hvd } from '../rig/hvd-process.js';

const test = anyTest as TestFn<{ folder: string; socket: string; daemon: Daemon; client: HvdClient }>;
const SINT = 3;

const partition = (name: string, to: string, role: number): PartitionConfig => ({
  name,
  image: resolveImage('workload64', ''),
  vps: 1,
  memory: 8 << 20,
  hv: {
    features: 'linux',
    ports: [
      { id: 16, sint: SINT, vp: 0 },
      { id: 272, sint: SINT, vp: 'any', flags: 32 },
    ],
    connections: [
      { id: 16, vm: to, port: 16 },
      { id: 272, vm: to, port: 272 },
    ],
  },
  load: { job: 'message', parameters: { role, window: 8 } },
  autostart: true,
});

test.beforeEach(async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const socket = join(folder, 'hvd.sock');
  const partitions = [partition('ann', 'bob', 0), partition('bob', 'ann', 1)];
  const config = { ...defaultMachine(), lps: 2, pin: false, quantumCycles: 100_000, partitions };
  const daemon = await startDaemon({ config, log: silentLog(), socket });
  t.context = { folder, socket, daemon, client: await connect({ socket }) };
});
test.afterEach.always(async ({ context }) => {
  await context.client.close();
  await context.daemon.stop();
  rmSync(context.folder, { recursive: true, force: true });
});

const statsOf = async (client: HvdClient, name: string): Promise<PartitionStats> =>
  (await client.request('stats', {})).partitions.find((one) => one.name === name)!;
/** Waits until the partition's job has done so much since it began. */
const operations = async (client: HvdClient, name: string, least: number): Promise<LoadCounters> => {
  for (let tries = 0; tries < 1000; tries++) {
    const [load] = (await statsOf(client, name)).load;
    if (load !== undefined && load.job === 'message' && load.operations >= least) return load;
    await sleep(10);
  }
  throw new Error(`${name}: job message has not done ${least} operations`);
};

/** Waits until the partition's port has taken so much. */
const accepted = async (client: HvdClient, name: string, id: number, least: number): Promise<void> => {
  for (let tries = 0; tries < 1000; tries++) {
    const { ports } = await client.request('port.list', { name });
    if (ports.some((port) => port.id === id && port.accepted >= least)) return;
    await sleep(10);
  }
  throw new Error(`${name}: port ${id} has not taken ${least}`);
};

test.serial('every request is answered, by messages and by event flags, whoever asks', async (t) => {
  t.timeout(300_000);
  const { client } = t.context;
  await operations(client, 'ann', 50);
  await client.request('load.set', { name: 'ann', job: 'message', parameters: { window: 0 } });
  await accepted(client, 'ann', 272, 50);
  // Both ask and answer, the one with AutoEOI.
  await client.request('load.set', { name: 'ann', job: 'message', parameters: { window: 8, auto: 1, size: 240 } });
  await client.request('load.set', { name: 'bob', job: 'message', parameters: { window: 3 } });
  const [first] = (await client.request('port.list', { name: 'bob' })).ports;
  await accepted(client, 'bob', 16, first!.accepted + 200);
  t.is((await client.request('port.list', { name: 'bob' })).ports[0]!.refused, first!.refused, 'no more than there are buffers for');
  await operations(client, 'ann', 50);
  await operations(client, 'bob', 50);
  for (const name of ['ann', 'bob']) {
    const { synic, load } = await client.request('vm.inspect', { name });
    const told = synic[0]!.sints.find(({ sint }) => sint === SINT)!;
    t.true(told.messages >= 50 && told.interrupts >= 50 && told.events >= 25, JSON.stringify(told));
    t.is(load[0]!.job, 'message');
  }
});

test.serial('ports and connections are opened and closed while guests run', async (t) => {
  t.timeout(300_000);
  const { client, socket } = t.context;
  await operations(client, 'ann', 10);
  const run = (...args: string[]): ReturnType<typeof hvd> => hvd(...args, '--socket', socket);
  t.is((await run('port', 'close', 'bob', '16')).status, 0);
  const again = await run('port', 'close', 'bob', '16');
  t.is(again.status, 66, again.stderr);
  t.is(again.stderr, 'hvd: bob: has no port 16 (hvd port list bob shows them)\n');
  t.is((await run('connection', 'close', 'bob', '99')).stderr, 'hvd: bob: has no connection 99 (hvd connection list bob shows them)\n');
  t.regex((await run('vm', 'inspect', 'bob')).stdout, /^VMBus: no contact$/m);
  t.is((await run('port', 'open', 'bob', '17', '--sint', String(SINT), '--vp', '0')).status, 0);
  t.is((await run('connection', 'open', 'ann', '40', '17', '--to', 'bob')).status, 0);
  t.is((await run('connection', 'open', 'ann', '40', '17', '--to', 'bob')).status, 73, 'the number is taken');
  // What waited for an answer was dropped with the port; a new run begins by itself.
  await client.request('load.set', { name: 'ann', job: 'message', parameters: { connection: 40, window: 2 } });
  await operations(client, 'ann', 20);
  const listed = await run('port', 'list', 'bob');
  t.regex(listed.stdout, /17 +messages/);
  await t.throwsAsync(client.request('port.open', { name: 'bob', port: { id: 5, sint: 16, vp: 0 } }), {
    any: true,
    code: 'request.invalid',
  });
  await t.throwsAsync(client.request('port.open', { name: 'bob', port: { id: 5, sint: 1, vp: 1 } }), { any: true, code: 'load.vp' });
  await t.throwsAsync(client.request('port.open', { name: 'bob', port: { id: 5, sint: 1, vp: 0, flags: 2048, firstFlag: 1 } }), {
    any: true,
    code: 'request.invalid',
  });
});

test.serial('a mistake is one line with the field, the value and the limit, and changes nothing', async (t) => {
  t.timeout(120_000);
  const { socket } = t.context;
  const run = (...args: string[]): ReturnType<typeof hvd> => hvd(...args, '--socket', socket);
  const before = (await run('port', 'list', 'ann', '--json')).stdout.replaceAll(/"accepted": ?\d+/g, '');
  const mistakes: readonly (readonly [command: string, status: number, line: string])[] = [
    ['port open ann 16777216 --sint 3', 64, 'id: expected a whole number from 1 to 16777215, got 16777216'],
    ['port open ann 20 --sint 16', 64, '--sint: expected a whole number from 0 to 15, got 16'],
    ['port open ann 20 --sint 3 --vp 7', 65, 'ann has VPs 0..0, not 7'],
    ['port open ann 20 --sint 3 --flags 9 --first-flag 2040', 64, '--flags: expected at most 8, for a SINT has 2048 flags; got 9'],
    ['port open ann 16 --sint 3', 73, 'ann: port 16 is open already (hvd port close ann 16 closes it)'],
    ['port close ann x', 64, 'id: expected a whole number from 1 to 16777215, got "x"'],
    ['connection open ann 60 0', 64, 'port: expected a whole number from 1 to 16777215, got 0'],
    ['connection open ann 60 999 --to bob', 66, 'ann: connection 60: bob has no port 999 (hvd port list bob shows them)'],
    ['connection open ann 60 16 --to nobody', 66, 'no partition named nobody (hvd vm list shows them)'],
    ['connection open ann 60 16 --to a:b', 64, "--to: expected a name of 1 to 32 letters, digits, '.', '_' or '-', got \"a:b\""],
    ['connection open ann 16 16 --to bob', 73, 'ann: connection 16 is open already (hvd connection close ann 16 closes it)'],
  ];
  for (const [command, status, line] of mistakes) {
    const ended = await run(...command.split(' '));
    t.deepEqual(
      { status: ended.status, stderr: ended.stderr, stdout: ended.stdout },
      { status, stderr: `hvd: ${line}\n`, stdout: '' },
      command,
    );
  }
  t.is((await run('port', 'list', 'ann', '--json')).stdout.replaceAll(/"accepted": ?\d+/g, ''), before);
  t.regex((await run('connection', 'list', 'ann')).stdout, /^ +16 +bob +16$/m);
  for (let id = 1000; id < 1000 + PORTS_MAX - 2; id++)
    await t.context.client.request('port.open', { name: 'ann', port: { id, sint: 1, vp: 0 } });
  const full = await run('port', 'open', 'ann', '2000', '--sint', '3');
  t.is(full.stderr, `hvd: ann: port 2000: ${PORTS_MAX} are open, and there can be no more\n`);
});

test.serial('a partner that is paused, stopped, started again: messages wait or are refused, and nobody is hurt', async (t) => {
  t.timeout(300_000);
  const { client } = t.context;
  await operations(client, 'ann', 10);
  await client.request('vm.pause', { name: 'bob' });
  await sleep(50);
  t.is((await statsOf(client, 'ann')).state, 'running');
  await client.request('vm.resume', { name: 'bob' });
  const before = await operations(client, 'ann', 10);
  await operations(client, 'ann', before.operations + 10);
  await client.request('vm.stop', { name: 'bob' });
  await client.request('vm.start', { name: 'bob' });
  await client.request('load.set', { name: 'ann', job: 'message', parameters: { window: 1 } });
  await operations(client, 'ann', 20);
});
