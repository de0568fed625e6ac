// Translated code of one LP for one partition: blocks in the LP's arena, units in a function table, and the jump cache that leads to them.
// Why per LP: no lock on the way from an address to its code; equal wasm bytes are compiled once by V8 for all workers anyway.
// Code is keyed by guest page and RIP (code-pages.ts); where an address leads just now is in the jump cache (jump-cache.ts).
//
// Write watching: a page that code was translated from has its lines marked, then PageFlag.CODE set and all write tags to it flushed, then its bytes read.
// A store to a marked line raises the page's version and the partition's code epoch (watched-code.ts); every LP compares both before it uses a block again.
import { IMPLEMENTED } from '../../shared/cpu/feature-set.js';
import { bytesOf, doublesOf } from '../../shared/kit/saved.js';
import type { Views } from '../../shared/layout/struct.js';
import { BlockBuilder } from '../translate/block-builder.js';
import { BlockTemplate, type TemplateSaved } from '../translate/block-template.js';
import type { CodeMode } from '../translate/code-mode.js';
import { INSTRUCTION_BYTES_MAX } from '../translate/decode/code-source.js';
import { BLOCK_HEADER_SIZE, BlockHeader } from '../translate/emit/block-layout.js';
import { TemplateTable, type TemplateTableSaved } from '../translate/template-table.js';
import { type TranslatedBlock, translateBlock } from '../translate/translate-block.js';
import { BlockArena } from './block-arena.js';
import { CodeAccount } from './code-account.js';
import { CodeBlock, HOT_RUNS, NEVER_HOT, type SpannedPage, Unit } from './code-block.js';
import { CodePages, type CodePagesSaved } from './code-pages.js';
import { CodeReader, FETCH_BYTES } from './code-reader.js';
import { CodeUnits } from './code-units.js';
import type { InstructionCount } from './instruction-count.js';
import { JumpCache } from './jump-cache.js';
import type { WatchedCode } from './watched-code.js';

/** What the cache needs to know of the guest's memory. */
export interface CodeMemory {
  /** Guest page frame that instructions at the linear address come from; throws GuestFault; -1 = not memory that can be watched (MMIO). */
  fetchPage(linear: number): number;
  /** As fetchPage, but -1 instead of faults and without side effects on the guest. */
  peekPage(linear: number): number;
  /** Marks the page as watched and waits until no LP holds a write tag for it. */
  watch(gfn: number): void;
}

const NO_ADDRESSES: ReadonlySet<number> = new Set();

/** Snapshots (shared/kit/saved). Records, counts and the jump cache are in the LP context. */
export interface CodeSaved {
  readonly epochSeen: number;
  readonly arenaNext: number;
  /** Doubles: BLOCK_COLUMNS for each block. */
  readonly blocks: Uint8Array;
  /** Number of the block, then page, frame, version of each page that its unit spans. */
  readonly spans: readonly (readonly number[])[];
  readonly pages: CodePagesSaved;
  /** By number of a unit: the block that it begins with, and its WebAssembly. */
  readonly unitEntries: readonly number[];
  readonly units: readonly Uint8Array[];
  readonly templates: readonly TemplateSaved[];
  readonly templateTable: TemplateTableSaved;
  readonly jumps: JumpCache['saved'];
}
/** RIP, linear address, frame, mode, version, header, second frame and its version, unit, template or -1. */
const BLOCK_COLUMNS = 10;
const NO_TEMPLATE = -1;

export interface CodeCacheOptions {
  /** 'both' is the product; 'cold' never compiles, 'hot' compiles before the first run: for tests. */
  readonly tiers?: 'both' | 'cold' | 'hot' | undefined;
  /** Cold runs of a block before its region is compiled, where both tiers run code: HOT_RUNS unless a test wants fewer. */
  readonly hotRuns?: number | undefined;
  /** The partition has one processor: LOCK has nobody to lock out, and its forms need not be atomic. */
  readonly alone?: boolean;
  /** Bytes of WebAssembly after which all is given up: a small one for tests. */
  readonly unitBytesMax?: number;
  /** Counts what is retired. */
  readonly count?: InstructionCount | undefined;
  /** Units are kept as they were made, for snapshots: a course hangs on which there are. */
  readonly keepsUnits?: boolean | undefined;
  /** Blocks have at most this many instructions: 1 is the reference that optimisations over a block are tested against. */
  readonly blockInstructions?: number;
}

const modeKeyOf = (m: CodeMode): number =>
  (m.bits === 16 ? 0 : m.bits === 32 ? 1 : 2) | (m.stackBits === 16 ? 0 : m.stackBits === 32 ? 4 : 8) | (m.flat ? 16 : 0);

export class CodeCache {
  readonly #views: Views;
  readonly #watched: WatchedCode;
  readonly #memory: CodeMemory;
  /** Where addresses lead, and what takes them away. */
  readonly jumps: JumpCache;
  readonly #arena: BlockArena;
  readonly #templates = new TemplateTable(FETCH_BYTES);
  readonly #units: CodeUnits;
  readonly #builder = new BlockBuilder();
  readonly #reader: CodeReader;
  readonly #account: CodeAccount;
  readonly #pages: CodePages;
  readonly #hotRuns: number;
  readonly #alone: boolean;
  readonly #count: InstructionCount | undefined;
  readonly #blockInstructions: number | undefined;
  readonly #plainModes = new Map<CodeMode, CodeMode>();
  #mode: CodeMode = { bits: 16, stackBits: 16, flat: false, plainLocks: false, features: IMPLEMENTED };
  #modeKey = 0;
  /** What `setMode` was last called with. */
  #setTo: CodeMode | undefined;
  #csBase = 0;
  #user = 0;
  #epochSeen: number;
  /** Linear address that is in no block but at its start: whoever waits for it sees the lookup. NaN: none. */
  stopBefore = Number.NaN;
  /** Linear addresses that no code leads over or to: whoever comes there sees the lookup, which finds nothing (a debugger's breakpoints). */
  #breakpoints: ReadonlySet<number> = NO_ADDRESSES;
  /** Total for telemetry. */
  translations = 0;

  constructor(
    views: Views,
    watched: WatchedCode,
    memory: CodeMemory,
    context: number,
    table: WebAssembly.Table,
    imports: WebAssembly.Imports,
    options: CodeCacheOptions = {},
  ) {
    this.#views = views;
    this.#watched = watched;
    this.#memory = memory;
    this.#pages = new CodePages(watched);
    this.#reader = new CodeReader(views, (linear) => this.#fetchPage(linear));
    this.jumps = new JumpCache(views, context);
    this.#account = new CodeAccount(views, context, options.unitBytesMax);
    this.#arena = new BlockArena(views, context);
    this.#hotRuns = options.tiers === 'cold' ? NEVER_HOT : options.tiers === 'hot' ? 1 : (options.hotRuns ?? HOT_RUNS);
    this.#alone = options.alone ?? false;
    this.#units = new CodeUnits(views, table, imports, this.#account, this.#pages, options.keepsUnits ?? false);
    this.#count = options.count;
    this.#builder.counted = options.count !== undefined;
    this.#blockInstructions = options.blockInstructions;
    this.#epochSeen = watched.epoch();
  }

  get compilations(): number {
    return this.#units.compilations;
  }
  /** Regions that V8 refused: they stay in the cold tier. */
  get refused(): number {
    return this.#units.refused;
  }

  /** What is there, as it is: for a machine that is to take the same course. Where units are kept. */
  get saved(): CodeSaved {
    const all = this.#pages.blocks;
    const units = this.#units.saved;
    for (const block of units.entries) all.add(block);
    const blocks = [...all];
    const numbers = new Map(blocks.map((block, n) => [block, n]));
    const templates = new Map<BlockTemplate, number>();
    const rows = new Float64Array(blocks.length * BLOCK_COLUMNS);
    const spans: number[][] = [];
    for (const [n, b] of blocks.entries()) {
      if (b.template !== undefined && !templates.has(b.template)) templates.set(b.template, templates.size);
      const template = b.template === undefined ? NO_TEMPLATE : (templates.get(b.template) as number);
      rows.set([b.rip, b.linear, b.gfn, b.modeKey, b.version, b.header, b.gfn2, b.version2, b.unit, template], n * BLOCK_COLUMNS);
      if (b.span.length > 0) spans.push([n, ...b.span.flatMap(({ page, gfn, version }) => [page, gfn, version])]);
    }
    const templateTable = this.#templates.save(templates);
    return {
      epochSeen: this.#epochSeen,
      arenaNext: this.#arena.next,
      blocks: bytesOf(rows),
      spans,
      pages: this.#pages.save(numbers),
      unitEntries: units.entries.map((block) => numbers.get(block) as number),
      units: units.bytes,
      templates: [...templates.keys()].map(({ saved }) => saved),
      templateTable,
      jumps: this.jumps.saved,
    };
  }
  set saved(s: CodeSaved) {
    const rows = doublesOf(s.blocks);
    const templates = s.templates.map((template) => BlockTemplate.restored(template));
    const blocks: CodeBlock[] = [];
    for (let at = 0; at < rows.length; at += BLOCK_COLUMNS) {
      const [rip, linear, gfn, modeKey, version, header, gfn2, version2, unit, template] = rows.subarray(at, at + BLOCK_COLUMNS);
      const block = new CodeBlock(this.#views.i32, this.#hotRuns, rip, linear, gfn, modeKey, version, header, templates[template]);
      block.gfn2 = gfn2;
      block.version2 = version2;
      block.unit = unit;
      blocks.push(block);
    }
    for (const [n, ...pages] of s.spans) {
      const span: SpannedPage[] = [];
      for (let i = 0; i < pages.length; i += 3) span.push({ page: pages[i], gfn: pages[i + 1], version: pages[i + 2] });
      blocks[n].span = span;
    }
    this.#epochSeen = s.epochSeen;
    this.#arena.next = s.arenaNext;
    this.#pages.restore(s.pages, blocks);
    this.#templates.restore(s.templateTable, templates);
    this.#units.saved = { entries: s.unitEntries.map((n) => blocks[n]), bytes: s.units };
    this.jumps.saved = s.jumps;
  }

  get mode(): CodeMode {
    return this.#mode;
  }

  /** Another mode, CS base or privilege: the jump cache shows that mode's entries from now on. */
  setMode(mode: CodeMode, csBase: number, user: boolean): void {
    const privilege = user ? 1 : 0;
    if (mode === this.#setTo && csBase === this.#csBase && privilege === this.#user) return;
    this.#setTo = mode;
    this.#mode = this.#alone ? this.#plain(mode) : mode;
    this.#modeKey = modeKeyOf(mode);
    this.#csBase = csBase;
    this.#user = privilege;
    this.jumps.setMode(csBase * 64 + this.#modeKey * 2 + privilege);
  }

  #plain(mode: CodeMode): CodeMode {
    const known = this.#plainModes.get(mode);
    if (known !== undefined) return known;
    const plain = { ...mode, plainLocks: true };
    this.#plainModes.set(mode, plain);
    return plain;
  }

  /** Watched code was changed since `noticeEpoch` last looked. */
  get isOutdated(): boolean {
    return this.#watched.epoch() !== this.#epochSeen;
  }
  /** True when another LP (or this one) has changed watched code since the last call; lookups have then been flushed. */
  noticeEpoch(): boolean {
    const epoch = this.#watched.epoch();
    if (epoch === this.#epochSeen) return false;
    this.#epochSeen = epoch;
    this.jumps.flush();
    return true;
  }

  /**
   * This LP itself has stored into the page's code and raised the epoch from `before` by one: forgets what was made from the page, and only that.
   * False when other LPs have raised it too: then everything has to be looked up again (`noticeEpoch`).
   */
  forgetPage(gfn: number, before: number): boolean {
    this.#pages.forget(gfn, this.#leave);
    if (this.#epochSeen !== before || this.#watched.epoch() !== ((before + 1) | 0)) return false;
    this.#epochSeen = before + 1;
    return true;
  }
  /** Takes the block out of the jump cache. */
  readonly #leave = (block: CodeBlock): void => {
    this.jumps.leave(block.rip);
  };

  /** Whether the code entered at RIP may include bytes of the page. RIPs inside a unit are not known: true to be safe. */
  covers(rip: number, gfn: number): boolean {
    // Nearly always it is what has just been entered from the jump cache.
    const code = this.jumps.find(rip);
    if (code < 0) return this.#units.entryOf(~code).reaches(gfn);
    if (code > 0) {
      const only = this.#views.i32[(code + BlockHeader.GFN) >>> 2];
      if (only >= 0) return only === gfn;
    }
    return this.#blockAt(rip, false)?.reaches(gfn) ?? true;
  }

  /**
   * Finds or makes the code for RIP and puts it into the jump cache; or, when mappings changed meanwhile, does not: the dispatcher asks again.
   * Throws GuestFault when the instruction cannot be fetched.
   */
  lookup(rip: number): void {
    if (this.isBreakpoint(rip)) return;
    const { flushes } = this.jumps;
    this.#enterUnless(flushes, this.#blockAt(rip, true)!);
  }

  /** Other breakpoints: all code is made anew round them. */
  setBreakpoints(addresses: ReadonlySet<number>): void {
    this.#breakpoints = addresses;
    this.dropAll();
  }
  isBreakpoint(rip: number): boolean {
    return this.#breakpoints.size !== 0 && this.#breakpoints.has(this.linear(rip));
  }

  /** The block at RIP has become hot: compiles its region. */
  heat(rip: number): void {
    if (this.#account.isFull) {
      // Only what is still hot comes back.
      this.dropAll();
      this.lookup(rip);
      return;
    }
    const { flushes } = this.jumps;
    const block = this.#blockAt(rip, true)!;
    if (block.unit === Unit.NONE || (block.unit >= 0 && this.#spanChanged(block)))
      this.#units.compile(block, (at) => this.#blockAt(at, false));
    if (block.unit < 0) this.#views.i32[(block.header + BlockHeader.RUNS) >>> 2] = NEVER_HOT;
    this.#enterUnless(flushes, block);
  }

  /** Translates just the instruction at RIP, uncached, in the mode given, and returns its code address for one run: the next call makes it another one. */
  single(rip: number, mode: CodeMode): number {
    const linear = this.linear(rip);
    const source = this.#reader.open(linear, this.#memory.fetchPage(linear));
    const builder = this.#builder;
    const made = translateBlock(builder, source, mode, rip, 1);
    // What is counted is counted by where its records are: those stay.
    if (this.#count === undefined) return this.#arena.writePassing(builder, NEVER_HOT, made.bytes, -1);
    const header = this.#write(NEVER_HOT, made.bytes, -1);
    this.#counts(header, rip, linear, mode, made);
    return header;
  }

  /** The bytes that the instruction at RIP may have, as far as they can be fetched. Without effects on the guest. */
  peekInstruction(rip: number): Uint8Array {
    const linear = this.linear(rip);
    const offset = linear & 4095;
    const first = Math.min(INSTRUCTION_BYTES_MAX, 4096 - offset);
    const gfn = this.#memory.peekPage(linear);
    if (gfn < 0) return new Uint8Array(0);
    const head = this.#reader.copy(gfn, offset, first);
    if (first === INSTRUCTION_BYTES_MAX) return head;
    const second = this.#memory.peekPage(linear - offset + 4096);
    if (second < 0) return head;
    return Uint8Array.of(...head, ...this.#reader.copy(second, 0, INSTRUCTION_BYTES_MAX - first));
  }

  /** Has the block's executions counted; the reader still holds its bytes. */
  #counts(header: number, rip: number, linear: number, mode: CodeMode, made: TranslatedBlock): void {
    if (this.#count === undefined) return;
    const bytes = made.crossesPage ? this.peekInstruction(rip).subarray(0, made.bytes) : this.#reader.bytes.slice(0, made.bytes);
    this.#count.translated(header + BLOCK_HEADER_SIZE, rip, linear, mode.bits, bytes);
  }

  dropAll(): void {
    this.#count?.fold();
    this.#account.dropped();
    this.#pages.clear();
    this.#arena.clear();
    this.#account.templates(this.#templates.size);
    this.#units.drop();
    this.jumps.drop();
  }

  /** Linear address of an instruction in the current mode. */
  linear(rip: number): number {
    return this.#mode.bits === 64 ? rip : (this.#csBase + rip) >>> 0;
  }

  /**
   * Whoever watches a page waits outside guest mode, and answers flushes there: a block found by the mapping before must not be entered in the jump cache
   * that was emptied since. `before`: flushes until it was looked for.
   */
  #enterUnless(before: number, block: CodeBlock): void {
    if (this.jumps.flushes === before) this.#enter(block);
  }
  #enter(block: CodeBlock): void {
    let code = block.header;
    const { i32 } = this.#views;
    if (block.unit >= 0) {
      if (this.#spanHolds(block)) code = ~block.unit;
      // A page of the unit was changed, or is not mapped just now: `heat` looks again when that much has run cold.
      else i32[(block.header + BlockHeader.RUNS) >>> 2] = this.#hotRuns;
    }
    const { jumps } = this;
    jumps.enter(block.rip, code);
    jumps.uses(block.linear);
    if (block.gfn2 >= 0) jumps.uses(block.linear + 4096);
    for (const s of block.span) jumps.uses(s.page * 4096);
  }
  #version(gfn: number): number {
    return this.#watched.version(gfn);
  }
  #spanHolds(block: CodeBlock): boolean {
    for (const s of block.span) if (this.#memory.peekPage(s.page * 4096) !== s.gfn || this.#version(s.gfn) !== s.version) return false;
    return true;
  }

  #spanChanged(block: CodeBlock): boolean {
    return block.span.some((s) => this.#version(s.gfn) !== s.version);
  }

  /** The block for RIP in the current mode; translated when `make`. Throws GuestFault when `make` and the fetch faults. */
  #blockAt(rip: number, make: boolean): CodeBlock | undefined {
    const linear = this.linear(rip);
    const gfn = make ? this.#fetchPage(linear) : this.#peekPage(linear);
    if (gfn < 0) return make ? this.#translate(rip, linear, -1) : undefined;
    const found = this.#pages.find(gfn, rip, linear, this.#modeKey);
    if (found !== undefined && found.version === this.#version(gfn)) {
      if (found.gfn2 < 0) return found;
      const second = linear - (linear & 4095) + 4096;
      if ((make ? this.#fetchPage(second) : this.#peekPage(second)) === found.gfn2 && found.version2 === this.#version(found.gfn2))
        return found;
    }
    return make ? this.#translate(rip, linear, gfn, found) : undefined;
  }

  /** Frame of the page that code at the linear address is fetched from, by the fetch TLB if it knows. */
  #fetchPage(linear: number): number {
    const known = this.jumps.frame(linear);
    if (known >= 0) return known;
    const gfn = this.#memory.fetchPage(linear);
    if (gfn < 0) return gfn;
    this.jumps.enterFrame(linear, gfn);
    return gfn;
  }

  /** As #fetchPage, but -1 instead of faults and without effects. */
  #peekPage(linear: number): number {
    const known = this.jumps.frame(linear);
    return known >= 0 ? known : this.#memory.peekPage(linear);
  }

  /** `stale`: a block that was made for the same RIP and mode before the page was changed. */
  #translate(rip: number, linear: number, gfn: number, stale?: CodeBlock): CodeBlock {
    this.translations++;
    const offset = linear & 4095;
    // Watch first, then read (see the head of this file). Lines are marked generously.
    const version = gfn < 0 ? 0 : this.#watched.mark(gfn, offset, Math.min(4096, offset + FETCH_BYTES), this.#memory.watch);
    // Counted code has its bytes written down; that which stops somewhere ends for another reason than its bytes.
    const stops = this.#breakpoints.size !== 0 || !Number.isNaN(this.stopBefore);
    const usesTemplates = gfn >= 0 && this.#count === undefined && !stops;
    if (stale !== undefined && usesTemplates && this.#patch(stale, version)) return stale;
    const code = this.#reader.open(linear, gfn);
    const template = usesTemplates ? this.#templates.find(this.#modeKey, code, rip) : undefined;
    if (template !== undefined) {
      if (!this.#arena.holds(template.count)) this.dropAll();
      const header = this.#arena.copy(template, code, rip, this.#hotRuns, gfn);
      this.#account.block(template.bytes, this.#arena.next - header);
      const block = new CodeBlock(this.#views.i32, this.#hotRuns, rip, linear, gfn, this.#modeKey, version, header, template);
      this.#pages.add(block);
      return block;
    }
    const builder = this.#builder;
    const limit = gfn < 0 ? 1 : this.#blockInstructions;
    const isStop = (at: number): boolean => linear + at === this.stopBefore || this.#breakpoints.has(linear + at);
    let made = translateBlock(builder, code, this.#mode, rip, limit, stops ? isStop : undefined);
    if (usesTemplates) {
      const { size } = this.#templates;
      this.#templates.consider(this.#modeKey, builder, made, code);
      this.#account.templates(this.#templates.size - size);
    }
    let gfn2 = -1;
    let version2 = 0;
    if (made.crossesPage) {
      gfn2 = this.#memory.fetchPage(linear - offset + 4096);
      if (gfn2 >= 0) {
        version2 = this.#watched.mark(gfn2, 0, 15, this.#memory.watch);
      }
      made = translateBlock(builder, this.#reader.open(linear, gfn), this.#mode, rip, 1);
    }
    const header = this.#write(this.#hotRuns, made.bytes, gfn2 < 0 ? gfn : -1);
    this.#counts(header, rip, linear, this.#mode, made);
    const block = new CodeBlock(this.#views.i32, this.#hotRuns, rip, linear, gfn, this.#modeKey, version, header);
    if (gfn2 >= 0) {
      // A block that crosses a page must not be joined into regions.
      block.unit = Unit.NEVER;
      block.gfn2 = gfn2;
      block.version2 = version2;
      this.#pages.spans(gfn2, block);
    }
    if (gfn >= 0) this.#pages.add(block);
    return block;
  }

  /** If the code differs from what the block was made of in nothing but values that its template leaves open, puts those in. No block is being run. */
  #patch(block: CodeBlock, version: number): boolean {
    const { template } = block;
    if (template === undefined || block.unit !== Unit.NONE) return false;
    const code = this.#reader.open(block.linear, block.gfn, template.window);
    if (!template.fits(block.modeKey, code, block.rip)) return false;
    const { i32 } = this.#views;
    template.patch(i32, block.records >>> 2, code);
    i32[(block.header + BlockHeader.RUNS) >>> 2] = this.#hotRuns;
    block.version = version;
    return true;
  }

  /** The builder's block goes into the arena; all others leave it when there is no room. */
  #write(runs: number, bytes: number, gfn: number): number {
    if (!this.#arena.holds(this.#builder.count)) this.dropAll();
    const header = this.#arena.write(this.#builder, runs, bytes, gfn);
    this.#account.block(bytes, this.#arena.next - header);
    return header;
  }
}
