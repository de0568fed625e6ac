// Load scripts that are programs, in TypeScript or JavaScript, with hvd's client from `hvd/client`. They run in a process of their own, with the daemon's socket as the one that
// connect() takes when nobody says another.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { defaultSocket } from '../../../shared/client/socket-path.js';
import { HvdError, RunExit } from '../../../shared/protocol/errors.js';
import { parseParameter } from '../../lab/script/script-file.js';
import type { LoadRunFlags } from './load-run.js';

const HOOKS = new URL('./script-hooks.js', import.meta.url);

/** The program's own exit status. */
export const runProgram = (file: string, flags: LoadRunFlags): Promise<number> => {
  const parameters = Object.fromEntries((flags.set ?? []).map(parseParameter));
  const register = `import { register } from 'node:module'; register(${JSON.stringify(HOOKS.href)});`;
  const child = spawn(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(register)}`, resolve(file)], {
    stdio: 'inherit',
    env: { ...process.env, HVD_SOCKET: flags.socket ?? defaultSocket(), HVD_PARAMETERS: JSON.stringify(parameters) },
  });
  return new Promise((settle, reject) => {
    child.once('error', (error) => reject(new HvdError('usage', { what: `${pathToFileURL(file).pathname}: ${error.message}` })));
    child.once('close', (status) => settle(status ?? RunExit.INTERRUPTED));
  });
};
