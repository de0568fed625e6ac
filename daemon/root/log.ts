// The daemon's log: JSON lines for files and programs, one plain line each for a person at a terminal.
import { type DestinationStream, type Logger, pino } from 'pino';
import { type LogRing, recordOf } from './log-ring.js';

export type Log = Logger;

/** Bytes that wait while the log cannot be written; what comes then is lost. */
const BACKLOG_MAX = 1 << 20;

/** Logs to stderr, or where it is told; `ring` keeps the last records too. */
export const createLog = (level: string = process.env.HVD_LOG ?? 'info', ring?: LogRing, to?: DestinationStream): Log => {
  const known = level in pino.levels.values || level === 'silent' ? level : 'info';
  const streamWrite = (line: string): string => {
    ring?.add(line);
    return line;
  };
  const options = { level: known, base: null, hooks: { streamWrite } };
  return pino(options, to ?? (process.stderr.isTTY ? plainLines : standardError()));
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
    const { at, level, text } = recordOf(line);
    process.stderr.write(`${new Date(at).toISOString().slice(11, 23)} ${level} ${text}\n`);
  },
};
