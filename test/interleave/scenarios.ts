// The races that the vTLB and the flush handshake must survive, each as two or three short threads and a condition.
// Why 32-bit paging mostly: two levels of guest tables make short schedules, so that all of them with two preemptions can be run.

import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { HardwareWalker, Walk } from '../../daemon/machine/walker.js';
import type { WatchedCode } from '../../daemon/machine/watched-code.js';
import { Cr0, Cr4, Rflags } from '../../shared/abi/registers.js';
import { LpContextLayout, TLB_BANK_SIZE, TLB_ENTRY_SIZE, TlbEntry } from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { lpContextAt, PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { freeTopAt, LockMode, SAS_MAX, Sas, sasAt, sptPageAt, vtlbWord } from '../../shared/layout/vtlb.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import type { ApicParts } from './apic-mutants.js';
import { checkTranslations } from './oracle.js';
import type { LpParts } from './small-lp.js';
import { deviceStore, entry32, entry64, legacyVp, longVp, type SmallMachine, setFlags, spaOf } from './small-machine.js';
import { checkStructure } from './structure-check.js';
import type { SynicMutant } from './synic-mutants.js';
import { checkTracking } from './track-check.js';

export const PAGES = 64;
/** Threads that are prepared for every scenario, and the last of them: the first load of a VP purges the SAS, so it fills beforehand. */
export const THREADS = 3;
const LAST = THREADS - 1;

export interface ScenarioThread {
  readonly lp: LpMmu;
  readonly words: SharedWords;
  readonly machine: SmallMachine;
  readonly index: number;
  /** The fault that scenarios of the synthetic interrupt controller are to have. */
  readonly synic?: SynicMutant | undefined;
  /** As posting to virtual APICs is to be. */
  readonly apic?: ApicParts | undefined;
  /** As LPs are to rest and wake. */
  readonly lpParts?: LpParts | undefined;
  /** As it is to be in scenarios of translated code. */
  readonly WatchedCode?: typeof WatchedCode | undefined;
}

export interface Scenario {
  readonly name: string;
  /** Most schedules in order in a short run; else many. */
  readonly limit?: number;
  /** Size of the SPT pool. */
  readonly spts: number;
  /** Addresses of words in the partition whose own Atomics are gated. */
  readonly atomics?: readonly number[];
  /** As above, in the machine's memory. */
  readonly machineAtomics?: readonly number[];
  /** Guest memory and registers. */
  setup(machine: SmallMachine): void;
  /** Each LP, ungated, in the order of threads. */
  prepare?(thread: ScenarioThread): void;
  readonly threads: readonly ((thread: ScenarioThread) => void)[];
  /** After all threads have ended. */
  check(machine: SmallMachine): string | null;
}

const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
const ROOT = 1;
const TABLE = 2;
const ROOT_B = 3;
const TABLE_B = 4;
const OLD = 16;
const NEW = 17;
const PAGE = 0x5000;
const NEIGHBOUR = 0x6000;
/** Ghost word, seen by the scenario only: a partition-memory word that nothing else uses. */
const GHOST = PartitionMap.DEVICES;
const COUNTER = PartitionMap.DEVICES + 64;
/** Of a mutant that remembers what it did not find. */
export const ABSENT = PartitionMap.DEVICES + 128;

const vpOf = ({ machine, index }: ScenarioThread): VpBlock => new VpBlock(machine.partition, vpBlockAt(index));

/** Two (three) VPs in one address space: PAGE maps to OLD, its neighbour to frame 18. */
const oneSpace = (m: SmallMachine): void => {
  const { i32 } = m.partition;
  for (let vp = 0; vp < m.lps; vp++) legacyVp(m, vp, ROOT);
  i32[entry32(ROOT, 0) >>> 2] = (TABLE << 12) | RW;
  i32[entry32(TABLE, PAGE >>> 12) >>> 2] = (OLD << 12) | RW;
  i32[entry32(TABLE, NEIGHBOUR >>> 12) >>> 2] = (18 << 12) | RW;
  i32[GHOST >>> 2] = 0;
  i32[COUNTER >>> 2] = 0;
  i32[ABSENT >>> 2] = 0;
};

/** The processor's way to a page: walk, on a miss the intercept, walk again. SPA of the page. */
const translate = ({ lp }: ScenarioThread, gva: number, access: number = PageAccess.READ): number => {
  for (;;) {
    if (lp.walker.walk(gva, access) === Walk.HIT) return lp.walker.spa;
    const result = lp.vtlb.pageFault(gva, access);
    if (result === PageFault.ONCE) return lp.vtlb.found.spa & ~4095;
    if (result !== PageFault.FILLED) throw new Error(`page fault ended with ${result}, error code ${lp.vtlb.found.errorCode}`);
  }
};
const load = (t: ScenarioThread): void => void t.lp.vtlb.load(vpOf(t));
/** Links the tables of the page's region beforehand, so that the race is about the leaf. */
const loadWarm = (t: ScenarioThread): void => {
  load(t);
  if (t.index === LAST) translate(t, NEIGHBOUR);
};
const policyWord = (name: string): number => (MachineLayout.at.policies >>> 2) + findPolicy(name).word;
export const setPolicy = (m: SmallMachine, name: string, value: string): void => {
  m.machine.i32[policyWord(name)] = settingOf(findPolicy(name), value);
};
const expectPage = (t: ScenarioThread, gva: number, frame: number): void => {
  const spa = translate(t, gva);
  if (spa !== spaOf(frame)) throw new Error(`LP ${t.index} reaches frame ${(spa - PartitionMap.RAM) >>> 12} and must reach ${frame}`);
};
const remap = (t: ScenarioThread, gva: number, frame: number): void => t.words.store(entry32(TABLE, gva >>> 12), (frame << 12) | RW);
const inGuest = (t: ScenarioThread, body: () => void): void => {
  t.lp.handshake.enterGuest();
  body();
  t.lp.handshake.leaveGuest();
};
const touch = (t: ScenarioThread): void => inGuest(t, () => void translate(t, PAGE));

const tableLocks = (m: SmallMachine): void => {
  oneSpace(m);
  setPolicy(m, 'vtlb.lock', 'fine');
  m.partition.i32[vtlbWord('lockMode') >>> 2] = LockMode.FINE;
};

/** A second table in which the page is NEW, and the directory's change to it. */
const withOtherTable = (setup: (m: SmallMachine) => void, m: SmallMachine): void => {
  setup(m);
  m.partition.i32[entry32(TABLE_B, PAGE >>> 12) >>> 2] = (NEW << 12) | RW;
};
const replaceDirectoryEntry = (t: ScenarioThread): void => {
  t.words.store(entry32(ROOT, 0), (TABLE_B << 12) | RW);
  t.lp.vtlb.invlpg(PAGE);
  expectPage(t, PAGE, NEW);
};

/** 64-bit spaces whose upper halves are one: tables in frames 8 to 10, a page that maps to OLD. */
const KERNEL_ROOT_A = 1;
const KERNEL_ROOT_B = 3;
const KERNEL_TABLE = 10;
const KERNEL_PAGE = -(2 ** 47) + PAGE;
const KERNEL_NEIGHBOUR = -(2 ** 47) + NEIGHBOUR;
const twoSpaces = (m: SmallMachine, roots: readonly number[]): void => {
  const { i32 } = m.partition;
  roots.forEach((root, vp) => {
    longVp(m, vp, root);
  });
  setPolicy(m, 'vtlb.share', '3');
  for (const root of [KERNEL_ROOT_A, KERNEL_ROOT_B]) i32[entry64(root, 256) >>> 2] = (8 << 12) | RW;
  i32[entry64(8, 0) >>> 2] = (9 << 12) | RW;
  i32[entry64(9, 0) >>> 2] = (KERNEL_TABLE << 12) | RW;
  i32[entry64(KERNEL_TABLE, 5) >>> 2] = (OLD << 12) | RW;
  i32[entry64(KERNEL_TABLE, 6) >>> 2] = (18 << 12) | RW;
};
/** The last LP fills the node in space B. */
const loadKernel = (t: ScenarioThread): void => {
  load(t);
  if (t.index === LAST) translate(t, KERNEL_PAGE);
};
const remapKernel = (t: ScenarioThread, before: () => void): void =>
  inGuest(t, () => {
    t.words.store(entry64(KERNEL_TABLE, 5), (NEW << 12) | RW);
    t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    before();
    expectPage(t, KERNEL_PAGE, NEW);
  });

/** Space A may turn to tables in which the page is NEW; both spaces have the node. */
const OTHER_KERNEL = 11;
const withOtherKernel = (m: SmallMachine): void => {
  twoSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_B, KERNEL_ROOT_A]);
  const { i32 } = m.partition;
  for (const n of [0, 1]) i32[entry64(OTHER_KERNEL + n, 0) >>> 2] = ((OTHER_KERNEL + n + 1) << 12) | RW;
  i32[entry64(OTHER_KERNEL + 2, 5) >>> 2] = (NEW << 12) | RW;
};
const turnToOtherKernel = (t: ScenarioThread): void => t.words.store(entry64(KERNEL_ROOT_A, 256), (OTHER_KERNEL << 12) | RW);

/** Another 2 MiB of the kernel, in which nothing is filled; a lower half that space B has to itself: tables in three frames, a page that maps to OLD. */
const KERNEL_REGION = KERNEL_PAGE + 0x20_0000;
const LOWER = 20;
/** Both spaces have tables of their own for the kernel's, which wait to be merged. */
const twoPrivateSpaces = (m: SmallMachine, roots: readonly number[], tags: string): void => {
  twoSpaces(m, roots);
  setPolicy(m, 'vtlb.share', 'off');
  setPolicy(m, 'vtlb.coalesce', '16');
  setPolicy(m, 'vtlb.tags', tags);
  const { i32 } = m.partition;
  i32[entry64(9, 1) >>> 2] = (KERNEL_TABLE << 12) | RW;
  i32[entry64(KERNEL_ROOT_B, 0) >>> 2] = (LOWER << 12) | RW;
  for (const n of [0, 1]) i32[entry64(LOWER + n, 0) >>> 2] = ((LOWER + n + 1) << 12) | RW;
  i32[entry64(LOWER + 2, 5) >>> 2] = (OLD << 12) | RW;
};
const loadPrivately = (t: ScenarioThread): void => {
  load(t);
  if (t.index !== 1) translate(t, KERNEL_PAGE);
};
/** So many tables have been made: the next fault merges. */
const merge = (t: ScenarioThread): void =>
  inGuest(t, () => {
    t.words.store(vtlbWord('tablesMade'), 16);
    t.lp.coalescing.run();
  });
/** A VP that comes to an LP anew, in space B, after a device has written tables: its load is a flush. */
const loadAfterEdit = (t: ScenarioThread): void => {
  for (const table of [KERNEL_TABLE, LOWER + 2]) {
    deviceStore(t.lp, table, () => t.words.store(entry64(table, 5), (NEW << 12) | RW));
  }
  vpOf(t).cr3Num = KERNEL_ROOT_B * 4096;
  load(t);
  inGuest(t, () => {
    expectPage(t, PAGE, NEW);
    expectPage(t, KERNEL_PAGE, NEW);
  });
};
/** Space B has the region by a table of its own guest table, space A the page: what is merged has both, and neither twice. All tables are tracked, nothing is marked. */
const REGION_TABLE = 13;
const twoTrackedHalves = (m: SmallMachine): void => {
  twoPrivateSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_B, KERNEL_ROOT_B], '64');
  setPolicy(m, 'vtlb.untracked', '0');
  m.partition.i32[entry64(9, 1) >>> 2] = (REGION_TABLE << 12) | RW;
  m.partition.i32[entry64(REGION_TABLE, 5) >>> 2] = (OLD << 12) | RW;
};
const meetHalves = (t: ScenarioThread): void => {
  load(t);
  if (t.index !== LAST) return;
  for (let n = 0; n < 2; n++)
    for (const [root, page] of [
      [KERNEL_ROOT_A, KERNEL_PAGE],
      [KERNEL_ROOT_B, KERNEL_REGION],
    ]) {
      turnTo(t, root);
      translate(t, page);
      movCr3(t);
      translate(t, page);
    }
};
/** The node's tables are tracked, and what was made from them is in the tree. */
const trackedNode = (m: SmallMachine, roots: readonly number[]): void => {
  twoSpaces(m, roots);
  setPolicy(m, 'vtlb.tags', '64');
  setPolicy(m, 'vtlb.untracked', '0');
};
const loadTrackedNode = (t: ScenarioThread): void => {
  load(t);
  if (t.index === LAST) meetNode(t);
};
const meetNode = (t: ScenarioThread): void => {
  // The first switch finds the tables, the second takes the marks away.
  for (let n = 0; n < 3; n++) {
    translate(t, KERNEL_PAGE);
    if (n < 2) movCr3(t);
  }
};
const checkMerged = (m: SmallMachine): string | null => checkStructure(m) ?? checkTracking(m, []);

const remapThenInvlpg = (t: ScenarioThread): void => {
  remap(t, PAGE, NEW);
  t.lp.vtlb.invlpg(PAGE);
  expectPage(t, PAGE, NEW);
};

/** Every change was followed by an INVLPG: no entry of the shared SAS may differ from the guest's tables. */
const noStaleEntry = (m: SmallMachine): string | null => {
  const walker = new HardwareWalker(new SharedWords(m.partition));
  walker.root = sptPageAt(m.partition.u32[(sasAt(0) + Sas.root) >>> 2]);
  return checkTranslations(m, new VpBlock(m.partition, vpBlockAt(0)), walker, [PAGE, NEIGHBOUR]) ?? checkStructure(m);
};

/** As short as can be: what is wrong shows in the tree at the end. */
const remapAndInvlpg = (t: ScenarioThread): void => {
  remap(t, PAGE, NEW);
  t.lp.vtlb.invlpg(PAGE);
};
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
const fault = (t: ScenarioThread): void => void t.lp.vtlb.pageFault(PAGE, PageAccess.READ);

/** A pool of 16 SPTs, nearly used up by pages in regions 2 MiB apart. */
const REGION = 0x20_0000;
const REGIONS = 8;
const manyRegions = (m: SmallMachine): void => {
  oneSpace(m);
  const { i32 } = m.partition;
  for (let r = 0; r < 12; r++) {
    i32[entry32(ROOT, r >> 1) >>> 2] = ((40 + (r >> 1)) << 12) | RW;
    i32[entry32(40 + (r >> 1), (r & 1) * 512 + 5) >>> 2] = ((20 + r) << 12) | RW;
  }
};
const oneByOne = (m: SmallMachine): void => {
  manyRegions(m);
  setPolicy(m, 'vtlb.reclaim', 'immediate');
};
const RECLAIMS = [
  { how: '', setup: manyRegions },
  { how: ', one table at a time', setup: oneByOne },
] as const;
const regionPage = (r: number): number => r * REGION + PAGE;
const reachRegions = (t: ScenarioThread, regions: readonly number[]): void =>
  inGuest(t, () => {
    for (const r of regions) expectPage(t, regionPage(r), 20 + r);
  });
const fillRegions = (t: ScenarioThread): void => {
  load(t);
  if (t.index === LAST) for (let r = 0; r < REGIONS; r++) translate(t, regionPage(r));
};

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
const movCr3 = (t: ScenarioThread): void => t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
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
const turnTo = (t: ScenarioThread, root: number): void => {
  vpOf(t).cr3Num = root * 4096;
  movCr3(t);
};
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

export const SCENARIOS: readonly Scenario[] = [
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
  {
    name: 'fill against reclaim',
    spts: 16,
    setup: manyRegions,
    prepare: fillRegions,
    threads: [
      (t) => t.lp.spaces.reclaim(),
      (t) =>
        inGuest(t, () => {
          const spa = translate(t, regionPage(1));
          if (spa !== spaOf(21)) throw new Error('wrong frame');
          expectPage(t, regionPage(9), 29);
        }),
    ],
    check: checkStructure,
  },
  {
    name: 'first fill of a region against reclaim, one table at a time',
    spts: 16,
    setup: oneByOne,
    prepare: (t) => {
      fillRegions(t);
      // The region's table, the next that is made, is the first that is freed.
      const { i32 } = t.machine.partition;
      if (t.index === LAST) i32[vtlbWord('clockHand') >>> 2] = i32[freeTopAt(0) >>> 2] - 1;
    },
    threads: [(t) => t.lp.spaces.reclaim(), (t) => reachRegions(t, [9])],
    check: checkStructure,
  },
  ...RECLAIMS.map(
    ({ how, setup }): Scenario => ({
      name: `walk against reclaim and reuse${how}`,
      spts: 16,
      setup,
      prepare: fillRegions,
      threads: [
        (t) => {
          t.lp.spaces.reclaim();
          for (const r of [8, 9, 10, 11]) expectPage(t, regionPage(r), 20 + r);
        },
        (t) =>
          inGuest(t, () => {
            // Regions whose tables come first off the free stack after a reclaim.
            for (const r of [5, 4])
              if (t.lp.walker.walk(regionPage(r), PageAccess.READ) === Walk.HIT && t.lp.walker.spa !== spaOf(20 + r))
                throw new Error('the walker reached a recycled table');
          }),
      ],
      check: checkStructure,
    }),
  ),
  {
    name: 'load of a SAS against its eviction',
    spts: 12,
    setup: (m) => {
      oneSpace(m);
      const { i32 } = m.partition;
      i32[entry32(ROOT_B, 0) >>> 2] = (TABLE_B << 12) | RW;
      i32[entry32(TABLE_B, PAGE >>> 12) >>> 2] = (NEW << 12) | RW;
      // A third address space: frame 6 is its directory.
      i32[entry32(6, 0) >>> 2] = (7 << 12) | RW;
      i32[entry32(7, PAGE >>> 12) >>> 2] = (OLD << 12) | RW;
    },
    prepare: (t) => {
      load(t);
      if (t.index !== 0) return;
      // Address space B is left idle: the reclaim evicts it, and its entry is the next to be taken.
      const vp = vpOf(t);
      vp.cr3Num = ROOT_B * 4096;
      t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      translate(t, PAGE);
      vp.cr3Num = ROOT * 4096;
      t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    },
    threads: [
      (t) => {
        vpOf(t).cr3Num = ROOT_B * 4096;
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        expectPage(t, PAGE, NEW);
      },
      (t) => {
        t.lp.spaces.reclaim();
        vpOf(t).cr3Num = 6 * 4096;
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        expectPage(t, PAGE, OLD);
      },
    ],
    check: (m) => {
      const { i32 } = m.partition;
      for (let sas = 0; sas < SAS_MAX; sas++) {
        const at = sasAt(sas);
        let users = 0;
        for (let vp = 0; vp < m.lps; vp++) if (new VpBlock(m.partition, vpBlockAt(vp)).cr3Num === i32[(at + Sas.cr3Lo) >>> 2]) users++;
        if (i32[(at + Sas.users) >>> 2] > users) return `SAS ${sas} has ${i32[(at + Sas.users) >>> 2]} users and should have ${users}`;
      }
      return checkStructure(m);
    },
  },
  {
    name: 'fill and INVLPG while the mutex replaces the counters',
    spts: 16,
    setup: oneSpace,
    prepare: loadWarm,
    threads: [
      remapAndInvlpg,
      fault,
      (t) => {
        t.machine.machine.i32[MachineLayout.at.policies >>> 2] = LockMode.GLOBAL;
        t.lp.vtlb.pageFault(NEIGHBOUR, PageAccess.READ);
      },
    ],
    check: noStaleEntry,
  },
  {
    name: 'fill and INVLPG while the counters replace the mutex',
    spts: 16,
    setup: (m) => {
      oneSpace(m);
      m.machine.i32[MachineLayout.at.policies >>> 2] = LockMode.GLOBAL;
      m.partition.i32[vtlbWord('lockMode') >>> 2] = LockMode.GLOBAL;
    },
    prepare: loadWarm,
    threads: [
      remapAndInvlpg,
      fault,
      (t) => {
        t.machine.machine.i32[MachineLayout.at.policies >>> 2] = LockMode.GENERATION;
        t.lp.vtlb.pageFault(NEIGHBOUR, PageAccess.READ);
      },
    ],
    check: noStaleEntry,
  },
  {
    name: 'fill and INVLPG under the mutex',
    spts: 16,
    setup: (m) => {
      oneSpace(m);
      m.machine.i32[MachineLayout.at.policies >>> 2] = LockMode.GLOBAL;
      m.partition.i32[vtlbWord('lockMode') >>> 2] = LockMode.GLOBAL;
    },
    prepare: loadWarm,
    threads: [remapThenInvlpg, touch],
    check: noStaleEntry,
  },
  {
    name: 'fill against INVLPG under table locks',
    spts: 16,
    setup: tableLocks,
    prepare: loadWarm,
    threads: [remapThenInvlpg, touch],
    check: noStaleEntry,
  },
  {
    name: 'first fill of a region against INVLPG under table locks',
    spts: 16,
    setup: tableLocks,
    prepare: load,
    threads: [remapAndInvlpg, fault],
    check: noStaleEntry,
  },
  {
    name: 'first fill of a region against MOV CR3 under table locks',
    spts: 16,
    setup: tableLocks,
    prepare: load,
    threads: [
      (t) => {
        remap(t, PAGE, NEW);
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      },
      fault,
    ],
    check: noStaleEntry,
  },
  {
    name: 'two fills under a directory entry that changes under table locks',
    spts: 16,
    setup: (m) => withOtherTable(tableLocks, m),
    prepare: loadWarm,
    threads: [replaceDirectoryEntry, touch],
    check: noStaleEntry,
  },
  {
    name: 'fill and INVLPG while table locks replace the counters',
    spts: 16,
    setup: oneSpace,
    prepare: loadWarm,
    threads: [
      remapAndInvlpg,
      fault,
      (t) => {
        setPolicy(t.machine, 'vtlb.lock', 'fine');
        t.lp.vtlb.pageFault(NEIGHBOUR, PageAccess.READ);
      },
    ],
    check: noStaleEntry,
  },
  {
    name: 'fill and INVLPG while the counters replace table locks',
    spts: 16,
    setup: tableLocks,
    prepare: loadWarm,
    threads: [
      remapAndInvlpg,
      fault,
      (t) => {
        setPolicy(t.machine, 'vtlb.lock', 'generation');
        t.lp.vtlb.pageFault(NEIGHBOUR, PageAccess.READ);
      },
    ],
    check: noStaleEntry,
  },
  {
    name: 'a shared node is taken up against a fill in another space',
    spts: 24,
    setup: (m) => twoSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_B, KERNEL_ROOT_B]),
    prepare: loadKernel,
    threads: [(t) => remapKernel(t, () => void translate(t, KERNEL_NEIGHBOUR)), (t) => inGuest(t, () => void translate(t, KERNEL_PAGE))],
    check: checkStructure,
  },
  {
    name: 'a shared node is taken up against an edit and MOV CR3',
    spts: 24,
    setup: (m) => twoSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_A, KERNEL_ROOT_B]),
    prepare: loadKernel,
    threads: [(t) => remapKernel(t, () => t.lp.handshake.acknowledge()), (t) => inGuest(t, () => void translate(t, KERNEL_NEIGHBOUR))],
    check: checkStructure,
  },
  {
    name: 'a shared node is taken up against a change above it and MOV CR3',
    limit: 600,
    spts: 24,
    setup: (m) => {
      withOtherKernel(m);
      trackedNode(m, [KERNEL_ROOT_A, KERNEL_ROOT_A, KERNEL_ROOT_B]);
    },
    prepare: loadTrackedNode,
    threads: [
      (t) =>
        inGuest(t, () => {
          deviceStore(t.lp, KERNEL_ROOT_A, () => turnToOtherKernel(t));
          t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
          t.lp.handshake.acknowledge();
          expectPage(t, KERNEL_PAGE, NEW);
        }),
      (t) => inGuest(t, () => void translate(t, KERNEL_PAGE)),
    ],
    check: checkStructure,
  },
  {
    name: 'a shared node is taken up against an edit and INVLPG under table locks',
    limit: 600,
    spts: 24,
    setup: (m) => {
      trackedNode(m, [KERNEL_ROOT_A, KERNEL_ROOT_A, KERNEL_ROOT_B]);
      m.partition.i32[GHOST >>> 2] = 0;
      setPolicy(m, 'vtlb.lock', 'fine');
      m.partition.i32[vtlbWord('lockMode') >>> 2] = LockMode.FINE;
    },
    prepare: loadTrackedNode,
    threads: [
      (t) => {
        inGuest(t, () => {
          deviceStore(t.lp, KERNEL_TABLE, () => t.words.store(entry64(KERNEL_TABLE, 5), (NEW << 12) | RW));
          t.lp.vtlb.invlpg(KERNEL_PAGE);
        });
        // Not in guest mode, so that the other need not wait for it.
        t.words.awaitChange(GHOST, 0);
        inGuest(t, () => expectPage(t, KERNEL_PAGE, NEW));
      },
      (t) => {
        inGuest(t, () => void translate(t, KERNEL_NEIGHBOUR));
        t.words.store(GHOST, 1);
      },
    ],
    check: checkStructure,
  },
  {
    name: 'a marked node is taken up against one who goes over it',
    limit: 600,
    spts: 24,
    setup: (m) => trackedNode(m, [KERNEL_ROOT_B, KERNEL_ROOT_B, KERNEL_ROOT_A]),
    prepare: (t) => {
      load(t);
      if (t.index === 0) meetNode(t);
      if (t.index === 1) deviceStore(t.lp, KERNEL_TABLE, () => t.words.store(entry64(KERNEL_TABLE, 5), (NEW << 12) | RW));
      if (t.index === LAST) movCr3(t);
    },
    // The VP of space A has flushed. Whoever goes over the node does so for space B.
    threads: [
      movCr3,
      () => {},
      (t) => {
        translate(t, KERNEL_NEIGHBOUR);
        expectPage(t, KERNEL_PAGE, NEW);
      },
    ],
    check: checkMerged,
  },
  {
    name: 'the link above a shared node is changed and flushed against a fill below it',
    spts: 24,
    setup: withOtherKernel,
    prepare: loadKernel,
    threads: [
      (t) => {
        turnToOtherKernel(t);
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        expectPage(t, KERNEL_PAGE, NEW);
      },
      (t) => inGuest(t, () => void translate(t, KERNEL_PAGE)),
    ],
    check: checkStructure,
  },
  {
    name: 'the link above a shared node is changed and its page invalidated against a fill below it',
    spts: 24,
    setup: withOtherKernel,
    prepare: loadKernel,
    threads: [
      (t) => {
        turnToOtherKernel(t);
        t.lp.vtlb.invlpg(KERNEL_PAGE);
        expectPage(t, KERNEL_PAGE, NEW);
      },
      (t) => inGuest(t, () => void translate(t, KERNEL_PAGE)),
    ],
    check: checkStructure,
  },
  {
    name: 'equal tables are merged against the mark of a table below one of them',
    limit: 300,
    spts: 32,
    setup: twoTrackedHalves,
    prepare: meetHalves,
    // Between stays in guest mode, as who delivers a message or has slept at the mutex.
    threads: [
      merge,
      (t) => {
        deviceStore(t.lp, REGION_TABLE, () => t.words.store(entry64(REGION_TABLE, 5), (NEW << 12) | RW));
        movCr3(t);
        expectPage(t, KERNEL_REGION, NEW);
      },
    ],
    check: checkMerged,
  },
  {
    name: 'equal tables are merged against a locked access that needs tables',
    limit: 300,
    spts: 24,
    setup: (m) => twoPrivateSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_B, KERNEL_ROOT_B], '64'),
    prepare: loadPrivately,
    threads: [
      merge,
      (t) =>
        inGuest(t, () => {
          t.lp.handshake.stopOthers();
          t.lp.spaces.reclaim();
          t.lp.handshake.releaseOthers();
        }),
    ],
    check: checkStructure,
  },
  ...['1', '64'].flatMap((tags): Scenario[] => [
    {
      name: `equal tables are merged against a fill that links below them, vtlb.tags=${tags}`,
      limit: 300,
      spts: 24,
      setup: (m) => twoPrivateSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_B, KERNEL_ROOT_B], tags),
      prepare: loadPrivately,
      // Not in guest mode, as who has slept at the mutex.
      threads: [merge, (t) => void t.lp.vtlb.pageFault(KERNEL_REGION, PageAccess.READ)],
      check: checkStructure,
    },
    {
      name: `equal tables are merged against an edit and INVLPG under table locks, vtlb.tags=${tags}`,
      limit: 300,
      spts: 24,
      setup: (m) => {
        twoPrivateSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_B, KERNEL_ROOT_B], tags);
        setPolicy(m, 'vtlb.lock', 'fine');
        m.partition.i32[vtlbWord('lockMode') >>> 2] = LockMode.FINE;
      },
      prepare: loadPrivately,
      threads: [
        merge,
        (t) =>
          inGuest(t, () => {
            deviceStore(t.lp, KERNEL_TABLE, () => t.words.store(entry64(KERNEL_TABLE, 5), (NEW << 12) | RW));
            t.lp.vtlb.invlpg(KERNEL_PAGE);
            t.lp.handshake.acknowledge();
            expectPage(t, KERNEL_PAGE, NEW);
          }),
      ],
      check: checkStructure,
    },
    {
      name: `equal tables are merged against an edit and MOV CR3, vtlb.tags=${tags}`,
      limit: 300,
      spts: 24,
      setup: (m) => twoPrivateSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_B, KERNEL_ROOT_B], tags),
      prepare: loadPrivately,
      threads: [
        merge,
        (t) => {
          deviceStore(t.lp, KERNEL_TABLE, () => t.words.store(entry64(KERNEL_TABLE, 5), (NEW << 12) | RW));
          remapKernel(t, () => t.lp.handshake.acknowledge());
        },
      ],
      check: checkMerged,
    },
    {
      name: `equal tables are merged against a VP that is loaded, vtlb.tags=${tags}`,
      limit: 300,
      spts: 24,
      setup: (m) => twoPrivateSpaces(m, [KERNEL_ROOT_A, KERNEL_ROOT_A, KERNEL_ROOT_B], tags),
      prepare: (t) => {
        load(t);
        // The lower half first: it comes last in the list of its space.
        if (t.index === LAST) translate(t, PAGE);
        if (t.index !== 1) translate(t, KERNEL_PAGE);
        if (t.index === 1) t.lp.vtlb.unload();
      },
      threads: [merge, loadAfterEdit],
      check: checkMerged,
    },
    {
      name: `equal tables are merged against a change above them, vtlb.tags=${tags}`,
      limit: 300,
      spts: 24,
      setup: (m) => {
        withOtherKernel(m);
        twoPrivateSpaces(m, [KERNEL_ROOT_B, KERNEL_ROOT_A, KERNEL_ROOT_A], tags);
      },
      prepare: loadPrivately,
      threads: [
        (t) => {
          merge(t);
          inGuest(t, () => void translate(t, KERNEL_PAGE));
        },
        (t) => {
          deviceStore(t.lp, KERNEL_ROOT_A, () => turnToOtherKernel(t));
          inGuest(t, () => {
            t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
            t.lp.handshake.acknowledge();
            expectPage(t, KERNEL_PAGE, NEW);
          });
        },
      ],
      check: checkStructure,
    },
  ]),
  {
    name: 'entering guest mode against a flush request',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      load(t);
      if (t.index === 1) t.lp.tlb.insert(0, PAGE, spaOf(OLD), false, OLD);
    },
    threads: [
      (t) => {
        t.lp.handshake.requestFlush(2);
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) => {
        for (let round = 0; round < 2; round++)
          inGuest(t, () => {
            const entry = (lpContextAt(1) + LpContextLayout.at.tlbs + (PAGE >>> 12) * 32) >>> 2;
            // The inline lookup and the access after it: the entry found must not be flushed by then, as far as others have been told.
            const hit = t.machine.partition.i32[entry] === PAGE;
            t.words.load(spaOf(OLD));
            if (hit && t.machine.partition.i32[GHOST >>> 2] === 1) throw new Error('an entry was used after its flush was acknowledged');
            t.lp.handshake.acknowledge();
          });
      },
    ],
    check: () => null,
  },
  {
    name: 'marking code against a write tag',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      load(t);
    },
    threads: [
      (t) => {
        t.lp.handshake.watchCode(OLD);
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) =>
        inGuest(t, () => {
          translate(t, PAGE, PageAccess.WRITE);
          t.lp.tlb.insert(0, PAGE, t.lp.walker.spa, t.lp.walker.writable, t.lp.walker.gfn);
          const entry = (lpContextAt(1) + LpContextLayout.at.tlbs + (PAGE >>> 12) * 32) >>> 2;
          for (let n = 0; n < 2; n++) {
            const tagged = t.machine.partition.i32[entry + 2] === PAGE;
            t.words.load(spaOf(OLD));
            if (tagged && t.machine.partition.i32[GHOST >>> 2] === 1) throw new Error('a write went unseen to a page marked as code');
            t.lp.handshake.acknowledge();
          }
        }),
    ],
    check: () => null,
  },
  {
    name: 'two that mark the same code',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      load(t);
      if (t.index === 2) {
        translate(t, PAGE, PageAccess.WRITE);
        t.lp.tlb.insert(0, PAGE, t.lp.walker.spa, t.lp.walker.writable, t.lp.walker.gfn);
      }
    },
    threads: [
      (t) => {
        t.lp.handshake.watchCode(OLD);
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) => {
        t.lp.handshake.watchCode(OLD);
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) =>
        inGuest(t, () => {
          const entry = (lpContextAt(2) + LpContextLayout.at.tlbs + (PAGE >>> 12) * 32) >>> 2;
          const tagged = t.machine.partition.i32[entry + 2] === PAGE;
          t.words.load(spaOf(OLD));
          if (tagged && t.machine.partition.i32[GHOST >>> 2] === 1) throw new Error('a write went unseen to a page marked as code');
        }),
    ],
    check: () => null,
  },
  {
    name: 'bus lock against guest mode',
    spts: 16,
    setup: oneSpace,
    prepare: load,
    threads: [
      (t) => {
        inGuest(t, () => {
          t.lp.handshake.stopOthers();
          const value = t.words.load(COUNTER);
          t.words.store(COUNTER, value + 1);
          t.lp.handshake.releaseOthers();
        });
      },
      (t) => {
        for (let n = 0; n < 2; n++) inGuest(t, () => t.words.add(COUNTER, 1));
      },
    ],
    check: (m) => (m.partition.i32[COUNTER >>> 2] === 3 ? null : `3 increments came to ${m.partition.i32[COUNTER >>> 2]}`),
  },
  {
    name: 'two bus locks and a flush request',
    spts: 16,
    setup: oneSpace,
    prepare: load,
    threads: [0, 1].map((lp) => (t: ScenarioThread) => {
      inGuest(t, () => {
        t.lp.handshake.stopOthers();
        const value = t.words.load(COUNTER);
        t.words.store(COUNTER, value + 1);
        t.lp.handshake.releaseOthers();
        t.lp.handshake.requestFlush(1 << (1 - lp));
      });
    }),
    check: (m) => (m.partition.i32[COUNTER >>> 2] === 2 ? null : `2 increments came to ${m.partition.i32[COUNTER >>> 2]}`),
  },
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
    name: 'fill against the eviction of a space whose tables are freed one by one',
    spts: 16,
    setup: (m) => {
      manyRegions(m);
      setPolicy(m, 'vtlb.reclaim', 'immediate');
      m.partition.i32[entry32(ROOT_B, 0) >>> 2] = (TABLE_B << 12) | RW;
      m.partition.i32[entry32(TABLE_B, PAGE >>> 12) >>> 2] = (NEW << 12) | RW;
    },
    prepare: (t) => {
      load(t);
      if (t.index !== 0) return;
      for (const root of [ROOT_B, ROOT]) {
        vpOf(t).cr3Num = root * 4096;
        t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        for (let r = 0; r < (root === ROOT ? 6 : 1); r++) translate(t, root === ROOT ? regionPage(r) : PAGE);
      }
    },
    threads: [(t) => t.lp.spaces.reclaim(), (t) => reachRegions(t, [8, 9, 10])],
    check: checkStructure,
  },
  ...RECLAIMS.map(
    ({ how, setup }): Scenario => ({
      name: `MOV CR3 against reclaim${how}`,
      limit: 600,
      spts: 16,
      setup,
      prepare: fillRegions,
      threads: [
        (t) => {
          t.lp.spaces.reclaim();
          reachRegions(t, [8, 9, 10, 11]);
        },
        // Not in guest mode, as at the load of a VP: no handshake waits for it.
        movCr3,
      ],
      check: checkStructure,
    }),
  ),
  {
    name: 'fill against reclaim under the mutex',
    limit: 600,
    spts: 16,
    setup: (m) => {
      manyRegions(m);
      setPolicy(m, 'vtlb.lock', 'global');
      m.partition.i32[vtlbWord('lockMode') >>> 2] = LockMode.GLOBAL;
    },
    prepare: fillRegions,
    threads: [(t) => t.lp.spaces.reclaim(), (t) => reachRegions(t, [1, 9])],
    check: checkStructure,
  },
  {
    name: 'fills of one region and another',
    spts: 16,
    setup: manyRegions,
    prepare: load,
    threads: [(t) => reachRegions(t, [2, 4]), (t) => reachRegions(t, [0]), (t) => reachRegions(t, [0])],
    check: checkStructure,
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
    name: 'fill, INVLPG and reclaim',
    spts: 16,
    setup: manyRegions,
    prepare: fillRegions,
    threads: [
      (t) => {
        t.words.store(entry32(40, 512 + 5), (NEW << 12) | RW);
        t.lp.vtlb.invlpg(regionPage(1));
        expectPage(t, regionPage(1), NEW);
      },
      (t) => t.lp.spaces.reclaim(),
      (t) =>
        inGuest(t, () => {
          const spa = translate(t, regionPage(1));
          if (spa !== spaOf(21) && spa !== spaOf(NEW)) throw new Error('wrong frame');
          expectPage(t, regionPage(9), 29);
        }),
    ],
    check: checkStructure,
  },
  {
    name: 'fills of two LPs against a reclaim that frees tables one by one',
    spts: 16,
    setup: (m) => {
      manyRegions(m);
      setPolicy(m, 'vtlb.reclaim', 'immediate');
    },
    prepare: fillRegions,
    threads: [(t) => t.lp.spaces.reclaim(), (t) => reachRegions(t, [8, 9, 1]), (t) => reachRegions(t, [10, 0])],
    check: checkStructure,
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
