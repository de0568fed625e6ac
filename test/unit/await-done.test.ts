// How an LP waits for root's disk: for as long as it may, which a host that stood still in between does not shorten.
import test from 'ava';
import { awaitDone, SlotState } from '../../shared/layout/block-buffer.js';

const PATIENCE_MS = 30_000;

test('what is done is done at once, what nobody does is given up', (t) => {
  for (const [state, expected] of [
    [SlotState.DONE, true],
    [SlotState.FREE, false],
  ] as const)
    t.is(awaitDone(new Int32Array(new SharedArrayBuffer(4)).fill(state), 0, PATIENCE_MS), expected);
  const nobody = new Int32Array(new SharedArrayBuffer(4)).fill(SlotState.POSTED);
  t.false(awaitDone(nobody, 0, 1));
  t.false(awaitDone(nobody, 0, 0));
});

test.serial('a host that stood still costs one piece of the wait', (t) => {
  const i32 = new Int32Array(new SharedArrayBuffer(4)).fill(SlotState.POSTED);
  const { wait } = Atomics;
  let waits = 0;
  // The clock has jumped over the first wait; root goes on after it.
  Atomics.wait = (() => {
    if (++waits === 2) i32[0] = SlotState.DONE;
    return 'timed-out';
  }) as typeof wait;
  try {
    t.true(awaitDone(i32, 0, PATIENCE_MS));
  } finally {
    Atomics.wait = wait;
  }
  t.is(waits, 2);
});

test.serial('who waits without end goes on when it is done, however late', (t) => {
  const i32 = new Int32Array(new SharedArrayBuffer(4)).fill(SlotState.POSTED);
  const { wait } = Atomics;
  let waits = 0;
  Atomics.wait = (() => {
    if (++waits === 100_000) i32[0] = SlotState.DONE;
    return 'timed-out';
  }) as typeof wait;
  try {
    t.true(awaitDone(i32, 0, Number.POSITIVE_INFINITY));
  } finally {
    Atomics.wait = wait;
  }
  t.is(waits, 100_000);
});
