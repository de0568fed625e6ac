// Waits for words that nobody notifies of: a short one costs no sleep, a long one sleeps.
import test from 'ava';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { viewsOf } from '../../shared/layout/struct.js';

const WORD = 64;
/** Milliseconds that each look at the clock takes. */
const LOOK = 0.001;

/** Sleeps of a wait for a word that changes when so many milliseconds have passed, by a clock that goes on by looks and sleeps only. */
const sleepsOfWait = (milliseconds: number): number => {
  const words = new SharedWords(viewsOf(new SharedArrayBuffer(4096)));
  const { wait } = Atomics;
  let now = 0;
  let sleeps = 0;
  const pass = (time: number): number => {
    now += time;
    if (now >= milliseconds) words.store(WORD, 1);
    return now;
  };
  Object.defineProperty(performance, 'now', { configurable: true, value: () => pass(LOOK) });
  Atomics.wait = ((_array: Int32Array, _index: number, _value: number, timeout: number) => {
    sleeps++;
    pass(timeout);
    return 'timed-out';
  }) as typeof Atomics.wait;
  try {
    words.awaitChange(WORD, 0);
  } finally {
    Atomics.wait = wait;
    Reflect.deleteProperty(performance, 'now');
  }
  return sleeps;
};

test.serial('a wait for as long as another LP purges a table does not sleep', (t) => {
  t.is(sleepsOfWait(0.02), 0);
});

test.serial('a wait for an LP that the host has descheduled sleeps, again and again', (t) => {
  const sleeps = sleepsOfWait(10);
  t.true(sleeps > 1 && sleeps < 100, `${sleeps}`);
});
