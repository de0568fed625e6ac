// A daemon as a process in the foreground, with the real LPs.
import { spawn } from 'node:child_process';
import { connect } from '../../shared/client/client.js';
import { HVD } from './hvd-process.js';

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
      await client.close();
      return { child, ended };
    }
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the daemon did not come up: ${log}`);
};
