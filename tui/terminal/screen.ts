// The alternate screen, and the promise that the terminal is given back as it was however the program ends.
import { writeSync } from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';
import { MOUSE_OFF, MOUSE_ON } from './mouse.js';

// DEC private modes: 1049 alternate screen with saved cursor, 25 cursor visible, 2026 synchronized update.
const ENTER = '\x1b[?1049h\x1b[2J\x1b[H\x1b[?25l';
const LEAVE = '\x1b[?2026l\x1b[0m\x1b[2J\x1b[?25h\x1b[?1049l';
/** Erases everything; the cursor is then in the first cell, where Ink's next frame starts. */
export const CLEAR = '\x1b[0m\x1b[2J\x1b[H';

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
const EXIT_DEFECT = 70;
/** File descriptor of standard output, for the write that must not wait for the event loop. */
const STDOUT = 1;

export class Screen {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #mouse: boolean;
  #entered = false;

  /** `mouse`: the terminal is asked to report clicks and the wheel. */
  constructor(input: ReadStream, output: WriteStream, mouse = false) {
    this.#input = input;
    this.#output = output;
    this.#mouse = mouse;
  }

  get columns(): number {
    return this.#output.columns || 80;
  }

  get rows(): number {
    return this.#output.rows || 24;
  }

  /** True between enter and leave: only then may anything be painted. */
  get entered(): boolean {
    return this.#entered;
  }

  enter(): void {
    this.#entered = true;
    this.#output.write(this.#mouse ? ENTER + MOUSE_ON : ENTER);
  }

  write(text: string): void {
    if (this.#entered) this.#output.write(text);
  }

  /** The terminal takes no more for now (a slow line): frames are better skipped than queued. */
  get congested(): boolean {
    return this.#output.writableNeedDrain;
  }

  /** Gives the terminal back. Synchronous, so that it also works in an exit handler; a second call does nothing. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    try {
      this.#input.setRawMode(false);
    } catch {
      // The terminal is gone (SIGHUP): there is nothing left to restore.
    }
    try {
      writeSync(STDOUT, this.#mouse ? MOUSE_OFF + LEAVE : LEAVE);
    } catch {
      // The same.
    }
  }

  /** Leaves on every way out of the process. A signal ends with status 128 + its number. */
  leaveAtExit(): void {
    process.on('exit', () => this.leave());
    for (const [signal, number] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        this.leave();
        process.exit(128 + number);
      });
    }
    const defect = (error: unknown): void => {
      this.leave();
      process.stderr.write(`hvtop: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(EXIT_DEFECT);
    };
    process.on('uncaughtException', defect);
    process.on('unhandledRejection', defect);
    // EIO or EPIPE: the terminal was closed under us.
    this.#output.on('error', () => process.exit(128 + SIGNALS.SIGHUP));
  }
}
