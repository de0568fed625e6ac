// The daemon's log: JSON lines for files and programs, one line each, in colours, for a person at a terminal.
import { createRequire } from 'node:module';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { LogRing } from './log-ring.js';

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
  return pino(options, to ?? (process.stderr.isTTY ? terminalLines() : standardError()));
};

// A log that cannot be written (its disk is full, its reader is gone) is no reason to end the machine that it is about.
const standardError = (): DestinationStream => {
  const destination = pino.destination({ fd: 2, sync: true, maxLength: BACKLOG_MAX });
  destination.on('error', () => {});
  return destination;
};

export const silentLog = (): Log => pino({ level: 'silent' });

// Loaded here alone: a daemon without a terminal does without it.
const terminalLines = (): DestinationStream => {
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return pretty.build({
    destination: 2,
    sync: true,
    singleLine: true,
    colorize: (process.env.NO_COLOR ?? '') === '',
    translateTime: 'HH:MM:ss.l',
  });
};
