// The consoles that one client watches: what each has said from the oldest byte that is there, what it says from now on, and whether this client types at it.

import { readConsole } from '../console.js';
import type { Machine } from '../machine.js';
import type { PartitionBody } from '../partition-body.js';
import type { Keyboards } from './keyboards.js';
import type { Outbox } from './outbox.js';

/** How often a console that somebody watches is looked at, ms. */
export const CONSOLE_MS = 20;

interface Watched {
  body: PartitionBody;
  position: number;
  /** Undefined: it has been told of nothing yet. */
  writes: boolean | undefined;
  state: string;
}

export class ConsoleFeeds {
  readonly #machine: Machine;
  readonly #outbox: Outbox;
  readonly #keyboards: Keyboards;
  readonly #watched = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(machine: Machine, outbox: Outbox, keyboards: Keyboards) {
    this.#machine = machine;
    this.#outbox = outbox;
    this.#keyboards = keyboards;
  }

  /** From now on `console` events tell of it. Whether this client types there. Throws vm.unknown. */
  attach(name: string, write: boolean, force: boolean): boolean {
    const { body } = this.#machine.partitions.get(name);
    if (!this.#watched.has(name)) this.#watched.set(name, { body, position: 0, writes: undefined, state: '' });
    if (!write) this.#keyboards.release(name, this);
    this.#timer ??= setInterval(() => this.#look(), CONSOLE_MS);
    return write && this.#keyboards.take(name, this, force);
  }
  /** Nobody else types there. */
  mayWrite(name: string): boolean {
    return this.#keyboards.isOpenTo(name, this);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const name of this.#watched.keys()) this.#keyboards.release(name, this);
    this.#watched.clear();
  }

  #look(): void {
    for (const [name, watched] of this.#watched) {
      const partition = this.#machine.partitions.all.find((one) => one.name === name);
      if (partition === undefined) {
        if (!this.#outbox.offer('console', { name, data: new Uint8Array(), past: false, lost: 0, writes: false, state: null })) continue;
        this.#keyboards.release(name, this);
        this.#watched.delete(name);
        continue;
      }
      const { body } = partition;
      if (body !== watched.body) Object.assign(watched, { body, position: 0 });
      const { bytes, next, lost } = readConsole(partition, watched.position);
      const writes = this.#keyboards.holds(name, this);
      const state = body.stateName;
      if (bytes.length === 0 && writes === watched.writes && state === watched.state) continue;
      // What a slow reader does not take stays where it is, for as long as the console's log holds it.
      const past = watched.writes === undefined;
      if (this.#outbox.offer('console', { name, data: bytes, past, lost, writes, state }))
        Object.assign(watched, { position: next, writes, state });
    }
  }
}
