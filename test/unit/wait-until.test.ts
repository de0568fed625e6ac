// How root waits for a word of an LP: for as long as it may, which a host that stood still does not shorten.
import test from 'ava';
import { waitUntil } from '../../daemon/root/wait-until.js';

const LIMIT_MS = 10_000;

/** The clock of the host shows `at(n)` when it is asked the nth time. */
const withClock = async <T>(at: (n: number) => number, act: () => Promise<T>): Promise<T> => {
  const { now } = performance;
  let n = 0;
  performance.now = () => at(n++);
  try {
    return await act();
  } finally {
    performance.now = now;
  }
};

test.serial('a limit is over when the looks have taken so long', async (t) => {
  let looks = 0;
  t.false(
    await withClock(
      (n) => n * 100,
      () => waitUntil(() => ++looks < 0, 1000),
    ),
  );
  t.is(looks, 11);
});

test.serial('a host that stood still is no reason to give up', async (t) => {
  let looks = 0;
  // An hour between the second look and the third.
  t.true(
    await withClock(
      (n) => n + (n < 2 ? 0 : 3_600_000),
      () => waitUntil(() => ++looks === 5, LIMIT_MS),
    ),
  );
});
