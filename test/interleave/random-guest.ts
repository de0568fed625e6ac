// A seeded random guest: several VPs on several LPs in every paging mode, that edit page tables, flush or do not, move between LPs, while policies change under them.
// After each step, all at rest, every translation that could be used next must be one that the architecture allows (invariant I1): in the shadow tree, in the hardware TLB,
// by a fault that says so. Why through ShadowMmu: that is the processor's own way to a page.

import { ShadowMmu } from '../../daemon/hypervisor/shadow-mmu.js';
import type { LpMmu, VtlbClasses } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { Access, Resolve } from '../../daemon/machine/guest-memory.js';
import { GuestFault, InvpcidType } from '../../daemon/machine/processor.js';
import { Walk } from '../../daemon/machine/walker.js';
import { Cr0, Cr4, Efer, Rflags } from '../../shared/abi/registers.js';
import {
  LpContextLayout,
  TLB_BANK_SIZE,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_MODE_SIZE,
  TlbEntry,
  TlbFlag,
} from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { lpContextAt, PageFlag, PartitionLayout, PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock, VpLayout } from '../../shared/layout/vp.js';
import { POLICIES, type Policy } from '../../shared/protocol/policies.js';
import { KINDS, memoryOf, registersOf, wantedOf } from './oracle.js';
import { PagingHistory, TranslationHorizon } from './paging-history.js';
import { type PhysicalMemory, translate } from './paging-model.js';
import { deviceStore, makeMachine, resetMachine, type SmallMachine, setFlags, spaOf } from './small-machine.js';
import { checkSpaces } from './space-check.js';
import { checkStructure } from './structure-check.js';
import { checkTracking } from './track-check.js';

export type Mode = 'none' | 'legacy' | 'pae' | 'long';
const MODES: readonly Mode[] = ['none', 'legacy', 'pae', 'long'];
/** 2 MiB of pages and some more: a large page at GPA 0 holds every table. */
export const PAGES = 520;
export const SPTS = 110;
export const LPS = 3;
export const VPS = 4;
const ROOTS = [1, 2, 3];
const LEVEL3 = [4, 5];
const LEVEL2 = [6, 7];
const LEVEL1 = [8, 9, 10];
const NARROW_ROOTS = [11, 12];
const NARROW_TABLES = [13, 14];
const TABLES = [...ROOTS, ...LEVEL3, ...LEVEL2, ...LEVEL1, ...NARROW_ROOTS, ...NARROW_TABLES];
const DATA = 16;
const WIDE_INDEXES = [0, 1, 2, 3, 511];
const NARROW_INDEXES = [0, 2, 3, 511, 512, 1023];
const PCIDS = 3;
/** Policies that are drawn. Those named in HVD_WITHOUT (with commas) stay at their first setting: to find out which one a failure needs. */
const LEFT_OUT = (process.env.HVD_WITHOUT ?? '').split(',');
const SWITCHED = POLICIES.filter(({ name }) => name.startsWith('vtlb.') && !LEFT_OUT.includes(name));
export const NO_CACHE = { flushAll: () => {}, flushBank: () => {}, flushPage: () => {}, select: () => {} };
const SILENT = { tlbMiss: () => {}, pageFault: () => {}, reflected: () => {} };

/** How an LP comes by its memory management. */
export type MakeMmu = (machine: SmallMachine, lp: number, fault: GuestFault) => ShadowMmu;
export const plainMmu =
  (classes?: VtlbClasses): MakeMmu =>
  (machine, lp, fault) =>
    new ShadowMmu(machine.machine, machine.partition, lp, NO_CACHE, fault, SILENT, { classes });

const addressesOf = (mode: Mode): readonly number[] => {
  const all: number[] = [];
  for (const a of mode === 'long' ? [0, 511] : [0])
    for (const b of [0, 2])
      for (const c of [0, 1])
        for (const d of [0, 3, 511]) {
          if (mode === 'long') all.push((a - (a & 256) * 2) * 2 ** 39 + b * 2 ** 30 + c * 2 ** 21 + d * 4096 + 0x24);
          else if (mode === 'pae') all.push(b * 2 ** 30 + c * 2 ** 21 + d * 4096 + 0x24);
          else all.push(b * 2 ** 22 + c * 2 ** 21 + d * 4096 + 0x24);
        }
  return all;
};
const ADDRESSES: Readonly<Record<Mode, readonly number[]>> = {
  none: TABLES.map((frame) => frame * 4096),
  legacy: addressesOf('legacy'),
  pae: addressesOf('pae'),
  long: addressesOf('long'),
};

interface Processor {
  readonly vp: VpBlock;
  readonly horizon: TranslationHorizon;
  mode: Mode;
}
interface Place {
  readonly lp: LpMmu;
  readonly mmu: ShadowMmu;
  readonly fault: GuestFault;
  readonly index: number;
  processor: Processor;
}

export class RandomGuest {
  readonly machine: SmallMachine;
  readonly #history: PagingHistory;
  readonly #memory: PhysicalMemory;
  readonly #processors: readonly Processor[];
  readonly #places: readonly Place[];
  #state: number;
  /** One guest of four is what sharing is for: 64-bit spaces only, shared tables, edits of roots. Else its races are too rare to be met. */
  readonly #shares: boolean;
  /** And one of four is what merging is for: as before, but tables are shared at once by chance only. */
  readonly #merges: boolean;
  readonly #flushesForOthers: boolean;
  #now = 1;
  #lastFlush = 0;
  /** Accesses that went through an older translation than the tables have now, and comparisons made. */
  stale = 0;
  compared = 0;
  readonly counts = new Map<string, number>();

  constructor(seed: number, machine = makeMachine(PAGES, LPS), make: MakeMmu = plainMmu(), flushesForOthers = true) {
    this.#flushesForOthers = flushesForOthers;
    this.#state = (Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995) | 1;
    this.machine = machine;
    resetMachine(machine, SPTS);
    machine.partition.i32[PartitionLayout.at.a20Closed >>> 2] = 0;
    this.#merges = seed % 4 === 1;
    this.#shares = seed % 4 === 3 || this.#merges;
    for (const policy of SWITCHED) this.#setPolicy(policy);
    const memory = memoryOf(machine);
    this.#memory = { read: (address, bytes) => memory.read(this.#onBus(address), bytes) };
    for (const table of TABLES) for (const index of this.#indexesOf(table)) this.#store(table * 4096 + index * this.#bytesOf(table), table);
    this.#history = new PagingHistory(machine.partition, PAGES, TABLES);
    this.#processors = Array.from({ length: VPS }, (_, n) => {
      const vp = new VpBlock(machine.partition, vpBlockAt(n));
      vp.index = n;
      const processor: Processor = { vp, horizon: new TranslationHorizon(), mode: 'none' };
      this.#enterMode(processor, this.#random(5) ? this.#someMode() : 'none');
      return processor;
    });
    this.#places = Array.from({ length: LPS }, (_, index) => {
      const fault = new GuestFault();
      const mmu = make(machine, index, fault);
      const processor = this.#processors[index];
      mmu.load(processor.vp);
      return { lp: mmu.lp, mmu, fault, index, processor };
    });
  }

  #random(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % n;
  }
  #pick<T>(list: readonly T[]): T {
    return list[this.#random(list.length)];
  }
  #onBus(address: bigint): bigint {
    return this.#bus === -1 ? address : address & ~0x10_0000n;
  }
  get #bus(): number {
    return this.machine.partition.i32[PartitionLayout.at.a20Closed >>> 2] === 0 ? -1 : ~0x100;
  }
  #setPolicy({ name, values, word }: Policy): void {
    let setting = this.#random(values.length);
    if (this.#merges && name === 'vtlb.coalesce') setting = 1;
    if (this.#shares && !this.#merges && name === 'vtlb.share') setting = 1 + this.#random(2);
    if (this.#shares && name === 'vtlb.tags' && this.#random(2)) setting = 0;
    this.machine.machine.i32[(MachineLayout.at.policies >>> 2) + word] = setting;
  }
  #someMode(): Mode {
    return this.#shares ? 'long' : this.#pick(MODES.slice(1));
  }

  #bytesOf(table: number): 4 | 8 {
    return NARROW_ROOTS.includes(table) || NARROW_TABLES.includes(table) ? 4 : 8;
  }
  #indexesOf(table: number): readonly number[] {
    return this.#bytesOf(table) === 4 ? NARROW_INDEXES : WIDE_INDEXES;
  }
  /** What an entry of the table may say: mostly something that leads on. */
  #entry(table: number): { low: number; high: number } {
    const rights = this.#random(10) < 8 ? 7 : this.#pick([7, 3, 5, 6, 0]);
    const flags = rights | (this.#random(3) ? Pte.A | Pte.D : this.#random(256) & 0x60) | (this.#random(3) ? 0 : Pte.G);
    const narrow = this.#bytesOf(table) === 4;
    const high = narrow || this.#random(16) ? 0 : this.#pick([0x8000_0000, 0x8000_0000, 0x100]);
    if (LEVEL1.includes(table) || NARROW_TABLES.includes(table)) {
      // Pages of data, windows to the tables, devices.
      const frame = this.#random(2) ? this.#pick(TABLES) : this.#random(40) ? DATA + this.#random(40) : PAGES + 3;
      return { low: frame * 4096 + (flags & ~Pte.PS), high };
    }
    const directory = LEVEL2.includes(table) || NARROW_ROOTS.includes(table) || LEVEL3.includes(table);
    if (directory && this.#random(8) === 0) return { low: flags | Pte.PS | (this.#random(30) ? 0 : 0x2000), high };
    const next = narrow ? NARROW_TABLES : LEVEL2.includes(table) ? LEVEL1 : LEVEL3.includes(table) ? LEVEL2 : LEVEL3;
    return { low: this.#pick(next) * 4096 + (flags & ~Pte.PS), high };
  }
  #store(gpa: number, table: number): void {
    const { u32 } = this.machine.partition;
    const { low, high } = this.#entry(table);
    const at = (PartitionMap.RAM + gpa) >>> 2;
    u32[at] = low;
    if (this.#bytesOf(table) === 8) u32[at + 1] = high;
  }
  /** One edit of a table at `spa`, of a width and alignment of its own. */
  #edit(table: number, spa: number): string {
    const { u8, u32 } = this.machine.partition;
    const bytes = this.#bytesOf(table);
    const offset = this.#pick(this.#indexesOf(table)) * bytes;
    const at = spa + offset;
    switch (this.#random(16)) {
      case 0:
        u8[at] &= ~(this.#random(2) ? Pte.A : Pte.D);
        return 'clears A or D';
      case 1:
        u8[at] ^= 1 << this.#random(8);
        return 'one byte';
      case 2: {
        // Not aligned: the upper bytes of one entry and the lower ones of the next.
        const from = Math.min(offset + 1 + this.#random(bytes - 1), 4096 - bytes);
        const { low, high } = this.#entry(table);
        for (let i = 0; i < bytes; i++) u8[spa + from + i] = (i < 4 ? low >>> (8 * i) : high >>> (8 * (i - 4))) & 0xff;
        return 'not aligned';
      }
      case 3:
        u32[at >>> 2] = this.#entry(table).low;
        return 'four bytes';
      case 4:
        u32[at >>> 2] = 0;
        return 'takes away';
      default:
        this.#store(spa - PartitionMap.RAM + offset, table);
        return 'whole entry';
    }
  }

  #enterMode(processor: Processor, mode: Mode): void {
    const { vp } = processor;
    processor.mode = mode;
    vp.cr0 = (Cr0.PE | (mode === 'none' ? 0 : Cr0.PG) | (this.#random(3) ? Cr0.WP : 0)) >>> 0;
    vp.cr4 = mode === 'legacy' ? Cr4.PSE : mode === 'none' ? 0 : Cr4.PAE;
    vp.cr4 = (vp.cr4 | (this.#random(2) ? Cr4.PGE : 0) | (mode === 'long' && this.#random(2) ? Cr4.PCIDE : 0)) >>> 0;
    vp.efer = (mode === 'long' ? Efer.LME | Efer.LMA : 0) | (this.#random(4) ? Efer.NXE : 0);
    this.#loadRoot(processor, this.#rootOf(mode), 0);
  }
  #rootOf(mode: Mode): number {
    return this.#pick(mode === 'legacy' ? NARROW_ROOTS : ROOTS);
  }
  #loadRoot({ vp, horizon, mode }: Processor, table: number, pcid: number): void {
    // While the A20 gate is closed a table has two names. No draw: guests stay what they were.
    const frame = this.#bus !== -1 && (this.#now & 1) === 0 ? table | ~this.#bus : table;
    vp.cr3Num = frame * 4096 + pcid;
    const at = (vp.base + VpLayout.at.pdpte) >>> 2;
    const directories = [0, 1, 2, 3].map((i) => (mode === 'pae' && i !== 1 ? LEVEL2[(frame + i) & 1] : -1));
    directories.forEach((directory, i) => {
      this.machine.partition.u32[at + i * 2] = directory < 0 ? 0 : directory * 4096 + 1;
      this.machine.partition.u32[at + i * 2 + 1] = 0;
    });
    horizon.load({ pcid, frame, directories, end: Number.POSITIVE_INFINITY }, this.#now);
  }
  #pcidOf({ vp, mode }: Processor): number {
    return mode === 'long' && (vp.cr4 & Cr4.PCIDE) !== 0 ? vp.cr3Num & 0xfff : 0;
  }

  /** How large the page is by the tables as they are, whoever may use it. */
  #sizeAt({ vp }: Processor, gva: number): number {
    const outcome = translate(this.#memory, { ...registersOf(vp), smap: false }, gva, wantedOf(PageAccess.READ));
    return 'size' in outcome ? outcome.size : 4096;
  }

  /** By the processor of the place, inside guest mode: SPA, ~error code, or GPA of a device as a negative number below that. */
  #access(place: Place, gva: number, kind: number): { spa: number } | { gpa: number } | { error: number } {
    const { lp, mmu, fault } = place;
    const user = (kind & PageAccess.USER) !== 0;
    const fetch = (kind & PageAccess.FETCH) !== 0;
    const write = (kind & PageAccess.WRITE) !== 0;
    lp.handshake.enterGuest();
    try {
      const { i32 } = this.machine.partition;
      const at = this.#tlbEntry(place, user ? 1 : 0, gva >>> 12);
      const tag = at + ((write ? TlbEntry.WRITE_TAG : TlbEntry.READ_TAG) >> 2);
      if (!fetch && i32[tag] === (gva & -4096) && i32[tag + 1] === Math.floor(gva / 4294967296))
        return { spa: (gva + i32[at + (TlbEntry.ADDEND >> 2)]) >>> 0 };
      const spa = mmu.resolve(gva, fetch ? Access.EXECUTE : write ? Access.WRITE : Access.READ, user, (kind & PageAccess.IMPLICIT) !== 0);
      if (spa === Resolve.FAULT) return { error: fault.error };
      return spa === Resolve.MMIO ? { gpa: mmu.gpa } : { spa };
    } finally {
      lp.handshake.leaveGuest();
    }
  }
  #tlbEntry({ lp, index }: Place, mode: number, page: number): number {
    const bank = lpContextAt(index) + LpContextLayout.at.tlbs + lp.tlb.bank * TLB_BANK_SIZE;
    return (bank + mode * TLB_MODE_SIZE + (page & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE) >>> 2;
  }
  #allows(processor: Processor, gva: number, kind: number, frame: number): boolean {
    this.#history.bus = this.#bus;
    const { vp, horizon } = processor;
    const pge = (vp.cr4 & Cr4.PGE) !== 0;
    this.compared++;
    return this.#history.allows(registersOf(vp), pge, this.#pcidOf(processor), horizon, gva, kind, frame);
  }

  /** An access, compared with the model: which page, which fault, which A and D bits. */
  #checkAccess(place: Place, gva: number, kind: number): number {
    const { processor } = place;
    const fresh = translate(this.#memory, registersOf(processor.vp), gva, wantedOf(kind));
    const got = this.#access(place, gva, kind);
    const what = `access ${kind} of VP ${processor.vp.index} (${processor.mode}) to ${gva.toString(16)}`;
    this.#history.settle(this.#now, (gpa, before, after) => {
      const marks = 'error' in fresh ? [] : fresh.marked;
      const mark = marks.find(({ address }) => (Number(this.#onBus(BigInt(address))) & ~7) === (gpa & ~7));
      if (mark === undefined || (after & ~0x60) !== (before & ~0x60) || (before & ~after) !== 0)
        throw new Error(`${what} changes ${gpa.toString(16)} from ${before.toString(16)} to ${after.toString(16)}`);
    });
    if ('error' in got) {
      if (!('error' in fresh) || fresh.error !== got.error) throw new Error(`${what} faults with ${got.error}; the model: ${told(fresh)}`);
      return -1;
    }
    const gpa = 'spa' in got ? got.spa - PartitionMap.RAM : got.gpa;
    if ('spa' in got !== gpa < PAGES * 4096) throw new Error(`${what} takes RAM for a device or the other way round`);
    if ('error' in fresh || Number(this.#onBus(fresh.gpa)) !== gpa) this.stale++;
    if (!this.#allows(processor, gva, kind, Math.floor(gpa / 4096)))
      throw new Error(`${what} reaches ${gpa.toString(16)}; the model: ${told(fresh)}`);
    return 'spa' in got ? got.spa : -1;
  }

  /** One random step, and then everything is looked at. Throws what is wrong. */
  step(): void {
    this.#now++;
    const name = this.#act();
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#history.settle(this.#now);
    try {
      this.#look();
    } catch (error) {
      throw new Error(`after ${name}: ${error instanceof Error ? error.message : error}`);
    }
  }

  #act(): string {
    const place = this.#pick(this.#places);
    const { processor, lp, mmu } = place;
    const { vp, horizon } = processor;
    const now = this.#now;
    const dice = this.#random(1000);
    if (dice < 380) {
      this.#checkAccess(place, this.#pick(ADDRESSES[processor.mode]), this.#pick(KINDS));
      return 'access';
    }
    if (dice < 640) return this.#editBy(place);
    if (dice < 670) {
      const table = this.#pick(this.#shares ? ROOTS : TABLES);
      let edit = '';
      deviceStore(lp, table, () => {
        edit = this.#edit(table, spaOf(table));
      });
      return `a device: ${edit}`;
    }
    if (dice < 770) {
      const page = pageOf(this.#pick(ADDRESSES[processor.mode]));
      mmu.invlpg(page);
      horizon.flushPage(page, this.#sizeAt(processor, page), this.#pcidOf(processor), true, now);
      return 'INVLPG';
    }
    // Rarely where tables are shared: it goes over them all, and what is to be found there would not be.
    if (this.#flushesForOthers && dice < (this.#shares ? 771 : 780)) return this.#flushFor(place);
    if (dice < 870) return this.#movCr3(place);
    if (dice < 890 && (vp.cr4 & Cr4.PCIDE) !== 0) return this.#invpcid(place);
    if (dice < 905) {
      const bit = this.#random(3);
      if (bit === 0) vp.cr0 = (vp.cr0 ^ Cr0.WP) >>> 0;
      else if (bit === 1) vp.efer ^= Efer.NXE;
      // Off more often than on: under SMAP little is left to the supervisor.
      else vp.cr4 = (this.#random(3) ? vp.cr4 & ~Cr4.SMAP : vp.cr4 | Cr4.SMAP) >>> 0;
      mmu.switchAddressSpace(Flush.NONE);
      return 'WP, NXE or SMAP';
    }
    if (dice < 915) {
      vp.cr4 = (vp.cr4 ^ this.#pick(processor.mode === 'legacy' ? [Cr4.PGE, Cr4.SMEP, Cr4.PSE] : [Cr4.PGE, Cr4.SMEP])) >>> 0;
      horizon.flushAll(now);
      mmu.switchAddressSpace(Flush.ALL);
      return 'PGE, SMEP or PSE';
    }
    if (dice < 925) {
      this.#enterMode(processor, this.#random(8) ? this.#someMode() : 'none');
      horizon.flushAll(now);
      mmu.switchAddressSpace(Flush.ALL);
      return 'another mode';
    }
    if (dice < 945) {
      setFlags(vp, this.#random(2) ? Rflags.AC : 0);
      return 'AC';
    }
    if (dice < 955) {
      lp.spaces.reclaim();
      return 'reclaim';
    }
    if (dice < 970) return this.#move(place);
    if (dice < 974) {
      const a20 = PartitionLayout.at.a20Closed >>> 2;
      if (this.#random(2)) this.machine.partition.i32[a20] ^= 1;
      mmu.flushPartition();
      for (const each of this.#processors) each.horizon.flushAll(now);
      return 'flush of the partition';
    }
    if (dice < 980) {
      const frame = this.#random(2) ? this.#pick(TABLES) : DATA + this.#random(40);
      if (this.#random(2)) lp.handshake.watchCode(frame);
      else lp.handshake.unwatchCode(frame);
      return 'code is watched';
    }
    const policy = this.#pick(SWITCHED);
    this.#setPolicy(policy);
    return 'a policy';
  }

  /** Through the processor's own translations, so far as they lead to a table. */
  #editBy(place: Place): string {
    for (let tries = 0; tries < 3; tries++) {
      const spa = this.#checkAccess(
        place,
        this.#pick(ADDRESSES[place.processor.mode]),
        this.#pick([PageAccess.WRITE, PageAccess.WRITE | PageAccess.USER]),
      );
      const table = (spa - PartitionMap.RAM) >>> 12;
      if (spa < 0 || !TABLES.includes(table)) continue;
      return this.#edit(table, spa & -4096);
    }
    return 'no way to a table';
  }

  #movCr3(place: Place): string {
    const { processor, mmu } = place;
    const pcids = (processor.vp.cr4 & Cr4.PCIDE) !== 0;
    const pcid = pcids ? this.#random(PCIDS) : 0;
    const keep = pcids && this.#random(2) === 0;
    this.#loadRoot(processor, this.#rootOf(processor.mode), pcid);
    if (!keep) processor.horizon.flushContext(pcid, this.#now);
    mmu.switchAddressSpace(Flush.NON_GLOBAL);
    return keep ? 'MOV CR3 with bit 63' : 'MOV CR3';
  }

  /** What the flush hypercalls do (hypervisor/hyperv/address-flush): of all spaces or of a list of pages, for a set of VPs, those that no LP runs too. */
  #flushFor({ lp, processor }: Place): string {
    const targets = this.#processors.filter(() => this.#random(2) === 0);
    const everything = this.#random(2) === 0;
    if (everything) {
      lp.remote.everySpace();
      for (const { horizon } of targets) horizon.flushAll(this.#now);
    } else
      for (let n = 1 + this.#random(3); n > 0; n--) {
        const page = pageOf(this.#pick(ADDRESSES[processor.mode]));
        lp.remote.pages(page, 1);
        for (const target of targets) target.horizon.flushPage(page, this.#sizeAt(target, page), this.#pcidOf(target), true, this.#now);
      }
    let lps = 0;
    for (const { index, processor: runs } of this.#places) if (targets.includes(runs)) lps |= 1 << index;
    lp.remote.hardwareTlbs(lps, 0);
    return everything ? 'flush of all spaces for VPs' : 'flush of pages for VPs';
  }

  #invpcid({ processor, mmu }: Place): string {
    const { horizon } = processor;
    const pcid = this.#random(PCIDS);
    const type = this.#random(4);
    const gva = pageOf(this.#pick(ADDRESSES[processor.mode]));
    if (type === InvpcidType.ADDRESS) horizon.flushPage(gva, 4096, pcid, false, this.#now);
    else if (type === InvpcidType.CONTEXT) horizon.flushContext(pcid, this.#now);
    else if (type === InvpcidType.ALL) horizon.flushAll(this.#now);
    else horizon.flushContexts(this.#now);
    mmu.invpcid(type, pcid, gva);
    return 'INVPCID';
  }

  /** The VP of the place goes elsewhere: to another LP, or to none for a while. */
  #move(place: Place): string {
    const running = new Set(this.#places.map((p) => p.processor));
    const other = this.#pick(this.#places);
    const idle = this.#processors.filter((p) => !running.has(p));
    place.lp.vtlb.unload();
    if (other === place || this.#random(2)) {
      if (idle.length > 0) place.processor = this.#pick(idle);
    } else {
      other.lp.vtlb.unload();
      [place.processor, other.processor] = [other.processor, place.processor];
      other.mmu.load(other.processor.vp);
    }
    place.mmu.load(place.processor.vp);
    return 'a VP moves';
  }

  #look(): void {
    const everything = this.#now % 64 === 0;
    for (const place of everything ? this.#places : [this.#pick(this.#places)]) {
      if (this.#owesFlush(place)) {
        place.lp.handshake.enterGuest();
        place.lp.handshake.leaveGuest();
      }
      const addresses = ADDRESSES[place.processor.mode];
      const from = everything ? 0 : this.#random(addresses.length - 2);
      this.#lookAtTree(place, everything ? addresses : addresses.slice(from, from + 2));
      this.#lookAtTlb(place);
    }
    if (this.#now % 16 !== 0) return;
    const wrong = checkSpaces(this.machine, this.#memory, this.#bus) ?? checkStructure(this.machine);
    if (wrong !== null) throw new Error(wrong);
    if (!everything) return;
    const tracking = checkTracking(
      this.machine,
      this.#places.map((p) => [p.index, p.lp] as const),
    );
    if (tracking !== null) throw new Error(tracking);
    // So that histories stay short.
    if (this.#now - this.#lastFlush > 2000) {
      for (const { processor, mmu } of this.#places) {
        processor.horizon.flushAll(this.#now);
        mmu.switchAddressSpace(Flush.ALL);
      }
      for (const processor of this.#processors) if (!this.#places.some((p) => p.processor === processor)) return;
      this.#history.forget(this.#now);
      this.#lastFlush = this.#now;
    }
  }
  #owesFlush({ index }: Place): boolean {
    const at = lpContextAt(index) >>> 2;
    const { i32 } = this.machine.partition;
    return i32[at + (LpContextLayout.at.flushRequest >> 2)] !== i32[at + (LpContextLayout.at.flushAck >> 2)];
  }

  #lookAtTree({ lp, processor }: Place, addresses: readonly number[]): void {
    for (const gva of addresses)
      for (const kind of KINDS) {
        if (lp.walker.walk(gva, kind) !== Walk.HIT || this.#allows(processor, gva, kind, lp.walker.gfn)) continue;
        throw new Error(
          `the tree of VP ${processor.vp.index} (${processor.mode}) grants access ${kind} to ${gva.toString(16)} at frame ${lp.walker.gfn}; the model: ${told(
            translate(this.#memory, registersOf(processor.vp), gva, wantedOf(kind)),
          )}`,
        );
      }
  }

  #lookAtTlb(place: Place): void {
    const { i32, u32 } = this.machine.partition;
    const { processor } = place;
    for (let mode = 0; mode < 2; mode++)
      for (const gva of ADDRESSES[processor.mode]) {
        const at = this.#tlbEntry(place, mode, gva >>> 12);
        if (i32[at] === -1 && i32[at + 2] === -1) continue;
        const frame = u32[at + (TlbEntry.GFN >> 2)];
        const watched = (i32[(PartitionMap.PAGE_FLAGS >>> 2) + frame] & PageFlag.CODE) !== 0;
        for (const [tag, access] of [
          [at, PageAccess.READ],
          [at + 2, PageAccess.WRITE],
        ]) {
          // A watched page has its right to be written in a flag, and its address in the tag for reads.
          const flagged = access === PageAccess.WRITE && (i32[at + (TlbEntry.FLAGS >> 2)] & TlbFlag.WATCHED) !== 0;
          const named = flagged ? at : tag;
          if (i32[named] !== (gva & -4096) || i32[named + 1] !== Math.floor(gva / 4294967296)) continue;
          const kind = access | (mode === 1 ? PageAccess.USER : 0);
          const what = `the TLB of LP ${place.index} grants access ${kind} to ${gva.toString(16)} at frame ${frame}`;
          if (((gva + i32[at + (TlbEntry.ADDEND >> 2)]) >>> 0) - (gva & 4095) !== spaOf(frame))
            throw new Error(`${what}, by another addend`);
          if (access === PageAccess.WRITE && watched && !flagged) throw new Error(`${what}, which is watched code`);
          // What the TLB holds must not hang on EFLAGS.AC.
          const strict = mode === 0 && (processor.vp.cr4 & Cr4.SMAP) !== 0 ? kind | PageAccess.IMPLICIT : kind;
          if (!this.#allows(processor, gva, strict, frame)) throw new Error(`${what} to VP ${processor.vp.index} (${processor.mode})`);
        }
      }
  }
}

/** First byte of its page; a linear address does not fit into the operands of `&`. */
const pageOf = (gva: number): number => Math.floor(gva / 4096) * 4096;
const told = (outcome: ReturnType<typeof translate>): string =>
  'error' in outcome ? `fault ${outcome.error}` : `GPA ${outcome.gpa.toString(16)}`;
