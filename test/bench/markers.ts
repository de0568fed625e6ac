// Reads the serial protocol of the bench guests as it arrives and stamps it with the host's clock.
//   B name        a workload starts        E name checksum ticks ops   it ends        S name reason   skipped        FAULT   the guest cannot go on        DONE
// Why stamps on the host: guest clocks are virtual; what is compared is how long a person waits.

export interface Measured {
  readonly name: string;
  readonly checksum: string;
  readonly operations: number;
  readonly seconds: number;
}

export class Markers {
  readonly results: Measured[] = [];
  readonly skipped: { readonly name: string; readonly reason: string }[] = [];
  done = false;
  #line = '';
  #started = 0;
  #current = '';

  feed(text: string): void {
    for (const ch of text) {
      if (ch === '\n') {
        this.#end(this.#line.trim());
        this.#line = '';
      } else this.#line += ch;
    }
  }
  #end(line: string): void {
    const [mark, name, ...rest] = line.split(' ');
    if (mark === 'B') {
      this.#current = name;
      this.#started = performance.now();
    } else if (mark === 'E')
      this.results.push({ name, checksum: rest[0], operations: Number(rest[2]), seconds: (performance.now() - this.#started) / 1000 });
    else if (mark === 'S') this.skipped.push({ name, reason: rest.join(' ') });
    else if (mark === 'FAULT') this.skipped.push({ name: this.#current, reason: 'an exception that the guest did not expect' });
    else if (mark === 'DONE') this.done = true;
  }
}
