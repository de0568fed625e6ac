// Starts the daemon as a process of its own and waits until it answers, or until it says why it cannot.
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { HvdError } from '../../shared/protocol/errors.js';
import { isRecord } from '../../shared/protocol/frames.js';
import type { ErrorBody } from '../../shared/protocol/messages.js';

const HVD = fileURLToPath(new URL('./hvd.js', import.meta.url));
const START_LIMIT_MS = 90_000;
const PRIVATE_MODE = 0o600;
/** In the temp folder others could have put a link to one of this user's files in the log's place. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

/** What the detached process tells its parent, once. */
export type StartReport = { readonly ready: number } | { readonly error: ErrorBody };

/** Where a detached daemon logs. */
export const logFileOf = (socket: string): string => `${socket.replace(/\.sock$/, '')}.log`;

/** Starts `hvd <args>`, a command that is the daemon, detached. Resolves with its process id once its socket answers. */
export const startDetached = async (args: readonly string[], socket: string): Promise<number> => {
  const log = logFileOf(socket);
  const output = openLog(log);
  const child = spawn(process.execPath, [HVD, ...args, '--socket', socket], {
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    cwd: process.cwd(),
  });
  closeSync(output);
  const report = await new Promise<StartReport>((resolve) => {
    const timer = setTimeout(() => resolve(failed(`nothing heard of it within ${START_LIMIT_MS} ms`, log)), START_LIMIT_MS);
    const settle = (result: StartReport): void => {
      clearTimeout(timer);
      resolve(result);
    };
    child.once('error', (error) => settle(failed(error.message, log)));
    child.once('exit', (code, signal) => settle(failed(`it ended with ${signal ?? code}`, log)));
    child.on('message', (message) => {
      if (isReport(message)) settle(message);
    });
  });
  child.removeAllListeners();
  if (child.connected) child.disconnect();
  child.unref();
  if ('error' in report) {
    child.kill();
    throw HvdError.fromBody(report.error);
  }
  return report.ready;
};

/** For the detached process: tells the parent, if there is one, how the start went. */
export const reportStart = (report: StartReport): void => {
  if (process.send === undefined || !process.connected) return;
  process.send(report, () => process.connected && process.disconnect());
};

const openLog = (log: string): number => {
  try {
    return openSync(log, APPEND, PRIVATE_MODE);
  } catch (error) {
    throw new HvdError('daemon.start-failed', { why: `its log cannot be written`, log }, error);
  }
};

const failed = (why: string, log: string): StartReport => {
  const error = new HvdError('daemon.start-failed', { why, log });
  return { error: { code: error.code, message: error.message, hint: error.hint } };
};

const isReport = (message: unknown): message is StartReport =>
  isRecord(message) && (typeof message.ready === 'number' || (isRecord(message.error) && typeof message.error.code === 'string'));
