// The 8259 pair, tried with lines that tests can pull: IRQ 0 by the timer, 1 by the keyboard controller, 4 by the UART, 8 by the clock, 9 by ACPI.
import test from 'ava';
import { PicPair } from '../../daemon/platform/pic.js';
import { DeviceMap } from '../../shared/layout/devices.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { board, startPics } from './platform-board.js';

/** The pair alone, its inputs in the test's hand. */
const pair = () => {
  const levels: boolean[] = [];
  const pic = new PicPair(viewsOf(new SharedArrayBuffer(DeviceMap.REGISTERS_END)), (asserted) => levels.push(asserted));
  pic.reset();
  const out = (...pairs: number[]): void => {
    for (let i = 0; i < pairs.length; i += 2) pic.write(pairs[i], 1, pairs[i + 1]);
  };
  const initialise = (icw4 = 1): void =>
    out(0x20, 0x11, 0x21, 0x20, 0x21, 0x04, 0x21, icw4, 0xa0, 0x11, 0xa1, 0x28, 0xa1, 0x02, 0xa1, icw4);
  const pulse = (irq: number): void => {
    pic.setLine(irq, true);
    pic.setLine(irq, false);
  };
  initialise();
  return { pic, out, initialise, pulse, levels };
};
const isr = (p: ReturnType<typeof pair>, port = 0x20): number => {
  p.out(port, 0x0b);
  return p.pic.read(port);
};
const irr = (p: ReturnType<typeof pair>, port = 0x20): number => {
  p.out(port, 0x0a);
  return p.pic.read(port);
};

test('initialisation clears the mask, and a request raises INTR with the vector of ICW2', (t) => {
  const p = pair();
  t.is(p.pic.read(0x21), 0);
  p.pulse(3);
  t.true(p.pic.pending);
  t.is(p.pic.acknowledge(), 0x23);
  t.false(p.pic.pending);
  t.is(isr(p), 0x08);
  t.deepEqual(p.levels, [true, false]);
});

test('before it is programmed the pair is masked and silent', (t) => {
  const b = board();
  b.out(0x43, 0x34, 0x40, 100, 0x40, 0);
  b.wait(1e9);
  t.false(b.platform.picPending());
  t.deepEqual(b.intr(), []);
});

test('a higher input interrupts a lower one in service, a lower one waits for the EOI', (t) => {
  const p = pair();
  p.pulse(4);
  t.is(p.pic.acknowledge(), 0x24);
  p.pulse(5);
  t.false(p.pic.pending, 'IR5 is below IR4');
  p.pulse(1);
  t.true(p.pic.pending, 'IR1 is above IR4');
  t.is(p.pic.acknowledge(), 0x21);
  t.is(isr(p), 0x12);
  p.out(0x20, 0x20);
  t.is(isr(p), 0x10, 'a non-specific EOI ends the highest');
  t.false(p.pic.pending);
  p.out(0x20, 0x64);
  t.is(isr(p), 0);
  t.is(p.pic.acknowledge(), 0x25);
});

test('a specific EOI ends the level it names and no other', (t) => {
  const p = pair();
  p.pulse(6);
  p.pic.acknowledge();
  p.pulse(2 + 8);
  p.pic.acknowledge();
  t.is(isr(p), 0x44);
  p.out(0x20, 0x66);
  t.is(isr(p), 0x04);
  t.is(isr(p, 0xa0), 0x04);
  p.out(0xa0, 0x62, 0x20, 0x62);
  t.is(isr(p), 0);
  t.is(isr(p, 0xa0), 0);
});

test('slave inputs come in through IR2, so before IR3 and after IR1', (t) => {
  const p = pair();
  for (const irq of [3, 15, 8, 1]) p.pulse(irq);
  const order: number[] = [];
  for (let i = 0; i < 4; i++) {
    const vector = p.pic.acknowledge();
    order.push(vector);
    if (vector >= 0x28) p.out(0xa0, 0x20);
    p.out(0x20, 0x20);
  }
  t.deepEqual(order, [0x21, 0x28, 0x2f, 0x23]);
  t.false(p.pic.pending);
});

test('a slave in service holds back its own higher inputs, unless fully nested mode is special', (t) => {
  for (const [icw4, expected] of [
    [0x01, false],
    [0x11, true],
  ] as const) {
    const p = pair();
    p.initialise(icw4);
    p.pulse(12);
    t.is(p.pic.acknowledge(), 0x2c);
    p.pulse(9);
    t.is(p.pic.pending, expected, `ICW4 ${icw4}`);
  }
});

test('a request masked between INTR and INTA is spurious: IR7, nothing in service', (t) => {
  const p = pair();
  p.pulse(4);
  p.out(0x21, 0x10);
  t.is(p.pic.acknowledge(), 0x27);
  t.is(isr(p), 0);
  p.out(0x21, 0x00);
  t.is(p.pic.acknowledge(), 0x24, 'the request itself was kept');
});

test('a slave request that has gone is spurious 15: IR2 of the master is in service, the slave has nothing', (t) => {
  const p = pair();
  p.pulse(14);
  p.out(0xa1, 0x40);
  t.true(p.pic.pending);
  t.is(p.pic.acknowledge(), 0x2f);
  t.is(isr(p), 0x04);
  t.is(isr(p, 0xa0), 0x00);
});

test('an edge is latched once, a level asks for as long as it lasts', (t) => {
  const p = pair();
  p.pic.setLine(5, true);
  p.pic.acknowledge();
  p.out(0x20, 0x20);
  t.false(p.pic.pending, 'still high, but no new edge');
  p.out(0x4d0, 0x20);
  t.true(p.pic.pending, 'level now');
  p.pic.acknowledge();
  t.false(p.pic.pending);
  p.out(0x20, 0x20);
  t.true(p.pic.pending, 'asks again after the EOI');
  p.pic.setLine(5, false);
  t.false(p.pic.pending);
  t.is(irr(p), 0);
});

test('ELCR refuses the inputs that are always edge', (t) => {
  const p = pair();
  p.out(0x4d0, 0xff, 0x4d1, 0xff);
  t.is(p.pic.read(0x4d0), 0xf8);
  t.is(p.pic.read(0x4d1), 0xde);
});

test('automatic EOI leaves nothing in service', (t) => {
  const p = pair();
  p.initialise(0x03);
  p.pulse(8);
  p.pulse(10);
  t.is(p.pic.acknowledge(), 0x28);
  t.is(isr(p), 0);
  t.is(p.pic.acknowledge(), 0x2a, 'the second slave request is not lost');
  t.false(p.pic.pending);
});

test('rotation makes the input just served the lowest', (t) => {
  const p = pair();
  p.pulse(0);
  p.pic.acknowledge();
  p.out(0x20, 0xa0);
  p.pulse(0);
  p.pulse(7);
  t.is(p.pic.acknowledge(), 0x27);
  p.out(0x20, 0x20);
  t.is(p.pic.acknowledge(), 0x20);
  p.out(0x20, 0x20);
  p.out(0x20, 0xc3);
  for (const irq of [3, 4]) p.pulse(irq);
  t.is(p.pic.acknowledge(), 0x24, 'priority set: 3 lowest, 4 highest');
});

test('special mask mode lets lower inputs through while a masked one is in service', (t) => {
  const p = pair();
  p.pulse(1);
  p.pic.acknowledge();
  p.pulse(6);
  t.false(p.pic.pending);
  p.out(0x20, 0x68, 0x21, 0x02);
  t.true(p.pic.pending);
  t.is(p.pic.acknowledge(), 0x26);
});

test('a poll reads the input and takes it into service, or reads 0', (t) => {
  const p = pair();
  p.out(0x20, 0x0c);
  t.is(p.pic.read(0x20), 0);
  p.pulse(6);
  p.out(0x20, 0x0c);
  t.is(p.pic.read(0x20), 0x86);
  t.is(isr(p), 0x40);
  t.false(p.pic.pending);
});

test('any byte sequence a guest writes leaves a pair that still answers', (t) => {
  const b = board();
  startPics(b);
  for (let i = 0; i < 4096; i++) b.out([0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1][i % 6], (i * 73) & 0xff);
  startPics(b, 0xfe, 0xff);
  b.out(0x43, 0x34, 0x40, 100, 0x40, 0);
  b.wait(1e6);
  t.is(b.platform.picAcknowledge(), 0x20);
});
