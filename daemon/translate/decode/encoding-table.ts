// Encodings by their bytes: a tree with one node a byte, from an instruction's first to the last before its displacement and immediates.
// Why a tree: no encoding's head is the beginning of another's, so a walk of one to four steps finds it, exactly.
//
//   node: 256 entries, one for each value of the byte   0 unknown   > 0 number of the next byte's node   < 0 ~number of the encoding
import type { Encoding } from './encoding.js';

const NODE_ENTRIES = 256;
/** Guests choose the bytes: when they have made so many nodes or encodings, all are forgotten. */
const NODES_MAX = 2048;
const ENCODINGS_MAX = 16384;
/** Nodes that stand for "no byte yet", by code size. */
const ROOTS = 3;
const rootOf = (bits: 16 | 32 | 64): number => (bits === 64 ? 2 : bits === 32 ? 1 : 0);

export class EncodingTable {
  #nodes = new Int16Array(8 * NODE_ENTRIES);
  #count = ROOTS;
  #encodings: Encoding[] = [];

  /** The encoding of the instruction at the offset, if its bytes are there and known. */
  find(bits: 16 | 32 | 64, bytes: Uint8Array, at: number): Encoding | undefined {
    const nodes = this.#nodes;
    let entry = rootOf(bits);
    for (let i = at; i < bytes.length; i++) {
      entry = nodes[entry * NODE_ENTRIES + bytes[i]];
      if (entry < 0) return this.#encodings[~entry];
      if (entry === 0) return undefined;
    }
    return undefined;
  }

  /** `bytes` begin with an instruction of the encoding. */
  add(bits: 16 | 32 | 64, bytes: Uint8Array, encoding: Encoding): void {
    if (this.#count + encoding.head > NODES_MAX || this.#encodings.length === ENCODINGS_MAX) this.#clear();
    const last = encoding.head - 1;
    let node = rootOf(bits);
    for (let i = 0; i < last; i++) {
      const at = node * NODE_ENTRIES + bytes[i];
      node = this.#nodes[at];
      if (node !== 0) continue;
      node = this.#newNode();
      this.#nodes[at] = node;
    }
    this.#nodes[node * NODE_ENTRIES + bytes[last]] = ~this.#encodings.length;
    this.#encodings.push(encoding);
  }

  #newNode(): number {
    const node = this.#count++;
    if (this.#count * NODE_ENTRIES > this.#nodes.length) {
      const larger = new Int16Array(this.#nodes.length * 2);
      larger.set(this.#nodes);
      this.#nodes = larger;
    }
    return node;
  }
  #clear(): void {
    this.#nodes.fill(0);
    this.#count = ROOTS;
    this.#encodings = [];
  }
}
