// Fills and invalidations under each lock, and while one takes the place of another.
import { Flush } from '../../../daemon/hypervisor/vtlb/loaded-space.js';
import { MachineLayout } from '../../../shared/layout/machine.js';
import { PageAccess } from '../../../shared/layout/paging.js';
import { LockMode, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { Scenario, ScenarioThread } from '../scenario.js';
import type { SmallMachine } from '../small-machine.js';
import {
  fault,
  load,
  loadWarm,
  NEIGHBOUR,
  NEW,
  noStaleEntry,
  oneSpace,
  PAGE,
  remap,
  remapThenInvlpg,
  replaceDirectoryEntry,
  setPolicy,
  touch,
  withOtherTable,
} from './acts.js';

const tableLocks = (m: SmallMachine): void => {
  oneSpace(m);
  setPolicy(m, 'vtlb.lock', 'fine');
  m.partition.i32[vtlbWord('lockMode') >>> 2] = LockMode.FINE;
};

/** As short as can be: what is wrong shows in the tree at the end. */
const remapAndInvlpg = (t: ScenarioThread): void => {
  remap(t, PAGE, NEW);
  t.lp.vtlb.invlpg(PAGE);
};

export const LOCK_SCENARIOS: readonly Scenario[] = [
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
];
