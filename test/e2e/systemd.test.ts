// The daemon as a service: what it says to the service manager by a socket as systemd's, the socket that it is given, and the units.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { passedSocket } from '../../daemon/cli/start/systemd.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { connect } from '../../shared/client/client.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { HVD } from '../rig/hvd-process.js';

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const LIMIT_MS = 60_000;

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('close', resolve));
const until = async (what: string, condition: () => boolean): Promise<void> => {
  for (const limit = performance.now() + LIMIT_MS; !condition(); await sleep(20))
    if (performance.now() > limit) throw new Error(`never: ${what}`);
};

/** Receives datagrams and prints each on a line. */
const RECEIVER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    # systemd-notify waits until its descriptor has been closed (BARRIER=1).
    data, fds, flags, address = socket.recv_fds(s, 4096, 8)
    for fd in fds: os.close(fd)
    print(data.decode().replace('\\n', ' '), flush=True)
`;

test('the service manager hears of readiness, of life, and of the end', async (t) => {
  t.timeout(300_000);
  if (!has('systemd-notify')) return t.pass('systemd-notify is not installed');
  if (!has('python3')) return t.pass('nothing can receive datagrams: python3 is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const notify = join(folder, 'notify');
  const metrics = join(folder, 'metrics.sock');
  const receiver = spawn('python3', ['-c', RECEIVER, notify], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  receiver.stdout.on('data', (chunk) => {
    said += chunk;
  });
  try {
    await until('the receiver is there', () => said.includes('bound'));
    const child = spawn(
      process.execPath,
      [HVD, 'start', '--socket', join(folder, 'hvd.sock'), '--lps', '1', '--no-pin', '--metrics', metrics],
      {
        stdio: 'ignore',
        env: { ...process.env, NOTIFY_SOCKET: notify, WATCHDOG_USEC: '400000' },
      },
    );
    const over = ended(child);
    await until('ready', () => /READY=1/.test(said));
    t.regex(said, /STATUS=1 LPs, clock quantum, \S+hvd\.sock/);
    // Ready is said by one that answers.
    await (await connect({ socket: join(folder, 'hvd.sock') })).close();
    const status = await new Promise<number | undefined>((resolve, reject) =>
      request({ socketPath: metrics, path: '/metrics' }, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end(),
    );
    t.is(status, 200);
    await until('the watchdog is fed', () => (said.match(/WATCHDOG=1/g) ?? []).length >= 2);
    t.notRegex(said, /STOPPING=1/);
    child.kill('SIGTERM');
    t.is(await over, 0);
    await until('the end is told', () => /STOPPING=1/.test(said));
  } finally {
    receiver.kill();
    rmSync(folder, { recursive: true });
  }
});

/** Opens a socket, becomes the program, and passes it on as systemd does. */
const ACTIVATOR = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
if s.fileno() != 3: os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')
os.execv(sys.argv[2], sys.argv[2:])
`;

test('a socket that was opened by another is served, also who came before the daemon, and left alone at the end', async (t) => {
  t.timeout(300_000);
  if (!has('python3')) return t.pass('nothing can open the socket: python3 is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const path = join(folder, 'given.sock');
  try {
    const child = spawn('python3', ['-c', ACTIVATOR, path, process.execPath, HVD, 'start', '--socket', path, '--lps', '1', '--no-pin'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const over = ended(child);
    await until('the socket is there', () => existsSync(path));
    const client = await connect({ socket: path, timeoutMs: LIMIT_MS });
    t.is(client.server.pid, child.pid!);
    t.is((await client.request('status', {})).machine.lps, 1);
    await client.close();
    child.kill('SIGTERM');
    t.is(await over, 0);
    t.true(existsSync(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what is passed is taken only by whom it is for, and children do not see it', (t) => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'x', HOME: '/' };
  t.is(passedSocket({ ...env }, 8), undefined);
  const own: Record<string, string | undefined> = { ...env };
  t.is(passedSocket(own, 7), 3);
  t.deepEqual(own, { HOME: '/' });
  t.is(passedSocket({}, 7), undefined);
  t.throws(() => passedSocket({ ...env, LISTEN_FDS: '2' }, 7), { instanceOf: HvdError, message: /^LISTEN_FDS: expected 1 socket, got 2$/ });
});

test('systemd finds nothing wrong with the units', (t) => {
  if (!has('systemd-analyze')) return t.pass('systemd-analyze is not installed');
  const units = ['hvd.service', 'hvd.socket'].map((name) => join(packageRoot(), 'configs/systemd', name));
  const { stdout, stderr, error } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8', timeout: LIMIT_MS });
  if (error !== undefined) return t.pass(`systemd-analyze does not run here: ${error.message}`);
  // Where hvd is not installed its program is not found; all else would be a mistake of the units.
  const mistakes = `${stdout}${stderr}`
    .split('\n')
    .filter((line) => /hvd\.(service|socket)/.test(line) && !/Command hvd is not executable|not found/.test(line));
  t.deepEqual(mistakes, []);
});
