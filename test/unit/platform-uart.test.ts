// COM1: registers, interrupt identification, FIFO and loopback, and the console rings behind it.
import test from 'ava';
import { CONSOLE_IN_BYTES, CONSOLE_OUT_BYTES, ConsoleWatch, DeviceMap, PlatformAddress } from '../../shared/layout/devices.js';
import { ByteLog, ByteQueue } from '../../shared/layout/ring.js';
import { type Board, board, startPics } from './platform-board.js';

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff];
/** Longer than a character at 115200 baud. */
const CHARACTER = 100_000;
const output = (b: Board): ByteLog => new ByteLog(b.views, DeviceMap.CONSOLE_OUT, CONSOLE_OUT_BYTES);
const type = (b: Board, text: string): number => new ByteQueue(b.views, DeviceMap.CONSOLE_IN, CONSOLE_IN_BYTES).write(Buffer.from(text));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

test('what is written to the data register is in the output log, and the transmitter is always empty', (t) => {
  const b = board();
  for (const c of Buffer.from('hello')) {
    t.is(b.in(LSR) & 0x60, 0x60);
    b.out(DATA, c);
  }
  t.is(text(output(b).read(0).bytes), 'hello');
});

test('the divisor hides behind DLAB', (t) => {
  const b = board();
  b.out(LCR, 0x83, DATA, 0x0c, IER, 0x01, LCR, 0x03);
  t.is(output(b).end, 0);
  t.is(b.in(IER), 0);
  b.out(LCR, 0x83);
  t.is(b.in(DATA), 0x0c);
  t.is(b.in(IER), 0x01);
});

test('registers keep what the chip keeps', (t) => {
  const b = board();
  b.out(SCR, 0xa5, IER, 0xff, LCR, 0x1b, MCR, 0xff);
  t.deepEqual([b.in(SCR), b.in(IER), b.in(LCR), b.in(MCR)], [0xa5, 0x0f, 0x1b, 0x1f]);
});

test('the transmitter interrupt rises when enabled, falls when identified, rises after a byte', (t) => {
  const b = board();
  startPics(b);
  t.is(b.in(IIR), 0x01);
  b.out(IER, 2);
  t.is(b.platform.picAcknowledge(), 0x24);
  b.out(0x20, 0x20);
  t.is(b.in(IIR), 0x02);
  t.is(b.in(IIR), 0x01);
  t.false(b.platform.picPending());
  b.out(DATA, 0x41);
  t.true(b.platform.picPending(), 'a new edge');
  t.is(b.platform.picAcknowledge(), 0x24);
  b.out(0x20, 0x20, DATA, 0x42);
  t.true(b.platform.picPending(), 'and another one without reading IIR');
});

test('without FIFOs bytes come one at a time, each with its own edge', (t) => {
  const b = board();
  startPics(b);
  b.out(IER, 1);
  type(b, 'ab');
  const got: number[] = [];
  for (let i = 0; i < 2; i++) {
    b.wait(CHARACTER);
    t.is(b.platform.picAcknowledge(), 0x24, `interrupt ${i}`);
    t.is(b.in(IIR), 0x04);
    got.push(b.in(DATA));
    t.is(b.in(LSR) & 1, 0);
    b.out(0x20, 0x20);
    t.false(b.platform.picPending());
  }
  t.is(text(Uint8Array.from(got)), 'ab');
});

test('input waits in the queue until its time: the deadline tells when', (t) => {
  const b = board();
  startPics(b);
  b.out(IER, 1);
  t.is(b.platform.nextDeadline(), Number.POSITIVE_INFINITY);
  type(b, 'xy');
  t.true(b.platform.nextDeadline() <= b.time);
  b.platform.advance();
  t.is(b.platform.nextDeadline(), Number.POSITIVE_INFINITY, 'no room');
  t.is(b.in(DATA), 0x78);
  const due = b.platform.nextDeadline();
  t.true(due > b.time && due < b.time + CHARACTER);
  b.wait(due - b.time);
  t.is(b.in(DATA), 0x79);
});

test('with FIFOs sixteen bytes arrive together; below the trigger level a timeout is told', (t) => {
  const b = board();
  b.out(IIR, 0xc7, IER, 1);
  type(b, '0123456789abcdefg');
  b.wait(CHARACTER);
  t.is(b.in(IIR), 0xc4, 'trigger level 14');
  let got = '';
  for (let i = 0; i < 3; i++) got += String.fromCharCode(b.in(DATA));
  t.is(b.in(IIR), 0xcc);
  while (b.in(LSR) & 1) got += String.fromCharCode(b.in(DATA));
  t.is(got, '0123456789abcdef');
  b.wait(CHARACTER);
  t.is(b.in(DATA), 0x67);
  b.out(IIR, 0);
  t.is(b.in(IIR) & 0xc0, 0);
});

test('clearing the receiver FIFO drops what has arrived, not what is on its way', (t) => {
  const b = board();
  b.out(IIR, 1);
  type(b, `${'x'.repeat(16)}y`);
  b.wait(CHARACTER);
  b.out(IIR, 3);
  t.is(b.in(LSR) & 1, 0);
  b.wait(CHARACTER);
  t.is(b.in(DATA), 0x79);
});

test('loopback returns sixteen bytes, tells of an overrun and sends nothing', (t) => {
  const b = board();
  b.out(IIR, 7, MCR, 0x10, IER, 4);
  for (let i = 0; i < 20; i++) b.out(DATA, i);
  t.is(b.in(IIR), 0xc6, 'line status has the highest priority');
  t.is(b.in(LSR), 0x63);
  t.is(b.in(LSR), 0x61, 'the error is cleared by reading it');
  const got = [];
  while (b.in(LSR) & 1) got.push(b.in(DATA));
  t.deepEqual(got, [...Array(16).keys()]);
  t.is(output(b).end, 0);
});

test('loopback wires the modem outputs to its inputs, and changes show as deltas', (t) => {
  const b = board();
  t.is(b.in(MSR), 0xb0);
  b.out(MCR, 0x1a);
  t.is(b.in(MSR) & 0xf0, 0x90);
  t.is(b.in(MSR) & 0x0f, 0, 'deltas are cleared by reading');
  b.out(IER, 8, MCR, 0x15);
  t.is(b.in(IIR), 0x00);
  t.is(b.in(MSR), 0x60 | 0x0b, 'DSR came, CTS and DCD went; RI tells of its trailing edge only');
  b.out(MCR, 0x11);
  t.is(b.in(MSR), 0x20 | 0x04);
  t.is(b.in(IIR), 0x01);
});

test('the byte that completes the text that is waited for is seen, at whatever port and place it comes', (t) => {
  const wait = (wanted: string): Board => {
    const b = board();
    const watch = new ConsoleWatch(b.views, DeviceMap.CONSOLE_WATCH);
    b.views.u8.set(Buffer.from(wanted), watch.text);
    watch.length = wanted.length;
    return b;
  };
  const say = (b: Board, text: string): void => {
    for (const byte of Buffer.from(text)) b.out(DATA, byte);
  };
  const b = wait('aab');
  say(b, 'abaa');
  t.deepEqual(b.power, []);
  b.out(PlatformAddress.DEBUG_CONSOLE, 0x61);
  t.deepEqual(b.power, []);
  say(b, 'b');
  t.deepEqual(b.power, ['text seen']);
  // Across the end of the ring.
  const far = wait('0123456789');
  say(far, 'x'.repeat(CONSOLE_OUT_BYTES - 5));
  say(far, '012345678');
  t.deepEqual(far.power, []);
  say(far, '9');
  t.deepEqual(far.power, ['text seen']);
  // Nothing before the first byte is taken for text.
  const zero = wait('\0\0');
  say(zero, '\0');
  t.deepEqual(zero.power, []);
  const none = board();
  say(none, 'aab');
  t.deepEqual(none.power, []);
});

test('COM2 to COM4 are absent', (t) => {
  const b = board();
  for (const port of [0x2f8, 0x3e8, 0x2e8]) {
    b.out(port + 7, 0x5a);
    t.is(b.in(port + 7), 0xff);
    t.is(b.in(port + 5), 0xff);
  }
});

test('a reset of the board keeps the scrollback', (t) => {
  const b = board();
  b.out(DATA, 0x41, IER, 3);
  b.platform.reset();
  t.is(b.in(IER), 0);
  t.is(text(output(b).read(0).bytes), 'A');
});
