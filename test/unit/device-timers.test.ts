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

const BUDGET = 10_000_000;
/** WRMSR of a 32-bit value. */
const wrmsr = (index: number, value: number): string => {
  const word = (n: number): string => Buffer.from(Uint32Array.of(n).buffer).toString('hex');
  return `b9${word(index)}b8${word(value)}31d20f30`;
};
/** In x2APIC mode with the APIC on: the timer, one-shot, by 1. */
const ONE_SHOT = `${wrmsr(0x1b, 0xfee0_0d00)}${wrmsr(0x80f, 0x1ff)}${wrmsr(0x832, 0x40)}${wrmsr(0x83e, 0xb)}`;
const FOR_EVER = 'ebfe';

/** Cycles of the run that the program begins, and partition time at which its timer is due (at 1 GHz: cycles). */
const runOf = (program: string): { used: number; due: number } => {
  const machine = new KernelMachine('hot');
  machine.load(program + FOR_EVER);
  machine.prepare(0);
  const used = machine.guest.runnable(0) ? machine.guest.run(0, 0, BUDGET) : 0;
  return { used, due: machine.guest.deadline() };
};

test('a run that sets a timer ends when it is due', (t) => {
  for (const program of [`${ONE_SHOT}${wrmsr(0x838, 500_000)}`, `${OPEN}${count(0x10)}`]) {
    const { used, due } = runOf(program);
    t.true(due > 100_000 && due < BUDGET / 2);
    // The rest of it is what is left until then.
    t.true(used <= due, `${used} of ${due}`);
  }
});
test('a timer that is due later changes nothing', (t) => {
  const { used, due } = runOf(`${ONE_SHOT}${wrmsr(0x838, 20_000_000)}`);
  t.true(due > BUDGET);
  t.true(used >= BUDGET && used < BUDGET + 100);
});
