// A guest of four processors on as many LPs that never leaves an edit of its page tables unflushed: what each access reaches, and every A and D bit, is then fixed by the architecture
// (SDM 3A 4.8, 4.10.4), however translations are kept. So its memory must be the same under every setting. All it does comes from a seed; steps of the processors take turns.
//
// Four spaces, roots in frames 1 to 4. Upper half: the same tables in all (frames 8 to 10), data and a window to each table. Lower half: tables of each space's own.

import { ShadowMmu } from '../../daemon/hypervisor/shadow-mmu.js';
import type { VtlbClasses } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { Access, Resolve } from '../../daemon/machine/guest-memory.js';
import { GuestFault, InvpcidType } from '../../daemon/machine/processor.js';
import { Cr4 } from '../../shared/abi/registers.js';
import { LpContextLayout, TLB_BANK_SIZE, TLB_ENTRIES, TLB_ENTRY_SIZE, TLB_MODE_SIZE, TlbEntry } from '../../shared/layout/lp-context.js';
import { LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import { Pte } from '../../shared/layout/paging.js';
import { lpContextAt, PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { deviceStore, entry64, longVp, makeMachine, resetMachine, type SmallMachine } from './small-machine.js';

const PAGES = 160;
const SPTS = 400;
const SPACES = 4;
/** Processors, each in another space at first. */
const VPS = 4;
const ROOT = 1;
const KERNEL = 8;
const KERNEL_TABLE = KERNEL + 2;
/** Three tables a space, and one leaf table that takes the place of another now and then. */
const OWN = 16;
const SPARE = OWN + 3 * SPACES;
const TABLES = SPARE + 1;
const DATA = 64;
const DATA_PAGES = 90;
const UPPER_HALF = -(2 ** 47);
const LEAVES = 16;
const WINDOWS = 32;
const RW = Pte.P | Pte.W | Pte.U;
const NO_CACHE = { flushAll() {}, flushBank() {}, flushPage() {}, select() {} };
const SILENT = { tlbMiss() {}, pageFault() {}, reflected() {} };

interface Place {
  readonly mmu: ShadowMmu;
  readonly fault: GuestFault;
  readonly lp: number;
  vp: VpBlock;
  space: number;
  /** Of what it has read, and of its faults. */
  sum: number;
}

export class CarefulGuest {
  readonly machine: SmallMachine;
  readonly #places: Place[];
  readonly #pcids: boolean;
  #state: number;
  faults = 0;

  constructor(seed: number, machine = makeMachine(PAGES, VPS), classes?: VtlbClasses) {
    this.machine = machine;
    this.#state = (Math.imul(seed, 0x9e37_79b1) ^ 0x3c6e_f372) | 1;
    this.#pcids = (seed & 1) !== 0;
    resetMachine(machine, SPTS);
    this.#layOut();
    this.#places = Array.from({ length: VPS }, (_, lp) => {
      const fault = new GuestFault();
      const vp = longVp(machine, lp, ROOT + lp);
      if (this.#pcids) vp.cr4 |= Cr4.PCIDE;
      vp.cr3Num = this.#cr3(lp);
      const mmu = new ShadowMmu(machine.machine, machine.partition, lp, NO_CACHE, fault, SILENT, { classes });
      mmu.load(vp);
      return { mmu, fault, lp, vp, space: lp, sum: 1 };
    });
  }

  #layOut(): void {
    const { machine, partition } = this.machine;
    partition.i32[PartitionLayout.at.nodeCount >>> 2] = 2;
    for (let lp = 0; lp < VPS; lp++) machine.u32[(lpBlockAt(lp) + LpLayout.at.node) >>> 2] = lp & 1;
    const set = (table: number, index: number, frame: number): void => {
      partition.i32[entry64(table, index) >>> 2] = (frame << 12) | RW;
    };
    for (let space = 0; space < SPACES; space++) {
      const own = OWN + 3 * space;
      set(ROOT + space, 256, KERNEL);
      set(ROOT + space, 0, own);
      set(own, 0, own + 1);
      set(own + 1, 0, own + 2);
      for (let page = 0; page < LEAVES; page++) set(own + 2, page, DATA + space * LEAVES + page);
    }
    set(KERNEL, 0, KERNEL + 1);
    set(KERNEL + 1, 0, KERNEL_TABLE);
    for (let page = 0; page < LEAVES; page++) set(KERNEL_TABLE, page, DATA + SPACES * LEAVES + page);
    for (let table = 0; table < TABLES; table++) set(KERNEL_TABLE, WINDOWS + table, table);
  }

  #random(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % n;
  }
  #cr3(space: number): number {
    return (ROOT + space) * 4096 + (this.#pcids ? space + 1 : 0);
  }

  /** Sums of the processors, after their memory the whole of what a guest can know. */
  get sums(): readonly number[] {
    return this.#places.map(({ sum }) => sum);
  }

  step(): void {
    const place = this.#places[this.#random(VPS)]!;
    const what = this.#random(100);
    if (what < 60) this.#use(place);
    else if (what < 78) this.#editLeaf(place);
    else if (what < 90) this.#turn(place, this.#random(SPACES));
    else if (what < 94) this.#editAbove(place);
    else if (what < 96) this.#deviceWrites();
    else if (what < 99) this.#flood(place);
    else this.#swap();
  }

  /** Address of a byte where the processor goes: SPA, or a negative number for a fault. */
  #reach(place: Place, gva: number, write: boolean, user: boolean): number {
    const { i32 } = this.machine.partition;
    const { mmu, fault, lp } = place;
    const { tlb, handshake } = mmu.lp;
    handshake.enterGuest();
    const index = (gva >>> 12) & (TLB_ENTRIES - 1);
    const at =
      (lpContextAt(lp) + LpContextLayout.at.tlbs + tlb.bank * TLB_BANK_SIZE + (user ? TLB_MODE_SIZE : 0) + index * TLB_ENTRY_SIZE) >>> 2;
    const tag = at + ((write ? TlbEntry.WRITE_TAG : TlbEntry.READ_TAG) >> 2);
    let spa: number;
    if (i32[tag] === (gva & -4096) && i32[tag + 1] === Math.floor(gva / 4294967296)) spa = (gva + i32[at + (TlbEntry.ADDEND >> 2)]!) >>> 0;
    else spa = mmu.resolve(gva, write ? Access.WRITE : Access.READ, user, false);
    handshake.leaveGuest();
    if (spa !== Resolve.FAULT) return spa;
    this.faults++;
    this.#note(place, fault.error);
    return -1;
  }
  #note(place: Place, value: number): void {
    place.sum = (Math.imul(place.sum, 0x0100_0193) ^ value) | 0;
  }
  #load(place: Place, gva: number, user = false): number {
    const spa = this.#reach(place, gva, false, user);
    if (spa < 0) return 0;
    const value = this.machine.partition.i32[spa >>> 2]!;
    this.#note(place, value);
    return value;
  }
  #store(place: Place, gva: number, value: number, user = false): void {
    const spa = this.#reach(place, gva, true, user);
    if (spa >= 0) this.machine.partition.i32[spa >>> 2] = value;
  }

  #use(place: Place): void {
    const upper = this.#random(3) === 0;
    const gva = (upper ? UPPER_HALF : 0) + this.#random(LEAVES) * 4096 + this.#random(1024) * 4;
    const user = !upper && this.#random(2) === 0;
    if (this.#random(2)) this.#load(place, gva, user);
    else this.#store(place, gva, place.sum, user);
  }

  #entryAt(table: number, index: number): number {
    return UPPER_HALF + (WINDOWS + table) * 4096 + index * 8;
  }
  /** One leaf, in a space of anybody's or in the upper half: another page, other rights, or A and D cleared. */
  #editLeaf(place: Place): void {
    const upper = this.#random(4) === 0;
    const space = this.#random(SPACES);
    const page = this.#random(LEAVES);
    const table = upper ? KERNEL_TABLE : OWN + 3 * space + 2;
    const at = this.#entryAt(table, page);
    if (this.#random(4) === 0) {
      // Another processor flushes between two writes to the table.
      const other = this.#places[this.#random(VPS)]!;
      this.#store(place, this.#entryAt(table, 100 + this.#random(300)), 0);
      if (other !== place) this.#turn(other, upper ? other.space : space);
    }
    const before = this.#load(place, at);
    const kind = this.#random(4);
    const other = (DATA + this.#random(DATA_PAGES)) * 4096;
    const rights = this.#random(8) === 0 ? Pte.U : Pte.P | (this.#random(4) ? Pte.W : 0) | (upper || this.#random(6) ? Pte.U : 0);
    this.#store(place, at, kind === 0 ? before & ~(Pte.A | Pte.D) : other | rights | (this.#random(2) ? Pte.A | Pte.D : 0));
    if (!this.#pcids && this.#random(2)) {
      // Nothing of a space that is not loaded is kept where a processor may use it.
      for (const each of this.#places)
        if (upper || each.space === space) this.#inGuest(each, () => each.mmu.invlpg((upper ? UPPER_HALF : 0) + page * 4096));
    } else this.#flushAll();
    const user = this.#places.find((each) => upper || each.space === space);
    if (user !== undefined && this.#random(2)) this.#load(user, (upper ? UPPER_HALF : 0) + page * 4096);
  }
  /** A table above the leaves: its A bit, or what hangs below. */
  #editAbove(place: Place): void {
    const own = OWN + 3 * this.#random(SPACES);
    const [table, index] = [
      [KERNEL, 0],
      [KERNEL + 1, 0],
      [own, 0],
      [own + 1, 0],
      [ROOT + this.#random(SPACES), 256],
    ][this.#random(5)] as [number, number];
    const at = this.#entryAt(table, index);
    const before = this.#load(place, at);
    if (table === own + 1 && this.#random(2)) {
      const leaf = this.#random(2) ? SPARE : table + 1;
      this.#store(place, at, (leaf << 12) | RW | (this.#random(3) ? 0 : Pte.A));
    } else this.#store(place, at, before & ~Pte.A);
    this.#flushAll();
  }
  /** A disk reads a page into memory: data, or a table made beforehand. */
  #deviceWrites(): void {
    const { lp } = this.#places[this.#random(VPS)]!.mmu;
    const frame = this.#random(2) ? SPARE : DATA + this.#random(DATA_PAGES);
    deviceStore(lp, frame, () => {
      for (let index = 0; index < LEAVES; index++)
        this.machine.partition.i32[entry64(frame, index) >>> 2] = ((DATA + this.#random(DATA_PAGES)) << 12) | RW;
    });
    this.#flushAll();
  }
  /** A table as data: many writes in a row to entries that nobody uses. */
  #flood(place: Place): void {
    const table = this.#random(2) ? SPARE : OWN + 3 * this.#random(SPACES) + 2;
    for (let n = 0; n < 8; n++) this.#store(place, this.#entryAt(table, 100 + this.#random(300)), place.sum & ~Pte.P);
    this.#flushAll();
  }

  #inGuest(place: Place, act: () => void): void {
    const { handshake } = place.mmu.lp;
    handshake.enterGuest();
    act();
    handshake.leaveGuest();
  }
  #turn(place: Place, space: number): void {
    place.space = space;
    place.vp.cr3Num = this.#cr3(space);
    this.#inGuest(place, () => place.mmu.switchAddressSpace(this.#pcids ? Flush.NONE : Flush.NON_GLOBAL));
  }
  /** Of everything that any processor may have. */
  #flushAll(): void {
    for (const place of this.#places)
      if (this.#pcids) this.#inGuest(place, () => place.mmu.invpcid(InvpcidType.ALL, 0, 0));
      else this.#turn(place, place.space);
  }
  /** Two processors change places. */
  #swap(): void {
    const first = this.#random(VPS);
    const pair = [this.#places[first]!, this.#places[(first + 1 + this.#random(VPS - 1)) % VPS]!] as const;
    const [a, b] = pair;
    [a.vp, b.vp, a.space, b.space, a.sum, b.sum] = [b.vp, a.vp, b.space, a.space, b.sum, a.sum];
    for (const place of pair) place.mmu.load(place.vp);
  }

  /** Frame of the first difference from another run's memory, -1 none. */
  differsFrom(ram: Int32Array): number {
    const own = this.ram();
    const at = own.findIndex((word, i) => word !== ram[i]);
    return at < 0 ? -1 : at >>> 10;
  }
  ram(): Int32Array {
    return this.machine.partition.i32.slice(PartitionMap.RAM >>> 2, (PartitionMap.RAM >>> 2) + PAGES * 1024);
  }
}
