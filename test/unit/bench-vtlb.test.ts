// The bench's own guest of the vTLB suite does what its rows say: so many fills, of so many shadow tables, and nothing left after a flush.
import test from 'ava';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { FillingLp, layOut, RAM_PAGES } from '../bench/vtlb-fills.js';
import { makeMachine } from '../interleave/small-machine.js';

for (const oneSpace of [true, false])
  test.serial(`512 fills and INVLPGs are just that, ${oneSpace ? 'in one space' : 'in spaces apart'}`, (t) => {
    const m = makeMachine(RAM_PAGES, 2);
    layOut(m, 64, 'generation', oneSpace);
    const lps = [0, 1].map((lp) => new FillingLp(m, lp));
    lps[1]!.fillAll();
    lps[1]!.leave();
    const before = vtlbCounters(m.partition);
    t.true(lps[0]!.fillAll() > 0);
    lps[0]!.invalidateAll();
    lps[0]!.fillAll();
    lps[0]!.flushSpace();
    lps[0]!.fillAll();
    const after = vtlbCounters(m.partition);
    t.is(after.fills! - before.fills!, 3 * 512);
    t.is(after.invalidations! - before.invalidations!, 512);
    t.is(after.sasLive, oneSpace ? 1 : 2);
  });

test.serial('large pages need a shadow table each, and a whole flush makes the next fill begin anew', (t) => {
  const m = makeMachine(RAM_PAGES, 1);
  layOut(m, 2000, 'generation', true);
  const lp = new FillingLp(m, 0);
  lp.touchLarge(1000, 1000);
  const { sptLive, fills } = vtlbCounters(m.partition);
  t.true(sptLive! > 1000);
  lp.touchLarge(1000, 1000);
  t.is(vtlbCounters(m.partition).fills, fills);
  lp.flushPartition();
  lp.touchLarge(10, 10);
  t.is(vtlbCounters(m.partition).fills! - fills!, 10);
});
