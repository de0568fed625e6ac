// How the processor reaches guest memory when the inline TLB lookup has missed, and when TypeScript itself reads or writes linear addresses.
// The life of a page fault starts here: hardware TLB, then the walk of the shadow page tables, then the #PF intercept into the hypervisor.
import { Vector } from '../../shared/abi/exceptions.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { Slot, VectorSlot, type VpBlock, VpLayout } from '../../shared/layout/vp.js';
import type { DebugUnit } from './debug-unit.js';
import type { GuestFault, LinearMemory } from './processor.js';
import { TlbLookup } from './tlb-lookup.js';
import type { WatchedCode } from './watched-code.js';

/** What an access wants; combined with the privilege of the TLB half. */
export const Access = { READ: 0, WRITE: 1, EXECUTE: 2 } as const;
export type Access = 0 | 1 | 2;

/** Results of `Translator.resolve` other than an SPA. */
export const Resolve = { MMIO: -1, FAULT: -2 } as const;

/** Hardware walker and #PF intercept together: resolves a GVA and fills the hardware TLB. */
export interface Translator {
  /** SPA of the byte, MMIO (guest physical address in `gpa`) or FAULT (`fault` is set, CR2 is set). `user` = privilege of the access. */
  resolve(gva: number, access: Access, user: boolean, implicit: boolean): number;
  /** As resolve for execution (or the access given), without faults, fills or other effects: SPA or a negative number. */
  peek(gva: number, user: boolean, access?: Access): number;
  /** Counts flushes of the hardware TLB, by whoever asked for them. */
  readonly flushes: number;
  gpa: number;
}

/** Memory-mapped devices, by guest physical address. */
export interface Mmio {
  read(gpa: number, bytes: 1 | 2 | 4): number;
  /** True: the VP has something to look at before its next instruction. */
  write(gpa: number, bytes: 1 | 2 | 4, value: number): boolean;
}

/** Told about stores into watched code. */
export interface CodeWatcher {
  /** What is known of translated code in the page. */
  readonly code: WatchedCode;
  /** Before the bytes of a page that may be watched change, so that no stale translation outlives them; and right after. */
  beforeStore(gfn: number, offset: number, bytes: number): void;
  afterStore(gfn: number, offset: number, bytes: number): void;
  /** True when the code that runs now includes the page. */
  running(gfn: number): boolean;
  /** True when another LP has stored into watched code and this one goes on in what was made before: the marks of that code are gone. */
  readonly outdated: boolean;
}

const CANONICAL_LIMIT = 2 ** 47;
/** Width code of 128-bit accesses by compiled code. */
const W128 = 4;
const VECTOR_SCRATCH = VpLayout.at.vectors + VectorSlot.SCRATCH * 16;
/** In the VP block's recorded fault: #GP(0) for a data address that is not canonical; which may have to be #SS(0). */
export const NON_CANONICAL = 0x200;

export class GuestMemory implements LinearMemory {
  readonly #views: Views;
  readonly #tlb: TlbLookup;
  readonly #u8: Uint8Array;
  readonly #data: DataView;
  readonly #translator: Translator;
  readonly #mmio: Mmio;
  readonly #watcher: CodeWatcher;
  readonly #code: WatchedCode;
  readonly #fault: GuestFault;
  /** The VP whose accesses these are. */
  vp: VpBlock;
  /** Set while one instruction is run alone because it changes its own code. */
  bypassWatch = false;
  /** Set while one instruction is run alone: guest code is left after it. */
  alone = false;
  /** The instruction at which guest code was left has made its store, to a device, already: when it is run again, the store is not made again. */
  hasStored = false;
  /** Set while one instruction is run alone that is exempt from alignment checks. */
  allowsUnaligned = false;
  /** Set while data breakpoints are looked for: told of every explicit access; nothing is done in bulk then. */
  debug: DebugUnit | undefined;
  /** Privilege of explicit accesses: 1 user. `supervisor()` forces 0. */
  #user = 0;
  #implicit = false;
  #bits64 = false;
  /** Explicit accesses must be aligned: CR0.AM and EFLAGS.AC at level 3. */
  #aligned = false;

  constructor(views: Views, context: number, vp: VpBlock, fault: GuestFault, translator: Translator, mmio: Mmio, watcher: CodeWatcher) {
    this.#views = views;
    this.#u8 = views.u8;
    this.#data = views.data;
    this.#tlb = new TlbLookup(views, context);
    this.vp = vp;
    this.#fault = fault;
    this.#translator = translator;
    this.#mmio = mmio;
    this.#watcher = watcher;
    this.#code = watcher.code;
  }

  /** Address of the bank of the TLB that is in use. */
  get tlb(): number {
    return this.#tlb.bank;
  }
  setMode(user: boolean, bits64: boolean, aligned: boolean): void {
    this.#user = user ? 1 : 0;
    this.#bits64 = bits64;
    this.#aligned = aligned;
  }
  /** Every explicit access has to come here: no entry of the TLB may serve it. */
  get looksAtAll(): boolean {
    return this.debug !== undefined || this.#aligned;
  }
  supervisor(implicit = false): number {
    const previous = this.#user | (this.#implicit ? 2 : 0);
    this.#user = 0;
    this.#implicit = implicit;
    return previous;
  }
  restore(previous: number): void {
    this.#user = previous & 1;
    this.#implicit = (previous & 2) !== 0;
  }

  /** SPA, or Resolve.MMIO with `translator.gpa`; throws GuestFault. All bytes of an access must lie in the page. */
  #resolve(gva: number, access: Access): number {
    if (access !== Access.EXECUTE) {
      const found = this.#tlb.find(gva, this.#user, access === Access.WRITE);
      if (found >= 0) return found;
    }
    const spa = this.#translator.resolve(gva, access, this.#user === 1, this.#implicit);
    if (spa === Resolve.FAULT) throw this.#fault;
    return spa;
  }

  /** An access with any non-canonical byte raises #GP(0), or #SS(0) for the stack, before any translation (SDM 1 3.3.7.1). */
  #check(gva: number, bytes = 1): void {
    if (this.#bits64 && (gva + bytes > CANONICAL_LIMIT || gva < -CANONICAL_LIMIT)) throw this.#fault.setNonCanonical(gva);
  }

  /** #AC(0) for an access that is not aligned, where alignment is checked; the processor's own accesses are exempt (SDM 3A 6.15, interrupt 17). */
  #align(gva: number, bytes: number): void {
    if (!this.#aligned || this.#user === 0 || (gva & (bytes - 1)) === 0 || bytes > 8 || this.allowsUnaligned) return;
    this.#check(gva, bytes);
    throw this.#fault.set(Vector.AC, 0);
  }

  /** Guest page frame for execution at the linear address; throws GuestFault; -1 when it is not RAM. */
  fetchPage(linear: number): number {
    this.#check(linear);
    const spa = this.#resolve(linear, Access.EXECUTE);
    return spa < 0 ? -1 : (spa - PartitionMap.RAM) >>> 12;
  }
  peekPage(linear: number): number {
    if (this.#bits64 && (linear >= CANONICAL_LIMIT || linear < -CANONICAL_LIMIT)) return -1;
    const spa = this.#translator.peek(linear, this.#user === 1);
    return spa < 0 ? -1 : (spa - PartitionMap.RAM) >>> 12;
  }

  /** The byte at the linear address, or NaN where there is none to be read just now. Without effects on the guest. */
  peekByte(linear: number): number {
    if (this.#bits64 && !(linear < CANONICAL_LIMIT && linear >= -CANONICAL_LIMIT)) return Number.NaN;
    const spa = this.#translator.peek(this.#wrap(linear), this.#user === 1, Access.READ);
    return spa < 0 ? Number.NaN : this.#u8[spa];
  }
  /** A word as a signed 64-bit or unsigned 32-bit number, or NaN. */
  peekWord(linear: number, bytes: 4 | 8): number {
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) {
      const byte = this.peekByte(linear + i);
      value = value * 256 + (i === 7 ? (byte << 24) >> 24 : byte);
    }
    return value;
  }

  #read(gva: number, bytes: 1 | 2 | 4, access: Access = Access.READ): number {
    this.#check(gva, bytes);
    if (this.debug !== undefined && !this.#implicit) this.debug.access(gva, bytes, false);
    if ((gva & 4095) + bytes > 4096) return this.#readCrossing(gva, bytes, access);
    const spa = this.#resolve(gva, access);
    if (spa < 0) return this.#mmio.read(this.#translator.gpa, bytes) >>> 0;
    return bytes === 1 ? this.#u8[spa] : bytes === 2 ? this.#data.getUint16(spa, true) : this.#data.getUint32(spa, true);
  }
  #wrap(gva: number): number {
    return this.#bits64 ? gva : gva >>> 0;
  }
  #readCrossing(gva: number, bytes: number, access: Access): number {
    // The second page is probed first only in so far as order of faults goes: the lower page faults first (SDM 3A 6.15 says nothing; processors do this).
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.#read(this.#wrap(gva + i), 1, access) * 2 ** (8 * i);
    return value;
  }

  #write(gva: number, bytes: 1 | 2 | 4, value: number): void {
    this.#check(gva, bytes);
    if (this.debug !== undefined && !this.#implicit) this.debug.access(gva, bytes, true);
    if ((gva & 4095) + bytes > 4096) {
      this.probeWrite(gva, bytes);
      for (let i = 0; i < bytes; i++) this.#write(this.#wrap(gva + i), 1, (value >>> (8 * i)) & 0xff);
      return;
    }
    const spa = this.#resolve(gva, Access.WRITE);
    if (spa < 0) {
      this.#mmio.write(this.#translator.gpa, bytes, value >>> 0);
      return;
    }
    this.#put(spa, bytes, value, 0);
  }
  /** To memory. Eight bytes are aligned: a store that is single-copy atomic (SDM 3A 9.1.1). */
  #put(spa: number, bytes: number, low: number, high: number): void {
    const gfn = (spa - PartitionMap.RAM) >>> 12;
    if (this.#code.isFree(gfn)) {
      this.#set(spa, bytes, low, high);
      return;
    }
    this.#watcher.beforeStore(gfn, spa & 4095, bytes);
    this.#set(spa, bytes, low, high);
    this.#watcher.afterStore(gfn, spa & 4095, bytes);
  }
  #set(spa: number, bytes: number, low: number, high: number): void {
    if (bytes === 1) this.#u8[spa] = low;
    else if (bytes === 2) this.#data.setUint16(spa, low, true);
    else if (bytes === 4) this.#data.setUint32(spa, low, true);
    else this.#views.u64[spa >>> 3] = BigInt(low) | (BigInt(high) << 32n);
  }

  read8(gva: number): number {
    return this.#read(gva, 1);
  }
  read16(gva: number): number {
    this.#align(gva, 2);
    return this.#read(gva, 2);
  }
  read32(gva: number): number {
    this.#align(gva, 4);
    return this.#read(gva, 4);
  }
  read64(gva: number): bigint {
    this.#check(gva, 8);
    this.#align(gva, 8);
    const lo = this.#read(gva, 4);
    return BigInt(lo) | (BigInt(this.#read(this.#wrap(gva + 4), 4)) << 32n);
  }
  read64Number(gva: number): number {
    this.#check(gva, 8);
    this.#align(gva, 8);
    const lo = this.#read(gva, 4);
    return (this.#read(this.#wrap(gva + 4), 4) | 0) * 4294967296 + lo;
  }
  write8(gva: number, value: number): void {
    this.#write(gva, 1, value);
  }
  write16(gva: number, value: number): void {
    this.#align(gva, 2);
    this.#write(gva, 2, value);
  }
  write32(gva: number, value: number): void {
    this.#align(gva, 4);
    this.#write(gva, 4, value);
  }
  write64(gva: number, value: bigint): void {
    this.#align(gva, 8);
    if ((gva & 4095) > 4088) this.probeWrite(gva, 8);
    this.#write(gva, 4, Number(value & 0xffffffffn));
    this.#write(this.#wrap(gva + 4), 4, Number((value >> 32n) & 0xffffffffn));
  }
  write64Number(gva: number, value: number): void {
    this.#align(gva, 8);
    if ((gva & 4095) > 4088) this.probeWrite(gva, 8);
    this.#write(gva, 4, value >>> 0);
    this.#write(this.#wrap(gva + 4), 4, Math.floor(value / 4294967296) >>> 0);
  }
  probeWrite(gva: number, bytes: number): void {
    this.#check(gva, bytes);
    this.#align(gva, bytes);
    this.#resolve(gva, Access.WRITE);
    const last = this.#wrap(gva + bytes - 1);
    if ((gva & 4095) + bytes > 4096) this.#resolve(last - (last & 4095), Access.WRITE);
  }
  hostRead(gva: number): number {
    if (this.looksAtAll && !this.#implicit) return -1;
    this.#check(gva);
    return this.#resolve(gva, Access.READ);
  }
  get flushes(): number {
    return this.#translator.flushes;
  }
  hostTable(gva: number): number {
    this.#check(gva);
    // What the supervisor half of the TLB has needs no change of privilege: it never holds what SMAP keeps from implicit accesses.
    const spa = this.#tlb.find(gva, 0, false);
    if (spa >= 0) return spa;
    const previous = this.supervisor(true);
    try {
      return this.hostRead(gva);
    } finally {
      this.restore(previous);
    }
  }
  hostWrite(gva: number): number {
    return this.looksAtAll && !this.#implicit ? -1 : this.#ordinary(gva);
  }
  /** SPA of a byte of ordinary memory that may be written, or -1. */
  #ordinary(gva: number): number {
    this.#check(gva);
    const spa = this.#resolve(gva, Access.WRITE);
    if (spa < 0) return -1;
    return this.#code.isFree((spa - PartitionMap.RAM) >>> 12) ? spa : -1;
  }

  // --- what the compiled side calls -------------------------------------------------------------------------------------------------------

  #record(fault: GuestFault): 1 {
    this.vp.faultVector = fault.vector | (fault.error < 0 ? 0 : 0x100) | (fault.nonCanonical === 0 ? 0 : NON_CANONICAL);
    this.vp.faultError = Math.max(fault.error, 0);
    return 1;
  }
  #scratch(): number {
    return this.vp.base + Slot.SCRATCH * 8;
  }
  /** `loadSlow` of the compiled side. */
  load(gva: number, info: number): number {
    const width = info & 7;
    const access = info & 16 ? Access.WRITE : Access.READ;
    if (width === W128) return this.#load128(gva);
    const at = this.#scratch() >>> 2;
    const { u32 } = this.#views;
    try {
      this.#align(gva, 1 << width);
      if (width === 3) {
        this.#check(gva, 8);
        const lo = this.#read(gva, 4, access);
        u32[at + 1] = this.#read(this.#wrap(gva + 4), 4, access);
        u32[at] = lo;
      } else {
        u32[at] = this.#read(gva, (1 << width) as 1 | 2 | 4, access);
        u32[at + 1] = 0;
      }
      return 0;
    } catch (e) {
      if (e === this.#fault) return this.#record(this.#fault);
      throw e;
    }
  }
  /** 128 bits into the vector slot SCRATCH: nothing of it changes when a byte faults. */
  #load128(gva: number): number {
    const at = (this.vp.base + VECTOR_SCRATCH) >>> 2;
    const { u32 } = this.#views;
    try {
      this.#check(gva, 16);
      const words = [0, 4, 8, 12].map((offset) => this.#read(this.#wrap(gva + offset), 4));
      u32.set(words, at);
      return 0;
    } catch (e) {
      if (e === this.#fault) return this.#record(this.#fault);
      throw e;
    }
  }
  /** `storeSlow` of the compiled side. 0: done, 1: a fault is recorded, 2: guest code is left at this instruction; it is to be run alone, or `hasStored`. */
  store(gva: number, width: number): number {
    const at = (width === W128 ? this.vp.base + VECTOR_SCRATCH : this.#scratch()) >>> 2;
    const { u32 } = this.#views;
    const bytes = 1 << width;
    if (this.hasStored) {
      this.hasStored = false;
      return 0;
    }
    try {
      if (width !== W128) this.#align(gva, bytes);
      if (!this.bypassWatch) {
        // A store into the code that is running must be seen by the very next instruction: that one is then run alone.
        this.#check(gva, bytes);
        const spa = this.#resolve(gva, Access.WRITE);
        if (spa < 0 && bytes <= 4 && (gva & 4095) + bytes <= 4096) {
          // A device: it has been reached, once. What it wants done comes before the next instruction: an interrupt that its own command sent a processor.
          this.debug?.access(gva, bytes, true);
          // A kick is no sign of that: others raise it, too, and it comes at the next loop head.
          const isWanted = this.#mmio.write(this.#translator.gpa, bytes as 1 | 2 | 4, u32[at]);
          // Or it has written to the guest's memory where code is.
          if ((!isWanted && !this.#watcher.outdated) || this.alone) return 0;
          this.hasStored = true;
          return 2;
        }
        if (spa >= 0 && this.#changesItself((spa - PartitionMap.RAM) >>> 12, spa & 4095, bytes)) return 2;
        const inPage = (gva & 4095) + bytes <= 4096;
        // The right was found just now; looking again would be another intercept where it is good for one access only.
        if (spa >= 0 && inPage && this.debug === undefined && (width < 3 || (width === 3 && (gva & 7) === 0))) {
          this.#put(spa, bytes, u32[at], u32[at + 1]);
          return 0;
        }
        if (!inPage) {
          const second = this.#wrap(gva + bytes - 1);
          const spa2 = this.#resolve(second - (second & 4095), Access.WRITE);
          if (spa2 >= 0 && this.#changesItself((spa2 - PartitionMap.RAM) >>> 12, 0, bytes)) return 2;
        }
      }
      const lo = u32[at];
      const hi = u32[at + 1];
      if (width === W128) {
        this.probeWrite(gva, 16);
        this.#write64(gva, lo, hi);
        this.#write64(this.#wrap(gva + 8), u32[at + 2], u32[at + 3]);
      } else if (width === 3) {
        if ((gva & 4095) > 4088) this.probeWrite(gva, 8);
        this.#write64(gva, lo, hi);
      } else this.#write(gva, bytes as 1 | 2 | 4, lo);
      return 0;
    } catch (e) {
      if (e === this.#fault) return this.#record(this.#fault);
      throw e;
    }
  }
  #write64(gva: number, lo: number, hi: number): void {
    if ((gva & 7) === 0) {
      this.debug?.access(gva, 8, true);
      const spa = this.#resolve(gva, Access.WRITE);
      if (spa >= 0) {
        this.#put(spa, 8, lo, hi);
        return;
      }
    }
    this.#write(gva, 4, lo);
    this.#write(this.#wrap(gva + 4), 4, hi);
  }
  /** Whether a store of the bytes may change the code that runs now. */
  #changesItself(gfn: number, offset: number, bytes: number): boolean {
    const hits = this.#code.isWatched(gfn) && this.#code.isMarked(gfn, offset, bytes);
    return (hits || this.#watcher.outdated) && this.#watcher.running(gfn);
  }
  /** `atomicSlow` of the compiled side. */
  atomic(gva: number, _width: number): number {
    try {
      // Compiled code has seen that it is aligned.
      return this.debug === undefined ? this.#ordinary(gva) : -1;
    } catch (e) {
      if (e === this.#fault) {
        this.#record(this.#fault);
        return 0;
      }
      throw e;
    }
  }
  /** Runs a slow half and turns a thrown guest fault into the recorded one. */
  recordFault(): number {
    return this.#record(this.#fault);
  }
}
