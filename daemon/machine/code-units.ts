// The compiled units of one LP for one partition: WebAssembly functions in a table, each made of the region that begins with one block.
// Made at once, by the LP itself. A thread of its own for that was tried: what the LP won by it, it lost again by running on in the cold tier until the unit came.
import type { Views } from '../../shared/layout/struct.js';
import { region } from '../translate/emit/region.js';
import { compileUnit } from '../translate/emit/unit.js';
import type { CodeAccount } from './code-account.js';
import { type CodeBlock, type SpannedPage, Unit } from './code-block.js';
import type { CodePages } from './code-pages.js';

export class CodeUnits {
  readonly #views: Views;
  readonly #table: WebAssembly.Table;
  readonly #imports: WebAssembly.Imports;
  readonly #account: CodeAccount;
  readonly #pages: CodePages;
  /** Blocks that the units in the table begin with. */
  readonly #entries: CodeBlock[] = [];
  /** Their WebAssembly, where that is kept. */
  readonly #bytes: Uint8Array[] = [];
  readonly #keepsBytes: boolean;
  /** Totals for telemetry. */
  compilations = 0;
  /** Regions that V8 refused: they stay in the cold tier. */
  refused = 0;

  constructor(
    views: Views,
    table: WebAssembly.Table,
    imports: WebAssembly.Imports,
    account: CodeAccount,
    pages: CodePages,
    keepsBytes: boolean,
  ) {
    this.#views = views;
    this.#table = table;
    this.#imports = imports;
    this.#account = account;
    this.#pages = pages;
    this.#keepsBytes = keepsBytes;
  }

  /** Snapshots: blocks by number of their unit, and its WebAssembly. Where that is kept. */
  get saved(): { readonly entries: readonly CodeBlock[]; readonly bytes: readonly Uint8Array[] } {
    return { entries: this.#entries, bytes: this.#bytes };
  }
  set saved({ entries, bytes }: { readonly entries: readonly CodeBlock[]; readonly bytes: readonly Uint8Array[] }) {
    this.#entries.splice(0, Number.POSITIVE_INFINITY, ...entries);
    for (const [index, unit] of bytes.entries())
      this.#set(index, new WebAssembly.Instance(new WebAssembly.Module(unit.slice()), this.#imports), unit);
    this.#account.restore(bytes.map(({ length }) => length));
  }

  /** The block that the unit begins with. */
  entryOf(index: number): CodeBlock {
    return this.#entries[index];
  }

  /** Makes the unit of the region that begins with the block. `find` knows the current block for a RIP, if there is one. */
  compile(entry: CodeBlock, find: (rip: number) => CodeBlock | undefined): void {
    // What each page was when its first block was taken: another LP may store into it while the unit is made.
    const versions = new Map<number, number>();
    const graph = region(entry, (rip) => {
      const block = find(rip);
      if (block === undefined || block.unit === Unit.NEVER) return undefined;
      if (!versions.has(block.gfn)) versions.set(block.gfn, block.version);
      return block;
    });
    const bytes = compileUnit(this.#views, graph);
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), this.#imports);
    } catch (error) {
      // V8 refuses a function that is too large; anything else would be a fault of the compiler's own.
      if (!(error instanceof WebAssembly.CompileError) && !(error instanceof RangeError)) throw error;
      this.refused++;
      entry.unit = Unit.NEVER;
      return;
    }
    this.compilations++;
    // A unit made again takes the place of the old one: the table stays as small as the blocks are few.
    const index = entry.unit >= 0 ? entry.unit : this.#entries.length;
    this.#entries[index] = entry;
    this.#set(index, instance, bytes);
    this.#account.unit(index, bytes.length);
    entry.span = spanOf(entry, graph.blocks as readonly CodeBlock[], versions);
    for (const s of entry.span) this.#pages.spans(s.gfn, entry);
    entry.unit = index;
  }
  #set(index: number, instance: WebAssembly.Instance, bytes: Uint8Array): void {
    if (index >= this.#table.length) this.#table.grow(Math.max(256, this.#table.length));
    this.#table.set(index, instance.exports.unit as () => number);
    if (this.#keepsBytes) this.#bytes[index] = bytes;
  }

  /** All units are given up. */
  drop(): void {
    for (let i = 0; i < this.#entries.length; i++) this.#table.set(i, null);
    this.#entries.length = this.#bytes.length = 0;
  }
}

/** The pages that the unit reaches into beyond the entry's own. */
const spanOf = (entry: CodeBlock, blocks: readonly CodeBlock[], versions: ReadonlyMap<number, number>): readonly SpannedPage[] => {
  const span = new Map<number, SpannedPage>();
  for (const { linear, gfn } of blocks) {
    const page = Math.floor(linear / 4096);
    if (gfn !== entry.gfn || page !== Math.floor(entry.linear / 4096)) span.set(page, { page, gfn, version: versions.get(gfn)! });
  }
  return [...span.values()];
};
