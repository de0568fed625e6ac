// The blocks of each guest page, by the 64-byte line that they begin in, and those of other pages whose units or bytes reach into it.
// Blocks that the page's code has left behind stay for one change more: patched code often comes back but for values in it, and takes its block over.
// Why by line: most lines hold one or two blocks, so a walk along a list is shorter than any hashing.
import type { CodeBlock } from './code-block.js';
import type { WatchedCode } from './watched-code.js';

const LINES = 64;

interface Page {
  /** The page's code version; blocks of other versions are stale. */
  version: number;
  readonly lines: (CodeBlock | undefined)[];
  /** Lines before `first` and from `end` on hold no blocks. */
  first: number;
  end: number;
}

/** The page has another version: what was stale before goes; `leave` is called with each block that gets stale. */
const age = (page: Page, version: number, leave?: (block: CodeBlock) => void): void => {
  const { lines } = page;
  for (let line = page.first; line < page.end; line++) {
    let last: CodeBlock | undefined;
    for (let block = lines[line]; block !== undefined; block = block.next) {
      if (block.version !== page.version) {
        if (last === undefined) lines[line] = block.next;
        else last.next = block.next;
        continue;
      }
      last = block;
      leave?.(block);
    }
  }
  page.version = version;
  while (page.first < page.end && lines[page.first] === undefined) page.first++;
};

export interface CodePagesSaved {
  /** Frame, version, first line, end, then line and number of each block. */
  readonly pages: readonly (readonly number[])[];
  /** Frame, then the blocks that reach into it from elsewhere. */
  readonly spanning: readonly (readonly number[])[];
}

export class CodePages {
  readonly #watched: WatchedCode;
  readonly #pages = new Map<number, Page>();
  readonly #spanning = new Map<number, Set<CodeBlock>>();
  // The page asked for last: code runs on in it.
  #lastGfn = -1;
  #last: Page | undefined;

  constructor(watched: WatchedCode) {
    this.#watched = watched;
  }

  /** The block at RIP made in the mode from that linear address; it may be stale, of another version than the page. */
  find(gfn: number, rip: number, linear: number, modeKey: number): CodeBlock | undefined {
    const page = this.#page(gfn);
    for (let block = page.lines[(linear & 4095) >>> 6]; block !== undefined; block = block.next)
      if (block.rip === rip && block.modeKey === modeKey && block.linear === linear) return block;
    return undefined;
  }
  /** Keeps the block, unless the page was changed since it was made. It takes the place of one for the same RIP and mode. */
  add(block: CodeBlock): void {
    const page = this.#page(block.gfn);
    if (page.version !== block.version) return;
    const line = (block.linear & 4095) >>> 6;
    block.next = page.lines[line];
    page.lines[line] = block;
    page.first = Math.min(page.first, line);
    page.end = Math.max(page.end, line + 1);
    for (let before = block; before.next !== undefined; before = before.next) {
      const old = before.next;
      if (old.rip !== block.rip || old.modeKey !== block.modeKey) continue;
      before.next = old.next;
      break;
    }
  }
  /** The block's bytes or its unit reach into the page from another one. */
  spans(gfn: number, block: CodeBlock): void {
    const blocks = this.#spanning.get(gfn);
    if (blocks === undefined) this.#spanning.set(gfn, new Set([block]));
    else blocks.add(block);
  }

  /** Forgets what was made from the page; `leave` is called with each such block. */
  forget(gfn: number, leave: (block: CodeBlock) => void): void {
    const page = gfn === this.#lastGfn ? this.#last : this.#pages.get(gfn);
    if (page !== undefined) age(page, this.#watched.version(gfn), leave);
    const spanning = this.#spanning.size === 0 ? undefined : this.#spanning.get(gfn);
    if (spanning === undefined) return;
    for (const block of spanning) leave(block);
    this.#spanning.delete(gfn);
  }
  clear(): void {
    this.#pages.clear();
    this.#spanning.clear();
    this.#lastGfn = -1;
  }

  /** Every block that is known here, each once. */
  get blocks(): Set<CodeBlock> {
    const all = new Set<CodeBlock>();
    for (const { lines } of this.#pages.values())
      for (const line of lines) for (let block = line; block !== undefined; block = block.next) all.add(block);
    for (const spanning of this.#spanning.values()) for (const block of spanning) all.add(block);
    return all;
  }
  /** Snapshots (shared/kit/saved). `numbers`: of `blocks`. */
  save(numbers: ReadonlyMap<CodeBlock, number>): CodePagesSaved {
    const numberOf = (block: CodeBlock): number => numbers.get(block) as number;
    const pages = [...this.#pages].map(([gfn, { version, first, end, lines }]) => {
      const entries: number[] = [];
      for (let line = first; line < end; line++)
        for (let block = lines[line]; block !== undefined; block = block.next) entries.push(line, numberOf(block));
      return [gfn, version, first, end, ...entries];
    });
    return { pages, spanning: [...this.#spanning].map(([gfn, blocks]) => [gfn, ...[...blocks].map(numberOf)]) };
  }
  restore({ pages, spanning }: CodePagesSaved, blocks: readonly CodeBlock[]): void {
    this.clear();
    for (const [gfn, version, first, end, ...entries] of pages) {
      const lines: (CodeBlock | undefined)[] = new Array(LINES).fill(undefined);
      // From the back: each goes before those that follow it in its line.
      for (let i = entries.length - 2; i >= 0; i -= 2) {
        const block = blocks[entries[i + 1]];
        block.next = lines[entries[i]];
        lines[entries[i]] = block;
      }
      this.#pages.set(gfn, { version, lines, first, end });
    }
    for (const [gfn, ...numbers] of spanning) this.#spanning.set(gfn, new Set(numbers.map((n) => blocks[n])));
  }

  #page(gfn: number): Page {
    const version = this.#watched.version(gfn);
    if (gfn === this.#lastGfn && (this.#last as Page).version === version) return this.#last as Page;
    let page = this.#pages.get(gfn);
    if (page === undefined) {
      page = { version, lines: new Array(LINES).fill(undefined), first: LINES, end: 0 };
      this.#pages.set(gfn, page);
    } else if (page.version !== version) age(page, version);
    this.#lastGfn = gfn;
    this.#last = page;
    return page;
  }
}
