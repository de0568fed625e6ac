// One screen line of exactly `width` columns, built of styled pieces. Knows its column, so that text is cut and padded, never wrapped.
// Why own code: every character here is one column wide, so no measuring of each cell's width is needed (that is what makes a frame dear in Ink).
import type { Style } from './style.js';

/** What may reach the terminal from names that others chose: printable ASCII, box and block characters, Braille, a few signs. */
const UNSAFE = /[^\x20-\x7e\u00b0-\u00d7\u2026\u2190-\u21ff\u2500-\u25ff\u2800-\u28ff]/g;

export class Line {
  readonly width: number;
  column = 0;
  #text = '';
  #style: Style = '';
  readonly #base: Style;

  /** `base` is added to every piece (a background for a selected row). */
  constructor(width: number, base: Style = '') {
    this.width = width;
    this.#base = base;
  }

  put(text: string, style: Style = ''): this {
    const room = this.width - this.column;
    if (room <= 0 || text === '') return this;
    const safe = text.replace(UNSAFE, '?');
    const cut = safe.length > room ? safe.slice(0, room) : safe;
    this.#switchTo(join(style, this.#base));
    this.#text += cut;
    this.column += cut.length;
    return this;
  }

  /** Left-aligned in `columns`, cut with an ellipsis. */
  left(text: string, columns: number, style: Style = ''): this {
    return this.put(fit(text, columns).padEnd(columns), style);
  }

  right(text: string, columns: number, style: Style = ''): this {
    return this.put(fit(text, columns).padStart(columns), style);
  }

  /** Blank up to `column`. */
  to(column: number): this {
    return column > this.column ? this.put(' '.repeat(Math.min(column, this.width) - this.column)) : this;
  }

  end(): string {
    this.to(this.width);
    this.#switchTo('');
    return this.#text;
  }

  #switchTo(style: Style): void {
    if (style === this.#style) return;
    this.#text += style === '' ? '\x1b[0m' : `\x1b[0;${style}m`;
    this.#style = style;
  }
}

const join = (a: Style, b: Style): Style => (a === '' ? b : b === '' ? a : `${a};${b}`);

const fit = (text: string, columns: number): string =>
  text.length <= columns ? text : columns < 2 ? text.slice(0, columns) : `${text.slice(0, columns - 1)}…`;

/** Removes the SGR sequences: for plain-text output. */
export const withoutStyle = (text: string): string => text.replace(SGR, '');

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that starts a control sequence is what is searched for
const SGR = /\x1b\[[0-9;]*m/g;

/** The line with a character put at `column` if nothing is there. */
export function overBlank(line: string, column: number, character: string, style: Style): string {
  let at = 0;
  let current = '';
  for (const { 0: piece, index } of line.matchAll(PIECE)) {
    if (piece.startsWith('\x1b')) {
      current = piece;
      continue;
    }
    if (at + piece.length <= column) {
      at += piece.length;
      continue;
    }
    const here = index + column - at;
    if (line[here] !== ' ' && line[here] !== '\u2800') return line;
    return `${line.slice(0, here)}\x1b[0;${style}m${character}\x1b[0m${current}${line.slice(here + 1)}`;
  }
  return line;
}

/** Lines of at most `width` characters, broken between words where words are not longer. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
    for (; line.length > width; line = line.slice(width)) lines.push(line.slice(0, width));
  }
  return [...lines, line];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const PIECE = /\x1b\[[0-9;]*m|[^\x1b]+/g;
