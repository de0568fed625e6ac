// A daemon that is killed with -9 at any moment: the next start takes the same socket, recordings are played as far as they go, snapshots are there whole or not at all, and
// what was half written is cleared away. (A thread cannot be killed by itself: SIGKILL takes the process; workers that end otherwise are in socket-daemon.)
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { claimSocketPath, STAGING_STALE_MS } from '../../daemon/root/control/socket-file.js';
import { scanSnapshot } from '../../daemon/root/snapshot/scan.js';
import { connect } from '../../shared/client/client.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { HVD, hvd } from '../rig/hvd-process.js';
import { seeded } from '../rig/seeded.js';
import { stubPartition } from '../rig/stub-daemon.js';

const ROUNDS = Number(process.env.HVD_KILLS ?? 4);
const SEED = Number(process.env.HVD_SEED ?? 1) || 1;
/** From what on the time to the end runs, round after round: the start of the process, the first answer, the first snapshot. And that time at most, ms. */
const MOMENTS = [
  ['', 1500],
  ['vm.create', 600],
  ['snapshot', 600],
] as const;

/** Asks for one thing after the other until the daemon is gone. Returns what was answered; `onAnswer` hears of it at once. */
const busy = async (socket: string, snapshot: string, onAnswer: (method: string) => void): Promise<string[]> => {
  const answered: string[] = [];
  try {
    const client = await connect({ socket });
    const ask: typeof client.request = async (method, params) => {
      const answer = await client.request(method, params);
      answered.push(method);
      onAnswer(method);
      return answer;
    };
    for (let i = 0; ; i++) {
      await ask('vm.create', stubPartition(`p${i}`, { load: { job: 'pagechurn' } }));
      await ask('snapshot', { file: snapshot });
      await ask('load.set', { name: `p${i}`, job: 'compute' });
      await ask('vm.destroy', { name: `p${i}` });
    }
  } catch (error) {
    if (!(error instanceof HvdError)) throw error;
  }
  return answered;
};

test('killed again and again in one place: each start begins as if nothing had been', async (t) => {
  t.timeout(600_000);
  const draw = seeded(SEED);
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const socket = join(folder, 'hvd.sock');
  const snapshot = join(folder, 'm.hvds');
  let wholeSnapshots = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const recording = join(folder, `r${round}.hvdr`);
      const child = spawn(process.execPath, [HVD, 'record', '-o', recording, '--lps', '2', '--no-pin', '--socket', socket], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let log = '';
      child.stderr.on('data', (chunk) => {
        log += chunk;
      });
      const gone = new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_, signal) => resolve(signal)));
      const [after, most] = MOMENTS[round % MOMENTS.length]!;
      const delay = draw(most);
      let isArmed = false;
      const arm = (method: string): void => {
        if (isArmed || method !== after) return;
        isArmed = true;
        setTimeout(() => child.kill('SIGKILL'), delay);
      };
      arm('');
      // The socket of the one before may still be there: nobody answers at it.
      let answered: string[] = [];
      while (child.exitCode === null && child.signalCode === null && answered.length === 0) {
        answered = await busy(socket, snapshot, arm);
        await sleep(20);
      }
      t.is(await gone, 'SIGKILL', `round ${round}: ${log}`);
      const saved = answered.includes('snapshot');
      if (saved || existsSync(snapshot)) {
        const scan = scanSnapshot(snapshot);
        t.is(scan.head.machine.lps, 2);
        wholeSnapshots++;
      }
      if (existsSync(recording)) {
        const { status, stderr } = await hvd('replay', recording);
        const isCutAtTheStart = status === 65 && /cut at byte \d+, before the machine was described/.test(stderr);
        t.true(status === 0 || isCutAtTheStart, `round ${round}: ${status} ${stderr}`);
        // What was answered is in it.
        if (answered.length > 0) t.is(status, 0, stderr);
      }
    }
    t.true(wholeSnapshots > 0, 'no round was long enough for a snapshot');
    // One that nobody kills: it starts, is asked, ends, and clears away.
    const last = spawn(process.execPath, [HVD, 'start', '--lps', '2', '--no-pin', '--socket', socket], { stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => last.once('close', resolve));
    for (let client: Awaited<ReturnType<typeof connect>> | undefined; client === undefined; await sleep(50)) {
      client = await connect({ socket }).catch(() => undefined);
      if (client === undefined) continue;
      await client.request('snapshot', { file: snapshot });
      await client.close();
    }
    last.kill('SIGTERM');
    t.is(await ended, 0);
    const left = readdirSync(folder).filter((name) => !/^r\d+\.hvdr$/.test(name) && !name.startsWith('.hvd-'));
    t.deepEqual(left, ['m.hvds']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('folders that a killed start has left are cleared away once they are old; those of others are not touched', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const make = (name: string, ageMs: number): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 's'), '');
    const at = (Date.now() - ageMs) / 1000;
    utimesSync(join(folder, name), at, at);
  };
  make('.hvd-abcdef', STAGING_STALE_MS + 5000);
  make('.hvd-ABCDEF', STAGING_STALE_MS / 2);
  make('.hvd-longer-name', STAGING_STALE_MS + 5000);
  make('.hvdabcdef', STAGING_STALE_MS + 5000);
  await claimSocketPath(join(folder, 'hvd.sock'));
  t.deepEqual(readdirSync(folder).sort(), ['.hvd-ABCDEF', '.hvd-longer-name', '.hvdabcdef']);
  rmSync(folder, { recursive: true });
});
