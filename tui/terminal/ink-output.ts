// The stream that Ink writes to: hands everything to the painter, which writes it with the next frame.
// Why between: what Ink writes covers the painted regions, and what it writes after the end (its last frame) must not land in the shell.
import { Writable } from 'node:stream';
import type { Painter } from './painter.js';
import type { Screen } from './screen.js';

export class InkOutput extends Writable {
  readonly isTTY = true;
  readonly #screen: Screen;
  readonly #painter: Painter;

  constructor(screen: Screen, painter: Painter) {
    super({ decodeStrings: false });
    this.#screen = screen;
    this.#painter = painter;
  }

  get columns(): number {
    return this.#screen.columns;
  }

  get rows(): number {
    return this.#screen.rows;
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#painter.under(String(chunk));
    done();
  }
}
