// How long an LP looks for work before it sleeps, by what came before; on a clock of the test's own, each look a microsecond.
import test from 'ava';
import { HaltPoll, SHORT_US, WINDOW_FIRST_US, WINDOW_MAX_US } from '../../daemon/lp/halt-poll.js';

const HEARD = 7;
/** A host: looks take time, and the doorbell rings at a moment of its own. */
class Host {
  us = 0;
  /** When it rings, and how long after that a sleeper is awake. */
  rings = Number.POSITIVE_INFINITY;
  wakeUs = 60;
  looks = 0;
  slept = 0;
  readonly poll: HaltPoll = new HaltPoll(() => this.us / 1000);

  doorbell(): number {
    this.us++;
    this.looks++;
    return this.us >= this.rings ? HEARD + 1 : HEARD;
  }
  sleep(_heard: number, ms: number): void {
    this.slept++;
    this.us = Math.min(Math.max(this.us, this.rings), this.us + ms * 1000) + this.wakeUs;
  }
  /** Sleeps with a ring after so long, at most `ms`; how long it took in microseconds. */
  rest(afterUs: number, ms = 1000, isOn = true): number {
    const began = this.us;
    this.looks = 0;
    this.slept = 0;
    this.rings = began + afterUs;
    this.poll.sleep(this, HEARD, ms, isOn);
    return this.us - began;
  }
}

test('short sleeps make it look longer and longer, until it is awake when the ring comes', (t) => {
  const host = new Host();
  const windows: number[] = [];
  for (let n = 0; n < 6; n++) {
    host.rest(150);
    windows.push(host.poll.windowUs);
  }
  t.deepEqual(windows, [WINDOW_FIRST_US, 50, 100, WINDOW_MAX_US, WINDOW_MAX_US, WINDOW_MAX_US]);
  t.true(host.rest(150) < 155);
  t.is(host.slept, 0);
});

test('long sleeps make it look half as long each time, and then not at all: an LP whose guests are idle sleeps at once', (t) => {
  const host = new Host();
  for (let n = 0; n < 5; n++) host.rest(100);
  t.is(host.poll.windowUs, WINDOW_MAX_US);
  const windows: number[] = [];
  for (let n = 0; n < 5; n++) {
    host.rest(SHORT_US + 1);
    windows.push(host.poll.windowUs);
  }
  t.deepEqual(windows, [100, 50, WINDOW_FIRST_US, 0, 0]);
  for (let n = 0; n < 5; n++) {
    host.rest(1000);
    t.is(host.looks, 1, 'once, before it sleeps');
    t.is(host.slept, 1);
  }
});

test('it looks no longer than it may sleep, and comes back in time', (t) => {
  const host = new Host();
  for (let n = 0; n < 5; n++) host.rest(100);
  const took = host.rest(Number.POSITIVE_INFINITY, 0.08);
  t.true(took >= 80 && took < 85, `${took} µs`);
  t.is(host.slept, 0, 'a timer that is due within the window is not slept for');
});

test('a ring since it listened is not slept through, with a window or without', (t) => {
  const host = new Host();
  t.true(host.rest(0) < 5);
  t.is(host.slept, 0);
  for (let n = 0; n < 5; n++) host.rest(100);
  t.true(host.rest(0) < 5);
});

test('off: it sleeps at once, and begins anew when it is on again', (t) => {
  const host = new Host();
  for (let n = 0; n < 5; n++) host.rest(100);
  host.rest(100, 1000, false);
  t.is(host.looks, 1);
  t.is(host.slept, 1);
  t.is(host.poll.windowUs, 0);
});
