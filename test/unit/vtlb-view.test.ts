// What `vm inspect --path vtlb/...` says of tables that the real fill made: places, guest entries and verdicts, and every wrong path.
import test from 'ava';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { inspectVtlb } from '../../daemon/root/vtlb-view/tables.js';
import { Cr4 } from '../../shared/abi/registers.js';
import { OVERLAYS_MAX, PartitionOverlay } from '../../shared/layout/hyperv.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { PartitionLayout, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { entry32, entry64, legacyVp, longVp, makeLp, makeMachine, resetMachine } from '../interleave/small-machine.js';

const m = makeMachine(1024, 1);
const views = m.partition;
const RW = Pte.P | Pte.W | Pte.U;
const MEMORY = { header: { nodeCount: 1 } } as Parameters<typeof inspectVtlb>[1];
const inspect = <K extends 'vtlb' | 'sas' | 'spt'>(kind: K, path: string) => {
  const result = inspectVtlb(views, MEMORY, path);
  if (result.kind !== kind) throw new Error(`${result.kind} is not ${kind}`);
  return result as Extract<typeof result, { kind: K }>;
};
type Lp = ReturnType<typeof makeLp>;
const touch = (lp: Lp, gva: number, kind: number): void => {
  for (let n = 0; n < 3 && lp.walker.walk(gva, kind) !== Walk.HIT; n++) if (lp.vtlb.pageFault(gva, kind) !== PageFault.FILLED) return;
};
const set64 = (frame: number, index: number, low: number): void => {
  views.i32[entry64(frame, index) >>> 2] = low;
};
/** 4-level tables in frames 1 to 4: GVA 0x8040_4000 and the next page; 2 MiB page at 0x8060_0000. */
const longMachine = (): Lp => {
  resetMachine(m, 64);
  const vp = longVp(m, 0, 1);
  set64(1, 0, 0x2000 | RW);
  set64(2, 2, 0x3000 | RW);
  set64(3, 2, 0x4000 | RW);
  set64(3, 3, RW | Pte.PS);
  set64(4, 4, 0x10_000 | RW);
  set64(4, 5, 0x11_000 | RW);
  const lp = makeLp(m, 0);
  lp.vtlb.load(vp);
  return lp;
};

test.serial("a table says where it stands, what it shadows, and each entry beside the guest's", (t) => {
  const lp = longMachine();
  touch(lp, 0x8040_4000, PageAccess.WRITE);
  touch(lp, 0x8040_5000, PageAccess.READ);
  const all = inspect('vtlb', 'vtlb');
  t.is(all.spaces.length, 1);
  const [space] = all.spaces;
  t.is(space!.users, 1);
  t.is(space!.cr3, '0x1000');
  t.is(space!.tables, 4);
  t.is(space!.translations, 2);
  t.is(all.tables[0]!.live, 4);
  const { tables } = inspect('sas', `vtlb/sas/${space!.sas}`);
  const leaf = tables.find((table) => table.level === 1)!;
  t.is(leaf.gptGfn, '0x4');
  t.is(leaf.gva, '0x0000000080400000');
  const whole = inspect('spt', `vtlb/spt/${leaf.spt}`);
  t.deepEqual(
    whole.way.map(({ level, index, verdict }) => [level, index, verdict]),
    [
      [4, 0, 'same'],
      [3, 2, 'same'],
      [2, 2, 'same'],
    ],
  );
  t.deepEqual(
    whole.entries.map(({ gva, guest, verdict }) => [gva, guest, verdict]),
    [
      ['0x0000000080404000', '0x10 wuad--x', 'same'],
      ['0x0000000080405000', '0x11 wua---x', 'narrower'],
    ],
  );
});

test.serial('an entry that the guest has changed and not flushed is named', (t) => {
  const lp = longMachine();
  touch(lp, 0x8040_4000, PageAccess.WRITE);
  const verdict = (): string | null => {
    const space = inspect('vtlb', 'vtlb').spaces[0]!;
    const leaf = inspect('sas', `vtlb/sas/${space.sas}`).tables.find((table) => table.level === 1)!;
    return inspect('spt', `vtlb/spt/${leaf.spt}`).entries[0]!.verdict;
  };
  t.is(verdict(), 'same');
  for (const change of [
    0x12_000 | RW | Pte.A | Pte.D,
    0,
    0x10_000 | Pte.P | Pte.U | Pte.A | Pte.D,
    0x10_000 | Pte.P | Pte.W | Pte.A | Pte.D,
  ]) {
    set64(4, 4, change);
    t.is(verdict(), 'other');
  }
  set64(4, 4, 0x10_000 | RW | Pte.A | Pte.D);
  t.is(verdict(), 'same');
});

test.serial('tables of a large page shadow no guest table; their entries stand beside their parts of the page', (t) => {
  const lp = longMachine();
  touch(lp, 0x8060_3000, PageAccess.READ);
  const space = inspect('vtlb', 'vtlb').spaces[0]!;
  const leaf = inspect('sas', `vtlb/sas/${space.sas}`).tables.find((table) => table.level === 1)!;
  t.is(leaf.gptGfn, null);
  const whole = inspect('spt', `vtlb/spt/${leaf.spt}`);
  t.deepEqual(
    whole.entries.map((entry) => [entry.gva, entry.guest, entry.verdict]),
    [['0x0000000080603000', '0x3 wua-s-x', 'narrower']],
  );
  t.is(whole.way.at(-1)!.verdict, 'same');
});

test.serial('a part of a large page that is elsewhere by now is told from its shadow', (t) => {
  const lp = longMachine();
  touch(lp, 0x8060_3000, PageAccess.READ);
  const space = inspect('vtlb', 'vtlb').spaces[0]!;
  const leaf = inspect('sas', `vtlb/sas/${space.sas}`).tables.find((table) => table.level === 1)!;
  const entry = (): unknown[] => inspect('spt', `vtlb/spt/${leaf.spt}`).entries.map(({ guest, verdict }) => [guest, verdict]);
  set64(3, 3, 0x20_0000 | RW | Pte.A | Pte.PS);
  t.deepEqual(entry(), [['0x203 wua-s-x', 'other']]);
  set64(3, 3, 0);
  t.deepEqual(entry(), [['not present', 'other']]);
});

test.serial('each half of a 4 MiB page stands beside its own part', (t) => {
  resetMachine(m, 64);
  const vp = legacyVp(m, 0, 1, Cr4.PSE);
  views.i32[entry32(1, 0x301) >>> 2] = RW | Pte.PS;
  const lp = makeLp(m, 0);
  lp.vtlb.load(vp);
  touch(lp, 0xc040_2000, PageAccess.READ);
  touch(lp, 0xc060_2000, PageAccess.READ);
  const space = inspect('vtlb', 'vtlb').spaces[0]!;
  const leaves = inspect('sas', `vtlb/sas/${space.sas}`).tables.filter((table) => table.level === 1);
  t.deepEqual(
    leaves
      .flatMap(({ spt }) => inspect('spt', `vtlb/spt/${spt}`).entries)
      .map(({ gva, guest, verdict }) => [gva, guest, verdict])
      .sort(),
    [
      ['0x00000000c0402000', '0x2 wua-s-x', 'narrower'],
      ['0x00000000c0602000', '0x202 wua-s-x', 'narrower'],
    ],
  );
});

test.serial('a frame with an overlay is the same where the overlay is shadowed', (t) => {
  longMachine().vtlb.unload();
  views.i32[PartitionLayout.at.overlayPages >>> 2] = OVERLAYS_MAX;
  const lp = makeLp(m, 0);
  lp.overlays.map(PartitionOverlay.REFERENCE_TSC, 0x11);
  lp.vtlb.load(new VpBlock(views, vpBlockAt(0)));
  touch(lp, 0x8040_5000, PageAccess.READ);
  const space = inspect('vtlb', 'vtlb').spaces[0]!;
  const leaf = inspect('sas', `vtlb/sas/${space.sas}`).tables.find((table) => table.level === 1)!;
  const verdicts = (): unknown[] =>
    inspect('spt', `vtlb/spt/${leaf.spt}`).entries.map(({ shadow, guest, verdict }) => [shadow, guest, verdict]);
  const frame = (m.pages + PartitionOverlay.REFERENCE_TSC).toString(16);
  t.deepEqual(verdicts(), [[`0x${frame} -ua---x`, '0x11 wua---x', 'narrower']]);
  lp.overlays.map(PartitionOverlay.REFERENCE_TSC, -1);
  t.deepEqual(verdicts(), [[`0x${frame} -ua---x`, '0x11 wua---x', 'other']]);
});

test.serial('4-byte entries are found through the quadrants', (t) => {
  resetMachine(m, 64);
  const vp = legacyVp(m, 0, 1);
  // 0xc060_1000: directory entry 0x301, table entry 0x201.
  views.i32[entry32(1, 0x301) >>> 2] = 0x2000 | RW;
  views.i32[entry32(2, 0x201) >>> 2] = 0x10_000 | RW;
  const lp = makeLp(m, 0);
  lp.vtlb.load(vp);
  touch(lp, 0xc060_1000, PageAccess.WRITE);
  const space = inspect('vtlb', 'vtlb').spaces[0]!;
  const leaf = inspect('sas', `vtlb/sas/${space.sas}`).tables.find((table) => table.level === 1)!;
  const whole = inspect('spt', `vtlb/spt/${leaf.spt}`);
  t.deepEqual(
    whole.entries.map((entry) => [entry.gva, entry.guest, entry.verdict]),
    [['0x00000000c0601000', '0x10 wuad--x', 'same']],
  );
  t.deepEqual(
    whole.way.map((step) => step.verdict),
    [null, null, 'same'],
  );
});

test.serial('a path that names nothing is answered with what there is', (t) => {
  longMachine();
  const space = inspect('vtlb', 'vtlb').spaces[0]!;
  const why = (path: string): string => {
    const error = t.throws(() => inspectVtlb(views, MEMORY, path));
    t.true(error instanceof HvdError);
    return error.message;
  };
  t.regex(why('vtlb/spt/64'), /numbered 1 to 63/);
  t.regex(why('vtlb/spt/0'), /numbered 1 to 63/);
  t.regex(why('vtlb/spt/40'), /is free/);
  t.regex(why('vtlb/sas/77'), new RegExp(`there are ${space.sas}$`));
  for (const path of ['', 'tlb', 'vtlb/x', 'vtlb/spt/-1', 'vtlb/spt/1e3', 'vtlb/spt/9999999'])
    t.regex(why(path), /expected vtlb, vtlb\/sas\/N or vtlb\/spt\/N/);
});

const setPolicy = (name: string, value: string): void => {
  m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name).word] = settingOf(findPolicy(name), value);
};

test.serial('stale marks and what is known of writes to tables are shown as they change', (t) => {
  const lp = longMachine();
  setPolicy('vtlb.tags', '64');
  setPolicy('vtlb.track', 'mapping');
  setPolicy('vtlb.untracked', '0');
  // The leaf table maps itself at 0x8040_6000.
  set64(4, 6, 0x4000 | RW);
  const vp = longVp(m, 0, 1);
  vp.cr4 |= Cr4.PCIDE;
  vp.cr3Num = 0x1000 | 5;
  lp.vtlb.switchAddressSpace(Flush.ALL);
  const leaf = () => {
    const space = inspect('vtlb', 'vtlb').spaces.find(({ users }) => users === 1)!;
    t.is(space.pcid, 5);
    const table = inspect('sas', `vtlb/sas/${space.sas}`).tables.find(({ level }) => level === 1)!;
    const { entries } = inspect('spt', `vtlb/spt/${table.spt}`);
    return { space, table, entries: Object.fromEntries(entries.map((entry) => [Number(entry.gva) & 0xffff, entry.writes])) };
  };
  touch(lp, 0x8040_4000, PageAccess.READ);
  t.deepEqual([leaf().table.writes, leaf().table.stale, leaf().space.stale], ['N', true, true]);
  t.deepEqual(inspect('vtlb', 'vtlb').pages, { N: 3, T: 1, D: 0, C: 0 });
  // All are known after the first, and gone over without a mark with the second.
  for (let n = 0; n < 2; n++) lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  touch(lp, 0x8040_4000, PageAccess.READ);
  touch(lp, 0x8040_6000, PageAccess.READ);
  t.deepEqual([leaf().table.writes, leaf().table.stale, leaf().space.stale], ['T', false, false]);
  t.deepEqual(leaf().entries, { 16384: 'U', 24576: 'T' });
  touch(lp, 0x8040_6000, PageAccess.WRITE);
  t.deepEqual([leaf().table.writes, leaf().table.stale, leaf().space.stale], ['D', true, true]);
  t.deepEqual(leaf().entries, { 16384: 'U', 24576: 'D' });
  t.deepEqual(inspect('vtlb', 'vtlb').pages, { N: 0, T: 3, D: 1, C: 0 });
  const { version } = leaf().space;
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  t.deepEqual([leaf().table.writes, leaf().table.stale], ['T', false]);
  t.is(leaf().space.version, version);
});

test.serial('a shared node is shown where it stands, with the spaces that have linked it', (t) => {
  const lp = longMachine();
  setPolicy('vtlb.share', '3');
  set64(1, 256, 0x2000 | RW);
  touch(lp, -(2 ** 47) + 0x8040_4000, PageAccess.READ);
  const { spaces } = inspect('vtlb', 'vtlb');
  const node = spaces.find(({ level }) => level === 3)!;
  const space = spaces.find(({ level }) => level === 4)!;
  t.deepEqual(space.nodes, [node.sas]);
  t.is(node.users, 1);
  t.is(node.cr3, '0x2000');
  const { sasLive, sasLoaded, sharedNodesLive } = vtlbCounters(views);
  t.deepEqual([sasLive, sasLoaded, sharedNodesLive], [1, 1, 1]);
  const { tables } = inspect('sas', `vtlb/sas/${node.sas}`);
  t.deepEqual(tables.map(({ level, gva, gptGfn }) => [level, gva, gptGfn]).sort(), [
    [1, '0xffff800080400000', '0x4'],
    [2, '0xffff800080000000', '0x3'],
    [3, '0xffff800000000000', '0x2'],
  ]);
  const { entries } = inspect('spt', `vtlb/spt/${tables.find(({ level }) => level === 1)!.spt}`);
  t.deepEqual(
    entries.map(({ gva, verdict }) => [gva, verdict]),
    [['0xffff800080404000', 'narrower']],
  );
});
