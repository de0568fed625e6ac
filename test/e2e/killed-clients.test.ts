// Clients that are killed in the middle of something: the daemon serves the others, gives back what was theirs, and says little about it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { connect, type HvdClient } from '../../shared/client/client.js';
import { foreground, released, socketsOf } from '../rig/daemon-process.js';
import { stubPartition } from '../rig/stub-daemon.js';
import { noTerminal, Terminal } from './hvtop-terminal.js';

const CLIENT = fileURLToPath(new URL('../rig/doomed-client.js', import.meta.url));
const HVTOP = fileURLToPath(new URL('../../tui/hvtop.js', import.meta.url));
const CLIENTS = 4;
/** Lines of the log that a dropped client may cost. */
const LINES_MAX = 2;

/** A client process that is killed as soon as it has sent everything. */
const dieInMidRequest = (socket: string, name: string): Promise<NodeJS.Signals | null> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLIENT, socket, JSON.stringify(stubPartition(name, { autostart: false }))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.once('data', () => child.kill('SIGKILL'));
    child.once('error', reject);
    child.once('close', (_status, signal) => resolve(signal));
  });

/** Makes the partition, in place of one that a killed client may have made or may be about to have made. */
const remake = async (hvd: HvdClient, name: string): Promise<void> => {
  for (let attempts = 0; ; attempts++) {
    try {
      await hvd.request('vm.create', stubPartition(name, { autostart: false }));
      return;
    } catch (error) {
      if (attempts === 100) throw error;
      await hvd.request('vm.destroy', { name }).catch(() => sleep(50));
    }
  }
};

test('clients that are killed amid requests leave no connection, and nothing half made', async (t) => {
  t.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const socket = join(folder, 'hvd.sock');
  const { child, ended } = await foreground(socket);
  try {
    const hvd = await connect({ socket });
    const before = socketsOf(child.pid!);
    const names = Array.from({ length: CLIENTS }, (_, i) => `p${i}`);
    t.deepEqual(await Promise.all(names.map((name) => dieInMidRequest(socket, name))), Array(CLIENTS).fill('SIGKILL'));
    t.is(await released(child.pid!, before), before);
    // A request that was begun is carried out, which may take longer than the client had: each name is free, or taken by a whole partition.
    for (const name of names) await remake(hvd, name);
    const { partitions } = await hvd.request('stats', {});
    t.deepEqual(
      partitions.map(({ name, state }) => `${name} ${state}`).sort(),
      names.map((name) => `${name} created`),
    );
    await hvd.close();
  } finally {
    child.kill();
  }
  const { code, log } = await ended;
  rmSync(folder, { recursive: true, force: true });
  t.is(code, 0);
  const lines = log.split('\n').filter((line) => /drop|request failed|EPIPE|ECONNRESET|"level":(40|50)/.test(line));
  t.true(lines.length <= CLIENTS * LINES_MAX, lines.join('\n'));
});

const reason = noTerminal();
const inTerminal = reason === undefined ? test : test.skip;
inTerminal(`hvtop that is killed costs the daemon nothing${reason === undefined ? '' : ` (${reason})`}`, async (t) => {
  t.timeout(300_000);
  const terminal = new Terminal(100, 30);
  const socket = join(terminal.folder, 'hvd.sock');
  const { child, ended } = await foreground(socket);
  try {
    const hvd = await connect({ socket });
    const before = socketsOf(child.pid!);
    terminal.type(`${process.execPath} ${HVTOP} --socket ${socket}; echo "status $?"`);
    await terminal.until('live', (text) => text.includes('● live'));
    t.is(socketsOf(child.pid!), before + 1);
    process.kill(terminal.programPid(), 'SIGKILL');
    await terminal.until('its end', (text) => text.includes('status 137'));
    t.is(await released(child.pid!, before), before);
    t.is((await hvd.request('stats', {})).lps.length, 2);
    await hvd.close();
  } finally {
    terminal.close();
    child.kill();
  }
  const { code, log } = await ended;
  t.is(code, 0);
  t.notRegex(log, /"level":(40|50)/);
});
