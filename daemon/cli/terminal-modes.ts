// What a guest has done to the terminal that shows its console, and how it is undone (ECMA-48, DEC private modes).

/** Modes that are on where nobody has changed them: autowrap, and the cursor is seen. */
const ON_BY_DEFAULT: ReadonlySet<number> = new Set([7, 25]);
const ESC = '\x1b';
const SEQUENCE = new RegExp(`${ESC}\\[\\?([\\d;]{1,32})([hl])`, 'g');
/** What a terminal answers as if it had been typed: reports of its state, its kind, its modes and its colours (DSR, DA, DECRQM, DECRQSS, OSC with `?`). */
const QUERY = new RegExp(
  `${ESC}\\[[?>=]?[\\d;]*(?:[nc]|\\$p)|${ESC}P\\$q[^${ESC}]*${ESC}\\\\|${ESC}\\][\\d;]*;\\?(?:\\x07|${ESC}\\\\)|${ESC}Z`,
  'g',
);
/** Longest beginning of a sequence that is kept for its end. */
const TAIL_MAX = 36;

/** What was said before without what was asked of the terminal of then: this one's answers would go to whoever reads now. */
export const withoutQueries = (bytes: Uint8Array): Uint8Array =>
  Buffer.from(Buffer.from(bytes).toString('latin1').replace(QUERY, ''), 'latin1');

export class TerminalModes {
  readonly #changed = new Set<number>();
  #tail = '';
  #isPlain = true;

  /** The terminal has been given these bytes. */
  note(bytes: Uint8Array): void {
    const text = this.#tail + Buffer.from(bytes).toString('latin1');
    for (const [, numbers = '', end] of text.matchAll(SEQUENCE)) {
      for (const mode of numbers.split(';').map(Number)) {
        if ((end === 'h') === ON_BY_DEFAULT.has(mode)) this.#changed.delete(mode);
        else this.#changed.add(mode);
      }
    }
    const last = text.lastIndexOf(ESC);
    if (last >= 0) this.#isPlain = false;
    this.#tail = last >= 0 && text.length - last < TAIL_MAX && !/[hl]/.test(text.slice(last)) ? text.slice(last) : '';
  }

  /** What makes it as it was: modes, then colours, characters and keypad. */
  undo(): string {
    if (this.#isPlain) return '';
    const modes = [...this.#changed].map((mode) => `\x1b[?${mode}${ON_BY_DEFAULT.has(mode) ? 'h' : 'l'}`);
    return `${modes.join('')}\x1b[0m\x1b(B\x1b>`;
  }
}
