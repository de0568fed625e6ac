// What becomes of device interrupts that are passed through, in the simplest form: a record a line, and one law for deferred ends. The oracle of the exhaustive test.
// Hardware holds a vector from its taking until its end; a lower or equal class waits for it; only the highest can be ended, unless `selective`.
import type { PassedLine } from './pass-through-rig.js';

export interface ModelLine {
  asserted: boolean;
  /** A level has been sent and not ended: no second one is sent. */
  inFlight: boolean;
  masked: boolean;
  requested: boolean;
  held: 'free' | 'served' | 'deferred';
  /** Its level was taken from a guest that has yet to finish. */
  late: boolean;
  /** Its guest has finished on another LP than the line's. */
  told: boolean;
  services: number;
  injections: number;
}

export class PassThroughModel {
  readonly wired: readonly PassedLine[];
  readonly lines: readonly ModelLine[];
  readonly alive = new Set([0, 1]);
  readonly injected: (line: number) => void;
  selective = false;
  clock = 0;
  /** By LP: the line that holds others back, which service of its, and since when. */
  readonly blocked: ({ line: number; service: number; since: number } | undefined)[] = [];
  readonly #patience: number;

  constructor(wired: readonly PassedLine[], patience: number, injected: (line: number) => void) {
    this.wired = wired;
    this.#patience = patience;
    this.injected = injected;
    this.lines = wired.map(() => ({
      asserted: false,
      inFlight: false,
      masked: false,
      requested: false,
      held: 'free',
      late: false,
      told: false,
      services: 0,
      injections: 0,
    }));
  }

  #top(lp: number, those: (line: ModelLine) => boolean): number {
    let top = -1;
    for (const [index, line] of this.lines.entries())
      if (this.wired[index].lp === lp && those(line) && (top < 0 || this.wired[index].vector > this.wired[top].vector)) top = index;
    return top;
  }
  #send(index: number): void {
    const line = this.lines[index];
    if (this.wired[index].level === 1) {
      if (!line.asserted || line.inFlight || line.masked) return;
      line.inFlight = true;
    } else if (line.masked) return;
    line.requested = true;
  }
  raise(index: number): void {
    if (this.wired[index].level === 1) this.lines[index].asserted = true;
    this.#send(index);
  }
  lower(index: number): void {
    this.lines[index].asserted = false;
  }
  finish(index: number, lp: number): void {
    if (this.wired[index].lp === lp) this.#finished(index);
    else this.lines[index].told = true;
  }

  #finished(index: number): void {
    const line = this.lines[index];
    if (line.held === 'served') this.#end(index);
    if (!line.late) return;
    line.late = line.masked = false;
    if (this.wired[index].level === 1) this.#send(index);
  }
  /** The guest has no more to do with it. The law: no end is deferred while its vector is the highest. */
  #end(index: number): void {
    const { lp } = this.wired[index];
    const highest = this.#top(lp, ({ held }) => held !== 'free');
    if (this.selective && index !== highest) this.#free(index);
    else this.lines[index].held = 'deferred';
    for (;;) {
      const top = this.#top(lp, ({ held }) => held !== 'free');
      if (top < 0 || this.lines[top].held !== 'deferred') return;
      this.#free(top);
    }
  }
  #free(index: number): void {
    const line = this.lines[index];
    line.held = 'free';
    if (this.wired[index].level === 0) return;
    line.inFlight = false;
    this.#send(index);
  }

  serve(lp: number): void {
    for (const [index, line] of this.lines.entries()) {
      if (this.wired[index].lp !== lp || !line.told) continue;
      line.told = false;
      this.#finished(index);
    }
    for (const [index, line] of this.lines.entries()) {
      if (this.wired[index].lp !== lp || line.held !== 'served' || this.alive.has(this.wired[index].slot)) continue;
      line.late = false;
      this.#finished(index);
    }
    for (;;) {
      const wanted = this.#top(lp, ({ requested }) => requested);
      const top = this.#top(lp, ({ held }) => held !== 'free');
      if (wanted < 0 || (top >= 0 && this.wired[wanted].vector >> 4 <= this.wired[top].vector >> 4)) break;
      this.#take(wanted);
    }
    this.#watch(lp);
  }
  #take(index: number): void {
    const line = this.lines[index];
    line.requested = false;
    line.held = 'served';
    line.services++;
    if (this.alive.has(this.wired[index].slot)) {
      line.injections++;
      this.injected(index);
    } else {
      line.masked = true;
      this.#finished(index);
    }
  }
  #watch(lp: number): void {
    const top = this.#top(lp, ({ held }) => held !== 'free');
    const before = this.blocked[lp];
    this.blocked[lp] = undefined;
    if (top < 0 || !this.lines.some(({ requested }, index) => requested && index !== top && this.wired[index].lp === lp)) return;
    const line = this.lines[top];
    if (before === undefined || before.line !== top || before.service !== line.services) {
      this.blocked[lp] = { line: top, service: line.services, since: this.clock };
      return;
    }
    this.blocked[lp] = before;
    if (this.clock - before.since < this.#patience) return;
    this.blocked[lp] = undefined;
    if (this.wired[top].level === 1) line.late = line.masked = true;
    this.#end(top);
    this.serve(lp);
  }

  /** Everything that decides what can happen from here on. */
  key(): string {
    const lines = this.lines.map(({ services: _, injections: __, ...line }) => Object.values(line).map(Number).join() + line.held);
    const blocked = this.blocked.map(
      (b) => b && `${b.line} ${b.service === this.lines[b.line].services} ${this.clock - b.since >= this.#patience}`,
    );
    return [...lines, ...this.alive, ...blocked].join('|');
  }
}
