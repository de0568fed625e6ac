// The floppy controller as a driver uses it (82077AA), with its DMA channel and root's side played by the test; and as one that does anything at all uses it.
import test from 'ava';
import fc from 'fast-check';
import { DeviceMap, Irq } from '../../shared/layout/devices.js';
import { type FloppyBoard, floppyBoard } from '../rig/floppy-board.js';
import { board } from './platform-board.js';

const SECTORS_144 = 2880;
const MEDIA = [
  ['720K', 1440, 9],
  ['1.2M', 2400, 15],
  ['1.44M', SECTORS_144, 18],
  ['2.88M', 5760, 36],
] as const;
const TO_MEMORY = 6;
const FROM_MEMORY = 10;
const cmos = ({ b }: FloppyBoard, index: number): number => {
  b.out(0x70, index);
  return b.in(0x71);
};
/** READ DATA or WRITE DATA, both heads; the result. */
const transfer = (f: FloppyBoard, code: number, at: readonly [number, number, number], last: number, drive = 0): number[] => {
  const [cylinder, head, sector] = at;
  f.command(code, (head << 2) | drive, cylinder, head, sector, 2, last, 0x1b, 0xff);
  f.settle();
  return f.result();
};
const READ = 0xe6;
const READ_ONE_HEAD = 0x66;
const WRITE = 0xc5;
const DATA = 0x2_0000;
const held = ({ ram }: FloppyBoard, bytes: number, at = DATA): Uint8Array => ram.slice(at, at + bytes);

test('without a floppy nothing answers, and CMOS tells of no drive', (t) => {
  const b = board();
  b.out(0x3f2, 0x1c, 0x3f5, 0x10);
  t.deepEqual(
    [0x3f2, 0x3f4, 0x3f5, 0x3f7].map((port) => b.in(port)),
    [0xff, 0xff, 0xff, 0xff],
  );
  b.out(0x70, 0x10);
  t.is(b.in(0x71), 0);
  b.out(0x70, 0x14);
  t.is(b.in(0x71), 0x06);
});

test('CMOS tells of the drives and how many there are', (t) => {
  const two = floppyBoard([SECTORS_144, 5760]);
  t.is(cmos(two, 0x10), 0x45);
  t.is(cmos(two, 0x14), 0x47);
  const one = floppyBoard([2400]);
  t.is(cmos(one, 0x10), 0x20);
  t.is(cmos(one, 0x14), 0x07);
});

test('a reset interrupts, and tells of four drives; then there is nothing to tell', (t) => {
  const f = floppyBoard([SECTORS_144]);
  f.b.out(0x3f2, 0);
  t.is(f.b.in(0x3f4), 0);
  t.is(f.interrupt(), undefined);
  f.b.out(0x3f2, 4);
  t.is(f.interrupt(), 0x26, 'though the DMA gate is closed');
  for (let drive = 0; drive < 4; drive++) {
    f.command(8);
    t.deepEqual(f.result(), [0xc0 | drive, 0]);
  }
  f.command(8);
  t.deepEqual(f.result(), [0x80]);
  f.b.out(0x3f4, 0x80);
  f.command(8);
  t.deepEqual(f.result(), [0xc0, 0], 'by the data rate select register');
  f.command(0x13, 0, 0x57, 0);
  f.b.out(0x3f2, 0, 0x3f2, 0x1c);
  f.command(8);
  t.deepEqual(f.result(), [0xc0, 0], 'CONFIGURE that does not poll is forgotten by the reset');
  f.command(0x13, 0, 0x57, 0);
  f.command(0x94);
  f.result();
  f.b.out(0x3f2, 0, 0x3f2, 0x1c);
  f.command(8);
  t.deepEqual(f.result(), [0x80], 'unless it was locked');
});

test('seeks interrupt when they end; what there is not has no track 0', (t) => {
  const f = floppyBoard([SECTORS_144]);
  f.command(0x0f, 4, 33);
  t.is(f.b.in(0x3f4), 0x81);
  t.is(f.interrupt(), undefined);
  f.settle();
  t.is(f.interrupt(), 0x26);
  t.is(f.b.in(0x3f4), 0x80);
  f.command(8);
  t.deepEqual(f.result(), [0x24, 33]);
  f.command(4, 4);
  t.deepEqual(f.result(), [0x2c]);
  f.command(0x4a, 4);
  f.settle();
  t.deepEqual(f.result(), [4, 0, 0, 33, 1, 1, 2]);
  f.command(7, 0);
  f.command(7, 2);
  f.settle();
  t.is(f.interrupt(), 0x26);
  f.command(8);
  t.deepEqual(f.result(), [0x20, 0]);
  t.is(f.interrupt(), 0x26, 'of the second drive');
  f.command(8);
  t.deepEqual(f.result(), [0x72, 0]);
  t.is(f.interrupt(), undefined);
  f.command(8);
  t.deepEqual(f.result(), [0x80]);
  f.command(4, 0);
  t.deepEqual(f.result(), [0x38]);
});

for (const [name, sectors, track] of MEDIA)
  test(`${name}: sectors come by DMA to where they are wanted, over both heads, with every store announced`, (t) => {
    const f = floppyBoard([sectors]);
    const bytes = 2 * track * 512;
    f.dma(TO_MEMORY, DATA, bytes);
    f.b.stores();
    f.command(READ, 0, 3, 0, 1, 2, track, 0x1b, 0xff);
    t.is(f.b.in(0x3f4), 0x10);
    f.settle();
    t.is(f.interrupt(), 0x26);
    t.deepEqual(f.result(), [4, 0, 0, 4, 0, 1, 2]);
    t.deepEqual(held(f, bytes), f.images[0].slice(3 * bytes, 4 * bytes));
    let next = DATA;
    for (const [address, count] of f.b.stores()) {
      t.is(address, next);
      t.is(address >>> 12, (address + count - 1) >>> 12, 'within a page');
      next += count;
    }
    t.is(next, DATA + bytes);
    t.is(f.b.in(0x08) & 4, 4, 'terminal count');
    t.is(f.b.in(0x08) & 4, 0);
    f.ram.fill(0x5a, DATA, DATA + bytes);
    f.dma(FROM_MEMORY, DATA, 700);
    t.deepEqual(transfer(f, WRITE, [79, 1, track - 1], track), [4, 0, 0, 80, 0, 1, 2]);
    const end = f.images[0].subarray(-1024);
    t.true(end.subarray(0, 700).every((byte) => byte === 0x5a));
    t.true(end.subarray(700).every((byte) => byte === 0));
  });

test('what SeaBIOS asks: sector 0 is the last one of the track before, and a last sector beyond the track’s end goes through to the next cylinder', (t) => {
  const f = floppyBoard([SECTORS_144]);
  f.dma(TO_MEMORY, DATA, 512);
  t.is(transfer(f, READ, [0, 1, 0], 0)[0], 4);
  t.deepEqual(held(f, 512), f.images[0].slice(17 * 512, 18 * 512));
  f.dma(TO_MEMORY, DATA, 30 * 512);
  t.deepEqual(transfer(f, READ, [0, 1, 10], 39), [4, 0, 0, 1, 1, 4, 2]);
  t.deepEqual(held(f, 30 * 512), f.images[0].slice(27 * 512, 57 * 512));
});

test('each thing that goes wrong has its status, and moves nothing', (t) => {
  const f = floppyBoard([SECTORS_144]);
  const before = f.images[0].slice();
  const errors: [string, number[], () => number[]][] = [
    ['no such drive', [0x41, 1], () => transfer(f, READ, [0, 0, 1], 1, 1)],
    ['no such cylinder', [0x40, 1], () => transfer(f, READ, [80, 0, 1], 1)],
    ['no such sector', [0x40, 4], () => transfer(f, READ, [0, 0, 19], 19)],
    ['no sector before the first', [0x40, 4], () => transfer(f, READ, [0, 0, 0], 0)],
    ['single density', [0x40, 1], () => transfer(f, 0x86, [0, 0, 1], 1)],
    [
      'another size',
      [0x40, 4],
      () => {
        f.command(READ, 0, 0, 0, 1, 3, 1, 0x1b, 0xff);
        f.settle();
        return f.result();
      },
    ],
    [
      'another head',
      [0x40, 4],
      () => {
        f.command(READ, 0, 0, 1, 1, 2, 1, 0x1b, 0xff);
        f.settle();
        return f.result();
      },
    ],
    ['the channel goes the other way', [0x40, 0x10], () => transfer(f, WRITE, [0, 0, 1], 1)],
    [
      'FORMAT TRACK',
      [0x40, 2],
      () => {
        f.command(0x4d, 0, 2, 18, 0x6c, 0xf6);
        f.settle();
        return f.result();
      },
    ],
  ];
  for (const [what, status, act] of errors) {
    f.dma(TO_MEMORY, DATA, 512);
    t.deepEqual(act().slice(0, 2), status, what);
  }
  f.b.out(0x3f7, 2);
  t.deepEqual(transfer(f, READ, [0, 0, 1], 1).slice(0, 2), [0x40, 1], 'another rate');
  f.b.out(0x3f7, 0, 0x0a, 6);
  t.deepEqual(transfer(f, READ, [0, 0, 1], 1).slice(0, 2), [0x40, 0x10], 'the channel is masked');
  f.command(3, 0xaf, 3);
  f.dma(TO_MEMORY, DATA, 512);
  t.deepEqual(transfer(f, READ, [0, 0, 1], 1).slice(0, 2), [0x40, 0x10], 'no DMA');
  f.command(3, 0xaf, 2);
  t.true(held(f, 512).every((byte) => byte === 0));
  f.dma(TO_MEMORY, DATA, 3 * 512);
  t.deepEqual(transfer(f, READ_ONE_HEAD, [2, 0, 17], 18), [0x40, 0x80, 0, 3, 0, 1, 2], 'the track ends before the count');
  f.command(0x18);
  t.deepEqual(f.result(), [0x80], 'no such command');
  t.deepEqual(f.images[0], before);
  const locked = floppyBoard([SECTORS_144], true);
  locked.dma(FROM_MEMORY, DATA, 512);
  t.deepEqual(transfer(locked, WRITE, [0, 0, 1], 1).slice(0, 2), [0x40, 2]);
  locked.command(4, 0);
  t.deepEqual(locked.result(), [0x78]);
});

test('an interrupt is gone when its result is read; what a reset has cut short moves nothing and has no result', (t) => {
  const f = floppyBoard([SECTORS_144]);
  f.command(0x4a, 0);
  f.settle();
  const line = (): number => f.b.views.u8[DeviceMap.LINES + Irq.FLOPPY];
  t.is(line(), 1);
  f.result();
  t.is(line(), 0);
  f.dma(TO_MEMORY, DATA, 512);
  f.command(READ, 0, 0, 0, 1, 2, 1, 0x1b, 0xff);
  f.b.out(0x3f2, 0, 0x3f2, 0x1c);
  f.settle();
  t.is(f.b.in(0x3f4), 0x80);
  f.command(READ, 1, 0, 0, 1, 2, 1, 0x1b, 0xff);
  f.settle();
  t.deepEqual(f.result().slice(0, 2), [0x41, 1]);
  t.true(held(f, 512).every((byte) => byte === 0));
});

test('VERSION, LOCK and DUMPREG say what the controller is and was told', (t) => {
  const f = floppyBoard([SECTORS_144]);
  f.command(0x10);
  t.deepEqual(f.result(), [0x90]);
  f.command(0x13, 0, 0x5a, 7);
  f.command(0x12, 0x80);
  f.command(0x94);
  t.deepEqual(f.result(), [0x10]);
  f.command(0x0e);
  t.deepEqual(f.result(), [0, 0, 0, 0, 0xaf, 2, 0, 0x80, 0x5a, 7]);
});

test('another LP goes on with what one has begun', (t) => {
  const f = floppyBoard([SECTORS_144]);
  const other = board(f.b.views, { deterministic: true });
  f.dma(TO_MEMORY, DATA, 512);
  f.command(READ, 0, 0, 0, 5, 2, 5, 0x1b, 0xff);
  f.serve();
  other.wait(1_000_000);
  t.is(other.in(0x3f4), 0xd0);
  t.deepEqual(held(f, 512), f.images[0].slice(4 * 512, 5 * 512));
});

test('DMA: down from the top of its 64 KiB, round within them, once more by itself, or only counted', (t) => {
  const f = floppyBoard([SECTORS_144]);
  const [image] = f.images;
  f.dma(TO_MEMORY | 32, DATA + 511, 512);
  transfer(f, READ, [0, 0, 1], 1);
  t.deepEqual(held(f, 512), image.slice(0, 512).reverse());
  f.dma(TO_MEMORY, DATA + 0xff00, 512);
  transfer(f, READ, [0, 0, 2], 2);
  t.deepEqual(held(f, 256, DATA + 0xff00), image.slice(512, 768));
  t.deepEqual(held(f, 256), image.slice(768, 1024), 'round to where the 64 KiB begin');
  f.dma(TO_MEMORY | 16, DATA, 512);
  transfer(f, READ, [0, 0, 3], 3);
  f.b.out(0x0c, 0);
  t.deepEqual(
    [4, 4, 5, 5].map((port) => f.b.in(port)),
    [0, 0, 0xff, 1],
  );
  t.is(f.b.in(0x0f) & 4, 0, 'not masked');
  f.ram.fill(0, DATA, DATA + 512);
  f.dma(2, DATA, 512);
  t.is(transfer(f, READ, [0, 0, 1], 1)[0], 0);
  t.true(held(f, 512).every((byte) => byte === 0));
  t.is(f.b.in(0x0f) & 4, 4, 'masked at its end');
});

test('DMA beyond RAM stores nothing, and finds ones', (t) => {
  const f = floppyBoard([SECTORS_144]);
  const behind = f.behind.slice();
  f.dma(TO_MEMORY, 0x10_0000, 512);
  t.is(transfer(f, READ, [0, 0, 1], 1)[0], 0);
  t.deepEqual(f.behind, behind);
  f.dma(FROM_MEMORY, 0xff_fe00, 512);
  t.is(transfer(f, WRITE, [0, 0, 1], 1)[0], 0);
  t.true(f.images[0].subarray(0, 512).every((byte) => byte === 0xff));
});

test('a driver that does anything changes nothing outside RAM and floppies, and the controller works after a reset', (t) => {
  const port = fc.constantFrom(0x3f2, 0x3f4, 0x3f5, 0x3f5, 0x3f5, 0x3f5, 0x3f7, 4, 5, 8, 0x0a, 0x0b, 0x0c, 0x0d, 0x0f, 0x81);
  const value = fc.oneof(fc.constantFrom(0xe6, 0xc5, 0x66, 0x4a, 7, 0x0f, 8, 0, 2, 0x1c, 0x46, 0x4a, 0x66, 0x56, 18, 255), fc.nat(0xff));
  const step = fc.record({
    port,
    value,
    bytes: fc.constantFrom(1, 1, 2, 4),
    act: fc.constantFrom('in', 'out', 'out', 'serve', 'read', 'write'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.nat(0xff_ffff), fc.nat(0xffff), (steps, address, count) => {
      const f = floppyBoard([SECTORS_144, 1440]);
      const behind = f.behind.slice();
      for (const { port: at, value: given, bytes, act } of steps) {
        if (act === 'serve') f.settle();
        else if (act === 'in') f.b.platform.ioRead(at, bytes);
        else if (act === 'out') f.b.platform.ioWrite(at, bytes, given);
        else {
          f.dma((act === 'read' ? TO_MEMORY : FROM_MEMORY) | (given & 0x30), address, count + 1);
          f.command(act === 'read' ? READ : WRITE, given & 5, at & 0x7f, (given >>> 2) & 1, given & 31, 2, bytes * 18, 0x1b, 0xff);
        }
        if (Number.isNaN(f.b.platform.nextDeadline())) return false;
      }
      if (Buffer.compare(f.behind, behind) !== 0) return false;
      f.b.out(0x0d, 0, 0x3f2, 0, 0x3f2, 0x1c, 0x3f7, 0);
      f.command(3, 0xaf, 2);
      f.settle();
      f.dma(TO_MEMORY, DATA, 512);
      return transfer(f, READ, [1, 0, 1], 1)[0] === 0 && Buffer.compare(held(f, 512), f.images[0].slice(36 * 512, 37 * 512)) === 0;
    }),
    { numRuns: 60 },
  );
  t.pass();
});
