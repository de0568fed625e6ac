// The daemon as a process: started, detached, stopped, killed, and the demonstration of `npm start`. With the real LPs, idle.

import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import anyTest, { type TestFn } from 'ava';
import { foreground } from '../rig/daemon-process.js';
import { HVD, hvd, run } from '../rig/hvd-process.js';
import { noTerminal, Terminal } from './hvtop-terminal.js';

const test = anyTest as TestFn<{ folder: string; socket: string }>;

test.beforeEach((t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  t.context = { folder, socket: join(folder, 'hvd.sock') };
});
test.afterEach.always((t) => rmSync(t.context.folder, { recursive: true, force: true }));

const DEMO = HVD.replace('hvd.js', 'demo.js');

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('--detach returns when the socket answers; stop returns when the daemon is gone', async (t) => {
  const { folder, socket } = t.context;
  const started = await hvd('start', '--detach', '--socket', socket, '--lps', '2');
  t.is(started.status, 0, started.stderr);
  t.regex(started.stdout, /^hvd: running \(pid \d+\) at /);
  const pid = Number(/pid (\d+)/.exec(started.stdout)![1]);
  t.is((await hvd('status', '--socket', socket)).status, 0);
  t.regex(readFileSync(join(folder, 'hvd.log'), 'utf8'), /control socket/);

  const second = await hvd('start', '--detach', '--socket', socket);
  t.is(second.status, 73);
  t.regex(second.stderr, new RegExp(`already running \\(pid ${pid}\\)`));

  t.deepEqual(await hvd('stop', '--socket', socket), { status: 0, stdout: '', stderr: '' });
  t.false(existsSync(socket));
  t.false(isRunning(pid));
  t.is((await hvd('stop', '--socket', socket)).status, 69);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} ends a foreground daemon in order`, async (t) => {
    const { child, ended } = await foreground(t.context.socket);
    child.kill(signal);
    const { code, log } = await ended;
    t.is(code, 0);
    t.false(existsSync(t.context.socket));
    t.regex(log, /"msg":"stopped"/);
  });
}

test('a daemon that was killed leaves a socket that the next one clears away', async (t) => {
  const { socket } = t.context;
  const first = await foreground(socket);
  first.child.kill('SIGKILL');
  await first.ended;
  t.true(existsSync(socket));
  t.is((await hvd('status', '--socket', socket)).status, 69);
  const second = await foreground(socket);
  t.is((await hvd('stop', '--socket', socket)).status, 0);
  t.is((await second.ended).code, 0);
});

test('a disk that is full does not end the daemon that logs to it', async (t) => {
  const { socket } = t.context;
  const full = openSync('/dev/full', 'w');
  try {
    const { child, ended } = await foreground(socket, full);
    t.is((await hvd('vm', 'create', 'a', '--image', 'workload64', '--socket', socket)).status, 0);
    t.is((await hvd('status', '--socket', socket)).status, 0);
    child.kill();
    t.is((await ended).code, 0);
  } finally {
    closeSync(full);
  }
});

test('a detached start that fails says why at the terminal', async (t) => {
  const { folder } = t.context;
  const started = await hvd('start', '--detach', '--socket', join(folder, 'no/folder/hvd.sock'));
  t.is(started.status, 69);
  t.regex(started.stderr, /^hvd: the daemon did not start: [^\n]+\n$/);
});

test('a link in the place of the log is not followed', async (t) => {
  const { folder, socket } = t.context;
  const precious = join(folder, 'precious');
  writeFileSync(precious, 'mine');
  symlinkSync(precious, join(folder, 'hvd.log'));
  t.is((await hvd('start', '--detach', '--socket', socket)).status, 69);
  t.is(readFileSync(precious, 'utf8'), 'mine');
});

test('npm start without a terminal ends by itself, with a summary', async (t) => {
  const { status, stdout, stderr } = await run(DEMO, { HVD_DEMO_MS: '1500' }, []);
  t.is(status, 0, stderr);
  t.regex(stdout, /^hvd: 4 LPs up after \d+ ms; running for 1\.5 s\n/);
  for (const name of ['w64a', 'w64b', 'w32']) t.regex(stdout, new RegExp(`^${name} +running +\\d`, 'm'));
});

const absent = noTerminal();
const inTerminal = absent === undefined ? test : test.skip;
inTerminal(
  `npm start at a terminal shows the guests at work, and the daemon goes on without it${absent === undefined ? '' : ` (${absent})`}`,
  async (t) => {
    t.timeout(300_000);
    const terminal = new Terminal(100, 30);
    const socket = join(terminal.folder, 'hvd.sock');
    try {
      terminal.type(`XDG_RUNTIME_DIR=${terminal.folder} ${process.execPath} ${DEMO}; echo "status $?"`);
      await terminal.until(
        'live guests',
        (text) => text.includes('● live') && ['w64a', 'w64b', 'w32'].every((name) => text.includes(name)),
      );
      terminal.keys('q');
      await terminal.until('its end', (text) => text.includes('The daemon goes on') && text.includes('status 0'));
      t.is((await hvd('status', '--socket', socket)).status, 0);
      t.is((await hvd('stop', '--socket', socket)).status, 0);
    } finally {
      await hvd('stop', '--socket', socket);
      terminal.close();
    }
  },
);
