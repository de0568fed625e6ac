// Which translations a processor may still use: a walk may have read each entry of its path at any moment since the flush that the architecture demands (SDM 3A 4.10.2, 4.10.4).
// Why a history and not a walk of now: between an edit and its flush the old translation, and any mixture of old and new levels, is legal; after the flush none is.
// Numbers instead of BigInt, and a search that ends at the first path: it is asked some hundred times for each step of a random guest.
import { PageAccess } from '../../shared/layout/paging.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { Registers } from './paging-model.js';

/** What an entry held until the step `end`. */
interface Version {
  readonly low: number;
  readonly high: number;
  end: number;
}
/** A table that CR3 (or the PDPTEs) named, for one PCID, until the step `end`. */
export interface Root {
  readonly pcid: number;
  readonly frame: number;
  /** PAE: frames of the four directories, -1 not present. */
  readonly directories: readonly number[];
  end: number;
}
interface PageFlush {
  readonly gva: number;
  /** Bytes of the page there, by what the tables said. */
  readonly size: number;
  readonly pcid: number;
  /** INVLPG takes global translations too, INVPCID of one address does not. */
  readonly global: boolean;
  readonly time: number;
}

/** A processor's own view: the tables it has used, and when it has forgotten what. */
export class TranslationHorizon {
  roots: Root[] = [];
  #all = 0;
  readonly #contexts = new Map<number, number>();
  #everyContext = 0;
  #pages: PageFlush[] = [];

  load(root: Root, time: number): void {
    const before = this.roots[0];
    if (before !== undefined) before.end = time;
    this.roots = [root, ...this.roots.filter((r) => r.end > this.#all)];
  }
  flushAll(time: number): void {
    this.#all = time;
    this.#pages = [];
    this.roots = this.roots.filter((r) => r.end > time);
  }
  /** All that is not global, of every PCID. */
  flushContexts(time: number): void {
    this.#everyContext = time;
  }
  flushContext(pcid: number, time: number): void {
    this.#contexts.set(pcid, time);
  }
  /**
   * Of a large page that a processor has cached in parts, all parts of what the tables say now (SDM 3A 4.10.2.3): whoever replaces a large page by small ones
   * and names only one of these has flushed only one.
   */
  flushPage(gva: number, size: number, pcid: number, global: boolean, time: number): void {
    this.#pages = this.#pages.filter((p) => p.gva !== gva || p.size > size || p.pcid !== pcid || (p.global && !global));
    this.#pages.push({ gva, size, pcid, global, time });
  }

  /** Steps up to this one cannot have given the translation of `gva` by a page of `size` bytes. */
  of(gva: number, size: number, pcid: number, global: boolean): number {
    let horizon = global ? this.#all : Math.max(this.#all, this.#everyContext, this.#contexts.get(pcid) ?? 0);
    for (const p of this.#pages) {
      if (p.time <= horizon || !(global ? p.global : p.pcid === pcid)) continue;
      const unit = p.size === size ? size : 4096;
      if (Math.floor(gva / unit) === Math.floor(p.gva / unit)) horizon = p.time;
    }
    return horizon;
  }
}

const PRESENT = 1;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;
const GLOBAL = 0x100;
const PHYSICAL_HIGH = 0xff;

export class PagingHistory {
  readonly #views: Views;
  readonly #pages: number;
  readonly #tables: readonly number[];
  readonly #copies: readonly Uint8Array[];
  readonly #past = new Map<number, Version[]>();
  /** AND of every frame number that leaves the processor (A20). */
  bus = -1;

  // What is looked for.
  #registers: Registers | undefined;
  #pge = false;
  #horizon: TranslationHorizon | undefined;
  #pcid = 0;
  #gva = 0;
  #access = 0;
  #target = 0;

  /** `tables`: the frames whose contents change. */
  constructor(views: Views, pages: number, tables: readonly number[]) {
    this.#views = views;
    this.#pages = pages;
    this.#tables = tables;
    this.#copies = tables.map((frame) => this.#frame(frame).slice());
  }
  #frame(frame: number): Uint8Array {
    const from = PartitionMap.RAM + frame * 4096;
    return this.#views.u8.subarray(from, from + 4096);
  }

  /** Takes note of what the step has changed in the tables: told for each 32-bit word. */
  settle(time: number, changed?: (gpa: number, before: number, after: number) => void): void {
    for (let n = 0; n < this.#tables.length; n++) {
      const now = this.#frame(this.#tables[n]);
      const copy = this.#copies[n];
      if (Buffer.compare(now, copy) === 0) continue;
      const words = new Int32Array(copy.buffer);
      const base = (PartitionMap.RAM + this.#tables[n] * 4096) >>> 2;
      const { i32 } = this.#views;
      for (let i = 0; i < 1024; i += 2) {
        if (words[i] === i32[base + i] && words[i + 1] === i32[base + i + 1]) continue;
        this.#remember(this.#tables[n] * 512 + (i >> 1), words[i], words[i + 1], time);
        for (const k of [i, i + 1]) if (words[k] !== i32[base + k]) changed?.(this.#tables[n] * 4096 + k * 4, words[k], i32[base + k]);
      }
      copy.set(now);
    }
  }
  #remember(entry: number, low: number, high: number, time: number): void {
    const versions = this.#past.get(entry) ?? [];
    this.#past.set(entry, versions);
    const same = versions.find((v) => v.low === low && v.high === high);
    if (same === undefined) versions.push({ low, high, end: time });
    else same.end = time;
  }
  /** Nobody can use anything from before the step. */
  forget(time: number): void {
    for (const [entry, versions] of this.#past) {
      const kept = versions.filter((v) => v.end > time);
      if (kept.length === 0) this.#past.delete(entry);
      else this.#past.set(entry, kept);
    }
  }

  /** Whether the access to `gva` may go to the 4 KiB frame. */
  allows(
    registers: Registers,
    pge: boolean,
    pcid: number,
    horizon: TranslationHorizon,
    gva: number,
    access: number,
    frame: number,
  ): boolean {
    if (registers.mode === 'none') return frame === ((gva >>> 12) & 0xf_ffff & this.bus);
    this.#registers = registers;
    this.#pge = pge;
    this.#horizon = horizon;
    this.#pcid = pcid;
    this.#gva = gva;
    this.#access = access;
    this.#target = frame;
    for (const root of horizon.roots) {
      const own = root.pcid === pcid;
      if (registers.mode !== 'pae') {
        if (this.#descend(registers.mode === 'long' ? 4 : 2, root.frame & this.bus, root.end, own, true, true, true)) return true;
      } else {
        const directory = root.directories[(gva | 0) >>> 30];
        if (directory >= 0 && this.#descend(2, directory & this.bus, root.end, own, true, true, true)) return true;
      }
    }
    return false;
  }

  #descend(level: number, table: number, end: number, own: boolean, w: boolean, u: boolean, x: boolean): boolean {
    const narrow = this.#registers?.mode === 'legacy';
    const low = this.#gva | 0;
    const high = Math.floor(this.#gva / 4294967296) | 0;
    const index = narrow
      ? level === 2
        ? low >>> 22
        : (low >>> 12) & 1023
      : (level === 4 ? high >>> 7 : level === 3 ? (high << 2) | (low >>> 30) : level === 2 ? low >>> 21 : low >>> 12) & 511;
    if (table >= this.#pages) return this.#entry(level, -1, -1, end, own, w, u, x);
    const entry = table * 512 + (narrow ? index >> 1 : index);
    const at = (PartitionMap.RAM >>> 2) + entry * 2;
    const { i32 } = this.#views;
    const half = narrow && (index & 1) === 1;
    if (this.#entry(level, half ? i32[at + 1] : i32[at], i32[at + 1], end, own, w, u, x)) return true;
    for (const v of this.#past.get(entry) ?? [])
      if (this.#entry(level, half ? v.high : v.low, v.high, Math.min(end, v.end), own, w, u, x)) return true;
    return false;
  }

  /** A path that ends through this version of an entry. `end`: the first step at which one of its entries was gone. */
  #entry(level: number, low: number, high: number, end: number, own: boolean, w: boolean, u: boolean, x: boolean): boolean {
    const r = this.#registers as Registers;
    if ((low & (PRESENT | ACCESSED)) !== (PRESENT | ACCESSED)) return false;
    const wide = r.mode !== 'legacy';
    if (wide) {
      if (!r.nxe && high < 0) return false;
      if ((high & (r.mode === 'pae' ? 0x7fff_ff00 : 0x000f_ff00)) !== 0) return false;
    }
    const writable = w && (low & 2) !== 0;
    const user = u && (low & 4) !== 0;
    const executable = x && !(wide && high < 0);
    const frame = (wide ? (high & PHYSICAL_HIGH) * 0x10_0000 : 0) + (low >>> 12);
    const large = level > 1 && (low & LARGE) !== 0 && (wide || r.pse);
    if (level > 1 && !large) return this.#descend(level - 1, frame & this.bus, end, own, writable, user, executable);
    if (large && (level === 4 || (low & (level === 3 ? 0x3fff_e000 : wide ? 0x1f_e000 : 0x3f_e000)) !== 0)) return false;
    const pages = level === 1 ? 1 : level === 3 ? 0x4_0000 : wide ? 512 : 1024;
    const within = Math.floor(this.#gva / 4096) & (pages - 1);
    if ((((frame & ~(pages - 1)) | within) & this.bus) !== this.#target) return false;
    if ((this.#access & PageAccess.WRITE) !== 0 && (low & DIRTY) === 0) return false;
    const global = this.#pge && (low & GLOBAL) !== 0;
    if (!own && !global) return false;
    if (end <= (this.#horizon as TranslationHorizon).of(this.#gva, pages * 4096, this.#pcid, global)) return false;
    return this.#permitted(writable, user, executable);
  }

  #permitted(writable: boolean, user: boolean, executable: boolean): boolean {
    const r = this.#registers as Registers;
    const write = (this.#access & PageAccess.WRITE) !== 0;
    const fetch = (this.#access & PageAccess.FETCH) !== 0;
    if (fetch && !executable) return false;
    if ((this.#access & PageAccess.USER) !== 0) return user && (!write || writable);
    if (write && !writable && r.wp) return false;
    if (!user) return true;
    if (fetch) return !r.smep;
    return !r.smap || ((this.#access & PageAccess.IMPLICIT) === 0 && r.ac);
  }
}
