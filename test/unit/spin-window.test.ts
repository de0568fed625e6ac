// A spin loop is found when it has lasted for the window, however the runs of its VP are cut.
import test from 'ava';
import { SpinWindow } from '../../daemon/hypervisor/spin/spin-window.js';
import { VpSchedule } from '../../shared/layout/schedule.js';
import { viewsOf } from '../../shared/layout/struct.js';

const WINDOW = 4096;
const record = (): VpSchedule => new VpSchedule(viewsOf(new SharedArrayBuffer(4096)), 0);

/** Cycles at which a loop that only waits, from `from` on, is found, in runs of `run` cycles with `gap` between them, up to `end`. A time round takes 7. */
const found = (window: SpinWindow, vp: VpSchedule, from: number, end: number, run: number, gap = 0): number[] => {
  const all: number[] = [];
  for (let began = from; began < end; began += run + gap) {
    window.begin(began, vp);
    let now = began;
    let piece = window.piece(run);
    for (;;) {
      now += Math.ceil(piece / 7) * 7;
      if (now > began + run) break;
      if (window.waited(now)) all.push(now);
      piece = window.piece(began + run - now);
    }
  }
  return all;
};

test('a loop is found after 4,096 cycles, then after twice as many each time, up to sixteen times', (t) => {
  const at = found(new SpinWindow(), record(), 0, 10_000_000, 10_000_000);
  const lasted = at.map((one, i) => one - (at[i - 1] ?? 0));
  for (const [i, cycles] of lasted.slice(0, 8).entries()) {
    const window = WINDOW * 2 ** Math.min(i, 4);
    t.true(cycles >= window && cycles < window + 7, `${i}: ${cycles}`);
  }
});

for (const run of [300, 1000, 2000, 4000, 5000, 25_000])
  test(`a loop is found as soon in runs of ${run} cycles`, (t) => {
    const [first, second] = found(new SpinWindow(), record(), 1_000_000, 1_100_000, run);
    t.true(first! >= 1_000_000 + WINDOW && first! <= 1_000_000 + WINDOW + 2 * Math.min(run, WINDOW), String(first));
    t.true(second! >= first! + 2 * WINDOW && second! <= first! + 2 * WINDOW + 2 * Math.min(run, 2 * WINDOW), String(second));
  });

test('pieces with other work between them do not add up', (t) => {
  t.deepEqual(found(new SpinWindow(), record(), 0, 1_000_000, 2000, 2000), []);
});

test('what another VP has waited is not counted', (t) => {
  const window = new SpinWindow();
  const vps = [record(), record()];
  for (let i = 0; i < 100; i++) t.deepEqual(found(window, vps[i % 2]!, i * 3000, (i + 1) * 3000, 3000), []);
});

test('PAUSEs that are close together count across runs, others do not', (t) => {
  const window = new SpinWindow();
  const vp = record();
  let found = 0;
  for (let now = 0; now <= WINDOW; now += 64) {
    if (now % 1024 === 0) window.begin(now, vp);
    if (window.pause(now)) found++;
  }
  t.is(found, 1);
  for (let now = 10_000; now <= 1_000_000; now += 129) t.false(window.pause(now));
});
