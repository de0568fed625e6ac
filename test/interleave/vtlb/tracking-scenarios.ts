// Guest tables that are tracked: writes, marks and the creation of writable mappings.
import { PageFault } from '../../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../../daemon/machine/walker.js';
import { Cr0, Cr4, Rflags } from '../../../shared/abi/registers.js';
import { LpContextLayout, TLB_BANK_SIZE, TLB_ENTRY_SIZE } from '../../../shared/layout/lp-context.js';
import { PageAccess, Pte } from '../../../shared/layout/paging.js';
import { lpContextAt, PartitionMap } from '../../../shared/layout/partition.js';
import { LockMode, vtlbWord } from '../../../shared/layout/vtlb.js';
import { LAST, type Scenario, type ScenarioThread } from '../scenario.js';
import { deviceStore, entry32, legacyVp, type SmallMachine, setFlags, spaOf } from '../small-machine.js';
import { checkStructure } from '../structure-check.js';
import { checkTracking } from '../track-check.js';
import {
  expectPage,
  fault,
  GHOST,
  inGuest,
  load,
  movCr3,
  NEIGHBOUR,
  NEW,
  OLD,
  oneSpace,
  PAGE,
  ROOT,
  ROOT_B,
  RW,
  remap,
  setPolicy,
  TABLE,
  TABLE_B,
  touch,
  translate,
  turnTo,
} from './acts.js';

/** As `oneSpace`, with tags: the tables are tracked. The table itself can be written at WINDOW, which comes from a table of its own. */
const WINDOW = 0x40_7000;
const trackedSpace = (m: SmallMachine, untracked = '0'): void => {
  oneSpace(m);
  m.partition.i32[entry32(ROOT, WINDOW >>> 22) >>> 2] = (TABLE_B << 12) | RW;
  m.partition.i32[entry32(TABLE_B, (WINDOW >>> 12) & 1023) >>> 2] = (TABLE << 12) | RW;
  setPolicy(m, 'vtlb.tags', '64');
  setPolicy(m, 'vtlb.track', 'mapping');
  setPolicy(m, 'vtlb.untracked', untracked);
};

const trackedUnderMutex = (m: SmallMachine): void => {
  trackedSpace(m);
  setPolicy(m, 'vtlb.lock', 'global');
  m.partition.i32[vtlbWord('lockMode') >>> 2] = LockMode.GLOBAL;
};

const writesIntercepted = (m: SmallMachine): void => {
  trackedSpace(m);
  setPolicy(m, 'vtlb.track', 'write');
};

/** The supervisor may write the table for CR0.WP is 0, and no entry can say so: under SMAP only EFLAGS.AC lets it reach the user's page. */
const writesLent = (m: SmallMachine): void => {
  trackedSpace(m);
  m.partition.i32[entry32(TABLE_B, (WINDOW >>> 12) & 1023) >>> 2] &= ~Pte.W;
  for (let index = 0; index < m.lps; index++) {
    const vp = legacyVp(m, index, ROOT, Cr4.PGE | Cr4.SMAP);
    vp.cr0 = (vp.cr0 & ~Cr0.WP) >>> 0;
    setFlags(vp, Rflags.AC);
  }
};

/** The last LP meets the tables, and a switch makes all their writable mappings known. The pages are in the tree again afterwards. */
const loadTracked = (t: ScenarioThread): void => {
  load(t);
  if (t.index === LAST) meetTables(t);
};

const meetTables = (t: ScenarioThread): void => {
  for (let n = 0; n < 2; n++) {
    for (const page of [PAGE, WINDOW]) translate(t, page);
    if (n === 0) movCr3(t);
  }
};

/** The VP's own way to write its table: by its hardware TLB if that has the right, else by walk and intercept. */
const writeTable = (t: ScenarioThread, gva: number, frame: number): void =>
  inGuest(t, () => {
    const { lp, words, machine, index } = t;
    const at =
      (lpContextAt(index) + LpContextLayout.at.tlbs + lp.tlb.bank * TLB_BANK_SIZE + ((WINDOW >>> 12) & 1023) * TLB_ENTRY_SIZE) >>> 2;
    if (machine.partition.i32[at + 2] !== WINDOW) {
      translate(t, WINDOW, PageAccess.WRITE);
      if (lp.walker.walk(WINDOW, PageAccess.WRITE) === Walk.HIT)
        lp.tlb.insert(0, WINDOW, lp.walker.spa, lp.walker.writable, lp.walker.gfn, lp.walker.global);
    }
    words.store(spaOf(TABLE) + (gva >>> 12) * 4, (frame << 12) | RW);
  });
/** The table may be written freely; nothing is made from it, and nothing is marked. */
const emptiedTable = (t: ScenarioThread): void => {
  loadTracked(t);
  if (t.index !== LAST) return;
  writeTable(t, NEIGHBOUR, 18);
  for (const page of [PAGE, NEIGHBOUR]) t.lp.vtlb.invlpg(page);
  movCr3(t);
};

/** A space of its own, with nothing in it. */
const EMPTY_ROOT = 6;
/** The VP may write the table by its hardware TLB, and is in another space since. */
const writeThenLeave = (t: ScenarioThread): void => {
  writeTable(t, NEIGHBOUR, 18);
  turnTo(t, EMPTY_ROOT);
};

const checkAll = (m: SmallMachine): string | null => checkStructure(m) ?? checkTracking(m, []);
/** Tables have been met more often than they may be while their mappings are not known. */
const purgeMappings = (t: ScenarioThread): void => {
  setPolicy(t.machine, 'vtlb.untracked', '0');
  // The first switch purges, the second takes away the marks from before.
  for (let n = 0; n < 2; n++) {
    movCr3(t);
    translate(t, PAGE);
  }
  t.words.store(GHOST, 1);
};

const editAndSwitch = (t: ScenarioThread): void => {
  writeTable(t, PAGE, NEW);
  movCr3(t);
  expectPage(t, PAGE, NEW);
};

export const TRACKING_SCENARIOS: readonly Scenario[] = [
  {
    name: 'first write to a tracked table against a switch on another LP',
    spts: 16,
    setup: trackedSpace,
    prepare: loadTracked,
    threads: [editAndSwitch, movCr3],
    check: checkAll,
  },
  {
    name: 'store of a device to a tracked table against a switch',
    spts: 16,
    setup: trackedSpace,
    prepare: loadTracked,
    threads: [
      (t) => {
        deviceStore(t.lp, TABLE, () => remap(t, PAGE, NEW));
        movCr3(t);
        expectPage(t, PAGE, NEW);
      },
      movCr3,
    ],
    check: checkAll,
  },
  ...[writesIntercepted, writesLent].map(
    (setup): Scenario => ({
      name: `write that is allowed once against a switch: ${setup === writesLent ? 'lent under SMAP' : 'vtlb.track=write'}`,
      spts: 16,
      setup,
      prepare: loadTracked,
      threads: [editAndSwitch, movCr3],
      check: checkAll,
    }),
  ),
  {
    name: 'fill from an untracked table against a write and a switch',
    spts: 16,
    // What writes it is not known and not closed: no handshake waits for the fill.
    setup: (m) => trackedSpace(m, '1024'),
    prepare: loadTracked,
    threads: [
      editAndSwitch,
      (t) => {
        t.lp.vtlb.invlpg(PAGE);
        touch(t);
      },
    ],
    check: checkAll,
  },
  {
    name: 'write by a hardware TLB against the protection of the table',
    spts: 16,
    setup: trackedSpace,
    prepare: (t) => {
      loadTracked(t);
      // The table may be written by this LP's TLB already; what was made from it is marked.
      if (t.index === 0) {
        writeTable(t, NEIGHBOUR, 18);
        translate(t, PAGE);
      }
    },
    threads: [editAndSwitch, movCr3],
    check: checkAll,
  },
  {
    name: 'return to a space against the protection of its table',
    spts: 16,
    setup: (m) => {
      trackedSpace(m);
      legacyVp(m, LAST, EMPTY_ROOT);
    },
    prepare: (t) => {
      load(t);
      if (t.index === 0) meetTables(t);
      if (t.index === 1) writeThenLeave(t);
    },
    threads: [
      movCr3,
      (t) => {
        turnTo(t, ROOT);
        editAndSwitch(t);
      },
    ],
    check: checkAll,
  },
  {
    name: 'fill into an emptied table that may be written freely',
    spts: 16,
    setup: trackedSpace,
    prepare: emptiedTable,
    threads: [
      (t) => {
        expectPage(t, PAGE, OLD);
        editAndSwitch(t);
      },
      touch,
    ],
    check: checkAll,
  },
  {
    name: 'first fill from an emptied table against a free write and a switch',
    spts: 16,
    setup: trackedSpace,
    prepare: emptiedTable,
    threads: [editAndSwitch, touch],
    check: checkAll,
  },
  {
    name: 'two that go over an untracked table that is edited',
    spts: 16,
    setup: (m) => trackedSpace(m, '1024'),
    prepare: loadTracked,
    threads: [editAndSwitch, movCr3],
    check: checkAll,
  },
  {
    name: 'fill with a right to write a table against its protection',
    spts: 16,
    setup: trackedSpace,
    prepare: (t) => {
      loadTracked(t);
      if (t.index !== LAST) return;
      writeTable(t, NEIGHBOUR, 18);
      translate(t, NEIGHBOUR);
      t.lp.vtlb.invlpg(WINDOW);
    },
    // Not in guest mode: no handshake waits for it.
    threads: [(t) => void t.lp.vtlb.pageFault(WINDOW, PageAccess.WRITE), movCr3],
    check: checkAll,
  },
  {
    name: 'fill from a table that another VP writes against its protection',
    spts: 16,
    setup: trackedSpace,
    prepare: (t) => {
      loadTracked(t);
      if (t.index !== LAST) return;
      writeTable(t, NEIGHBOUR, 18);
      translate(t, NEIGHBOUR);
      t.lp.vtlb.invlpg(PAGE);
    },
    // The fill is not in guest mode: no handshake waits for it.
    threads: [movCr3, fault, editAndSwitch],
    check: checkAll,
  },
  {
    name: 'two that protect a table that is granted again',
    spts: 16,
    setup: trackedSpace,
    prepare: (t) => {
      loadTracked(t);
      if (t.index === LAST) writeTable(t, NEIGHBOUR, 18);
      if (t.index === LAST) translate(t, PAGE);
    },
    threads: [
      movCr3,
      (t) => {
        writeTable(t, NEIGHBOUR, 19);
        editAndSwitch(t);
      },
      movCr3,
    ],
    check: checkAll,
  },
  {
    name: 'all mappings are purged against a write by a hardware TLB',
    limit: 600,
    spts: 16,
    setup: (m) => trackedSpace(m, '1024'),
    prepare: (t) => {
      loadTracked(t);
      if (t.index === 1) writeTable(t, NEIGHBOUR, 18);
    },
    threads: [
      purgeMappings,
      (t) => {
        writeTable(t, NEIGHBOUR, 19);
        // The right that its TLB had before the purge is gone after it.
        t.words.awaitChange(GHOST, 0);
        editAndSwitch(t);
      },
    ],
    check: checkAll,
  },
  {
    name: 'all mappings are purged against a fill with a right to write under the mutex',
    limit: 600,
    spts: 16,
    setup: (m) => {
      trackedUnderMutex(m);
      setPolicy(m, 'vtlb.untracked', '1024');
    },
    prepare: (t) => {
      loadTracked(t);
      if (t.index === LAST) t.lp.vtlb.invlpg(WINDOW);
    },
    // Not in guest mode: the mutex alone orders them.
    threads: [purgeMappings, (t) => void t.lp.vtlb.pageFault(WINDOW, PageAccess.WRITE)],
    check: checkAll,
  },
  {
    name: 'all mappings are purged against the use of what a fill under the mutex has found',
    limit: 600,
    spts: 16,
    setup: (m) => {
      trackedUnderMutex(m);
      setPolicy(m, 'vtlb.untracked', '1024');
    },
    prepare: loadTracked,
    threads: [
      purgeMappings,
      (t) => {
        inGuest(t, () => {
          const { tlb, vtlb } = t.lp;
          if (vtlb.pageFault(WINDOW, PageAccess.WRITE) !== PageFault.FILLED) throw new Error('no fill');
          tlb.insert(0, WINDOW, vtlb.found.spa, vtlb.found.writable, (vtlb.found.spa - PartitionMap.RAM) >>> 12, vtlb.found.global);
        });
        // The right that its TLB had before the purge is gone after it.
        t.words.awaitChange(GHOST, 0);
        editAndSwitch(t);
      },
    ],
    check: checkAll,
  },
  {
    name: 'all mappings are purged against the store of a device',
    limit: 600,
    spts: 16,
    setup: (m) => {
      // No switch purges anything more.
      trackedSpace(m, '1024');
      // Another space has the same table.
      m.partition.i32[entry32(ROOT_B, 0) >>> 2] = (TABLE << 12) | RW;
    },
    prepare: (t) => {
      load(t);
      if (t.index === 1) turnTo(t, ROOT_B);
      if (t.index === LAST) {
        translate(t, PAGE);
        t.lp.discovery.forgetMappings();
      }
    },
    threads: [
      // Not in guest mode, as between runs.
      (t) => {
        deviceStore(t.lp, TABLE, () => remap(t, PAGE, NEW));
        t.words.store(GHOST, 1);
      },
      (t) => {
        t.lp.discovery.forgetMappings();
        translate(t, PAGE);
        t.words.awaitChange(GHOST, 0);
        movCr3(t);
        expectPage(t, PAGE, NEW);
      },
    ],
    check: checkAll,
  },
  {
    name: 'edit of a tracked table, fill from it and switch',
    spts: 16,
    setup: trackedSpace,
    prepare: loadTracked,
    threads: [
      editAndSwitch,
      (t) => {
        touch(t);
        movCr3(t);
      },
      movCr3,
    ],
    check: checkAll,
  },
  {
    name: 'first write to a tracked table against a switch on another LP, under the mutex',
    spts: 16,
    setup: trackedUnderMutex,
    prepare: loadTracked,
    threads: [editAndSwitch, movCr3],
    check: checkAll,
  },
  {
    name: 'fill from an untracked table against a write and a switch, under the mutex',
    spts: 16,
    setup: (m) => {
      trackedUnderMutex(m);
      setPolicy(m, 'vtlb.untracked', '1024');
    },
    prepare: loadTracked,
    threads: [
      editAndSwitch,
      (t) => {
        t.lp.vtlb.invlpg(PAGE);
        touch(t);
      },
    ],
    check: checkAll,
  },
];
