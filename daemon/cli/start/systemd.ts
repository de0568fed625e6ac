// What systemd asks of a service: it says when it is ready, that it is alive, and that it stops (sd_notify(3)); and it takes the socket that it is given (sd_listen_fds(3)).
// Node has no datagram sockets of the Unix kind, so systemd's own systemd-notify(1) carries the words: a process for each, of which there is one every few seconds at most.
import { execFile } from 'node:child_process';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import type { Log } from '../../root/log.js';

/** First descriptor that systemd passes. */
const LISTEN_FD = 3;
const NOTIFY = 'systemd-notify';
const NOTIFY_LIMIT_MS = 5_000;
/** Words that wait for the one that is under way; more are left out: the next ones say as much. */
const WAITING_MAX = 4;

type Environment = Record<string, string | undefined>;

/** The listening socket that systemd has passed to this process, or undefined. Throws when there are several. Children do not see the variables any more. */
export const passedSocket = (env: Environment = process.env, pid: number = process.pid): number | undefined => {
  const { LISTEN_PID, LISTEN_FDS } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (LISTEN_FDS === undefined || Number(LISTEN_PID) !== pid) return undefined;
  if (LISTEN_FDS !== '1') throw new HvdError('usage', { what: `LISTEN_FDS: expected 1 socket, got ${LISTEN_FDS}` });
  return LISTEN_FD;
};

/** Tells the service manager how this process is. Does nothing where none has asked (`NOTIFY_SOCKET`). */
export class ServiceManager {
  readonly #log: Log;
  readonly #env: Environment | undefined;
  readonly #watchdogMs: number;
  #watchdog: NodeJS.Timeout | undefined;
  readonly #waiting: string[][] = [];
  #isSaying = false;
  #hasFailed = false;

  constructor(log: Log, env: Environment = process.env, pid: number = process.pid) {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    this.#log = log;
    this.#env = NOTIFY_SOCKET === undefined ? undefined : { ...env, NOTIFY_SOCKET };
    const isMine = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === pid;
    // Twice in each period, as sd_watchdog_enabled(3) asks.
    this.#watchdogMs = isMine && Number(WATCHDOG_USEC) > 0 ? Number(WATCHDOG_USEC) / 2000 : 0;
  }

  /** The socket answers. From now on the watchdog hears of this thread for as long as its event loop turns. */
  ready(status: string): void {
    this.#say(['--ready', `--status=${status}`]);
    if (this.#env !== undefined && this.#watchdogMs > 0) this.#watchdog ??= setInterval(() => this.#say(['WATCHDOG=1']), this.#watchdogMs);
  }
  /** The end has begun. */
  stopping(): void {
    clearInterval(this.#watchdog);
    this.#say(['STOPPING=1']);
  }

  #say(words: string[]): void {
    if (this.#env === undefined || this.#waiting.length >= WAITING_MAX) return;
    this.#waiting.push(words);
    if (!this.#isSaying) this.#next();
  }
  #next(): void {
    const words = this.#waiting.shift();
    this.#isSaying = words !== undefined;
    if (words === undefined) return;
    execFile(NOTIFY, words, { env: this.#env, timeout: NOTIFY_LIMIT_MS }, (error) => {
      if (error !== null && !this.#hasFailed) {
        this.#hasFailed = true;
        this.#log.warn({ reason: reasonOf(error).split('\n')[0] }, 'systemd-notify: the service manager is not told');
      }
      this.#next();
    });
  }
}
