// A daemon as a process in the foreground, with the real LPs.
import { spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../shared/client/client.js';
import { HVD } from './hvd-process.js';

/** Sockets that a process has open. */
export const socketsOf = (pid: number): number => {
  const folder = `/proc/${pid}/fd`;
  let count = 0;
  for (const fd of readdirSync(folder)) {
    try {
      if (readlinkSync(join(folder, fd)).startsWith('socket:')) count++;
    } catch {
      // Closed between the listing and the look.
    }
  }
  return count;
};

/** Waits until the daemon holds no more sockets than `few`. */
export const released = async (pid: number, few: number): Promise<number> => {
  for (let i = 0; i < 200 && socketsOf(pid) > few; i++) await sleep(50);
  return socketsOf(pid);
};

/** A foreground daemon; resolves when it answers. */
export const foreground = async (socket: string, stderr: 'pipe' | number = 'pipe') => {
  const child = spawn(process.execPath, [HVD, 'start', '--socket', socket, '--lps', '2', '--no-pin'], {
    stdio: ['ignore', 'ignore', stderr],
  });
  let log = '';
  child.stderr?.on('data', (chunk) => {
    log += chunk;
  });
  const ended = new Promise<{ code: number | null; log: string }>((resolve) => child.once('close', (code) => resolve({ code, log })));
  for (let i = 0; i < 600; i++) {
    const client = await connect({ socket }).catch(() => undefined);
    if (client !== undefined) {
      const held = socketsOf(child.pid!);
      await client.close();
      // Who counts the daemon's connections does not count this one.
      await released(child.pid!, held - 1);
      return { child, ended };
    }
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the daemon did not come up: ${log}`);
};
