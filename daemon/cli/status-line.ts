// One line of stderr that is written over while something goes on; what is said beside it stays. Without a terminal there is no such line.

export class StatusLine {
  readonly isTerminal = process.stderr.isTTY === true;
  #isShown = false;

  /** Cut to the terminal's width: a line that wraps could not be written over. */
  show(text: string): void {
    if (!this.isTerminal) return;
    process.stderr.write(`\r\x1b[K${text.slice(0, Math.max(1, (process.stderr.columns ?? 80) - 1))}`);
    this.#isShown = true;
  }
  say(text: string): void {
    this.end();
    process.stderr.write(`${text}\n`);
  }
  end(): void {
    if (this.#isShown) process.stderr.write('\r\x1b[K');
    this.#isShown = false;
  }
}
