// A partition's console on this terminal: raw, with its size, until Ctrl-], a signal or the daemon's end; and the terminal is then as it was, however it ends.
import { constants } from 'node:os';
import type { HvdClient } from '../../shared/client/client.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { Events } from '../../shared/protocol/messages.js';
import { TerminalModes, withoutQueries } from './terminal-modes.js';
import { type } from './type-to-console.js';

/** Ctrl-]: telnet's escape, seldom meant for a guest. */
const LEAVE_KEY = 0x1d;
/** What is typed or pasted and waits for the guest; more is refused with a bell. */
const TYPED_MAX = 1 << 20;
const BELL = '\x07';
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const;
const SIGNAL_STATUS = 128;

export class ConsoleTerminal {
  readonly #hvd: HvdClient;
  readonly #name: string;
  readonly #modes = new TerminalModes();
  #typed: Buffer[] = [];
  #typedBytes = 0;
  #isTyping = false;
  #writes = false;
  #state: string | undefined;
  /** Another one types. */
  #isRefused = false;
  #isRaw = false;
  #isOver = false;
  #end: (result: number | Error) => void = () => {};

  constructor(hvd: HvdClient, name: string) {
    this.#hvd = hvd;
    this.#name = name;
  }

  /** Returns the exit status once it is left. */
  async run(write: boolean, force: boolean): Promise<number> {
    const ended = new Promise<number | Error>((resolve) => {
      this.#end = (result) => {
        this.#isOver = true;
        resolve(result);
      };
    });
    const { stdin, stdout } = process;
    const onKeys = (keys: Buffer): void => this.#keys(keys);
    const onResize = (): void => this.#size();
    const onBroken = (): void => this.#end(SIGNAL_STATUS + constants.signals.SIGHUP);
    const onContinued = (): void => this.#raw();
    const onExit = (): void => this.#restore();
    const onSignal = (signal: NodeJS.Signals): void => this.#end(SIGNAL_STATUS + constants.signals[signal]);
    const unlisten = [
      this.#hvd.on('console', (event) => this.#show(event)),
      this.#hvd.on('closed', () => this.#end(new HvdError('daemon.gone'))),
    ];
    try {
      const { writes } = await this.#hvd.request('vm.console.attach', { name: this.#name, write, force });
      this.#writes = writes;
      this.#isRefused = write && !writes;
      process.on('exit', onExit);
      for (const signal of SIGNALS) process.on(signal, onSignal);
      process.on('SIGCONT', onContinued);
      stdin.on('data', onKeys).on('end', onBroken).on('error', onBroken);
      stdout.on('resize', onResize).on('error', onBroken);
      this.#raw();
      this.#size();
      const result = await ended;
      if (result instanceof Error) throw result;
      return result;
    } finally {
      this.#isOver = true;
      for (const stop of unlisten) stop();
      stdin.off('data', onKeys).off('end', onBroken).pause();
      stdout.off('resize', onResize);
      this.#restore();
      for (const signal of SIGNALS) process.off(signal, onSignal);
      process.off('SIGCONT', onContinued).off('exit', onExit);
    }
  }

  #show({ name, data: said, past, lost, writes, state }: Events['console']): void {
    if (this.#isOver || name !== this.#name) return;
    const data = past ? withoutQueries(said) : said;
    if (lost > 0) this.#note(`${lost} bytes are lost`);
    if (data.length > 0) {
      process.stdout.write(data);
      this.#modes.note(data);
    }
    // Below what was said before, or it would be gone from the screen.
    if (past) this.#greet();
    if (this.#writes && !writes) this.#note('another terminal has taken over, this one watches');
    this.#writes = writes;
    if (state === null) this.#end(new HvdError('vm.unknown', { name }));
    else if (this.#state !== undefined && state !== this.#state) this.#note(`${name} is ${state}`);
    this.#state = state ?? undefined;
  }

  #keys(keys: Buffer): void {
    const leave = keys.indexOf(LEAVE_KEY);
    const meant = leave >= 0 ? keys.subarray(0, leave) : keys;
    if (!this.#writes || this.#typedBytes + meant.length > TYPED_MAX) {
      if (meant.length > 0) process.stdout.write(BELL);
    } else {
      this.#typed.push(meant);
      this.#typedBytes += meant.length;
      void this.#type();
    }
    if (leave >= 0) this.#end(0);
  }
  async #type(): Promise<void> {
    if (this.#isTyping) return;
    this.#isTyping = true;
    try {
      for (let keys = this.#typed.shift(); keys !== undefined; keys = this.#typed.shift()) {
        await type(this.#hvd, this.#name, keys, () => !this.#isOver && this.#writes);
        this.#typedBytes -= keys.length;
      }
    } catch (error) {
      // Who has lost the keyboard, or whose partition has ended, may go on watching.
      this.#typed = [];
      this.#typedBytes = 0;
      if (!(error instanceof HvdError)) this.#end(error as Error);
      else if (!this.#isOver) this.#note(error.message);
    } finally {
      this.#isTyping = false;
    }
  }

  #size(): void {
    const { columns, rows } = process.stdout;
    if (!this.#writes || !(columns > 0 && rows > 0)) return;
    // A guest whose console has no size goes without.
    this.#hvd.request('vm.console.size', { name: this.#name, columns, rows }).catch(() => {});
  }

  #greet(): void {
    this.#note(`${this.#name}: Ctrl-] leaves`);
    if (this.#isRefused) this.#note('another terminal types here, this one watches (--force takes over)');
  }
  #note(text: string): void {
    process.stderr.write(`\r\nhvd: ${text}\r\n`);
  }
  #raw(): void {
    // After a stop the terminal is not what this process thinks it is.
    if (this.#isRaw) process.stdin.setRawMode(false);
    process.stdin.setRawMode(true);
    this.#isRaw = true;
  }
  #restore(): void {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    try {
      process.stdin.setRawMode(false);
      process.stdout.write(`${this.#modes.undo()}\r\n`);
    } catch {
      // The terminal is gone.
    }
  }
}
