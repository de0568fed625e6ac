// Random guest page tables, modes and accesses: walker and vTLB together must behave as the SDM's model does: same page, same error code, same A and D bits.
// Why with edits and invalidations in between: a shadow entry that outlives what it was made from shows here without any concurrency.
import test from 'ava';
import fc from 'fast-check';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { Cr0, Cr4, Efer, Rflags } from '../../shared/abi/registers.js';
import { PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock, VpLayout } from '../../shared/layout/vp.js';
import { checkTranslations, KINDS, memoryOf, registersOf, wantedOf } from '../interleave/oracle.js';
import { translate } from '../interleave/paging-model.js';
import { makeLp, makeMachine, resetMachine, type SmallMachine, setFlags } from '../interleave/small-machine.js';
import { checkStructure } from '../interleave/structure-check.js';

const PAGES = 64;
const TABLES = 8;
const SPTS = 24;
type Mode = 'none' | 'legacy' | 'pae' | 'long';

/** What an entry says, before it is packed for the mode. */
interface Entry {
  readonly table: number;
  readonly index: number;
  readonly frame: number;
  readonly flags: number;
  readonly high: number;
}
/** Index values that the addresses below use at any level: few, so that tables meet. */
const INDEXES = [0, 1, 3, 511, 0x200, 0x201, 0x3ff];
const addresses = (mode: Mode): number[] => {
  if (mode === 'long') {
    const all: number[] = [];
    for (const a of [0, 511])
      for (const b of [0, 3])
        for (const c of [0, 1])
          for (const d of [0, 3]) all.push((a >= 256 ? a - 512 : a) * 2 ** 39 + b * 2 ** 30 + c * 2 ** 21 + d * 4096 + 0x123);
    return all;
  }
  const all: number[] = [];
  for (const a of [0, 1, 0x200, 0x3ff]) for (const b of [0, 3, 0x1ff, 0x201]) all.push((a * 2 ** 22 + b * 4096 + 0x123) % 2 ** 32);
  return all;
};

/** P is set; W and U mostly; A, D, PCD, PWT, G and ignored bits at random. */
const flagsArbitrary = fc.tuple(fc.nat(0xfff), fc.constantFrom(7, 7, 7, 7, 3, 5)).map(([rest, low]) => (rest & ~0x87) | low);
const contentArbitrary: fc.Arbitrary<Pick<Entry, 'frame' | 'flags' | 'high'>> = fc.oneof(
  // A table or a page of RAM (tables are frames 1 to 8).
  {
    weight: 24,
    arbitrary: fc.record({
      frame: fc.oneof(fc.integer({ min: 1, max: TABLES }), fc.integer({ min: 1, max: TABLES }), fc.nat(PAGES - 1)),
      flags: flagsArbitrary,
      high: fc.constantFrom(0, 0, 0, 0, 0x8000_0000),
    }),
  },
  // A large page at GPA 0; frame bit 0 is its PAT bit.
  {
    weight: 3,
    arbitrary: fc.record({
      frame: fc.constantFrom(0, 1),
      flags: flagsArbitrary.map((f) => f | 0x80),
      high: fc.constantFrom(0, 0, 0x8000_0000),
    }),
  },
  // Anything: not present, reserved bits, frames beyond RAM.
  {
    weight: 3,
    arbitrary: fc.record({
      frame: fc.constantFrom(3, 12, 0x200, PAGES, 0xfee00),
      flags: fc.nat(0xfff),
      high: fc.constantFrom(0, 0x100, 0x8_0000, 0x10_0000, 0x4000_0000, 0x8000_0000, 1),
    }),
  },
);
const entryArbitrary: fc.Arbitrary<Entry> = fc
  .tuple(fc.nat(TABLES - 1), fc.constantFrom(...INDEXES), contentArbitrary)
  .map(([table, index, content]) => ({ table, index, ...content }));
/** Every entry that an address can lead to. */
const tablesArbitrary: fc.Arbitrary<Entry[]> = fc
  .array(contentArbitrary, { minLength: TABLES * INDEXES.length, maxLength: TABLES * INDEXES.length })
  .map((all) => all.map((content, i) => ({ table: i % TABLES, index: INDEXES[Math.floor(i / TABLES)], ...content })));

type Step =
  | { readonly kind: 'access'; readonly which: number; readonly access: number }
  | { readonly kind: 'edit'; readonly entry: Entry; readonly how: 'invlpg' | 'all' | 'cr3' }
  | { readonly kind: 'control'; readonly bits: number }
  | { readonly kind: 'cr3'; readonly root: number }
  | { readonly kind: 'ac'; readonly on: boolean }
  | { readonly kind: 'reclaim' };
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ kind: fc.constant('access' as const), which: fc.nat(15), access: fc.constantFrom(...KINDS) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      entry: entryArbitrary,
      how: fc.constantFrom('invlpg' as const, 'all' as const, 'cr3' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('control' as const), bits: fc.nat(63) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cr3' as const), root: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ac' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reclaim' as const) }) },
);

const machine = makeMachine(PAGES, 1);

/** Writes an entry into table frame 1 + `table`, in the mode's width. */
const write = ({ partition }: SmallMachine, mode: Mode, entry: Entry): void => {
  const at = PartitionMap.RAM + (1 + entry.table) * 4096;
  const low = (entry.frame * 4096 + entry.flags) >>> 0;
  if (mode === 'legacy') partition.u32[(at >>> 2) + entry.index] = low;
  else if (entry.index < 512) {
    partition.u32[(at >>> 2) + entry.index * 2] = low;
    partition.u32[(at >>> 2) + entry.index * 2 + 1] = entry.high;
  }
};
/** A control word: bit 0 WP, 1 SMEP, 2 SMAP, 3 NXE, 4 PSE, 5 PGE. */
const control = (vp: VpBlock, mode: Mode, bits: number): void => {
  vp.cr0 = ((mode === 'none' ? 0 : Cr0.PG) | Cr0.PE | (bits & 1 ? Cr0.WP : 0)) >>> 0;
  vp.cr4 =
    (mode === 'pae' || mode === 'long' ? Cr4.PAE : 0) |
    (bits & 2 ? Cr4.SMEP : 0) |
    (bits & 4 ? Cr4.SMAP : 0) |
    (bits & 16 ? Cr4.PSE : 0) |
    (bits & 32 ? Cr4.PGE : 0);
  vp.efer = (mode === 'long' ? Efer.LME | Efer.LMA : 0) | (bits & 8 ? Efer.NXE : 0);
};
const loadCr3 = (vp: VpBlock, mode: Mode, root: number): void => {
  vp.cr3Num = root * 4096;
  const pdpte = (vp.base + VpLayout.at.pdpte) >>> 2;
  for (let i = 0; i < 4; i++) {
    // Registers loaded by MOV CR3: every table may be a directory, one is absent.
    vp.views.u32[pdpte + i * 2] = mode === 'pae' && i !== 2 ? ((1 + ((root + i) % TABLES)) * 4096) | 1 : 0;
    vp.views.u32[pdpte + i * 2 + 1] = 0;
  }
};

/** One access through hardware and vTLB as a processor makes it; -1 is a page fault whose code is in the vTLB. */
const access = (lp: LpMmu, gva: number, kind: number): { readonly spa: number } | { readonly gpa: number } | { readonly error: number } => {
  for (let tries = 0; tries < 4; tries++) {
    if (lp.walker.walk(gva, kind) === Walk.HIT) return { spa: lp.walker.spa + (gva & 4095) };
    switch (lp.vtlb.pageFault(gva, kind)) {
      case PageFault.GUEST_FAULT:
        return { error: lp.vtlb.found.errorCode };
      case PageFault.MMIO:
        return { gpa: lp.vtlb.found.gpa };
      case PageFault.ONCE:
        return { spa: lp.vtlb.found.spa };
    }
  }
  throw new Error('filled four times and still no hit');
};

for (const mode of ['none', 'legacy', 'pae', 'long'] as const)
  test(`${mode} paging: pages, error codes and accessed and dirty bits are the model's`, (t) => {
    const vas = addresses(mode);
    let granted = 0;
    let faults = 0;
    fc.assert(
      fc.property(
        tablesArbitrary,
        fc.nat(63),
        fc.array(stepArbitrary, { minLength: 1, maxLength: 60, size: 'max' }),
        (entries, bits, steps) => {
          resetMachine(machine, SPTS);
          const memory = memoryOf(machine);
          const vp = new VpBlock(machine.partition, vpBlockAt(0));
          control(vp, mode, bits);
          loadCr3(vp, mode, 1);
          for (const entry of entries) write(machine, mode, entry);
          const lp = makeLp(machine, 0);
          lp.vtlb.load(vp);
          for (const step of steps) {
            if (step.kind === 'access') {
              const gva = vas[step.which];
              const expected = translate(memory, registersOf(vp), gva, wantedOf(step.access));
              // The model's A and D bits go into a copy of the tables, to be compared with what the vTLB leaves in the tables.
              const from = PartitionMap.RAM >>> 2;
              const copy = machine.partition.u32.slice(from, from + PAGES * 1024);
              if ('gpa' in expected)
                for (const mark of expected.marked) {
                  copy[mark.address >>> 2] |= Number(mark.value & 0xffff_ffffn);
                }
              const got = access(lp, gva, step.access);
              const what = `${mode} access ${step.access} to ${gva.toString(16)}`;
              if ('error' in expected) {
                faults++;
                if (!('error' in got) || got.error !== expected.error)
                  throw new Error(`${what}: ${JSON.stringify(got)} instead of fault ${expected.error}`);
              } else {
                granted++;
                const gpa = 'gpa' in got ? got.gpa : 'spa' in got ? got.spa - PartitionMap.RAM : -1;
                if (gpa !== Number(expected.gpa))
                  throw new Error(`${what}: ${JSON.stringify(got)} instead of GPA ${expected.gpa.toString(16)}`);
                if ('gpa' in got !== Number(expected.gpa) >= PAGES * 4096) throw new Error(`${what}: RAM and MMIO mixed up`);
              }
              const now = machine.partition.u32.subarray(from, from + PAGES * 1024);
              for (let i = 0; i < now.length; i++)
                if (now[i] !== copy[i])
                  throw new Error(
                    `${what}: guest memory at ${(i * 4).toString(16)} is ${now[i].toString(16)}, should be ${copy[i].toString(16)}`,
                  );
            } else if (step.kind === 'edit') {
              write(machine, mode, step.entry);
              // A global translation may outlive MOV CR3: then the model could not say which of the two holds.
              if (step.how === 'cr3' && (vp.cr4 & Cr4.PGE) === 0) lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
              else if (step.how === 'all') lp.vtlb.flush(Flush.ALL);
              else for (const gva of vas) lp.vtlb.invlpg(gva);
            } else if (step.kind === 'control') {
              control(vp, mode, step.bits);
              lp.vtlb.switchAddressSpace(Flush.ALL);
            } else if (step.kind === 'cr3') {
              loadCr3(vp, mode, step.root);
              lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
            } else if (step.kind === 'ac') setFlags(vp, step.on ? Rflags.AC : 0);
            else lp.spaces.reclaim();
            const wrong = checkTranslations(machine, vp, lp.walker, vas);
            if (wrong !== null) throw new Error(`after ${JSON.stringify(step)}: ${wrong}`);
          }
          const broken = checkStructure(machine);
          if (broken !== null) throw new Error(broken);
        },
      ),
      { numRuns: Number(process.env.HVD_RUNS ?? 150) },
    );
    t.log(`${granted} granted, ${faults} faults`);
    t.true(granted > 200);
    t.true(mode === 'none' || faults > 100);
  });
