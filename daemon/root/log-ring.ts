// The last records of the log, kept for whoever asks by the control socket. The log itself goes where it always goes (log.ts).
import type { LogRecord } from '../../shared/protocol/messages.js';

/** Records kept, and characters of each: some 400 KiB at most. */
export const LOG_RECORDS_MAX = 1000;
export const LOG_TEXT_MAX = 400;

const LEVEL_NAMES: Readonly<Record<number, string>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };

/** A line of pino's as people read it: the message, then its fields. */
export const recordOf = (line: string): LogRecord => {
  const { level, time, msg, ...rest } = JSON.parse(line) as { level: number; time: number; msg?: string } & Record<string, unknown>;
  const fields = Object.entries(rest).map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return { at: time, level: LEVEL_NAMES[level] ?? String(level), text: `${msg ?? ''}${fields.join('')}` };
};

export class LogRing {
  #records: LogRecord[] = [];
  #end = 0;

  /** Records that there have ever been: the position of the next one. */
  get end(): number {
    return this.#end;
  }

  /** A line of pino's. */
  add(line: string): void {
    const record = recordOf(line);
    const text = record.text.length > LOG_TEXT_MAX ? `${record.text.slice(0, LOG_TEXT_MAX - 1)}…` : record.text;
    this.#records.push({ ...record, text });
    // In blocks: moving a thousand records for each new one would cost more than the record.
    if (this.#records.length >= 2 * LOG_RECORDS_MAX) this.#records = this.#records.slice(-LOG_RECORDS_MAX);
    this.#end++;
  }

  /** Those from `position` on that are kept; `lost`: those that are not. */
  from(position: number): { readonly records: readonly LogRecord[]; readonly lost: number } {
    const wanted = this.#end - position;
    const held = Math.min(wanted, this.#records.length, LOG_RECORDS_MAX);
    return { records: held === 0 ? [] : this.#records.slice(-held), lost: wanted - held };
  }
}
