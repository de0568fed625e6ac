// The daemon behind its socket, with stub LPs: the whole life of partitions, machine checks, subscriptions, and clients that misbehave.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, linkSync, mkdtempSync, readdirSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { eventFrame, Outbox } from '../../daemon/root/control/outbox.js';
import { claimSocketPath } from '../../daemon/root/control/socket-file.js';
import { startDaemon } from '../../daemon/root/daemon.js';
import { createLog, silentLog } from '../../daemon/root/log.js';
import { LOG_RECORDS_MAX, LOG_TEXT_MAX, LogRing } from '../../daemon/root/log-ring.js';
import { SCRIPTS_MAX } from '../../daemon/root/scripts.js';
import { WATCH_MS, Watcher } from '../../daemon/root/watcher.js';
import { connect, type HvdClient } from '../../shared/client/client.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { encodeFrame, FrameReader } from '../../shared/protocol/frames.js';
import { type Events, FRAME_MAX, type LogRecord, PROTOCOL_VERSION } from '../../shared/protocol/messages.js';
import type { ScriptProgress } from '../../shared/protocol/script-progress.js';
import { STUB_LP, type StubDaemon, startStubDaemon, stubConfig, stubPartition } from '../rig/stub-daemon.js';

const withDaemon = async (
  work: (hvd: HvdClient, daemon: StubDaemon) => Promise<void>,
  changes = {},
  answerLimitMs?: number,
): Promise<void> => {
  const daemon = await startStubDaemon(changes, answerLimitMs);
  try {
    const hvd = await connect({ socket: daemon.socket });
    await work(hvd, daemon);
    await hvd.close();
  } finally {
    await daemon.end();
  }
};

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof HvdError ? error.code : String(error)),
  );

const stateOf = async (hvd: HvdClient, name: string): Promise<string> =>
  (await hvd.request('vm.list', {})).find((p) => p.name === name)?.state ?? 'absent';

const until = async (what: string, condition: () => Promise<boolean> | boolean): Promise<void> => {
  for (let i = 0; i < 500; i++) {
    if (await condition()) return;
    await sleep(10);
  }
  throw new Error(`never: ${what}`);
};

test("a partition's share is changed while it runs; what cannot be is refused by field, value and limit, and nothing has changed", async (t) => {
  await withDaemon(
    async (hvd) => {
      await hvd.request('vm.create', stubPartition('a', { vps: 2, scheduling: { reserve: 30 } }));
      await hvd.request('vm.create', stubPartition('b', { vps: 2, scheduling: { reserve: 50 } }));
      const before = await hvd.request('vm.schedule', { name: 'a' });
      t.deepEqual({ ...before, homes: [] }, { weight: 100, reserve: 30, limit: 100, lps: [0, 1], homes: [] });
      const refused = async (change: object, code: string, message: RegExp): Promise<void> => {
        const error = await hvd.request('vm.schedule', { name: 'a', weight: 7, ...change }).catch((e: unknown) => e);
        if (!(error instanceof HvdError)) return t.fail(JSON.stringify(change));
        t.is(error.code, code, JSON.stringify(change));
        t.regex(error.message, message);
        t.deepEqual(await hvd.request('vm.schedule', { name: 'a' }), before);
      };
      await refused({ lps: [0, 2] }, 'vm.affinity', /^a: scheduling\.lps: there is no LP 2; the last one is 1$/);
      await refused(
        { reserve: 46 },
        'vm.reserve',
        /^a: scheduling\.reserve: 2 times 46 % is more than there is: 45 of LP 0, 45 of LP 1 % free$/,
      );
      await refused({ reserve: 40, lps: [1] }, 'vm.reserve', /2 times 40 % is more than there is: 45 of LP 1 % free$/);
      await refused({ limit: 29 }, 'vm.limit', /^a: scheduling\.limit: 29 % is less than the reserve, 30 %$/);
      await refused({ reserve: 40, limit: 39 }, 'vm.limit', /39 % is less than the reserve, 40 %$/);
      await refused({ reserve: 96 }, 'request.invalid', /reserve: expected a whole number from 0 to 95, got 96$/);
      await refused({ limit: 0 }, 'request.invalid', /limit: expected a whole number from 1 to 100, got 0$/);
      await refused({ weight: 10_001 }, 'request.invalid', /weight: expected a whole number from 1 to 10000, got 10001$/);
      await refused({ lps: [] }, 'request.invalid', /lps: expected/);
      await refused({ lps: [64] }, 'request.invalid', /lps.*expected/);
      await refused({ lps: 'none' }, 'request.invalid', /lps: expected all, or a list of LPs from 0 to 63, got "none"$/);
      await refused({ share: 1 }, 'request.invalid', /unknown key share/);
      t.is(await codeOf(hvd.request('vm.schedule', { name: 'nobody', weight: 1 })), 'vm.unknown');

      t.deepEqual(await hvd.request('vm.schedule', { name: 'a', weight: 300, limit: 80 }), { ...before, weight: 300, limit: 80 });
      await hvd.request('vm.schedule', { name: 'b', reserve: 0 });
      const moved = await hvd.request('vm.schedule', { name: 'a', reserve: 45, lps: [1] });
      t.deepEqual(moved, { weight: 300, reserve: 45, limit: 80, lps: [1], homes: [1, 1] });
      // It holds after a new start, too.
      await hvd.request('vm.stop', { name: 'a' });
      await hvd.request('vm.start', { name: 'a' });
      t.deepEqual(await hvd.request('vm.schedule', { name: 'a' }), moved);
      t.deepEqual((await hvd.request('vm.schedule', { name: 'a', lps: 'all' })).lps, [0, 1]);
    },
    { lps: 2 },
  );
});

test('a partition lives: created, running, paused, resumed, stopped, started again, destroyed', async (t) => {
  await withDaemon(async (hvd) => {
    t.deepEqual(await hvd.request('vm.create', stubPartition('a', { autostart: false, vps: 3 })), { name: 'a' });
    t.is(await stateOf(hvd, 'a'), 'created');
    t.is(await codeOf(hvd.request('vm.pause', { name: 'a' })), 'vm.state');
    await hvd.request('vm.start', { name: 'a' });
    t.is(await stateOf(hvd, 'a'), 'running');
    const instructions = async (): Promise<number> =>
      (await hvd.request('stats', {})).partitions[0]!.vps.reduce((sum, vp) => sum + vp.instructions, 0);
    await until('instructions', async () => (await instructions()) > 0);
    await hvd.request('vm.pause', { name: 'a' });
    const paused = await instructions();
    await sleep(50);
    t.is(await instructions(), paused, 'a paused partition executes nothing');
    await hvd.request('vm.resume', { name: 'a' });
    await until('more instructions', async () => (await instructions()) > paused);
    await hvd.request('vm.stop', { name: 'a' });
    t.is(await stateOf(hvd, 'a'), 'stopped');
    t.is((await hvd.request('vm.list', {}))[0]!.reason, 'stopped by the operator');
    t.is(await codeOf(hvd.request('vm.resume', { name: 'a' })), 'vm.state');
    await hvd.request('vm.start', { name: 'a' });
    t.is(await stateOf(hvd, 'a'), 'running');
    await hvd.request('vm.destroy', { name: 'a' });
    t.is(await stateOf(hvd, 'a'), 'absent');
    t.is(await codeOf(hvd.request('vm.start', { name: 'a' })), 'vm.unknown');
  });
});

test('VPs are spread over LPs', async (t) => {
  await withDaemon(
    async (hvd) => {
      await hvd.request('vm.create', stubPartition('a', { vps: 2, autostart: false }));
      await hvd.request('vm.create', stubPartition('b', { vps: 2, autostart: false }));
      const { partitions, lps } = await hvd.request('stats', {});
      t.deepEqual(
        partitions.flatMap((p) => p.vps.map((vp) => vp.lp)),
        [0, 1, 2, 3],
      );
      t.deepEqual(
        lps.map((lp) => lp.node),
        [0, 0, 1, 1],
      );
    },
    { lps: 4, nodes: 2 },
  );
});

test('what fails while a partition is made leaves nothing behind', async (t) => {
  await withDaemon(async (hvd, daemon) => {
    const bad = join(daemon.folder, 'bad.img');
    writeFileSync(bad, 'this is no image at all');
    const pipe = join(daemon.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const attempts: [Parameters<typeof stubPartition>[1], string][] = [
      [{ image: '/nonexistent' }, 'image.unreadable'],
      [{ image: daemon.folder }, 'image.unreadable'],
      [{ image: '/dev/zero' }, 'image.unreadable'],
      [{ image: pipe }, 'image.unreadable'],
      [{ initrd: pipe }, 'image.unreadable'],
      [{ image: 'relative.elf' }, 'request.invalid'],
      [{ image: bad }, 'boot.image-unknown'],
      [{ initrd: '/nonexistent' }, 'image.unreadable'],
      [{ memory: 3 }, 'request.invalid'],
      [{ memory: 4096 * 2 ** 20 }, 'request.invalid'],
      [{ vps: 65 }, 'request.invalid'],
      [{ load: { job: 'nothing' } }, 'load.unknown'],
      [{ load: { job: 'ipi', parameters: { hold: 1 } } }, 'load.parameter'],
      [{ load: { job: 'ipi', vps: [1] } }, 'load.vp'],
    ];
    for (const [changes, code] of attempts) {
      t.is(await codeOf(hvd.request('vm.create', stubPartition('a', changes))), code, JSON.stringify(changes));
      t.deepEqual(await hvd.request('vm.list', {}), []);
    }
    await hvd.request('vm.create', stubPartition('a'));
    t.is(await codeOf(hvd.request('vm.create', stubPartition('a'))), 'vm.exists');
    t.is((await hvd.request('vm.list', {})).length, 1);
  });
});

test('two clients that create the same name: one succeeds', async (t) => {
  await withDaemon(async (hvd, daemon) => {
    const other = await connect({ socket: daemon.socket });
    const codes = await Promise.all([hvd, other].map((client) => codeOf(client.request('vm.create', stubPartition('same')))));
    t.deepEqual(codes.sort(), ['no error', 'vm.exists']);
    await other.close();
  });
});

test('a machine holds 16 partitions and says so', async (t) => {
  await withDaemon(async (hvd) => {
    for (let i = 0; i < 16; i++) await hvd.request('vm.create', stubPartition(`p${i}`, { autostart: false }));
    t.is(await codeOf(hvd.request('vm.create', stubPartition('one-more'))), 'vm.too-many');
    await hvd.request('vm.destroy', { name: 'p3' });
    t.is(await codeOf(hvd.request('vm.create', stubPartition('one-more', { autostart: false }))), 'no error');
  });
});

for (const [what, name, reason] of [
  ['throws', 'throw-1', /^machine check: LP 0: stub: out of order$/],
  ['exits', 'exit-1', /^machine check: LP 0: .*3/],
] as const) {
  test(`a worker that ${what} is a machine check: its partitions crash, the others go on`, async (t) => {
    await withDaemon(async (hvd) => {
      // Placement is by load: the bad one lives on LP 0, the good one on LP 1, the third on both.
      await hvd.request('vm.create', stubPartition(name, { autostart: false }));
      await hvd.request('vm.create', stubPartition('good'));
      await hvd.request('vm.create', stubPartition('both', { vps: 2 }));
      await hvd.request('vm.start', { name });
      await until('crash', async () => (await stateOf(hvd, name)) === 'crashed');
      const list = await hvd.request('vm.list', {});
      t.regex(list.find((p) => p.name === name)!.reason!, reason);
      t.regex(list.find((p) => p.name === 'both')!.reason!, reason);
      t.is(await stateOf(hvd, 'good'), 'running');
      const { lps } = await hvd.request('stats', {});
      t.is(lps[0]!.state, 'dead');
      // What is left of the machine works on: a new partition goes to the LP that lives.
      await hvd.request('vm.create', stubPartition('new', { vps: 2 }));
      const created = (await hvd.request('stats', {})).partitions.find((p) => p.name === 'new')!;
      t.deepEqual(
        created.vps.map((vp) => vp.lp),
        [1, 1],
      );
      await hvd.request('vm.destroy', { name });
    });
  });
}

test('an LP that does not answer is a machine check', async (t) => {
  await withDaemon(
    async (hvd) => {
      await hvd.request('vm.create', stubPartition('hang-1'));
      await hvd.request('vm.create', stubPartition('good', { autostart: false })).catch(() => {});
      await until('crash', async () => (await stateOf(hvd, 'hang-1')) === 'crashed');
      t.regex((await hvd.request('vm.list', {}))[0]!.reason!, /LP 0: did not answer ATTACH within 300 ms/);
    },
    {},
    300,
  );
});

test('when every LP is dead the daemon still answers', async (t) => {
  await withDaemon(
    async (hvd) => {
      await hvd.request('vm.create', stubPartition('throw-1'));
      await until('crash', async () => (await stateOf(hvd, 'throw-1')) === 'crashed');
      t.is(await codeOf(hvd.request('vm.create', stubPartition('a'))), 'machine.no-lp');
      t.is((await hvd.request('status', {})).partitions.length, 1);
    },
    { lps: 1 },
  );
});

test('exits of guests are told with their reasons', async (t) => {
  await withDaemon(async (hvd) => {
    for (const [name, state, reason] of [
      ['off-1', 'powered-off', 'the guest powered off'],
      ['debug-1', 'powered-off', 'the guest wrote 21 to the debug-exit port'],
      ['triple-1', 'crashed', 'triple fault on VP 0'],
    ]) {
      await hvd.request('vm.create', stubPartition(name!));
      await until(`${name} ends`, async () => (await stateOf(hvd, name!)) === state);
      t.is((await hvd.request('vm.list', {})).find((p) => p.name === name)!.reason, reason!);
    }
  });
});

test('the console is read by position', async (t) => {
  await withDaemon(async (hvd) => {
    await hvd.request('vm.create', stubPartition('say-1'));
    await until('end', async () => (await stateOf(hvd, 'say-1')) === 'powered-off');
    const { data, position } = await hvd.request('vm.console.read', { name: 'say-1', position: 0 });
    t.is(Buffer.from(data).toString(), 'hello from say-1\n');
    const rest = await hvd.request('vm.console.read', { name: 'say-1', position });
    t.is(rest.data.length, 0);
    t.is(Buffer.from((await hvd.request('vm.console.read', { name: 'say-1', position: 11 })).data).toString(), 'say-1\n');
    await hvd.request('vm.console.write', { name: 'say-1', data: new Uint8Array(4096) });
    t.is(await codeOf(hvd.request('vm.console.write', { name: 'say-1', data: new Uint8Array(1) })), 'vm.console-full');
    t.is(await codeOf(hvd.request('vm.console.write', { name: 'say-1', data: new Uint8Array(5000) })), 'request.invalid');
  });
});

test('screen and inspection are there from the first moment', async (t) => {
  await withDaemon(async (hvd) => {
    await hvd.request('vm.create', stubPartition('a', { autostart: false, vps: 2 }));
    const screen = await hvd.request('vm.screen', { name: 'a' });
    t.is(screen.lines.length, screen.rows);
    t.true(screen.lines.every((line) => line.length === screen.columns));
    const inspect = await hvd.request('vm.inspect', { name: 'a' });
    t.is(inspect.registers.length, 2);
    t.is(inspect.registers[1]!.mode, 'real');
    t.is(inspect.registers[1]!.rip, '0x000000000000fff0');
    t.is(inspect.registers[1]!.rflags, '0x00000002');
    t.deepEqual(inspect.unknownInstructions, []);
    t.true('fills' in inspect.vtlb);
  });
});

test('policies are listed, read and set', async (t) => {
  await withDaemon(async (hvd, daemon) => {
    const [lock] = await hvd.request('policy.list', {});
    t.is(lock!.name, 'vtlb.lock');
    t.is(lock!.value, 'generation');
    t.is((await hvd.request('policy.set', { name: 'vtlb.lock', value: 'global' })).value, 'global');
    t.is((await hvd.request('policy.get', { name: 'vtlb.lock' })).value, 'global');
    const { policies } = await hvd.request('stats', {});
    t.is(policies['vtlb.lock'], 'global');
    t.deepEqual(
      Object.keys(policies),
      (await hvd.request('policy.list', {})).map((policy) => policy.name),
    );
    t.is(daemon.machine.memory.views.i32[daemon.machine.memory.header.policies >>> 2], 1);
    t.is(await codeOf(hvd.request('policy.set', { name: 'vtlb.lock', value: 'none' })), 'policy.value');
    t.is(await codeOf(hvd.request('policy.get', { name: 'toString' })), 'policy.unknown');
  });
});

test('a load waits for its guest, one that has ended refuses it, and one that boots again finds the load of its configuration', async (t) => {
  await withDaemon(async (hvd, daemon) => {
    await hvd.request('vm.create', stubPartition('a', { load: { job: 'spinlock' } }));
    t.is(daemon.machine.partitions.get('a').pendingLoads.length, 1);
    await hvd.request('load.set', { name: 'a', job: 'ipi' });
    t.is(daemon.machine.partitions.get('a').pendingLoads.length, 2);
    await hvd.request('load.stop', { name: 'a' });
    t.is(daemon.machine.partitions.get('a').pendingLoads.length, 0);
    await hvd.request('vm.stop', { name: 'a' });
    t.is(await codeOf(hvd.request('load.set', { name: 'a', job: 'ipi' })), 'vm.state');
    await hvd.request('vm.start', { name: 'a' });
    t.deepEqual(daemon.machine.partitions.get('a').pendingLoads, [{ job: 'spinlock' }]);
  });
});

test('what a guest does with the loads that wait for it is logged once, and is in what is seen of it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-loads-'));
  const written: string[] = [];
  const log = createLog('info', undefined, { write: (line) => void written.push(line) });
  const daemon = await startDaemon({ config: stubConfig(), log, workerFile: STUB_LP, socket: join(folder, 'hvd.sock') });
  const warnings = (): unknown[] =>
    written
      .map((line) => JSON.parse(line))
      .filter(({ level, jobs }) => level === 40 && jobs !== undefined)
      .map(({ name, jobs, msg }) => [name, jobs, msg]);
  const watcher = new Watcher(daemon.machine.partitions, log, async () => {}, 0);
  try {
    const hvd = await connect({ socket: join(folder, 'hvd.sock') });
    await hvd.request('vm.create', stubPartition('a', { load: { job: 'spinlock', vps: [0] } }));
    t.deepEqual((await hvd.request('vm.inspect', { name: 'a' })).waitingLoads, [{ job: 'spinlock', vps: [0] }]);
    await until('a line', () => warnings().length === 1);
    await hvd.request('vm.stop', { name: 'a' });
    // Ended after it was told of: nothing more. One that ends at once: the other watcher, which waits longer, tells.
    await sleep(3 * WATCH_MS);
    t.deepEqual(warnings(), [['a', 'spinlock', 'jobs wait: the guest takes none so far']]);
    watcher.stop();
    await hvd.request('vm.start', { name: 'a' });
    await hvd.request('vm.stop', { name: 'a' });
    await until('a second line', () => warnings().length === 2);
    t.deepEqual(warnings()[1], ['a', 'spinlock', 'the guest has ended without having taken its jobs']);
    daemon.machine.partitions.get('a').refusedLoads = [{ job: 'files' }, { job: 'files', vps: [1] }];
    await until('a third line', () => warnings().length === 3);
    await sleep(3 * WATCH_MS);
    t.deepEqual(warnings().slice(2), [['a', 'files', 'the guest knows no such jobs']]);
    t.is((await hvd.request('vm.inspect', { name: 'a' })).refusedLoads.length, 2);
    await hvd.close();
  } finally {
    watcher.stop();
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

const PROGRESS: ScriptProgress = {
  name: 's',
  state: 'running',
  phase: 'one',
  index: 1,
  phases: 2,
  step: 1,
  steps: 1,
  seconds: 0.5,
  length: 1,
  assertions: { holds: 0, fails: 0, left: 1 },
  failures: [],
};

test('a script that a client plays is in the samples of all; it is stopped when its client is gone, and the last one stays', async (t) => {
  await withDaemon(async (hvd, daemon) => {
    const scripts = async (): Promise<unknown[]> =>
      (await hvd.request('stats', {})).scripts.map(({ name, state, index }) => [name, state, index]);
    t.deepEqual(await scripts(), []);
    const player = await connect({ socket: hvd.path });
    await player.request('load.progress', PROGRESS);
    t.deepEqual(await scripts(), [['s', 'running', 1]]);
    await player.request('load.progress', { ...PROGRESS, index: 2 });
    t.deepEqual(await scripts(), [['s', 'running', 2]]);
    for (const wrong of [
      { state: 'lost' },
      { index: 0 },
      { seconds: Number.NaN },
      { failures: Array.from({ length: 5 }, () => '') },
      { more: 1 },
    ])
      t.is(await codeOf(player.request('load.progress', { ...PROGRESS, ...wrong } as never)), 'request.invalid');
    await player.close();
    await until('it is stopped', () => daemon.machine.scripts.list[0]?.state === 'stopped');
    t.deepEqual(await scripts(), [['s', 'stopped', 2]]);
    await hvd.request('load.progress', { ...PROGRESS, name: 'other', state: 'passed' });
    t.deepEqual(await scripts(), [['other', 'passed', 1]]);
    const many = await Promise.all(Array.from({ length: SCRIPTS_MAX }, () => connect({ socket: hvd.path })));
    for (const one of many) await one.request('load.progress', PROGRESS);
    t.is(await codeOf(hvd.request('load.progress', PROGRESS)), 'script.many');
    t.is((await scripts()).length, SCRIPTS_MAX + 1);
    for (const one of many) await one.close();
  });
});

test('the log comes to who subscribes to it: what is kept of it first, then what happens', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-log-'));
  const recent = new LogRing();
  const written: string[] = [];
  const log = createLog('info', recent, { write: (line) => void written.push(line) });
  const options = { config: stubConfig(), log, recent, workerFile: STUB_LP, socket: join(folder, 'hvd.sock') };
  const daemon = await startDaemon(options);
  try {
    const hvd = await connect({ socket: daemon.socket });
    await hvd.request('policy.set', { name: 'vtlb.lock', value: 'global' });
    t.is(await codeOf(hvd.request('policy.set', { name: 'vtlb.lock', value: 'none' })), 'policy.value');
    const records: LogRecord[] = [];
    let lost = 0;
    hvd.on('log', (frame) => {
      lost += frame.lost;
      records.push(...frame.records);
    });
    await hvd.request('subscribe', { log: true });
    await until('two records', () => records.length >= 2);
    t.deepEqual(
      records.map(({ level, text }) => `${level} ${text}`),
      [`info control socket socket=${daemon.socket}`, 'info policy name=vtlb.lock value=global'],
      'what was refused has not happened',
    );
    t.is(written.length, 2, 'and goes where the log goes');
    await hvd.request('load.set', { name: 'none', job: 'idle' }).catch(() => {});
    for (let i = 0; i < LOG_RECORDS_MAX + 100; i++) log.warn({ i, text: 'x'.repeat(LOG_TEXT_MAX) }, 'flood');
    await until('the last record', () => records.at(-1)!.text.startsWith(`flood i=${LOG_RECORDS_MAX + 99} `));
    t.deepEqual([records.length, lost], [2 + LOG_RECORDS_MAX, 100], 'what left the ring between two looks is gone');
    t.true(records.every(({ text }) => text.length <= LOG_TEXT_MAX));
    await hvd.request('subscribe', { log: false });
    await hvd.close();
  } finally {
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('statistics and events come as subscribed, and stop', async (t) => {
  await withDaemon(async (hvd) => {
    let stats = 0;
    const events: Events['events'][number][] = [];
    hvd.on('stats', () => stats++);
    hvd.on('events', (batch) => events.push(...batch));
    await hvd.request('subscribe', { stats: 20, events: true });
    await hvd.request('vm.create', stubPartition('a'));
    await until('stats and events', () => stats >= 3 && events.length > 0);
    t.like(events[0], { kind: 'schedule-in', partition: 'a', vp: 0 });
    await hvd.request('subscribe', { stats: 0, events: false });
    await sleep(20);
    const before = stats;
    await sleep(200);
    t.is(stats, before);
    t.is(await codeOf(hvd.request('subscribe', { stats: 1000 })), 'request.invalid');
  });
});

// --- Clients that misbehave.

/** Raw bytes to the daemon; resolves with the frames that came back when there are `enough`, or the daemon has closed the connection. */
const raw = async (path: string, bytes: Buffer, enough = Number.POSITIVE_INFINITY): Promise<{ frames: unknown[]; closed: boolean }> => {
  const socket = connectSocket(path);
  const reader = new FrameReader();
  const frames: unknown[] = [];
  const closed = new Promise<boolean>((resolve) => {
    socket.on('data', (chunk) => {
      frames.push(...reader.take(chunk));
      if (frames.length >= enough) resolve(false);
    });
    socket.once('close', () => resolve(true));
  });
  socket.on('error', () => {});
  socket.write(bytes);
  const result = await Promise.race([closed, sleep(RAW_LIMIT_MS, false)]);
  socket.destroy();
  return { frames, closed: result };
};

const RAW_LIMIT_MS = 60_000;
const hello = encodeFrame({ id: 1, m: 'hello', p: { version: PROTOCOL_VERSION } });

for (const [what, bytes, code] of [
  ['a frame that is too long', Buffer.from([0, 0, 0, 0x80]), 'protocol.frame-too-long'],
  ['bytes that are not msgpack', Buffer.concat([hello, Buffer.from([3, 0, 0, 0, 0xc1, 0xc1, 0xc1])]), 'protocol.not-msgpack'],
  ['a reserved byte', Buffer.concat([hello, Buffer.from([1, 0, 0, 0, 0xc1])]), 'protocol.not-msgpack'],
  ['a frame that is no request', encodeFrame([1, 2, 3]), 'protocol.not-a-request'],
  ['a request without hello', encodeFrame({ id: 1, m: 'status', p: {} }), 'protocol.hello-first'],
  ['another version', encodeFrame({ id: 1, m: 'hello', p: { version: PROTOCOL_VERSION + 1 } }), 'protocol.version'],
] as const) {
  test(`${what} is answered with its code and a closed connection; others notice nothing`, async (t) => {
    await withDaemon(async (hvd, daemon) => {
      const { frames, closed } = await raw(daemon.socket, bytes);
      t.true(closed);
      t.is((frames.at(-1) as { e: { code: string } }).e.code, code);
      t.true((await hvd.request('status', {})).pid > 0);
    });
  });
}

test('requests behind one that ends the connection are not carried out', async (t) => {
  await withDaemon(async (hvd, daemon) => {
    const create = encodeFrame({ id: 3, m: 'vm.create', p: stubPartition('a') });
    const early = encodeFrame({ id: 1, m: 'status', p: {} });
    const { frames, closed } = await raw(daemon.socket, Buffer.concat([early, hello, create]));
    t.true(closed);
    t.is(frames.length, 1);
    t.deepEqual(await hvd.request('vm.list', {}), []);
  });
});

test('an event that is longer than a frame is dropped and counted, and nothing ends', async (t) => {
  const written: Buffer[] = [];
  const socket = { writable: true, writableLength: 0, write: (frame: Buffer) => written.push(frame) } as unknown as Socket;
  const outbox = new Outbox(socket);
  t.notThrows(() => outbox.event(eventFrame('stats', 'x'.repeat(FRAME_MAX) as never)));
  outbox.event(eventFrame('stats', 'short' as never));
  t.deepEqual(new FrameReader().take(Buffer.concat(written)), [
    { ev: 'dropped', d: { count: 1 } },
    { ev: 'stats', d: 'short' },
  ]);
});

test('unknown requests and wrong parameters are answered, the connection stays', async (t) => {
  await withDaemon(async (hvd) => {
    t.is(await codeOf(hvd.request('nothing' as 'status', {})), 'request.unknown');
    t.is(await codeOf(hvd.request('__proto__' as 'status', {})), 'request.unknown');
    t.is(await codeOf(hvd.request('vm.start', { name: 5 as unknown as string })), 'request.invalid');
    t.is(await codeOf(hvd.request('vm.start', { name: 'a', more: 1 } as { name: string })), 'request.invalid');
    t.is(await codeOf(hvd.request('vm.start', null as unknown as { name: string })), 'request.invalid');
    t.true((await hvd.request('status', {})).pid > 0);
  });
});

test.serial('a client that does not read loses events, not the daemon its memory, and is told how many', async (t) => {
  await withDaemon(async (hvd, daemon) => {
    // Large statistics: many VPs.
    for (let i = 0; i < 4; i++) await hvd.request('vm.create', stubPartition(`p${i}`, { vps: 64, autostart: false }));
    const slow: Socket = connectSocket(daemon.socket);
    slow.on('error', () => {});
    slow.write(Buffer.concat([hello, encodeFrame({ id: 2, m: 'subscribe', p: { stats: 20 } })]));
    slow.pause();
    await sleep(2500);
    t.true((await hvd.request('status', {})).pid > 0);
    const reader = new FrameReader();
    const dropped = await new Promise<number>((resolve) => {
      slow.on('data', (chunk: Buffer) => {
        for (const frame of reader.take(chunk) as { ev?: string; d?: { count: number } }[])
          if (frame.ev === 'dropped') resolve(frame.d!.count);
      });
      slow.resume();
      setTimeout(() => resolve(0), 5000).unref();
    });
    t.true(dropped > 0);
    slow.destroy();
  });
});

test.serial('a client that asks and never reads is not answered without bound', async (t) => {
  await withDaemon(async (hvd, daemon) => {
    for (let i = 0; i < 4; i++) await hvd.request('vm.create', stubPartition(`p${i}`, { vps: 64, autostart: false }));
    const greedy = connectSocket(daemon.socket);
    greedy.on('error', () => {});
    greedy.pause();
    greedy.write(hello);
    const before = process.memoryUsage().rss;
    for (let id = 2; id < 3000; id++) greedy.write(encodeFrame({ id, m: 'stats', p: {} }));
    await sleep(1500);
    t.true((await hvd.request('status', {})).pid > 0);
    t.true(process.memoryUsage().rss - before < 150 * 2 ** 20);
    greedy.destroy();
  });
});

test('frames up to the limit are taken', async (t) => {
  await withDaemon(async (_, daemon) => {
    const padding = 'x'.repeat(FRAME_MAX - 100);
    const { frames, closed } = await raw(
      daemon.socket,
      Buffer.concat([hello, encodeFrame({ id: 2, m: 'vm.start', p: { name: padding } })]),
      2,
    );
    t.false(closed);
    t.like(frames.at(-1) as object, { id: 2, e: { code: 'request.invalid' } });
    t.true((frames.at(-1) as { e: { message: string } }).e.message.length < 600);
  });
});

test('many clients at once are served', async (t) => {
  await withDaemon(async (_, daemon) => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => connect({ socket: daemon.socket })));
    const answers = await Promise.all(clients.map((client) => client.request('policy.list', {})));
    t.is(answers.length, 40);
    await Promise.all(clients.map((client) => client.close()));
  });
});

// --- The socket file.

test('the socket is for this user only, and gone afterwards', async (t) => {
  const daemon = await startStubDaemon();
  t.is(statSync(daemon.socket).mode & 0o777, 0o600);
  const hvd = await connect({ socket: daemon.socket });
  const closed = new Promise<void>((resolve) => hvd.on('closed', resolve));
  await hvd.request('shutdown', {}).catch(() => {});
  await daemon.ended;
  await closed;
  t.false(existsSync(daemon.socket));
  await daemon.end();
});

test('a live socket is respected, a stale one cleared, anything else left alone', async (t) => {
  const daemon = await startStubDaemon();
  await t.throwsAsync(claimSocketPath(daemon.socket), { instanceOf: HvdError, code: 'socket.in-use' });
  t.is(await codeOf(startDaemon({ config: stubConfig(), log: silentLog(), workerFile: STUB_LP, socket: daemon.socket })), 'socket.in-use');
  t.true(existsSync(daemon.socket));

  const file = join(daemon.folder, 'file');
  writeFileSync(file, 'mine');
  await t.throwsAsync(claimSocketPath(file), { instanceOf: HvdError, code: 'socket.not-a-socket' });
  t.true(existsSync(file));

  // Stale: bound by a process that has died. Node removes the file of a server it closes, so keep a second name of it.
  const stale = join(daemon.folder, 'stale.sock');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(daemon.folder, 'first.sock'), resolve));
  linkSync(join(daemon.folder, 'first.sock'), stale);
  await new Promise((resolve) => server.close(resolve));
  t.true(existsSync(stale));
  await claimSocketPath(stale);
  t.false(existsSync(stale));

  // Stale when it was probed, then another daemon's.
  const contested = join(daemon.folder, 'contested.sock');
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(join(daemon.folder, 'second.sock'), resolve));
  linkSync(join(daemon.folder, 'second.sock'), contested);
  await new Promise((resolve) => dead.close(resolve));
  const claim = claimSocketPath(contested);
  unlinkSync(contested);
  linkSync(daemon.socket, contested);
  await t.throwsAsync(claim, { instanceOf: HvdError, code: 'socket.in-use' });
  await (await connect({ socket: contested })).close();
  await daemon.end();
});

test('paths that the system cannot hold and folders that cannot be written are named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const long = join(folder, 'x'.repeat(120));
  t.is(await codeOf(startDaemon({ config: stubConfig(), log: silentLog(), workerFile: STUB_LP, socket: long })), 'socket.too-long');
  t.is(await codeOf(connect({ socket: long })), 'socket.too-long');
  t.is(await codeOf(connect({ socket: join(folder, 'none.sock') })), 'daemon.absent');
  t.is(
    await codeOf(startDaemon({ config: stubConfig(), log: silentLog(), workerFile: STUB_LP, socket: join(folder, 'no/such/folder.sock') })),
    'socket.failed',
  );
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

test('two daemons in one process do not disturb each other', async (t) => {
  await withDaemon(async (a) => {
    await withDaemon(async (b) => {
      await a.request('vm.create', stubPartition('throw-1'));
      await b.request('vm.create', stubPartition('fine'));
      await a.request('policy.set', { name: 'vtlb.lock', value: 'global' });
      await until('crash', async () => (await stateOf(a, 'throw-1')) === 'crashed');
      t.is(await stateOf(b, 'fine'), 'running');
      t.is((await b.request('policy.get', { name: 'vtlb.lock' })).value, 'generation');
    });
  });
});

test('a machine whose second partition cannot be made does not start, and leaves no socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const socket = join(folder, 'hvd.sock');
  const config = stubConfig({ partitions: [stubPartition('a'), stubPartition('b', { image: '/nonexistent' })] });
  t.is(await codeOf(startDaemon({ config, log: silentLog(), workerFile: STUB_LP, socket })), 'image.unreadable');
  t.is(
    await codeOf(startDaemon({ config: stubConfig({ policies: { 'vtlb.lock': 'none' } }), log: silentLog(), workerFile: STUB_LP, socket })),
    'policy.value',
  );
  t.is(
    await codeOf(startDaemon({ config: stubConfig(), log: silentLog(), workerFile: '/nonexistent/worker.js', socket })),
    'machine.lp-start',
  );
  t.deepEqual(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});

test('a client whose daemon goes away is told at once', async (t) => {
  const daemon = await startStubDaemon();
  const hvd = await connect({ socket: daemon.socket });
  let closed = 0;
  hvd.on('closed', () => closed++);
  const waiting = codeOf(hvd.request('vm.create', stubPartition('a', { image: '/dev/fd/0' })));
  await daemon.end();
  t.true(['daemon.gone', 'image.unreadable'].includes(await waiting));
  await until('closed', () => closed === 1);
  t.is(await codeOf(hvd.request('status', {})), 'daemon.gone');
  await hvd.close();
});
