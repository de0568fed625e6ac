// `hvd record` and `hvd replay` as a user types them: what they print, their exit statuses, and what is left of a recorder that was killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { waitUntil } from '../../daemon/root/wait-until.js';
import { RunExit } from '../../shared/protocol/errors.js';
import { HVD, hvd, hvdOnOneCore } from '../rig/hvd-process.js';
import { rewriteRecording } from '../rig/recorded-machine.js';

const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
const file = join(folder, 'a.hvdr');
const GUEST = ['workload64', '--memory', '16M', '--vps', '2'];
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test.serial('what was recorded is played with the same output and the same hashes', async (t) => {
  t.timeout(300_000);
  const recorded = await hvd('record', ...GUEST, '-o', file, '--until', 'READY', '--hash');
  t.is(recorded.status, RunExit.OK, recorded.stderr);
  const [, trace, memory] = /trace (\w+) memory (\w+)/.exec(recorded.stdout)!;
  const played = await hvd('replay', file);
  t.is(played.status, RunExit.OK, played.stderr);
  t.regex(played.stdout, /^HELLO workload64 .*\nREADY\nreproduced: 2 of 2 inputs, (\d+) of \1 events, cycle \d+\n/);
  t.true(played.stdout.includes(`trace ${trace}\nmemory of guest ${memory}\n`));
  // Another host is another order of threads, above all where they share a core.
  t.deepEqual(await hvdOnOneCore('replay', file), played);
  const { outcome, clocks } = JSON.parse((await hvd('replay', file, '--json', '--until', '100000')).stdout);
  t.is(outcome, 'until');
  t.true(Math.max(...clocks) >= 100_000);
});

test.serial('another course is told in one line, with a status of its own', async (t) => {
  t.timeout(300_000);
  const other = join(folder, 'other.hvdr');
  rewriteRecording(file, other, (frame) => (frame.t === 'end' ? { ...frame, traceHash: '0'.repeat(64) } : frame));
  const { status, stderr } = await hvd('replay', other);
  t.is(status, RunExit.DIVERGED);
  t.regex(stderr, /^hvd: another course: the end: expected trace 0{64}; found trace [0-9a-f]{64}\n$/);
});

test.serial('what cannot be recorded or played is refused in one line', async (t) => {
  t.timeout(300_000);
  const refused = async (status: number, line: RegExp, ...args: readonly string[]): Promise<void> => {
    const ended = await hvd(...args);
    t.is(ended.status, status, ended.stderr);
    t.regex(ended.stderr, line);
    t.is(ended.stdout, '');
  };
  await refused(65, /^hvd: .*: not a recording of hvd\n$/, 'replay', HVD);
  await refused(66, /^hvd: .*: cannot be read: .*\n$/, 'replay', join(folder, 'nothing'));
  await refused(65, /^hvd: --until: there is no LP 9; .*\n$/, 'replay', file, '--until', '9:1');
  await refused(65, /^hvd: only the deterministic clock /, 'record', ...GUEST, '-o', join(folder, 'no.hvdr'), '--clock', 'quantum');
  t.false(existsSync(join(folder, 'no.hvdr')));
  await refused(73, /^hvd: .*: cannot be written: .*\n$/, 'record', ...GUEST, '-o', join(folder, 'no', 'folder'));
});

test.serial('a recording whose recorder was killed is whole up to there', async (t) => {
  t.timeout(300_000);
  const killed = join(folder, 'killed.hvdr');
  const child = spawn(process.execPath, [HVD, 'record', ...GUEST, '-o', killed], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const hasRun = await waitUntil(() => existsSync(killed) && statSync(killed).size > 4096, 30_000);
  child.kill('SIGKILL');
  await ended;
  t.true(hasRun);
  // As if the host had cut the last write, too.
  truncateSync(killed, statSync(killed).size - 3);
  const { status, stdout, stderr } = await hvd('replay', killed);
  t.is(status, RunExit.OK, stderr);
  t.regex(stderr, /^hvd: .*: the recording was cut at byte \d+; it is the same up to there\n$/);
  t.regex(stdout, /^cut: \d of \d inputs, /m);
});
