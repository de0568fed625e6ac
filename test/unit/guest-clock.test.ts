// Partition time and the LP's clock: who waits for the one until the other finds that it has come.
import test from 'ava';
import fc from 'fast-check';
import { GuestClock } from '../../daemon/hypervisor/guest-clock.js';
import type { GuestWiring } from '../../daemon/hypervisor/wiring.js';
import type { PartitionHeader } from '../../shared/layout/partition.js';

const clockOf = (frequencyHz: number, epoch: number): GuestClock =>
  new GuestClock({ realtime: false, frequencyHz } as GuestWiring, { epochCyclesNum: epoch } as PartitionHeader, () => 0);

/** Partition time at the cycle at which `ns` is waited for, and one before. */
const reached = (clock: GuestClock, ns: number): readonly [number, number] => {
  const cycles = clock.cyclesAt(ns);
  clock.set(cycles - 1);
  const before = clock.now();
  clock.set(cycles);
  return [clock.now(), before];
};

test('a deadline at which the product of cycles and nanoseconds is rounded down is reached', (t) => {
  const [now, before] = reached(clockOf(1e9, 0), 4_611_848_533);
  t.true(now >= 4_611_848_533);
  t.true(before < 4_611_848_533);
});

test('every deadline is reached when the clock says so, and not long before', (t) => {
  const frequency = fc.oneof(fc.constant(1e9), fc.integer({ min: 1_000_000, max: 5_000_000_000 }));
  const ns = fc.integer({ min: 0, max: 2 ** 50 });
  t.notThrows(() =>
    fc.assert(
      fc.property(frequency, fc.integer({ min: 0, max: 2 ** 40 }), ns, (hz, epoch, at) => {
        const [now, before] = reached(clockOf(hz, epoch), at);
        return now >= at && before - 1 < at;
      }),
      { numRuns: 20_000 },
    ),
  );
});

test('a deadline is reached by clocks so far on that one cycle more is none', (t) => {
  for (const epoch of [2 ** 53, 1.8e18])
    for (let ns = 1_000_000; ns < 1_000_300; ns++) {
      const [now] = reached(clockOf(1e9, epoch), ns);
      t.true(now >= ns && now < ns + 2048, `${ns} after ${epoch}: ${now}`);
    }
});
