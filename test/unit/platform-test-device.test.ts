// The devices that test images look for: there only where the partition has them.
import test from 'ava';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { type Board, board, ioapicWrite } from './platform-board.js';

const MEMORY = 0xff00_0000;

const testBoard = (): Board => {
  const views = viewsOf(new SharedArrayBuffer(PartitionMap.RAM + 0x10_0000));
  const header = new PartitionHeader(views, PartitionMap.HEADER);
  header.testDevices = 1;
  header.vpCount = 5;
  header.ramSize = 0x0412_0000;
  const b = board(views);
  b.platform.reset();
  b.messages();
  return b;
};

/** `count` bytes of an item of the firmware configuration. */
const item = ({ platform }: Board, number: number, count: number): number[] => {
  platform.ioWrite(0x510, 2, number);
  return Array.from({ length: count }, () => platform.ioRead(0x511, 1));
};

test('the firmware configuration says how many processors there are, and how much memory', (t) => {
  const b = testBoard();
  t.is(String.fromCharCode(...item(b, 0, 4)), 'QEMU');
  t.deepEqual(item(b, 1, 4), [1, 0, 0, 0], 'no DMA');
  t.deepEqual(item(b, 5, 4), [5, 0, 0, 0]);
  t.deepEqual(item(b, 15, 2), [5, 0]);
  t.deepEqual(item(b, 3, 10), [0, 0, 0x12, 4, 0, 0, 0, 0, 0, 0]);
  t.deepEqual(item(b, 0x19, 4), [0, 0, 0, 0], 'no files');
  t.deepEqual(item(b, 0xffff, 2), [0, 0]);
  b.platform.ioWrite(0x510, 2, 5);
  b.platform.ioWrite(0x510, 1, 0);
  t.is(b.platform.ioRead(0x510, 1), 5, 'a byte selects nothing, and the first port reads, too');
});

test('the word of the test device is the same at both places, whatever the width', (t) => {
  const { platform } = testBoard();
  platform.ioWrite(0xe0, 4, 0xdead_beef);
  t.is(platform.ioRead(0xe8, 4), 0xdead_beef);
  platform.ioWrite(0xe9, 1, 0x11);
  platform.ioWrite(0xea, 2, 0x2233);
  t.is(platform.ioRead(0xe0, 4), 0x2233_11ef);
  t.is(platform.ioRead(0xe2, 2), 0x2233);
  platform.ioWrite(0xe4, 4, 0x1000);
  t.is(platform.ioRead(0xe4, 4), 0xffff_ffff, 'the port that unmaps pages is not there');
});

test('the memory of the test device is 64 KiB', (t) => {
  const { platform } = testBoard();
  t.true(platform.claimsMmio(MEMORY) && platform.claimsMmio(MEMORY + 0xffff));
  t.false(platform.claimsMmio(MEMORY - 1) || platform.claimsMmio(MEMORY + 0x1_0000));
  platform.mmioWrite(MEMORY + 0xfffc, 4, 0x1234_5678);
  t.is(platform.mmioRead(MEMORY + 0xfffd, 1), 0x56);
  t.is(platform.mmioRead(MEMORY + 0xfffe, 2), 0x1234);
  platform.mmioWrite(MEMORY, 1, 0x1ff);
  t.is(platform.mmioRead(MEMORY, 4), 0xff);
});

test('the test device has a hand on every interrupt line', (t) => {
  const b = testBoard();
  for (const [pin, vector] of [
    [14, 0x77],
    [20, 0x78],
  ]) {
    ioapicWrite(b, 0x10 + 2 * pin, vector);
    b.out(0x2000 + pin, 1, 0x2000 + pin, 1, 0x2000 + pin, 0);
    t.deepEqual(b.messages(), [`0.0.${vector.toString(16)}`], 'one edge');
  }
  b.out(0x2017, 0, 0x2018, 1);
  t.deepEqual(b.messages(), []);
});

test('a line that the test device holds stays up when its other device lets go', (t) => {
  const b = testBoard();
  ioapicWrite(b, 0x10 + 8, 0x8000 | 0x44);
  b.out(0x2004, 1, 0x3f9, 0x02, 0x3f9, 0x00);
  t.deepEqual(b.messages(), ['0.0.44L']);
  b.platform.ioapicEoi(0x44);
  t.deepEqual(b.messages(), ['0.0.44L']);
  b.out(0x2004, 0);
  b.platform.ioapicEoi(0x44);
  t.deepEqual(b.messages(), []);
});

test('a partition without test devices has none of it', (t) => {
  const { platform } = board();
  for (const port of [0xe0, 0xe8, 0x510, 0x511, 0x2000]) t.is(platform.ioRead(port, 1), 0xff, port.toString(16));
  t.false(platform.claimsMmio(MEMORY));
});
