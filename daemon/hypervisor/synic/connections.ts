// The connections of a partition: numbers by which its guests name ports of other partitions, or of their own. Any LP.
// A connection names a partition, not a place: when that partition ends it leads nowhere, and when there is another one of the name, to that.

import { partnerOf, writeConnection } from '../../../shared/hyperv/partition-ports.js';
import type { Views } from '../../../shared/layout/struct.js';
import { CONNECTIONS_MAX, Connection, ConnectionLayout, connectionAt } from '../../../shared/layout/synic.js';
import type { SharedWords } from '../../machine/shared-words.js';

const OPEN = ConnectionLayout.at.open;

export interface ConnectionSpec {
  readonly id: number;
  /** Number of the port. */
  readonly port: number;
  /** Name of its partition; empty: the same one. */
  readonly partition: string;
}

export class Connections {
  readonly #views: Views;
  readonly #words: SharedWords;

  constructor(views: Views, words: SharedWords) {
    this.#views = views;
    this.#words = words;
  }

  find(id: number): ConnectionSpec | undefined {
    const index = this.#indexOf(id);
    if (index < 0) return undefined;
    const entry = new Connection(this.#views, connectionAt(index));
    return { id, port: entry.port, partition: partnerOf(this.#views, entry) };
  }

  /** False: the number is taken, or there are as many connections as there can be. One opener at a time. */
  open({ id, port, partition }: ConnectionSpec): boolean {
    if (this.#indexOf(id) >= 0) return false;
    for (let index = 0; index < CONNECTIONS_MAX; index++) {
      const at = connectionAt(index);
      if (this.#words.load(at + OPEN) !== 0) continue;
      writeConnection(this.#views, at, { id, port, vm: partition });
      this.#words.store(at + OPEN, 1);
      return true;
    }
    return false;
  }

  /** False: there is none of that number. */
  close(id: number): boolean {
    const index = this.#indexOf(id);
    return index >= 0 && this.#words.compareExchange(connectionAt(index) + OPEN, 1, 0) === 1;
  }

  #indexOf(id: number): number {
    for (let index = 0; index < CONNECTIONS_MAX; index++) {
      const at = connectionAt(index);
      if (this.#words.load(at + OPEN) !== 0 && new Connection(this.#views, at).id === id) return index;
    }
    return -1;
  }
}
