// Translated code of one LP for one partition: blocks in the LP's arena, units in a function table, and the jump cache that leads to them.
// Why per LP: no lock on the way from an address to its code; equal wasm bytes are compiled once by V8 for all workers anyway.
// Code is keyed by guest page and RIP; the jump cache by RIP and mode id, and is emptied by taking new mode ids (O(1)).
//
// Write watching: a page that code was translated from has its lines marked, then PageFlag.CODE set and all write tags to it flushed, then its bytes read.
// A store to a marked line raises the page's version and the partition's code epoch; every LP compares both before it uses a block again.
import { ARENA_SIZE, JUMP_ENTRIES, JUMP_ENTRY_SIZE, JUMP_MULTIPLIER, JUMP_SHIFT, LpContextLayout } from '../../shared/layout/lp-context.js';
import { PageFlag, PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { BlockBuilder, type CodeMode } from '../translate/block-builder.js';
import { type CodeSource, INSTRUCTION_BYTES_MAX } from '../translate/decode/code-source.js';
import { BLOCK_HEADER_SIZE } from '../translate/emit/core-module.js';
import { region, type SourceBlock } from '../translate/emit/region.js';
import { compileUnit } from '../translate/emit/unit.js';
import { IMMEDIATE_FORM, Op, RECORD_SIZE } from '../translate/micro-op.js';
import { type TranslatedBlock, translateBlock } from '../translate/translate-block.js';
import type { InstructionCount } from './instruction-count.js';

/** What the cache needs to know of the guest's memory. */
export interface CodeMemory {
  /** Guest page frame that instructions at the linear address come from; throws GuestFault; -1 = not memory that can be watched (MMIO). */
  fetchPage(linear: number): number;
  /** As fetchPage, but -1 instead of faults and without side effects on the guest. */
  peekPage(linear: number): number;
  /** Marks the page as watched and waits until no LP holds a write tag for it. */
  watch(gfn: number): void;
}

interface Block extends SourceBlock {
  readonly header: number;
  readonly gfn: number;
  /** Second page of an instruction that crosses, -1 otherwise. */
  readonly gfn2: number;
  /** Of the second page, when its bytes were read. */
  readonly version2: number;
  readonly linear: number;
  readonly modeKey: number;
  /** Table index of the unit that starts here, -1 none yet, -2 never (could not be compiled). */
  unit: number;
  /** Pages that the unit spans beyond the block's own: linear page number, gfn, version. */
  span: readonly { readonly page: number; readonly gfn: number; readonly version: number }[];
}
interface Page {
  version: number;
  readonly blocks: Map<number, Block>;
}

/** Cold runs of a block before its region is compiled. */
export const HOT_RUNS = 400;
const NEVER_HOT = 0x7fffffff;
const MODE_IDS = 0xffff;

export interface CodeCacheOptions {
  /** 'both' is the product; 'cold' never compiles, 'hot' compiles before the first run: for tests. */
  readonly tiers?: 'both' | 'cold' | 'hot';
  /** The partition has one processor: LOCK has nobody to lock out, and its forms need not be atomic. */
  readonly alone?: boolean;
  /** Counts what is retired. */
  readonly count?: InstructionCount | undefined;
}

/** Bytes read for one block: more than nearly all blocks take; longer ones are cut in two. */
const FETCH_BYTES = 64;
/** Of the next page, for an instruction that goes on there. */
const FOLLOWING_BYTES = 14;

/** Address of the jump cache entry for a RIP's low half. */
export const jumpEntryAt = (context: number, ripLo: number): number =>
  context + LpContextLayout.at.jump + (Math.imul(ripLo, JUMP_MULTIPLIER) >>> JUMP_SHIFT) * JUMP_ENTRY_SIZE;

const modeKeyOf = (m: CodeMode): number =>
  (m.bits === 16 ? 0 : m.bits === 32 ? 1 : 2) | (m.stackBits === 16 ? 0 : m.stackBits === 32 ? 4 : 8) | (m.flat ? 16 : 0);

/** Whether the block stores its own end address: that is how a CALL looks in micro-ops. */
const pushes = (builder: BlockBuilder, end: number): boolean => {
  for (let i = builder.count - 2; i >= Math.max(0, builder.count - 6); i--) {
    const op = builder.op[i];
    if (op >= (Op.st8 | IMMEDIATE_FORM) && op <= (Op.st64 | IMMEDIATE_FORM) && builder.lo[i] === (end | 0)) return true;
  }
  return false;
};

export class CodeCache {
  readonly #views: Views;
  readonly #memory: CodeMemory;
  readonly #context: number;
  readonly #arena: number;
  readonly #table: WebAssembly.Table;
  readonly #imports: WebAssembly.Imports;
  readonly #builder = new BlockBuilder();
  readonly #window = new Uint8Array(FETCH_BYTES);
  readonly #pages = new Map<number, Page>();
  /** Blocks whose units (or bytes) reach into the page from another one. */
  readonly #spanning = new Map<number, Set<Block>>();
  readonly #modeIds = new Map<number, number>();
  readonly #codePages = new Uint8Array(4096);
  readonly #hotRuns: number;
  readonly #alone: boolean;
  readonly #count: InstructionCount | undefined;
  readonly #plainModes = new Map<CodeMode, CodeMode>();
  #next: number;
  #units = 0;
  #nextModeId = 1;
  #mode: CodeMode = { bits: 16, stackBits: 16, flat: false, plainLocks: false };
  #modeKey = 0;
  #modeId = 0;
  #csBase = 0;
  #user = 0;
  #epochSeen: number;
  /** Totals for telemetry. */
  translations = 0;
  compilations = 0;
  flushes = 0;
  /** Regions that V8 refused: they stay in the cold tier. */
  refused = 0;

  constructor(
    views: Views,
    memory: CodeMemory,
    context: number,
    table: WebAssembly.Table,
    imports: WebAssembly.Imports,
    options: CodeCacheOptions = {},
  ) {
    this.#views = views;
    this.#memory = memory;
    this.#context = context;
    this.#arena = context + LpContextLayout.at.arena;
    this.#next = this.#arena;
    this.#table = table;
    this.#imports = imports;
    this.#hotRuns = options.tiers === 'cold' ? NEVER_HOT : options.tiers === 'hot' ? 1 : HOT_RUNS;
    this.#alone = options.alone ?? false;
    this.#count = options.count;
    this.#builder.counted = options.count !== undefined;
    this.#epochSeen = Atomics.load(views.i32, PartitionLayout.at.codeEpoch >>> 2);
  }

  get mode(): CodeMode {
    return this.#mode;
  }

  /** Another mode, CS base or privilege: the jump cache shows that mode's entries from now on. */
  setMode(mode: CodeMode, csBase: number, user: boolean): void {
    this.#mode = this.#alone ? this.#plain(mode) : mode;
    this.#modeKey = modeKeyOf(mode);
    this.#csBase = csBase;
    this.#user = user ? 1 : 0;
    this.#takeModeId();
  }
  #takeModeId(): void {
    const key = this.#csBase * 64 + this.#modeKey * 2 + this.#user;
    let id = this.#modeIds.get(key);
    if (id === undefined) {
      if (this.#nextModeId > MODE_IDS) {
        // Ids have run out: really empty the jump cache and count again.
        this.#views.u8.fill(
          0,
          this.#context + LpContextLayout.at.jump,
          this.#context + LpContextLayout.at.jump + JUMP_ENTRIES * JUMP_ENTRY_SIZE,
        );
        this.#nextModeId = 1;
        this.#modeIds.clear();
      }
      id = this.#nextModeId++;
      this.#modeIds.set(key, id);
    }
    this.#modeId = id;
    this.#views.u32[(this.#context + LpContextLayout.at.jumpTag + 4) >>> 2] = id << 16;
  }

  #plain(mode: CodeMode): CodeMode {
    const known = this.#plainModes.get(mode);
    if (known !== undefined) return known;
    const plain = { ...mode, plainLocks: true };
    this.#plainModes.set(mode, plain);
    return plain;
  }

  /** Mappings may have changed: every address is looked up again. */
  flushLookups(): void {
    this.flushes++;
    this.#modeIds.clear();
    this.#codePages.fill(0);
    this.#takeModeId();
  }
  /** One page's mapping may have changed. */
  flushLookup(linear: number): void {
    if (this.#codePages[this.#pageHash(linear)]) this.flushLookups();
  }
  #pageHash(linear: number): number {
    const page = Math.floor(linear / 4096);
    return (page ^ (page / 4096)) & 4095;
  }

  /** True when another LP (or this one) has changed watched code since the last call; lookups have then been flushed. */
  noticeEpoch(): boolean {
    const epoch = Atomics.load(this.#views.i32, PartitionLayout.at.codeEpoch >>> 2);
    if (epoch === this.#epochSeen) return false;
    this.#epochSeen = epoch;
    this.flushLookups();
    return true;
  }

  /** The partition's code epoch: changes whenever watched code is stored into. */
  epoch(): number {
    return Atomics.load(this.#views.i32, PartitionLayout.at.codeEpoch >>> 2);
  }

  /**
   * This LP itself has stored into the page's code and raised the epoch from `before` by one: forgets what was made from the page, and only that.
   * False when other LPs have raised it too: then everything has to be looked up again (`noticeEpoch`).
   */
  forgetPage(gfn: number, before: number): boolean {
    const page = this.#pages.get(gfn);
    if (page !== undefined) for (const block of page.blocks.values()) this.#leave(block);
    this.#pages.delete(gfn);
    for (const block of this.#spanning.get(gfn) ?? []) this.#leave(block);
    this.#spanning.delete(gfn);
    if (this.#epochSeen !== before || this.epoch() !== ((before + 1) | 0)) return false;
    this.#epochSeen = before + 1;
    return true;
  }
  /** Takes the block out of the jump cache. */
  #leave(block: Block): void {
    const at = jumpEntryAt(this.#context, block.rip | 0) >>> 2;
    if (this.#views.i32[at] === (block.rip | 0)) this.#views.u32[at + 1] = 0xffff_ffff;
  }

  /** Whether the code entered at RIP may include bytes of the page. RIPs inside a unit are not known: true to be safe. */
  covers(rip: number, gfn: number): boolean {
    const block = this.#blockAt(rip, false);
    if (block === undefined) return true;
    return block.gfn === gfn || block.gfn2 === gfn || block.span.some((s) => s.gfn === gfn);
  }

  /** Finds or makes the code for RIP and puts it into the jump cache. Throws GuestFault when the instruction cannot be fetched. */
  lookup(rip: number): void {
    const block = this.#blockAt(rip, true)!;
    this.#enter(block);
  }

  /** The block at RIP has become hot: compiles its region. */
  heat(rip: number): void {
    const block = this.#blockAt(rip, true)!;
    if (block.unit === -1 || (block.unit >= 0 && this.#spanChanged(block))) this.#compile(block);
    if (block.unit < 0) this.#views.i32[(block.header + 4) >>> 2] = NEVER_HOT;
    this.#enter(block);
  }

  /** Translates just the instruction at RIP, uncached, in the mode given, and returns its code address for one run. */
  single(rip: number, mode: CodeMode): number {
    const linear = this.linear(rip);
    const bytes = this.#fetch(linear, this.#memory.fetchPage(linear));
    const builder = this.#builder;
    builder.begin(mode, rip);
    const made = translateBlock(builder, bytes, mode, rip, 1);
    if (this.#next + BLOCK_HEADER_SIZE + (builder.count + 1) * RECORD_SIZE > this.#arena + ARENA_SIZE) this.dropAll();
    const header = this.#write(builder, NEVER_HOT);
    this.#counts(header, rip, linear, mode, made);
    return header;
  }

  /** The bytes that the instruction at RIP may have, as far as they can be fetched. Without effects on the guest. */
  peekInstruction(rip: number): Uint8Array {
    const linear = this.linear(rip);
    const offset = linear & 4095;
    const bytes = new Uint8Array(INSTRUCTION_BYTES_MAX);
    const first = Math.min(bytes.length, 4096 - offset);
    const gfn = this.#memory.peekPage(linear);
    if (gfn < 0) return bytes.subarray(0, 0);
    this.#copy(bytes.subarray(0, first), gfn, offset, first);
    if (first === bytes.length) return bytes;
    const second = this.#memory.peekPage(linear - offset + 4096);
    if (second < 0) return bytes.subarray(0, first);
    this.#copy(bytes.subarray(first), second, 0, bytes.length - first);
    return bytes;
  }

  /** Has the block's executions counted; the window still holds its bytes. */
  #counts(header: number, rip: number, linear: number, mode: CodeMode, made: TranslatedBlock): void {
    if (this.#count === undefined) return;
    const bytes = made.crossesPage ? this.peekInstruction(rip).subarray(0, made.bytes) : this.#window.slice(0, made.bytes);
    this.#count.translated(header + BLOCK_HEADER_SIZE, rip, linear, mode.bits, bytes);
  }

  dropAll(): void {
    this.#count?.fold();
    this.#pages.clear();
    this.#spanning.clear();
    this.#next = this.#arena;
    for (let i = 0; i < this.#units; i++) this.#table.set(i, null);
    this.#units = 0;
    this.#views.u8.fill(
      0,
      this.#context + LpContextLayout.at.jump,
      this.#context + LpContextLayout.at.jump + JUMP_ENTRIES * JUMP_ENTRY_SIZE,
    );
    this.flushLookups();
  }

  /** Linear address of an instruction in the current mode. */
  linear(rip: number): number {
    return this.#mode.bits === 64 ? rip : (this.#csBase + rip) >>> 0;
  }

  #enter(block: Block): void {
    let code = block.header;
    const { u32, i32 } = this.#views;
    if (block.unit >= 0) {
      if (this.#spanHolds(block)) code = ~block.unit;
      // A page of the unit was changed, or is not mapped just now: `heat` looks again when that much has run cold.
      else i32[(block.header + 4) >>> 2] = HOT_RUNS;
    }
    const lo = block.rip | 0;
    const hi = Math.floor(block.rip / 4294967296);
    const at = jumpEntryAt(this.#context, lo) >>> 2;
    u32[at] = lo;
    u32[at + 1] = (hi & 0xffff) | (this.#modeId << 16);
    i32[at + 2] = code;
    this.#codePages[this.#pageHash(block.linear)] = 1;
    if (block.gfn2 >= 0) this.#codePages[this.#pageHash(block.linear + 4096)] = 1;
    for (const s of block.span) this.#codePages[this.#pageHash(s.page * 4096)] = 1;
  }
  #version(gfn: number): number {
    return Atomics.load(this.#views.i32, (PartitionMap.CODE_VERSIONS >>> 2) + gfn);
  }
  #spanHolds(block: Block): boolean {
    for (const s of block.span) if (this.#memory.peekPage(s.page * 4096) !== s.gfn || this.#version(s.gfn) !== s.version) return false;
    return true;
  }

  #spanChanged(block: Block): boolean {
    return block.span.some((s) => this.#version(s.gfn) !== s.version);
  }

  #page(gfn: number): Page {
    const version = this.#version(gfn);
    let page = this.#pages.get(gfn);
    if (page === undefined || page.version !== version) {
      page = { version, blocks: new Map() };
      this.#pages.set(gfn, page);
    }
    return page;
  }

  /** The block for RIP in the current mode; translated when `make`. Throws GuestFault when `make` and the fetch faults. */
  #blockAt(rip: number, make: boolean): Block | undefined {
    const linear = this.linear(rip);
    const gfn = make ? this.#memory.fetchPage(linear) : this.#memory.peekPage(linear);
    if (gfn < 0) return make ? this.#translate(rip, linear, -1) : undefined;
    const found = this.#page(gfn).blocks.get(rip * 32 + this.#modeKey);
    if (found !== undefined && found.linear === linear) {
      if (found.gfn2 < 0) return found;
      const second = linear - (linear & 4095) + 4096;
      if (
        (make ? this.#memory.fetchPage(second) : this.#memory.peekPage(second)) === found.gfn2 &&
        found.version2 === this.#version(found.gfn2)
      )
        return found;
    }
    return make ? this.#translate(rip, linear, gfn) : undefined;
  }

  #markLines(gfn: number, from: number, to: number): void {
    const word = (PartitionMap.CODE_LINES >>> 2) + gfn * 2;
    for (let line = from >>> 6; line <= (to - 1) >>> 6 && line < 64; line++)
      Atomics.or(this.#views.i32, word + (line >>> 5), 1 << (line & 31));
  }

  /** Bytes from the linear address on, within its page; those of the next one only if the first instruction goes on there (see translateBlock). */
  #fetch(linear: number, gfn: number): CodeSource {
    const offset = linear & 4095;
    return {
      bytes: this.#copy(this.#window, gfn, offset, Math.min(FETCH_BYTES, 4096 - offset)),
      following: () => this.#copy(new Uint8Array(FOLLOWING_BYTES), this.#memory.fetchPage(linear - offset + 4096), 0, FOLLOWING_BYTES),
    };
  }
  /** A private copy, so that another processor's stores cannot change it while it is decoded. What is not RAM reads as ones. */
  #copy(into: Uint8Array, gfn: number, from: number, bytes: number): Uint8Array {
    const out = bytes === into.length ? into : into.subarray(0, bytes);
    if (gfn < 0) return out.fill(0xff);
    const { u8 } = this.#views;
    const at = PartitionMap.RAM + gfn * 4096 + from;
    for (let i = 0; i < bytes; i++) out[i] = u8[at + i];
    return out;
  }

  #translate(rip: number, linear: number, gfn: number): Block {
    this.translations++;
    const offset = linear & 4095;
    const { i32 } = this.#views;
    // Watch first, then read (see the head of this file). Lines are marked generously, then the page's version taken, then bytes are read.
    const watched = (frame: number, from: number, to: number): void => {
      if (frame < 0) return;
      this.#markLines(frame, from, to);
      if (!(Atomics.load(i32, (PartitionMap.PAGE_FLAGS >>> 2) + frame) & PageFlag.CODE)) this.#memory.watch(frame);
    };
    watched(gfn, offset, Math.min(4096, offset + FETCH_BYTES));
    const version = gfn < 0 ? 0 : this.#page(gfn).version;
    const source = this.#fetch(linear, gfn);
    const builder = this.#builder;
    builder.begin(this.#mode, rip);
    const limit = gfn < 0 ? 1 : undefined;
    let made = translateBlock(builder, source, this.#mode, rip, limit);
    let gfn2 = -1;
    let version2 = 0;
    if (made.crossesPage) {
      gfn2 = this.#memory.fetchPage(linear - offset + 4096);
      if (gfn2 >= 0) {
        watched(gfn2, 0, 15);
        version2 = this.#version(gfn2);
      }
      builder.begin(this.#mode, rip);
      made = translateBlock(builder, this.#fetch(linear, gfn), this.#mode, rip, 1);
    }
    if (this.#next + BLOCK_HEADER_SIZE + (builder.count + 1) * RECORD_SIZE > this.#arena + ARENA_SIZE) this.dropAll();
    const header = this.#write(builder);
    this.#counts(header, rip, linear, this.#mode, made);
    const last = builder.count - 1;
    const op = builder.op[last] & (IMMEDIATE_FORM - 1);
    const wrap = (n: number): number => (this.#mode.bits === 64 ? n : n >>> 0);
    const end = wrap(rip + made.bytes);
    const targets =
      op === Op.jump
        ? [builder.hi[last] * 4294967296 + (builder.lo[last] >>> 0)]
        : op === Op.branch
          ? [wrap(rip + builder.lo[last]), wrap(rip + builder.hi[last])]
          : [];
    const block: Block = {
      rip,
      bytes: made.bytes,
      records: header + BLOCK_HEADER_SIZE,
      count: builder.count,
      instructions: made.instructions,
      targets,
      indirect: op === Op.jumpr,
      returnRip: (op === Op.jump || op === Op.jumpr) && pushes(builder, end) ? end : -1,
      header,
      gfn,
      gfn2,
      version2,
      linear,
      modeKey: this.#modeKey,
      unit: -1,
      span: [],
    };
    if (gfn >= 0) {
      const page = this.#page(gfn);
      if (page.version === version) page.blocks.set(rip * 32 + this.#modeKey, block);
      // A block that crosses a page or was never watched must not be joined into regions.
      if (gfn2 >= 0) {
        block.unit = -2;
        this.#spans(gfn2, block);
      }
    }
    return block;
  }

  #spans(gfn: number, block: Block): void {
    const blocks = this.#spanning.get(gfn);
    if (blocks === undefined) this.#spanning.set(gfn, new Set([block]));
    else blocks.add(block);
  }

  #write(builder: BlockBuilder, runs: number = this.#hotRuns): number {
    const header = this.#next;
    const { i32 } = this.#views;
    i32[header >>> 2] = builder.instructions;
    i32[(header + 4) >>> 2] = runs;
    const { op, d, a, b, left, ripOffset, lo, hi } = builder;
    let at = header + BLOCK_HEADER_SIZE;
    for (let i = 0; i < builder.count; i++, at += RECORD_SIZE) {
      const word = at >>> 2;
      i32[word] = op[i] | (d[i] << 16) | (a[i] << 24);
      i32[word + 1] = b[i] | (left[i] << 8) | (ripOffset[i] << 16);
      i32[word + 2] = lo[i];
      i32[word + 3] = hi[i];
    }
    this.#next = at;
    return header;
  }

  #compile(entry: Block): void {
    const graph = region(entry, (rip) => {
      const block = this.#blockAt(rip, false);
      return block !== undefined && block.unit !== -2 ? block : undefined;
    });
    const bytes = compileUnit(this.#views, graph);
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), this.#imports);
    } catch (error) {
      // V8 refuses a function that is too large; anything else would be a fault of the compiler's own and shows as a slow block.
      if (!(error instanceof WebAssembly.CompileError) && !(error instanceof RangeError)) throw error;
      this.refused++;
      entry.unit = -2;
      return;
    }
    this.compilations++;
    // A unit made again takes the place of the old one: the table stays as small as the blocks are few.
    const index = entry.unit >= 0 ? entry.unit : this.#units++;
    if (index >= this.#table.length) this.#table.grow(Math.max(256, this.#table.length));
    this.#table.set(index, instance.exports.unit as () => number);
    const span = new Map<number, { page: number; gfn: number; version: number }>();
    for (const b of graph.blocks as readonly Block[]) {
      const page = Math.floor(b.linear / 4096);
      if (b.gfn !== entry.gfn || page !== Math.floor(entry.linear / 4096))
        span.set(page, { page, gfn: b.gfn, version: this.#version(b.gfn) });
    }
    entry.span = [...span.values()];
    for (const s of entry.span) this.#spans(s.gfn, entry);
    entry.unit = index;
  }
}
