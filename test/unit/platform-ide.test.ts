// The IDE channel as a driver uses it (ATA/ATAPI-6), with root's side played by the test; and as one that does anything at all uses it.
import test from 'ava';
import fc from 'fast-check';
import { writeBios } from '../../daemon/boot/bios.js';
import { deviceBytesOf, writeDevices } from '../../shared/devices/partition-devices.js';
import {
  BLOCK_SLOTS,
  BlockSlot,
  BlockSlotLayout,
  blockDataAt,
  blockSlotAt,
  DiskOperation,
  SlotState,
} from '../../shared/layout/block-buffer.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { VirtualDevice, virtualDeviceAt } from '../../shared/layout/virtual-devices.js';
import { specOf } from '../rig/boot-partition.js';
import { type Board, board, startPics } from './platform-board.js';

const RAM = 1 << 20;
const ROM = 64 << 10;
const FIRMWARE = ROM + 0x1_0000;
const SECTORS = 1000;
const DISK = [{ kind: 'ide', sectors: SECTORS, readOnly: false, serial: 'disk.img' }] as const;
const LATER = 10_000_000;

interface Rig {
  readonly b: Board;
  readonly disk: Uint8Array;
  /** Does what is posted, and lets it be due. */
  serve(): void;
  command(command: number, lba: number, count: number): void;
  status(): number;
}
const rig = (): Rig => {
  const b = board(undefined, {
    ramSize: RAM,
    bytes: RAM + FIRMWARE + deviceBytesOf(DISK),
    prepare: (views) => {
      writeBios(views, specOf(new Uint8Array(ROM), { bios: {}, ramSize: RAM }), PartitionMap.RAM + RAM);
      writeDevices(views, DISK, PartitionMap.RAM + RAM + FIRMWARE);
    },
  });
  startPics(b);
  b.platform.ioWrite(0xcf8, 4, 0x8000_0940);
  b.platform.ioWrite(0xcfc, 2, 0x8000);
  const disk = Uint8Array.from({ length: SECTORS * 512 }, (_, i) => (i * 31 + (i >>> 9)) & 0xff);
  const { buffer } = new VirtualDevice(b.views, virtualDeviceAt(0));
  const serve = (): void => {
    for (let n = 0; n < BLOCK_SLOTS; n++) {
      const slot = new BlockSlot(b.views, blockSlotAt(buffer, n));
      if (b.views.i32[(slot.base + BlockSlotLayout.at.state) >>> 2] !== SlotState.POSTED) continue;
      const at = blockDataAt(buffer, n);
      if (slot.offsetNum + slot.bytes > disk.length) throw new Error('beyond the disk');
      if (slot.operation === DiskOperation.READ) b.views.u8.set(disk.subarray(slot.offsetNum, slot.offsetNum + slot.bytes), at);
      else if (slot.operation === DiskOperation.WRITE) disk.set(b.views.u8.subarray(at, at + slot.bytes), slot.offsetNum);
      b.views.i32[(slot.base + BlockSlotLayout.at.state) >>> 2] = SlotState.DONE;
    }
    b.wait(LATER);
  };
  const command = (code: number, lba: number, count: number): void =>
    b.out(
      0x1f6,
      0xe0 | (lba >>> 24),
      0x1f2,
      count & 0xff,
      0x1f3,
      lba & 0xff,
      0x1f4,
      (lba >>> 8) & 0xff,
      0x1f5,
      (lba >>> 16) & 0xff,
      0x1f7,
      code,
    );
  return { b, disk, serve, command, status: () => b.in(0x1f7) };
};
const takeSector = ({ b }: Rig): Uint8Array => {
  const words = Uint16Array.from({ length: 256 }, () => b.platform.ioRead(0x1f0, 2));
  return new Uint8Array(words.buffer);
};

test('IDENTIFY DEVICE tells sectors, LBA and 48-bit commands, with an interrupt that reading the status ends', (t) => {
  const r = rig();
  r.command(0xec, 0, 0);
  t.is(r.b.in(0x3f6), 0x58);
  t.deepEqual(r.b.intr().slice(0, 1), [true]);
  t.is(r.status(), 0x58);
  const words = new Uint16Array(takeSector(r).buffer);
  t.is(words[60] + words[61] * 0x1_0000, SECTORS);
  t.is(words[100], SECTORS);
  t.not(words[49] & 0x200, 0);
  t.is(r.status(), 0x50);
});

test('sectors are read across pieces of 64 KiB, by LBA28, LBA48 and cylinder, head, sector; each is what the disk holds', (t) => {
  const r = rig();
  r.command(0x20, 5, 0);
  t.is(r.status(), 0x80);
  for (let n = 0; n < 256; n++) {
    r.serve();
    t.is(r.status(), 0x58, `sector ${n}`);
    t.deepEqual(takeSector(r), r.disk.slice((5 + n) * 512, (6 + n) * 512));
  }
  t.is(r.status(), 0x50);
  r.b.out(0x1f2, 0, 0x1f3, 0, 0x1f4, 0, 0x1f5, 0);
  r.command(0x24, 999, 1);
  r.serve();
  t.deepEqual(takeSector(r), r.disk.slice(999 * 512));
  r.b.out(0x1f6, 0xa1, 0x1f2, 1, 0x1f3, 2, 0x1f4, 0, 0x1f5, 0, 0x1f7, 0x20);
  r.serve();
  t.deepEqual(takeSector(r), r.disk.slice(64 * 512, 65 * 512), 'cylinder 0, head 1, sector 2');
});

test('what is written is on the disk; sectors that there are not, and unknown commands, are errors that write nothing', (t) => {
  const r = rig();
  r.command(0x30, 7, 2);
  for (let n = 0; n < 512; n++) r.b.platform.ioWrite(0x1f0, 2, 0x4100 + (n & 0xff));
  t.is(r.status(), 0x80);
  r.serve();
  t.is(r.status(), 0x50);
  t.is(r.disk[7 * 512 + 1], 0x41);
  t.is(r.disk[9 * 512 - 1], 0x41);
  const before = r.disk.slice();
  r.command(0x30, 999, 2);
  t.is(r.status(), 0x51);
  t.is(r.b.in(0x1f1), 0x10);
  r.command(0xc8, 0, 1);
  t.is(r.status(), 0x51);
  t.is(r.b.in(0x1f1), 0x04);
  t.deepEqual(r.disk, before);
});

test('a slave that is not there answers with zeros; a reset leaves the signature of a disk', (t) => {
  const r = rig();
  r.b.out(0x1f6, 0xb0);
  t.is(r.status(), 0);
  r.command(0x20, 0, 1);
  r.b.out(0x3f6, 4);
  t.is(r.b.in(0x3f6), 0x80);
  r.b.out(0x3f6, 0);
  t.deepEqual(
    [0x1f1, 0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x1f7].map((port) => r.b.in(port)),
    [1, 1, 1, 0, 0, 0x50],
  );
});

test('a driver that does anything reaches no byte outside the disk, and the channel works after a reset', (t) => {
  const port = fc.constantFrom(0x1f0, 0x1f0, 0x1f1, 0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x1f6, 0x1f7, 0x1f7, 0x3f6);
  const value = fc.oneof(fc.constantFrom(0x20, 0x24, 0x30, 0x34, 0xec, 0xe7, 0, 1, 4, 0xe0, 0xf0), fc.nat(0xff));
  const step = fc.record({ port, value, bytes: fc.constantFrom(1, 2, 4), act: fc.constantFrom('in', 'out', 'out', 'serve', 'many') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const r = rig();
      for (const { port: at, value: given, bytes, act } of steps) {
        if (act === 'serve') r.serve();
        else if (act === 'in') r.b.platform.ioRead(at, bytes);
        else for (let n = act === 'many' ? 200 : 1; n > 0; n--) r.b.platform.ioWrite(at, bytes, given);
      }
      r.b.out(0x3f6, 4, 0x3f6, 0);
      r.serve();
      r.command(0x20, 3, 1);
      r.serve();
      return r.status() === 0x58 && Buffer.compare(takeSector(r), r.disk.slice(3 * 512, 4 * 512)) === 0;
    }),
    { numRuns: 40 },
  );
  t.pass();
});
