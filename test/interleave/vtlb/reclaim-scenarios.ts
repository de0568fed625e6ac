// Fills and walks against shadow tables that are taken away from them: reclaim, and eviction of spaces.
import { Flush } from '../../../daemon/hypervisor/vtlb/loaded-space.js';
import { Walk } from '../../../daemon/machine/walker.js';
import { PageAccess } from '../../../shared/layout/paging.js';
import { vpBlockAt } from '../../../shared/layout/partition.js';
import { VpBlock } from '../../../shared/layout/vp.js';
import { freeTopAt, LockMode, SAS_MAX, Sas, sasAt, vtlbWord } from '../../../shared/layout/vtlb.js';
import { LAST, type Scenario, type ScenarioThread } from '../scenario.js';
import { entry32, type SmallMachine, spaOf } from '../small-machine.js';
import { checkStructure } from '../structure-check.js';
import {
  expectPage,
  inGuest,
  load,
  movCr3,
  NEW,
  OLD,
  oneSpace,
  PAGE,
  ROOT,
  ROOT_B,
  RW,
  setPolicy,
  TABLE_B,
  translate,
  vpOf,
} from './acts.js';

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

export const RECLAIM_SCENARIOS: readonly Scenario[] = [
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
];
