// The stream that Ink writes to: passes everything on to the screen while that is entered, and tells when it did.
// Why between: what Ink writes covers the painted regions, and what it writes after the end (its last frame) must not land in the shell.
import { Writable } from "node:stream";
import type { Screen } from "./screen.js";

export class InkOutput extends Writable {
  readonly isTTY = true;
  readonly #screen: Screen;
  readonly #written: () => void;

  constructor(screen: Screen, written: () => void) {
    super({ decodeStrings: false });
    this.#screen = screen;
    this.#written = written;
  }

  get columns(): number {
    return this.#screen.columns;
  }

  get rows(): number {
    return this.#screen.rows;
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#screen.write(String(chunk));
    this.#written();
    done();
  }
}
