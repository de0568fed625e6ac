// Every race of the vTLB and of the flush handshake, under every schedule with few preemptions; and for each protocol step a mutant without it that must fail.
// Three actors by random schedules; for a long run, and to replay one seed of a scenario:
//   HVD_RANDOM=100000 bash test/run.sh dist/test/interleave/vtlb-interleavings.test.js -m '*no schedule*'
//   HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/vtlb-interleavings.test.js -m 'fill, INVLPG and reclaim: no*'
import test from 'ava';
import { SAS_MAX, SAS_SIZE, SAS_TABLE, SPT_HEADERS, SPT_PAGES } from '../../shared/layout/vtlb.js';
import { countOf, explorerOfTests, toldOf } from './explore-all.js';
import type { Focus } from './explorer.js';
import { VTLB_SCENARIOS } from './vtlb/scenarios.js';

/** Which faults each scenario must find; with a number, by so many schedules in order before chance has a try, and perhaps with changes of threads at certain words only. */
type Fault = string | readonly [mutant: string, limit: number, focus?: Focus];
/** Headers of shadow tables. */
const HEADERS: Focus = [SPT_HEADERS, SPT_PAGES];
/** The table of address spaces. */
const SPACES: Focus = [SAS_TABLE, SAS_TABLE + SAS_MAX * SAS_SIZE];
const MUST_FIND: Readonly<Record<string, readonly Fault[]>> = {
  'fill against INVLPG': ['no wait for pending fills', 'clear before the wait', 'no clear'],
  'fill against MOV CR3': ['no wait for pending fills', 'clear before the wait', 'no purge'],
  'fill against two MOV CR3s': [
    'a purge says that a table is clear after it has looked',
    'a purge says that a table is clear whoever has filled',
  ],
  'two MOV CR3s of one space at once': ['a purge says that a table is clear before it is'],
  'flush of a page for another VP against its fills, vtlb.tags=1': ['TLBs are not flushed for others'],
  'fill against a flush of everything': ['a SAS of any generation is taken'],
  'fill against a flush of everything that clears': ['no wait for pending fills', 'no purge'],
  'walk against a flush of the partition': ['the old root is kept', 'no flush request', 'TLBs are flushed before everything is forgotten'],
  'an entry made present without INVLPG against a fault': ['a walk that found nothing is remembered'],
  'two fills of one slot': ['torn compare-and-swap'],
  'an entry is changed while a fill sets its A': ['torn compare-and-swap'],
  'two fills under a directory entry that changes': ['no wait for pending fills'],
  'two invalidations at once': ['wait while inside', 'no clear'],
  'fill against reclaim': ['reclaim without waiting for fills', 'reclaim that waits before it unlinks'],
  'first fill of a region against reclaim, one table at a time': ['reclaim without waiting for fills'],
  'MOV CR3 against reclaim': [['reclaim without waiting for those that stand in lists', 5000]],
  'MOV CR3 against reclaim, one table at a time': [['reclaim without waiting for those that stand in lists', 5000]],
  'fill against reclaim under the mutex': ['no turn at the mutex before tables are freed'],
  'fills of one region and another': [['free tables without versions', 100]],
  'walk against reclaim and reuse': ['reclaim without waiting for walkers', 'nobody is behind'],
  'walk against reclaim and reuse, one table at a time': ['reclaim without waiting for walkers'],
  'load of a SAS against its eviction': ['no second look at the key'],
  'fill and INVLPG while the mutex replaces the counters': [['no second look at the lock mode', 100], 'no wait when the lock mode changes'],
  'fill and INVLPG while the counters replace the mutex': [['no second look at the lock mode', 100]],
  'fill and INVLPG under the mutex': ['no clear'],
  'first write to a tracked table against a switch on another LP': [
    'no marks at the first write',
    'no validation',
    'no record of a writable mapping',
    'a mark is taken after the look at the state',
  ],
  'store of a device to a tracked table against a switch': ['the store of a device is outside the fill that marks'],
  'first write to a tracked table against a switch on another LP, under the mutex': [
    ['no turn at the mutex before tables are gone over', 1000],
  ],
  'all mappings are purged against a write by a hardware TLB': [['mappings are purged while VPs run', 3000]],
  'all mappings are purged against a fill with a right to write under the mutex': ['states are set among fills'],
  'all mappings are purged against the use of what a fill under the mutex has found': ['who waits for the mutex is outside guest mode'],
  'all mappings are purged against the store of a device': ['mappings are purged while a device stores'],
  'write that is allowed once against a switch: vtlb.track=write': ['an LP is settled while it writes what it may write once'],
  'write that is allowed once against a switch: lent under SMAP': ['an LP is settled while it writes what it may write once'],
  'fill from an untracked table against a write and a switch': [
    'a mark that comes while a table is gone over is lost',
    'no look at the state after the mark is cleared',
  ],
  'write by a hardware TLB against the protection of the table': ['no flush of other LPs when a table is protected', 'nobody is behind'],
  'return to a space against the protection of its table': [
    'versions stay when a table is protected',
    'an LP is settled while it loads',
    'LPs are looked at before versions are added to',
  ],
  'fill into an emptied table that may be written freely': ['no mark when an entry is made from a table that is written'],
  'first fill from an emptied table against a free write and a switch': ['no wait for fills that mark'],
  'two that go over an untracked table that is edited': [
    'no wait for LPs that have taken marks away',
    'the mark of a space is taken after its tables are looked through',
  ],
  'fill with a right to write a table against its protection': [
    'no wait for fills that grant a right to write',
    'a page is closed that was granted again',
  ],
  'fill from a table that another VP writes against its protection': [['no wait for fills that have read the table', 25_000]],
  'edit of a tracked table, fill from it and switch': [
    'a page is closed before its mappings are taken away',
    ['tables are marked before the state says so', 100],
  ],
  'two that protect a table that is granted again': [['a page that another LP closes is taken for closed', 1]],
  'fill against the eviction of a space whose tables are freed one by one': ['reclaim that gathers tables while it frees others'],
  'fill against INVLPG under table locks': ['tables are not locked', 'no clear'],
  'first fill of a region against INVLPG under table locks': ['tables are not locked', 'only leaf tables are locked'],
  'first fill of a region against MOV CR3 under table locks': ['a purge does not wait for the holders of tables'],
  'two fills under a directory entry that changes under table locks': ['tables are not locked'],
  'fill and INVLPG while table locks replace the counters': [
    ['no second look at the lock mode', 100],
    'no wait when the lock mode changes',
  ],
  'fill and INVLPG while the counters replace table locks': [['no wait when the lock mode changes', 100]],
  'a shared node is taken up against a fill in another space': ['a node is taken up as it is'],
  'a shared node is taken up against an edit and MOV CR3': ['a node is taken up as it is'],
  'a shared node is taken up against a change above it and MOV CR3': ['a node is taken up whatever the tables say by now'],
  'a shared node is taken up against an edit and INVLPG under table locks': ['a node is taken up while VPs run'],
  'a marked node is taken up against one who goes over it': [
    'a node is taken up while fills are pending',
    ['a node that is taken up is looked at after the wait only', 1000, SPACES],
  ],
  'the link above a shared node is changed and flushed against a fill below it': ['links to nodes stay when their space is flushed'],
  'the link above a shared node is changed and its page invalidated against a fill below it': [
    'links to nodes stay when a page of theirs is invalidated',
  ],
  'equal tables are merged against a fill that links below them, vtlb.tags=64': [['tables are merged while fills are pending', 1000]],
  'equal tables are merged against a VP that is loaded, vtlb.tags=1': [
    ['tables are merged as they are', 3000],
    ['tables change lists while an LP goes through the old one', 3000, HEADERS],
  ],
  'equal tables are merged against a change above them, vtlb.tags=1': [['tables are merged while VPs run', 300]],
  'equal tables are merged against a locked access that needs tables': ['the structure lock before the bus'],
  'equal tables are merged against the mark of a table below one of them': [
    ['marks of tables that have changed spaces are looked at too early', 3000, HEADERS],
    'a node has no mark of the tables that are merged',
  ],
  'entering guest mode against a flush request': ['look for requests before entering', 'leave without acknowledging', 'no flush request'],
  'marking code against a write tag': ['no flush request', 'torn compare-and-swap'],
  'two that mark the same code': ['no flush request'],
  'bus lock against guest mode': ['enter while the bus is held'],
  'two bus locks and a flush request': ['enter while the bus is held'],
};

const explorer = explorerOfTests();

const SCHEDULES = Number(process.env.HVD_SCHEDULES ?? 4000);
const RANDOM = Number(process.env.HVD_RANDOM ?? 400);
const SEED = process.env.HVD_SEED === undefined ? undefined : Number(process.env.HVD_SEED);

for (const { name, threads, limit: most } of VTLB_SCENARIOS) {
  test.serial(`${name}: no schedule breaks it`, (t) => {
    t.timeout(24 * 3600 * 1000);
    const three = threads.length > 2;
    // With three actors few preemptions do not go far: chance does.
    const result = explorer().explore({
      scenario: name,
      limit: three ? Math.min(SCHEDULES, 1000) : process.env.HVD_SCHEDULES === undefined ? (most ?? SCHEDULES) : SCHEDULES,
      random: three ? RANDOM : 150,
      seed: SEED,
    });
    t.log(countOf(result));
    t.is(result.violation, null, toldOf(result));
  });
  for (const fault of MUST_FIND[name] ?? []) {
    const [mutant, limit, focus] = typeof fault === 'string' ? [fault, 20_000] : fault;
    test.serial(`${name}: ${mutant} is found`, (t) => {
      t.timeout(24 * 3600 * 1000);
      const result = explorer().explore({ scenario: name, mutant, limit, focus, random: 20_000, seed: 1 });
      t.log(toldOf(result));
      t.not(result.violation, null);
    });
  }
}
