// Fills against invalidations, switches and flushes of one address space.
import { Flush } from '../../../daemon/hypervisor/vtlb/loaded-space.js';
import { Walk } from '../../../daemon/machine/walker.js';
import { LpContextLayout, TLB_BANK_SIZE, TLB_ENTRY_SIZE, TlbEntry } from '../../../shared/layout/lp-context.js';
import { PageAccess, Pte } from '../../../shared/layout/paging.js';
import { lpContextAt } from '../../../shared/layout/partition.js';
import { LAST, type Scenario, type ScenarioThread } from '../scenario.js';
import { entry32, spaOf } from '../small-machine.js';
import { checkStructure } from '../structure-check.js';
import {
  expectPage,
  fault,
  GHOST,
  inGuest,
  load,
  loadWarm,
  NEIGHBOUR,
  NEW,
  noStaleEntry,
  OLD,
  oneSpace,
  PAGE,
  remap,
  remapThenInvlpg,
  replaceDirectoryEntry,
  setPolicy,
  TABLE,
  touch,
  translate,
  withOtherTable,
} from './acts.js';

/** On behalf of the VP on LP 1; from then on its LP must not use what was there before. */
const flushForOther = (t: ScenarioThread, flush: () => void): void => {
  remap(t, PAGE, NEW);
  flush();
  t.lp.remote.hardwareTlbs(2, 0);
  t.machine.partition.i32[GHOST >>> 2] = 1;
};

const useByTlb = (t: ScenarioThread): void =>
  inGuest(t, () => {
    for (let n = 0; n < 2; n++) {
      const flushed = t.machine.partition.i32[GHOST >>> 2] === 1;
      const { i32 } = t.machine.partition;
      const entry = (lpContextAt(1) + LpContextLayout.at.tlbs + t.lp.tlb.bank * TLB_BANK_SIZE + (PAGE >>> 12) * TLB_ENTRY_SIZE) >>> 2;
      if (i32[entry] !== PAGE) {
        translate(t, PAGE);
        if (t.lp.walker.walk(PAGE, PageAccess.READ) === Walk.HIT)
          t.lp.tlb.insert(0, PAGE, t.lp.walker.spa, t.lp.walker.writable, t.lp.walker.gfn);
      }
      if (flushed && i32[entry] === PAGE && (PAGE + i32[entry + (TlbEntry.ADDEND >> 2)]) >>> 0 !== spaOf(NEW))
        throw new Error('a TLB has what was flushed for its VP');
      t.lp.handshake.acknowledge();
    }
  });

export const FILL_SCENARIOS: readonly Scenario[] = [
  {
    name: 'fill against INVLPG',
    spts: 16,
    setup: oneSpace,
    prepare: loadWarm,
    threads: [remapThenInvlpg, touch],
    check: checkStructure,
  },
  {
    name: 'fill against MOV CR3',
    spts: 16,
    setup: oneSpace,
    prepare: loadWarm,
    threads: [
      (t) => {
        remap(t, PAGE, NEW);
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        expectPage(t, PAGE, NEW);
      },
      (t) => {
        touch(t);
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      },
    ],
    check: checkStructure,
  },
  {
    name: 'fill against two MOV CR3s',
    spts: 16,
    setup: oneSpace,
    prepare: loadWarm,
    threads: [
      (t) => {
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        remap(t, PAGE, NEW);
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        expectPage(t, PAGE, NEW);
      },
      touch,
    ],
    check: checkStructure,
  },
  {
    name: 'two MOV CR3s of one space at once',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      load(t);
      translate(t, PAGE);
    },
    threads: [
      (t) => {
        remap(t, PAGE, NEW);
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        expectPage(t, PAGE, NEW);
      },
      (t) => t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL),
    ],
    check: checkStructure,
  },
  ...['1', '64'].flatMap((tags): Scenario[] => [
    {
      limit: 600,
      name: `flush of a page for another VP against its fills, vtlb.tags=${tags}`,
      spts: 16,
      setup: (m) => {
        oneSpace(m);
        setPolicy(m, 'vtlb.tags', tags);
      },
      prepare: loadWarm,
      threads: [(t) => flushForOther(t, () => t.lp.remote.pages(PAGE, 1)), useByTlb],
      check: checkStructure,
    },
    {
      limit: 600,
      name: `flush of all spaces for another VP against its fills, vtlb.tags=${tags}`,
      spts: 16,
      setup: (m) => {
        oneSpace(m);
        setPolicy(m, 'vtlb.tags', tags);
      },
      prepare: loadWarm,
      threads: [(t) => flushForOther(t, () => t.lp.remote.everySpace()), useByTlb],
      check: checkStructure,
    },
  ]),
  {
    name: 'fill against a flush of everything',
    spts: 16,
    setup: oneSpace,
    prepare: loadWarm,
    threads: [
      (t) => {
        remap(t, PAGE, NEW);
        t.lp.vtlb.flush(Flush.ALL);
        expectPage(t, PAGE, NEW);
      },
      (t) => {
        touch(t);
        inGuest(t, () => void translate(t, NEIGHBOUR));
      },
    ],
    check: checkStructure,
  },
  {
    name: 'fill against a flush of everything that clears',
    spts: 16,
    setup: (m) => {
      oneSpace(m);
      setPolicy(m, 'vtlb.flush', 'walk');
    },
    prepare: loadWarm,
    threads: [
      (t) => {
        remap(t, PAGE, NEW);
        t.lp.vtlb.flush(Flush.ALL);
        expectPage(t, PAGE, NEW);
      },
      (t) => {
        touch(t);
        inGuest(t, () => void translate(t, NEIGHBOUR));
      },
    ],
    check: checkStructure,
  },
  {
    name: 'walk against a flush of the partition',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      loadWarm(t);
      if (t.index === LAST) translate(t, PAGE);
    },
    threads: [
      (t) => {
        remap(t, PAGE, NEW);
        t.lp.vtlb.flushPartition();
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) =>
        inGuest(t, () => {
          for (let n = 0; n < 2; n++) {
            const flushed = t.machine.partition.i32[GHOST >>> 2] === 1;
            if (t.lp.walker.walk(PAGE, PageAccess.READ) === Walk.HIT && flushed && t.lp.walker.spa !== spaOf(NEW))
              throw new Error('a walk after the flush found what was flushed');
            t.lp.handshake.acknowledge();
          }
        }),
    ],
    check: checkStructure,
  },
  {
    name: 'an entry made present without INVLPG against a fault',
    spts: 16,
    setup: (m) => {
      oneSpace(m);
      m.partition.i32[entry32(TABLE, PAGE >>> 12) >>> 2] = 0;
    },
    prepare: loadWarm,
    threads: [
      (t) => {
        remap(t, PAGE, NEW);
        expectPage(t, PAGE, NEW);
      },
      (t) => {
        fault(t);
        fault(t);
      },
    ],
    check: noStaleEntry,
  },
  {
    name: 'an entry is changed while a fill sets its A',
    spts: 16,
    setup: (m) => {
      oneSpace(m);
      m.partition.i32[entry32(TABLE, PAGE >>> 12) >>> 2] = (OLD << 12) | Pte.P;
    },
    prepare: loadWarm,
    threads: [touch, (t) => t.words.store(entry32(TABLE, PAGE >>> 12), (NEW << 12) | Pte.P)],
    check: (m) => (m.partition.i32[entry32(TABLE, PAGE >>> 12) >>> 2] >>> 12 === NEW ? checkStructure(m) : "the guest's change is lost"),
  },
  {
    name: 'two fills of one slot',
    spts: 16,
    setup: oneSpace,
    prepare: load,
    threads: [
      (t) => expectPage(t, PAGE, OLD),
      (t) => void (translate(t, PAGE, PageAccess.WRITE) === spaOf(OLD) || expectPage(t, PAGE, OLD)),
    ],
    check: checkStructure,
  },
  {
    name: 'two fills under a directory entry that changes',
    spts: 16,
    setup: (m) => withOtherTable(oneSpace, m),
    prepare: loadWarm,
    threads: [replaceDirectoryEntry, touch],
    check: checkStructure,
  },
  {
    name: 'two invalidations at once',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      loadWarm(t);
      if (t.index === LAST) translate(t, PAGE);
    },
    threads: [
      remapThenInvlpg,
      (t) => {
        remap(t, NEIGHBOUR, 19);
        t.lp.vtlb.invlpg(NEIGHBOUR);
        expectPage(t, NEIGHBOUR, 19);
      },
    ],
    check: checkStructure,
  },
];
