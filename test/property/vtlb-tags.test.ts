// Random address spaces on one VP, edited by another one, under each way to track the edits: after a flush the first VP reaches what the guest's tables say, with the right
// faults and A and D bits, through its hardware TLB too. Seeded: HVD_SEED replays.
import test from 'ava';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { TlbMode } from '../../daemon/machine/tlb.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { Cr0, Cr4, Efer } from '../../shared/abi/registers.js';
import { LpContextLayout, TLB_BANK_SIZE, TLB_ENTRY_SIZE, TLB_MODE_SIZE, TlbEntry } from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { lpContextAt, PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock, VpLayout } from '../../shared/layout/vp.js';
import { findPolicy } from '../../shared/protocol/policies.js';
import { checkTranslations, KINDS, memoryOf, registersOf, wantedOf } from '../interleave/oracle.js';
import { translate } from '../interleave/paging-model.js';
import { deviceStore, makeLp, makeMachine, resetMachine, spaOf } from '../interleave/small-machine.js';
import { checkStructure } from '../interleave/structure-check.js';
import { checkTracking } from '../interleave/track-check.js';

/** 2 MiB of pages and some more: large pages at GPA 0. */
const PAGES = 520;
const SPTS = 80;
const ROOTS = [1, 2, 3];
const LEVEL3 = [4, 5];
const LEVEL2 = [6, 7];
const LEVEL1 = [8, 9, 10];
const SEED = Number(process.env.HVD_SEED ?? 1);
const STEPS = Number(process.env.HVD_STEPS ?? 1500);
type Mode = 'legacy' | 'pae' | 'long';

const m = makeMachine(PAGES, 2);
const { i32, u32 } = m.partition;
const setPolicy = (name: string, value: string): void => {
  const policy = findPolicy(name);
  m.machine.i32[(MachineLayout.at.policies >>> 2) + policy.word] = policy.values.indexOf(value);
};

let state = 1;
const random = (n: number): number => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
};
const pick = <T>(list: readonly T[]): T => list[random(list.length)];

const addressesOf = (mode: Mode): number[] => {
  const all: number[] = [];
  for (const a of [0, 2])
    for (const b of [0, 1])
      for (const c of [0, 3, 511]) all.push((mode === 'legacy' ? a * 2 ** 22 + b * 2 ** 21 : a * 2 ** 30 + b * 2 ** 21) + c * 4096 + 0x24);
  return all;
};

/** SPA of an access by the hardware TLB, or -1. */
const lookup = (lp: LpMmu, index: number, gva: number, access: number): number => {
  const user = (access & PageAccess.USER) !== 0 ? TlbMode.USER : TlbMode.SUPERVISOR;
  const bank = lpContextAt(index) + LpContextLayout.at.tlbs + lp.tlb.bank * TLB_BANK_SIZE;
  const at = (bank + user * TLB_MODE_SIZE + ((gva >>> 12) & 1023) * TLB_ENTRY_SIZE) >>> 2;
  const tag = at + ((access & PageAccess.WRITE ? TlbEntry.WRITE_TAG : TlbEntry.READ_TAG) >> 2);
  if (i32[tag] !== (gva & -4096) || i32[tag + 1] !== Math.floor(gva / 4294967296)) return -1;
  return (gva + i32[at + (TlbEntry.ADDEND >> 2)]) >>> 0;
};

/** One access as a processor makes it: SPA, or ~error code. */
const access = (lp: LpMmu, index: number, gva: number, kind: number): number => {
  const plain = (kind & (PageAccess.FETCH | PageAccess.IMPLICIT)) === 0;
  if (plain) {
    const spa = lookup(lp, index, gva, kind);
    if (spa >= 0) return spa;
  }
  for (let tries = 0; tries < 4; tries++) {
    if (lp.walker.walk(gva, kind) === Walk.HIT) {
      const { walker } = lp;
      if (plain && walker.cacheable)
        lp.tlb.insert((kind & PageAccess.USER) !== 0 ? 1 : 0, gva, walker.spa, walker.writable, walker.gfn, walker.global);
      return walker.spa + (gva & 4095);
    }
    const result = lp.vtlb.pageFault(gva, kind);
    if (result === PageFault.GUEST_FAULT) return ~lp.vtlb.found.errorCode;
    if (result === PageFault.ONCE) return lp.vtlb.found.spa;
    if (result === PageFault.MMIO) return lp.vtlb.found.gpa + PartitionMap.RAM;
  }
  throw new Error('filled four times and still no hit');
};
const inGuest = <T>(lp: LpMmu, body: () => T): T => {
  lp.handshake.enterGuest();
  const result = body();
  lp.handshake.leaveGuest();
  return result;
};

const randomEntry = (mode: Mode, table: number): { low: number; high: number } => {
  const flags = pick([7, 7, 7, 7, 7, 3, 5, 6, 0]) | (random(4) ? Pte.A | Pte.D : random(256) & 0x60) | (random(4) ? 0 : Pte.G);
  const high = mode === 'legacy' || random(8) ? 0 : 0x8000_0000;
  if (LEVEL1.includes(table)) return { low: (16 + random(40)) * 4096 + flags, high };
  const isDirectory = mode === 'legacy' ? ROOTS.includes(table) : LEVEL2.includes(table);
  if (isDirectory && random(4) === 0) return { low: flags | Pte.PS, high };
  const next = isDirectory ? LEVEL1 : LEVEL3.includes(table) ? LEVEL2 : LEVEL3;
  return { low: pick(next) * 4096 + (flags & ~Pte.PS), high };
};
const tablesOf = (mode: Mode): number[] =>
  mode === 'legacy' ? [...ROOTS, ...LEVEL1] : mode === 'pae' ? [...LEVEL2, ...LEVEL1] : [...ROOTS, ...LEVEL3, ...LEVEL2, ...LEVEL1];

const registers = (vp: VpBlock, mode: Mode, bits: number): void => {
  vp.cr0 = (Cr0.PG | Cr0.PE | (bits & 1 ? Cr0.WP : 0)) >>> 0;
  vp.cr4 = (mode === 'legacy' ? Cr4.PSE : Cr4.PAE) | (bits & 2 ? Cr4.SMEP : 0) | (bits & 4 ? Cr4.SMAP : 0) | (bits & 8 ? Cr4.PGE : 0);
  vp.efer = (mode === 'long' ? Efer.LME | Efer.LMA : 0) | Efer.NXE;
};
const loadCr3 = (vp: VpBlock, mode: Mode, root: number): void => {
  vp.cr3Num = root * 4096;
  const at = (vp.base + VpLayout.at.pdpte) >>> 2;
  for (let i = 0; i < 4; i++) u32[at + i * 2] = mode === 'pae' && i !== 1 ? LEVEL2[(root + i) & 1] * 4096 + 1 : 0;
};

for (const track of ['mapping', 'rmap', 'write'])
  for (const tags of ['64', '2'])
    for (const mode of ['legacy', 'pae', 'long'] as const)
      test.serial(`${mode} paging, vtlb.track=${track}, vtlb.tags=${tags}: after a flush a VP reaches what the tables say`, (t) => {
        state = (SEED * 7919 + track.length * 31 + tags.length * 17 + mode.length) | 1;
        resetMachine(m, SPTS);
        setPolicy('vtlb.tags', tags);
        setPolicy('vtlb.track', track);
        setPolicy('vtlb.untracked', '16');
        const memory = memoryOf(m);
        const vas = addressesOf(mode);
        const indexes = mode === 'legacy' ? [0, 2, 3, 511, 512, 1023] : [0, 1, 2, 3, 511];
        const vp = new VpBlock(m.partition, vpBlockAt(0));
        vp.index = 0;
        registers(vp, mode, 9);
        loadCr3(vp, mode, 1);
        // The editor has paging off: every frame is at its own address.
        const editor = new VpBlock(m.partition, vpBlockAt(1));
        editor.index = 1;
        editor.cr0 = Cr0.PE;
        const lp = makeLp(m, 0);
        const lp1 = makeLp(m, 1);
        lp.vtlb.load(vp);
        lp1.vtlb.load(editor);
        const edit = (): void => {
          const table = pick(tablesOf(mode));
          const index = pick(indexes);
          const { low, high } = randomEntry(mode, table);
          const offset = mode === 'legacy' ? index * 4 : index * 8;
          const put = (spa: number): void => {
            u32[spa >>> 2] = low;
            if (mode !== 'legacy') u32[(spa >>> 2) + 1] = high;
          };
          if (random(10) === 0) deviceStore(lp1, table, () => put(spaOf(table) + offset));
          else put(inGuest(lp1, () => access(lp1, 1, table * 4096 + offset, PageAccess.WRITE)));
        };
        for (let n = 8 * tablesOf(mode).length; n > 0; n--) edit();
        let exact = false;
        let compared = 0;
        let edited = true;
        const switchTo = (flush: Flush): void => {
          const before = vtlbCounters(m.partition).staleEntriesPurged;
          lp.vtlb.switchAddressSpace(flush);
          if (!edited)
            t.is(
              vtlbCounters(m.partition).staleEntriesPurged,
              before,
              `HVD_SEED=${SEED}: entries that are what the tables say were purged`,
            );
          edited = false;
          exact = true;
        };
        const check = (gva: number): void => {
          const kind = pick(KINDS);
          const expected = translate(memory, registersOf(vp), gva, wantedOf(kind));
          const got = inGuest(lp, () => access(lp, 0, gva, kind));
          if (!exact) return;
          compared++;
          const what = `HVD_SEED=${SEED}: access ${kind} to ${gva.toString(16)}`;
          if ('error' in expected) t.is(got, ~expected.error, what);
          else {
            t.is(got, Number(expected.gpa) + PartitionMap.RAM, what);
            for (const mark of expected.marked)
              if ((u32[(PartitionMap.RAM + mark.address) >>> 2] & 0x60) !== Number(mark.value & 0x60n)) t.fail(`${what}: A and D bits`);
          }
        };
        for (let step = 0; step < STEPS; step++) {
          const dice = random(100);
          if (dice < 55) check(pick(vas));
          else if (dice < 75) {
            edit();
            edited = true;
            exact = false;
            if (random(3) === 0) {
              const gva = pick(vas);
              inGuest(lp, () => lp.vtlb.invlpg(gva));
              exact = true;
              check(gva);
              exact = false;
            }
          } else if (dice < 95) {
            const root = pick(ROOTS);
            if (vp.cr3Num !== root * 4096) edited = true;
            loadCr3(vp, mode, root);
            switchTo(Flush.NON_GLOBAL);
          } else if (dice < 98) {
            registers(vp, mode, random(16));
            edited = true;
            switchTo(Flush.ALL);
          } else if (dice < 99) lp.spaces.reclaim();
          else {
            lp.vtlb.unload();
            lp.vtlb.load(vp);
          }
          if (exact) {
            const wrong = checkTranslations(m, vp, lp.walker, vas);
            if (wrong !== null) t.fail(`HVD_SEED=${SEED}: step ${step}: ${wrong}`);
          }
          if (step % 16 === 0) {
            inGuest(lp1, () => undefined);
            inGuest(lp, () => undefined);
            t.is(
              checkTracking(m, [
                [0, lp],
                [1, lp1],
              ]),
              null,
              `step ${step}`,
            );
          }
        }
        t.is(checkStructure(m), null);
        const counters = vtlbCounters(m.partition);
        t.log(JSON.stringify(counters));
        t.true(compared > STEPS / 8);
        for (const name of ['validations', 'tagHits', 'pageTableWriteIntercepts', 'staleEntriesPurged', 'tablesProtected'])
          t.true(counters[name] > 0, name);
      });
