// The messages that wait for the slot of one SINT of one VP, first come, first served. Everything here is under the controller's lock.
import { SINTS } from '../../../shared/abi/synic.js';
import { linkAt, NOT_QUEUED, portOfBuffer, SynicLayout, synicAt } from '../../../shared/layout/synic.js';
import type { SharedWords } from '../../machine/shared-words.js';

const AT = SynicLayout.at;

export class MessageQueue {
  readonly #words: SharedWords;

  constructor(words: SharedWords) {
    this.#words = words;
  }

  /** The buffer that is next, or -1. */
  first(vp: number, sint: number): number {
    return this.#words.read(synicAt(vp) + AT.heads + sint * 4) - 1;
  }

  /** `waiting` is set before whoever appends looks at the slot: a reader that empties the slot later finds it. */
  append(vp: number, sint: number, buffer: number): void {
    const words = this.#words;
    const at = synicAt(vp);
    words.write(linkAt(buffer), 0);
    const last = words.read(at + AT.tails + sint * 4) - 1;
    words.write(last < 0 ? at + AT.heads + sint * 4 : linkAt(last), buffer + 1);
    words.write(at + AT.tails + sint * 4, buffer + 1);
    const depth = words.read(at + AT.depths + sint * 4) + 1;
    words.write(at + AT.depths + sint * 4, depth);
    if (depth > words.read(at + AT.deepest)) words.write(at + AT.deepest, depth);
    words.or(at + AT.waiting, 1 << sint);
  }

  removeFirst(vp: number, sint: number): void {
    this.#remove(vp, sint, -1, this.first(vp, sint));
  }

  /** Takes one buffer out, wherever it stands. False: it is not in this queue. */
  remove(vp: number, sint: number, buffer: number): boolean {
    for (let before = -1, at = this.first(vp, sint); at >= 0; before = at, at = this.#next(at)) {
      if (at !== buffer) continue;
      this.#remove(vp, sint, before, at);
      return true;
    }
    return false;
  }

  /** Takes out all that a port has sent; `removed` gets each buffer. */
  removePort(vp: number, port: number, removed: (buffer: number) => void): void {
    for (let sint = 0; sint < SINTS; sint++) {
      for (let before = -1, at = this.first(vp, sint); at >= 0; ) {
        const next = this.#next(at);
        if (portOfBuffer(at) === port) {
          this.#remove(vp, sint, before, at);
          removed(at);
        } else before = at;
        at = next;
      }
    }
  }

  #next(buffer: number): number {
    return this.#words.read(linkAt(buffer)) - 1;
  }

  #remove(vp: number, sint: number, before: number, buffer: number): void {
    const words = this.#words;
    const at = synicAt(vp);
    const link = words.read(linkAt(buffer));
    words.write(before < 0 ? at + AT.heads + sint * 4 : linkAt(before), link);
    if (link === 0) words.write(at + AT.tails + sint * 4, before + 1);
    words.write(linkAt(buffer), NOT_QUEUED);
    words.write(at + AT.depths + sint * 4, words.read(at + AT.depths + sint * 4) - 1);
    if (this.first(vp, sint) < 0) words.and(at + AT.waiting, ~(1 << sint));
  }
}
