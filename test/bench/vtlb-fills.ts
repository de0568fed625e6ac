// One LP's part of the vTLB measurements, on this thread: fills and invalidations of pages through walker, vTLB and hardware TLB, and flushes of everything.
// Guest tables: page directories from frame 3 on, a page table for each LP behind them; one address space for all (CR3 in frame 1), or one for each LP.
// Every page maps the same frame of RAM.

import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { NO_TIME, type VirtualTime } from '../../daemon/hypervisor/vtlb/virtual-costs.js';
import type { Shortcuts } from '../../daemon/machine/shortcuts.js';
import { Walk } from '../../daemon/machine/walker.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { lpContextAt, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { entry64, longVp, makeLp, resetMachine, type SmallMachine } from '../interleave/small-machine.js';
import { attachShortcuts, shortcutsAlone } from '../rig/short-mmu.js';

/** 2 MiB pages behind each directory, 4 KiB pages behind each LP's table. */
const ENTRIES = 512;
const PAGE = 4096;
const LARGE = PAGE * ENTRIES;
const ROOT = 1;
const POINTERS = 2;
const DIRECTORY = 3;
const DIRECTORIES = 20;
const FIRST_TABLE = DIRECTORY + DIRECTORIES + 1;
const RIGHTS = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
/** Where the LPs' tables are mapped: behind the directories of large pages. */
const SMALL_PAGES = DIRECTORIES * LARGE * ENTRIES;
/** A large page at 0 must be RAM from end to end. */
export const RAM_PAGES = ENTRIES;

/** Tables of all LPs, an empty vTLB of so many shadow tables, every policy at its first setting but `vtlb.lock`. */
export const layOut = (m: SmallMachine, spts: number, lock: string, oneSpace: boolean): void => {
  resetMachine(m, spts);
  const set = (frame: number, index: number, target: number, bits = 0): void => {
    m.partition.i32[entry64(frame, index) >>> 2] = (target * PAGE) | RIGHTS | bits;
  };
  for (let i = 0; i <= DIRECTORIES; i++) set(POINTERS, i, DIRECTORY + i);
  for (let i = 0; i < DIRECTORIES; i++) for (let page = 0; page < ENTRIES; page++) set(DIRECTORY + i, page, 0, Pte.PS);
  for (let lp = 0; lp < m.lps; lp++) {
    set(DIRECTORY + DIRECTORIES, lp, FIRST_TABLE + lp);
    for (let page = 0; page < ENTRIES; page++) set(FIRST_TABLE + lp, page, RAM_PAGES - 1);
    const root = oneSpace ? ROOT : FIRST_TABLE + m.lps + lp;
    set(root, 0, POINTERS);
    longVp(m, lp, root);
  }
  setPolicy(m, 'vtlb.lock', lock);
};
export const setPolicy = (m: SmallMachine, name: string, value: string): void => {
  const policy = findPolicy(name)!;
  m.machine.i32[(MachineLayout.at.policies >>> 2) + policy.word] = settingOf(policy, value);
};

/** Of the intercept that fills. */
export const roundTrip = (costs: Readonly<Record<string, number>>): number => costs.interceptRoundTrip! + costs.sptFill!;

export class FillingLp {
  readonly #lp: ReturnType<typeof makeLp>;
  readonly #pages: number;
  readonly #time: VirtualTime;
  /** What a program's access comes to first (daemon/shortcuts); absent where the settings or virtual time leave all to TypeScript. */
  readonly #short: Shortcuts | undefined;

  /** Runs VP `lp`; touches the pages of `table`'s LP: its own, or one that several share. `time`: for measurements in virtual time, what an LP's clock is. */
  constructor(m: SmallMachine, lp: number, table = lp, time: VirtualTime = NO_TIME) {
    this.#time = time;
    this.#lp = makeLp(m, lp, { time });
    this.#pages = SMALL_PAGES + table * LARGE;
    const vp = new VpBlock(m.partition, vpBlockAt(lp));
    this.#lp.vtlb.load(vp);
    const isShort = time === NO_TIME && m.partition.i32[(lpContextAt(lp) + LpContextLayout.at.shortFills) >>> 2] !== 0;
    this.#short = isShort ? shortcutsAlone(m.memory) : undefined;
    if (this.#short !== undefined) attachShortcuts(this.#short, vp, lpContextAt(lp));
    this.#lp.handshake.enterGuest();
  }

  /** A miss of the hardware TLB from the walker's look to the entry in the hardware TLB. */
  #touch(gva: number): void {
    if (this.#short !== undefined && this.#short.translatePage(gva, PageAccess.READ) !== 0) return;
    const { walker, vtlb, tlb } = this.#lp;
    while (walker.walk(gva, PageAccess.READ) !== Walk.HIT)
      if (vtlb.pageFault(gva, PageAccess.READ) !== PageFault.FILLED) throw new Error(`no fill at ${gva.toString(16)}`);
    tlb.insert(0, gva, walker.spa, walker.writable, walker.gfn, walker.global);
  }
  /** The LP is in guest mode for as long as it takes: several LPs of one host thread act in turn. */
  inGuest(act: () => void): void {
    this.#lp.handshake.enterGuest();
    act();
    this.#lp.handshake.leaveGuest();
  }
  /** One #PF intercept, with what the processor charges for it. */
  fill(table: number, page: number): void {
    this.#time.charge(roundTrip(this.#time.costs));
    this.#touch(SMALL_PAGES + table * LARGE + page * PAGE);
  }
  /** One INVLPG intercept. */
  invalidate(table: number, page: number): void {
    this.#time.charge(this.#time.costs.interceptRoundTrip!);
    this.#lp.vtlb.invlpg(SMALL_PAGES + table * LARGE + page * PAGE);
  }
  /** Milliseconds of 512 fills. */
  fillAll(): number {
    const start = performance.now();
    for (let page = 0; page < ENTRIES; page++) this.#touch(this.#pages + page * PAGE);
    return performance.now() - start;
  }
  /** Milliseconds of 512 INVLPGs. */
  invalidateAll(): number {
    const start = performance.now();
    for (let page = 0; page < ENTRIES; page++) {
      const gva = this.#pages + page * PAGE;
      if (this.#short === undefined || this.#short.clearPage(gva) === 0) this.#lp.vtlb.invlpg(gva);
    }
    return performance.now() - start;
  }
  /** What MOV CR3 does: every translation of this VP's goes, and is filled anew. */
  flushSpace(): void {
    this.#lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  }
  /** Touches 4 KiB granules of so many large pages in turn: each large page needs a shadow table of its own. */
  touchLarge(pages: number, touches: number): void {
    for (let n = 0; n < touches; n++) this.#touch((n % pages) * LARGE + (Math.floor(n / pages) % ENTRIES) * PAGE);
  }
  /** Milliseconds of emptying the vTLB for every VP. */
  flushPartition(): number {
    const start = performance.now();
    this.#lp.vtlb.flushPartition();
    return performance.now() - start;
  }
  leave(): void {
    this.#lp.handshake.leaveGuest();
  }
}
