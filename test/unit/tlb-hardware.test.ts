// The hardware TLB: what compiled code finds in it after inserts and flushes, and that watched code never gets a write tag.
import test from 'ava';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { type FetchCache, HardwareTlb, TlbMode } from '../../daemon/machine/tlb.js';
import {
  LpContextLayout,
  RECENT_READS,
  RECENT_WRITES,
  recentOffset,
  TLB_ENTRY_SIZE,
  TLB_MODE_SIZE,
  TlbEntry,
  TlbFlag,
} from '../../shared/layout/lp-context.js';
import { lpContextAt, PageFlag, PartitionMap } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { spaOf } from '../interleave/small-machine.js';

const views = viewsOf(new SharedArrayBuffer(PartitionMap.RAM + 64 * 4096));
const make = (fetch: FetchCache | null = null) => {
  views.i32.fill(0, PartitionMap.PAGE_FLAGS >>> 2, (PartitionMap.PAGE_FLAGS >>> 2) + 64);
  return new HardwareTlb(views, new SharedWords(views), 0, fetch);
};
/** The inline lookup, as units do it. Host address, or -1. */
const lookup = (mode: number, gva: number, write: boolean): number => {
  const at = lpContextAt(0) + LpContextLayout.at.tlbs + mode * TLB_MODE_SIZE + ((gva >>> 12) & 1023) * TLB_ENTRY_SIZE;
  const tag = views.u64[(at + (write ? TlbEntry.WRITE_TAG : TlbEntry.READ_TAG)) >>> 3];
  if (tag !== (BigInt.asUintN(64, BigInt(gva)) & ~0xfffn)) return -1;
  return ((gva | 0) + views.i32[(at + TlbEntry.ADDEND) >>> 2]) >>> 0;
};

test.serial('a new TLB is empty in both halves', (t) => {
  make();
  for (const mode of [TlbMode.SUPERVISOR, TlbMode.USER])
    for (const gva of [0, 0x1000, -4096, 2 ** 47 - 4096]) t.is(lookup(mode, gva, false), -1);
});

test.serial('addresses of both canonical halves are found with their offset', (t) => {
  const tlb = make();
  for (const gva of [0x12345678, -0x7fff_ffff_f123, -1, 2 ** 47 - 1, 0xffff_f123]) {
    tlb.insert(TlbMode.USER, gva, spaOf(7), true, 7);
    t.is(lookup(TlbMode.USER, gva, false), spaOf(7) + (gva & 4095));
    t.is(lookup(TlbMode.USER, gva, true), spaOf(7) + (gva & 4095));
    t.is(lookup(TlbMode.SUPERVISOR, gva, false), -1);
  }
});

test.serial('an address that differs only above bit 31 misses', (t) => {
  const tlb = make();
  tlb.insert(TlbMode.SUPERVISOR, 0x1000, spaOf(1), true, 1);
  t.is(lookup(TlbMode.SUPERVISOR, 0x1000 + 2 ** 32, false), -1);
  t.is(lookup(TlbMode.SUPERVISOR, 0x1000 + 2 ** 40, true), -1);
});

test.serial('a page that only its watch keeps from being written says so, until the right itself is taken away', (t) => {
  const tlb = make();
  const says = (gva: number): boolean => {
    const at = lpContextAt(0) + LpContextLayout.at.tlbs + ((gva >>> 12) & 1023) * TLB_ENTRY_SIZE;
    return (views.i32[(at + TlbEntry.FLAGS) >>> 2] & TlbFlag.WATCHED) !== 0;
  };
  for (const gfn of [2, 3]) views.u32[(PartitionMap.PAGE_FLAGS >>> 2) + gfn] = PageFlag.CODE;
  for (const [gfn, writable] of [
    [1, true],
    [2, true],
    [3, false],
  ] as const)
    tlb.insert(TlbMode.SUPERVISOR, gfn << 12, spaOf(gfn), writable, gfn, true);
  t.deepEqual([0x1000, 0x2000, 0x3000].map(says), [false, true, false]);
  for (const drop of [() => tlb.dropWrites(2), () => tlb.dropWritesAt(2, 2)]) {
    tlb.insert(TlbMode.SUPERVISOR, 0x2000, spaOf(2), true, 2);
    t.true(says(0x2000));
    drop();
    t.false(says(0x2000));
    t.is(lookup(TlbMode.SUPERVISOR, 0x2000, false), spaOf(2));
  }
});

test.serial('read-only pages and code pages get no write tag', (t) => {
  const tlb = make();
  tlb.insert(TlbMode.SUPERVISOR, 0x1000, spaOf(1), false, 1);
  t.is(lookup(TlbMode.SUPERVISOR, 0x1000, true), -1);
  views.u32[(PartitionMap.PAGE_FLAGS >>> 2) + 2] = PageFlag.CODE;
  tlb.insert(TlbMode.SUPERVISOR, 0x2000, spaOf(2), true, 2);
  t.is(lookup(TlbMode.SUPERVISOR, 0x2000, true), -1);
  t.is(lookup(TlbMode.SUPERVISOR, 0x2000, false), spaOf(2));
  tlb.insert(TlbMode.SUPERVISOR, 0x3000, spaOf(3), true, 3);
  t.is(views.u32[(PartitionMap.PAGE_FLAGS >>> 2) + 3] & PageFlag.TLB_WRITE, PageFlag.TLB_WRITE);
});

for (const [what, pages] of [
  ['few', 20],
  ['more entries than it remembers', 900],
] as const)
  test.serial(`flushes with ${what}: page, non-global, all`, (t) => {
    const flushed: (number | string)[] = [];
    const tlb = make({
      flushAll: () => void flushed.push('all'),
      flushBank: (bank) => void flushed.push(`bank ${bank}`),
      flushPage: (gva) => void flushed.push(gva),
      select: (bank) => void flushed.push(`select ${bank}`),
    });
    for (let i = 0; i < pages; i++) tlb.insert(i & 1, i * 4096, spaOf(i % 64), true, i % 64, i % 3 === 0);
    tlb.flushPage(4096 * 4 + 5);
    t.is(lookup(0, 4096 * 4, false), -1);
    t.is(lookup(0, 4096 * 6, false), spaOf(6));
    tlb.flushNonGlobal();
    for (let i = 0; i < pages; i++) t.is(lookup(i & 1, i * 4096, false), i % 3 === 0 ? spaOf(i % 64) : -1, `page ${i}`);
    // A second one keeps them as well; then all go.
    tlb.flushNonGlobal();
    t.is(lookup(1, 3 * 4096, true), spaOf(3));
    tlb.insert(0, 0x3ff000, spaOf(9), true, 9);
    tlb.flushAll();
    for (let i = 0; i < 1024; i++) for (const mode of [0, 1]) t.is(lookup(mode, i * 4096, false), -1);
    t.deepEqual(flushed, [4096 * 4 + 5, 'bank 0', 'bank 0', 'all']);
  });

test.serial('dropping writes to a frame leaves its reads', (t) => {
  const tlb = make();
  tlb.insert(0, 0x1000, spaOf(5), true, 5);
  tlb.insert(1, 0x9000, spaOf(5), true, 5);
  tlb.insert(1, 0xa000, spaOf(6), true, 6);
  tlb.dropWrites(5);
  t.is(lookup(0, 0x1000, true), -1);
  t.is(lookup(1, 0x9000, true), -1);
  t.is(lookup(1, 0x9000, false), spaOf(5));
  t.is(lookup(1, 0xa000, true), spaOf(6));
});

test.serial('one mode is flushed alone', (t) => {
  const tlb = make();
  tlb.insert(0, 0x1000, spaOf(5), true, 5);
  tlb.insert(1, 0x1000, spaOf(5), true, 5);
  tlb.flushMode(TlbMode.SUPERVISOR);
  t.is(lookup(0, 0x1000, false), -1);
  t.is(lookup(1, 0x1000, false), spaOf(5));
});

for (const [how, flush] of [
  ['all', (tlb) => tlb.flushAll()],
  ['non-global entries', (tlb) => tlb.flushNonGlobal()],
  ['one half', (tlb) => tlb.flushMode(TlbMode.USER)],
  ['a page', (tlb) => tlb.flushPage(0x1000)],
  ['the right to write a page', (tlb) => tlb.dropWrites(1)],
] satisfies [string, (tlb: HardwareTlb) => void][])
  test.serial(`recent pages of units are empty after a flush of ${how}`, (t) => {
    const tlb = make();
    const tags = [TlbMode.SUPERVISOR, TlbMode.USER].flatMap((mode) =>
      [false, true].flatMap((write) =>
        Array.from(
          { length: write ? RECENT_WRITES : RECENT_READS },
          (_, entry) => (lpContextAt(0) + LpContextLayout.at.tlbs + mode * TLB_MODE_SIZE + recentOffset(write, entry)) >>> 3,
        ),
      ),
    );
    for (const tag of tags) t.is(views.u64[tag], 0xffff_ffff_ffff_ffffn);
    tlb.insert(TlbMode.USER, 0x1000, spaOf(1), true, 1);
    for (const tag of tags) views.u64[tag] = 0x1000n;
    flush(tlb);
    for (const tag of tags) t.is(views.u64[tag], 0xffff_ffff_ffff_ffffn);
  });
