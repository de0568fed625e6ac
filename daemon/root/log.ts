// The daemon's log: JSON lines for files and programs, one plain line each for a person at a terminal.
import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;

const LEVEL_NAMES: Readonly<Record<number, string>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };

/** Bytes that wait while the log cannot be written; what comes then is lost. */
const BACKLOG_MAX = 1 << 20;

/** Logs to stderr. */
export const createLog = (level: string = process.env.HVD_LOG ?? 'info'): Log => {
  const known = level in pino.levels.values || level === 'silent' ? level : 'info';
  const options = { level: known, base: null };
  return process.stderr.isTTY ? pino(options, plainLines) : pino(options, standardError());
};

// A log that cannot be written (its disk is full, its reader is gone) is no reason to end the machine that it is about.
const standardError = (): DestinationStream => {
  const destination = pino.destination({ fd: 2, sync: true, maxLength: BACKLOG_MAX });
  destination.on('error', () => {});
  return destination;
};

export const silentLog = (): Log => pino({ level: 'silent' });

const plainLines: DestinationStream = {
  write: (line: string): void => {
    const { level, time, msg, ...rest } = JSON.parse(line) as { level: number; time: number; msg?: string } & Record<string, unknown>;
    const clock = new Date(time).toISOString().slice(11, 23);
    const fields = Object.entries(rest).map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
    process.stderr.write(`${clock} ${LEVEL_NAMES[level] ?? level} ${msg ?? ''}${fields.join('')}\n`);
  },
};
