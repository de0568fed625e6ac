// What waits for locks cost in virtual time: nobody waits for itself, no time is given twice, and LPs that ask in any order get what a queue would give them.
import test from 'ava';
import { BusyDiary, SLOT_CYCLES } from '../../daemon/hypervisor/vtlb/busy-diary.js';
import { VirtualCosts } from '../../daemon/hypervisor/vtlb/virtual-costs.js';
import { LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import { DIARY_ENTRIES, filling, fillsOfLp, GLOBAL_LOCK, passing } from '../../shared/layout/vtlb.js';
import { makeMachine } from '../interleave/small-machine.js';

const FILL = 400;
const COSTS = {
  sptFill: FILL,
  flushHandshake: 1500,
  remoteIpi: 500,
  counterRead: 40,
  tlbWalkLevel: 20,
  remoteWalkLevel: 40,
  tableSweep: 300,
};

const diaries = (lps: number): BusyDiary[] => {
  const m = makeMachine(1, lps);
  return Array.from({ length: lps }, (_, lp) => new BusyDiary(m.partition, lp));
};
/** An LP's account, with a clock that the test sets. */
const accounts = (lps: number, nodes: readonly number[] = []) => {
  const m = makeMachine(1, lps);
  return Array.from({ length: lps }, (_, lp) => {
    m.machine.u32[(lpBlockAt(lp) + LpLayout.at.node) >>> 2] = nodes[lp] ?? 0;
    const clock = { cycles: 1_000_000 };
    const charge = (cycles: number): void => {
      clock.cycles += cycles;
    };
    const time = { costs: COSTS, now: () => clock.cycles, charge };
    return { clock, costs: new VirtualCosts(m.partition, m.machine, lp, time) };
  });
};

test('whoever comes while the owner is busy is put off to its end, and not for other owners', (t) => {
  const [a, b] = diaries(2);
  t.is(a!.take(GLOBAL_LOCK, 10_000, FILL), 0);
  t.is(b!.take(GLOBAL_LOCK, 10_000, FILL), FILL);
  t.is(b!.take(GLOBAL_LOCK, 9_600, FILL), 0);
  for (const owner of [passing(1), filling(1), filling(2), fillsOfLp(0)]) t.is(b!.take(owner, 10_000, FILL), 0);
});

test('a turn that is asked for later may lie before one that was given earlier', (t) => {
  const [a, b] = diaries(2);
  t.is(a!.take(GLOBAL_LOCK, 50_000, FILL), 0);
  t.is(b!.take(GLOBAL_LOCK, 20_000, FILL), 0);
  // Half of it overlaps: the first gap that is long enough is behind the other's turn.
  t.is(b!.take(GLOBAL_LOCK, 49_800, FILL), 600);
});

test('an LP alone never waits, however long the diary is in use and whatever it does at one time', (t) => {
  const [a] = diaries(1);
  for (let end = 1000; end < DIARY_ENTRIES * SLOT_CYCLES * 40; end += 1975) {
    t.is(a!.take(GLOBAL_LOCK, end, FILL), 0);
    t.is(a!.take(GLOBAL_LOCK, end, FILL), 0);
  }
});

test('what is long past is not taken for the present', (t) => {
  const [a, b] = diaries(2);
  a!.take(GLOBAL_LOCK, 10_000, FILL);
  for (let n = 1; n < 64; n++) t.is(b!.take(GLOBAL_LOCK, 10_000 + n * DIARY_ENTRIES * SLOT_CYCLES, FILL), 0);
  t.is(b!.take(GLOBAL_LOCK, 10_000 + 65_536 * SLOT_CYCLES, FILL), 0);
});

for (const order of ['by time', 'LP by LP'] as const)
  test(`one lock passes on at most one fill in the time of a fill, asked for ${order}`, (t) => {
    const LPS = 16;
    const STEP = 20_000;
    const all = accounts(LPS);
    let fills = 0;
    const fill = (lp: number): void => {
      const { clock, costs } = all[lp]!;
      clock.cycles += 1600;
      costs.globalLock();
      fills++;
    };
    const begin = 1_000_000;
    const end = begin + 20 * STEP;
    if (order === 'by time') {
      for (;;) {
        const next = all.reduce((first, { clock }, lp) => (clock.cycles < all[first]!.clock.cycles ? lp : first), 0);
        if (all[next]!.clock.cycles >= end) break;
        fill(next);
      }
    } else
      for (let until = begin + STEP; until <= end; until += STEP)
        for (let lp = 0; lp < LPS; lp++) while (all[lp]!.clock.cycles < until) fill(lp);
    const span = Math.max(...all.map(({ clock }) => clock.cycles)) - begin;
    t.true(fills <= span / FILL + 1, `${fills} fills in ${span} cycles`);
    t.true(fills > (0.9 * (end - begin)) / FILL, `${fills} fills`);
  });

test('an invalidation looks at every other counter, and waits for a fill of the same moment only', (t) => {
  const [a, b] = accounts(2);
  a!.costs.inside();
  t.is(b!.costs.awaitFills(1, 0), FILL - 40 - (1_000_000 % FILL));
  b!.clock.cycles = 1_010_000;
  t.is(b!.costs.awaitFills(0b101, 0xff), 0);
  t.is(b!.clock.cycles, 1_010_000 + 10 * 40);
});

test('shootdowns and walks cost more on another node', (t) => {
  const [a] = accounts(3, [0, 0, 1]);
  a!.costs.shotDown(0b110, 0);
  t.is(a!.clock.cycles, 1_000_000 + 2 * 1500 + 500);
  a!.costs.walked(3);
  t.is(a!.clock.cycles, 1_003_500 + 4 * 20 + 3 * 40);
});
