// Nodes that several address spaces have, and tables that are merged.
import { Flush } from '../../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageAccess } from '../../../shared/layout/paging.js';
import { LockMode, vtlbWord } from '../../../shared/layout/vtlb.js';
import { LAST, type Scenario, type ScenarioThread } from '../scenario.js';
import { deviceStore, entry64, longVp, type SmallMachine } from '../small-machine.js';
import { checkStructure } from '../structure-check.js';
import { checkTracking } from '../track-check.js';
import { expectPage, GHOST, inGuest, load, movCr3, NEIGHBOUR, NEW, OLD, PAGE, RW, setPolicy, translate, turnTo, vpOf } from './acts.js';

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

export const SHARING_SCENARIOS: readonly Scenario[] = [
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
];
