// Guest-visible memory is the same whatever the vTLB's settings: guests that edit page tables and switch address spaces, with free intercepts, so that time is the same too.
// Why one VP: where another one's turn begins depends on which tier runs the code, and that on which of its pages can be looked up just now.
import test from 'ava';
import { runAlone, type Settings } from '../rig/lone-guest.js';

const BASELINE: Settings = { 'vtlb.tags': '1' };
const SETTINGS: readonly Settings[] = [
  { 'vtlb.tags': '2' },
  { 'vtlb.tags': '64' },
  { 'vtlb.untracked': '0' },
  { 'vtlb.track': 'rmap' },
  { 'vtlb.track': 'write' },
];
/** In a vTLB of 64 pages. */
const SMALL: readonly Settings[] = [
  { 'vtlb.pages': '64' },
  { 'vtlb.pages': '64', 'vtlb.tags': '1', 'vtlb.reclaim': 'immediate' },
  { 'vtlb.pages': '64', 'vtlb.coalesce': '16', 'vtlb.track': 'rmap' },
];
const WORKLOAD = 'configs/guests/images/workload64.elf';
const GUESTS = [
  { image: WORKLOAD, job: 'job=switch:spaces=5,pages=20 milliseconds=15', settings: SETTINGS },
  { image: WORKLOAD, job: 'job=pagechurn:shared=1 milliseconds=15', settings: SETTINGS.slice(2, 4) },
  // 200 address spaces, and shadow tables for a dozen of them: slow, and right.
  { image: WORKLOAD, job: 'job=switch:spaces=200,pages=4 milliseconds=12', settings: SMALL },
  { image: 'configs/guests/bench/guest32.elf', job: 'run=cr3sw,ptchurn div=2000', settings: SETTINGS },
] as const;

for (const { image, job, settings: each } of GUESTS)
  test.serial(`${image.split('/').pop()} ${job}: memory does not depend on how translations are kept`, (t) => {
    t.timeout(300_000);
    const reference = runAlone(image, job, BASELINE);
    t.true(reference.ended);
    for (const settings of each) {
      const { hash, counters } = runAlone(image, job, settings);
      t.is(hash, reference.hash, JSON.stringify(settings));
      t.true(counters.fills > 100 && (counters.addressSpaceSwitches > 50 || counters.invalidations > 500), JSON.stringify(counters));
      if (each === SMALL) t.true(counters.sptPool! - counters.sptFree! <= 64 && counters.sasCreated! > 1000, JSON.stringify(counters));
    }
    const changing = runAlone(image, job, SETTINGS[1], { change: SETTINGS[3] });
    t.is(changing.hash, reference.hash);
    t.is(runAlone(image, job, BASELINE, { change: SETTINGS[4] }).hash, reference.hash);
    t.true(changing.counters.trackModeChanges > 0);
  });

/** Switches in the longest stretch of the run without a fill, of all switches. */
const withoutFills = (tags: string): { readonly most: number; readonly all: number } => {
  let fills = 0;
  let from = 0;
  let most = 0;
  const { ended, counters } = runAlone(
    WORKLOAD,
    'job=switch:spaces=2,pages=16 milliseconds=15',
    { 'vtlb.tags': tags },
    {
      after: (now) => {
        if (now.fills !== fills) from = now.addressSpaceSwitches!;
        fills = now.fills!;
        most = Math.max(most, now.addressSpaceSwitches! - from);
      },
    },
  );
  return { most: ended ? most : -1, all: counters.addressSpaceSwitches! };
};
test.serial('from one address space to another and back, with no edits: no fill at all once both have been seen, vtlb.tags≥2', (t) => {
  for (const tags of ['2', '64']) {
    const { most, all } = withoutFills(tags);
    t.log(`vtlb.tags=${tags}: ${most} of ${all} switches`);
    t.true(all > 5000 && most > 0.9 * all, `${most} of ${all}`);
  }
  t.is(withoutFills('1').most, 0);
});
