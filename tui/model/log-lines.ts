// The daemon's log as far as it is known here: its newest records.
import type { LogRecord } from '../../shared/protocol/messages.js';

/** Records kept: as many as the daemon keeps. */
export const LOG_LINES_MAX = 1000;

export class LogLines {
  #records: LogRecord[] = [];
  /** Records that were lost before they came here. */
  lost = 0;

  add(records: readonly LogRecord[], lost: number): void {
    this.lost += lost;
    this.#records = [...this.#records, ...records].slice(-LOG_LINES_MAX);
  }

  /** Oldest first; `warnings`: those alone, and what is worse. */
  lines(warnings: boolean): readonly LogRecord[] {
    return warnings ? this.#records.filter(({ level }) => !['trace', 'debug', 'info'].includes(level)) : this.#records;
  }

  clear(): void {
    this.#records = [];
    this.lost = 0;
  }
}
