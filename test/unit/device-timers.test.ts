// Device timers are awaited by the LP of VP 0. A VP on another LP that makes one due earlier must wake that LP, or it sleeps past it.
import test from 'ava';
import { VpState } from '../../shared/layout/vp.js';
import { KernelMachine } from '../rig/kernel-machine.js';

/** Channel 0 of the 8254 in mode 0: a count of `high` x 256. */
const count = (high: number): string => `b030e643b000e640b0${high.toString(16).padStart(2, '0')}e640`;
/** Opens the first 8259's inputs, with the timer's, which runs from reset on: one signal. The second's, with the RTC's. */
const OPEN = 'b000e621';
const OPEN_SECOND = 'b000e6a1';
/** RTC: register A, then B = 24-hour mode and the periodic interrupt. */
const PERIODIC = 'b00ae670b026e671b00be670b042e671';

const signalsOf = (ownLp: boolean, code: string, open = OPEN): number[] => {
  const signals: number[] = [];
  const machine = new KernelMachine('cold', 'max', 2, { signal: (lp) => void signals.push(lp) });
  const [first, second] = machine.vps;
  first!.lp = ownLp ? 0 : 1;
  second!.lp = 0;
  machine.load(open + code);
  machine.prepare(1);
  first!.state = VpState.WAIT_FOR_SIPI;
  machine.go();
  return signals;
};

test('a timer that is due earlier wakes the LP of VP 0, each time that it becomes so', (t) => {
  t.deepEqual(signalsOf(false, ''), [1]);
  t.deepEqual(signalsOf(false, count(0x10)), [1, 1]);
  t.deepEqual(signalsOf(false, `${count(0x80)}b001e640b000e640`), [1, 1, 1]);
  t.deepEqual(signalsOf(false, `${PERIODIC}${OPEN_SECOND}`), [1, 1]);
});
test('accesses that start none do not', (t) => {
  t.deepEqual(signalsOf(false, 'b000e680b041e6e9e421e620', ''), []);
  t.deepEqual(signalsOf(false, count(0x10), ''), []);
});
test('on the LP of VP 0 itself nobody is woken', (t) => {
  t.deepEqual(signalsOf(true, count(0x10)), []);
});
