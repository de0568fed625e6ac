// Stores into pages that code was translated from, against the translations that are made of them meanwhile: marked lines, versions, the partition's epoch.
// Why an order and no lock: both sides are frequent, and a store must never wait for a translation.
//
//   translating:  v := version, mark the lines (locked), watch the page, THEN wait until no store is under way; read the bytes. What was made holds while the version is v.
//   storing:      stores += 1 (locked), THEN look at the lines; a marked one: clear them, version += 1, epoch += 1, kick. Store. stores -= 1 (locked).
//
// Either the store sees the mark and raises the version after the translator read it, or the translator sees the store under way and reads the bytes after it.
// The version is read first, for a store that clears the lines takes a mark along that was made since its look at them. All is over before the bytes change:
// whoever sees the new bytes finds the epoch raised, so that after a serializing instruction it runs no old ones (SDM 3A 9.1.3). Nobody waits inside a store.
import { PageFlag, PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import type { SharedWords } from './shared-words.js';

const CODE_EPOCH = PartitionMap.HEADER + PartitionLayout.at.codeEpoch;
const CODE_STORES = PartitionMap.HEADER + PartitionLayout.at.codeStores;
const linesAt = (gfn: number): number => PartitionMap.CODE_LINES + gfn * 8;
const versionAt = (gfn: number): number => PartitionMap.CODE_VERSIONS + gfn * 4;

export class WatchedCode {
  protected readonly words: SharedWords;
  /** The partition has one VP: nobody stores while another one translates, and nothing has to be locked. */
  readonly #alone: boolean;

  constructor(words: SharedWords, alone = false) {
    this.words = words;
    this.#alone = alone;
  }

  /** Whether any of the bytes is in a line of the page that is marked. */
  isMarked(gfn: number, offset: number, bytes: number): boolean {
    const first = offset >>> 6;
    const last = Math.min(4095, offset + bytes - 1) >>> 6;
    for (let line = first; line <= last; line++)
      if ((this.words.read(linesAt(gfn) + (line >>> 5) * 4) & (1 << (line & 31))) !== 0) return true;
    return false;
  }
  /** Whether any line of the page is. */
  hasMarks(gfn: number): boolean {
    return this.words.load(linesAt(gfn)) !== 0 || this.words.load(linesAt(gfn) + 4) !== 0;
  }
  /**
   * Whether a store to a page that may be written needs no look: the page is not watched, and whoever begins to watch it waits for this LP as if it had a write tag.
   * Without the claim the page may have been unwatched since the store was allowed, and be watched again before it is done.
   */
  isFree(gfn: number): boolean {
    const flags = this.words.read(PartitionMap.PAGE_FLAGS + gfn * 4);
    return (flags & PageFlag.CODE) === 0 && (this.#alone || (flags & PageFlag.TLB_WRITE) !== 0);
  }
  isWatched(gfn: number): boolean {
    return (this.words.read(PartitionMap.PAGE_FLAGS + gfn * 4) & PageFlag.CODE) !== 0;
  }

  /** A store of the bytes is under way until `endStore`; nothing may wait or throw before that. True: code was made of them, and is out of date now. */
  beginStore(gfn: number, offset: number, bytes: number): boolean {
    if (!this.#alone) this.enter();
    return this.invalidate(gfn, offset, bytes);
  }
  endStore(): void {
    if (!this.#alone) this.words.add(CODE_STORES, -1);
  }
  protected enter(): void {
    this.words.add(CODE_STORES, 1);
  }

  /** If a line of the bytes is marked, makes all code of the page out of date. */
  invalidate(gfn: number, offset: number, bytes: number): boolean {
    if (!this.isMarked(gfn, offset, bytes)) return false;
    const { words } = this;
    words.write(linesAt(gfn), 0);
    words.write(linesAt(gfn) + 4, 0);
    this.outdate(gfn);
    return true;
  }
  /** All code of the page is out of date. */
  outdate(gfn: number): void {
    const { words } = this;
    if (this.#alone) {
      words.write(versionAt(gfn), words.read(versionAt(gfn)) + 1);
      words.write(CODE_EPOCH, words.read(CODE_EPOCH) + 1);
    } else {
      words.add(versionAt(gfn), 1);
      words.add(CODE_EPOCH, 1);
    }
  }

  /** Version of the page's code. Read plainly: what another LP has changed comes with a kick. */
  version(gfn: number): number {
    return this.words.read(versionAt(gfn));
  }
  /** The partition's epoch, which changes with every version. Read plainly. */
  epoch(): number {
    return this.words.read(CODE_EPOCH);
  }

  /** Marks the lines of the bytes; `watch` has the page watched. What is made of the bytes as they are on return holds while the page has the version returned. */
  mark(gfn: number, from: number, to: number, watch: (gfn: number) => void): number {
    for (;;) {
      const version = this.version(gfn);
      this.markLines(gfn, from >>> 6, (to - 1) >>> 6);
      if (!this.isWatched(gfn)) watch(gfn);
      const stores = this.#alone ? 0 : this.storesUnderWay();
      if (stores === 0) return version;
      this.words.awaitChange(CODE_STORES, stores);
    }
  }
  /** One or two lines, or a whole window of them. */
  protected markLines(gfn: number, first: number, last: number): void {
    const at = linesAt(gfn) + (first >>> 5) * 4;
    if (first >>> 5 === last >>> 5) this.#markWord(at, (1 << (first & 31)) | (1 << (last & 31)));
    else {
      this.#markWord(at, 1 << (first & 31));
      this.#markWord(at + 4, 1 << (last & 31));
    }
  }
  #markWord(at: number, lines: number): void {
    if (this.#alone) this.words.write(at, this.words.read(at) | lines);
    else this.words.or(at, lines);
  }
  protected storesUnderWay(): number {
    return this.words.load(CODE_STORES);
  }
}
