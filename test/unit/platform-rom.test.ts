// What a BIOS finds before there is anything else: its ROM, the PAM registers (82441FX, 3.2.18), the configuration device's files, and the debug port.
import test from 'ava';
import fc from 'fast-check';
import { writeBios } from '../../daemon/boot/bios.js';
import { RomMap } from '../../daemon/hypervisor/rom-map.js';
import { DeviceMap, FIRMWARE_LOG_BYTES } from '../../shared/layout/devices.js';
import { PageFlag, PartitionMap } from '../../shared/layout/partition.js';
import { ByteLog } from '../../shared/layout/ring.js';
import { specOf } from '../rig/boot-partition.js';
import { type Board, board } from './platform-board.js';

const RAM = 1 << 20;
const ROM = 256 << 10;
/** Each byte tells its place. */
const byteOf = (at: number): number => (at * 7 + (at >>> 12) * 13) & 0xff;
const rom = Uint8Array.from({ length: ROM }, (_, at) => byteOf(at));
const videoRom = { name: 'vga.bin', data: Uint8Array.of(0x55, 0xaa, 1, 2, 3) };
const biosBoard = (): Board =>
  board(undefined, {
    ramSize: RAM,
    bytes: RAM + ROM + 0x2_0000,
    prepare: (views) => writeBios(views, specOf(rom, { bios: { videoRom }, ramSize: RAM }), PartitionMap.RAM + RAM),
  });
const setPam = ({ platform }: Board, register: number, value: number): void => {
  platform.ioWrite(0xcf8, 4, 0x8000_0000 | (register & ~3));
  platform.ioWrite(0xcfc + (register & 3), 1, value);
};
/** Register and shift of the 16 KiB at C0000h + n * 16 KiB; one for all of F0000h. */
const pieces = [...Array.from({ length: 12 }, (_, n) => ({ at: 0xc_0000 + n * 0x4000, register: 0x5a + (n >> 1), shift: (n & 1) * 4 }))];
const top = [0, 1, 2, 3].map((n) => ({ at: 0xf_0000 + n * 0x4000, register: 0x59, shift: 4 }));

test('each state of each PAM register: reads and writes of its piece, and of no other, go to RAM or to the bus', (t) => {
  const b = biosBoard();
  const map = new RomMap(b.views, { read: (at) => b.views.i32[at >>> 2] });
  const all = [...pieces, ...top];
  const inRam = (at: number): number => b.views.u8[PartitionMap.RAM + at];
  for (const piece of all)
    for (const access of [0, 1, 2, 3]) {
      for (const other of all) setPam(b, other.register, 0);
      setPam(b, piece.register, access << piece.shift);
      for (const { at, register, shift } of all) {
        const state = register === piece.register && shift === piece.shift ? access : 0;
        b.views.u8[PartitionMap.RAM + at] = 0x5a;
        const low = at < 0xe_0000 ? 0xff : byteOf(ROM - 0x10_0000 + at);
        t.is(b.platform.mmioRead(at, 1), state & 1 ? 0x5a : low, `read ${at.toString(16)} ${state}`);
        t.is(map.isWritable(at >>> 12), state === 3);
        const frame = map.find(at >>> 12);
        t.is(frame, state & 1 ? at >>> 12 : at < 0xe_0000 ? -1 : (RAM + ROM - 0x10_0000 + at) >>> 12);
        b.platform.mmioWrite(at, 1, 0xa5);
        t.is(inRam(at), state & 2 ? 0xa5 : 0x5a, `write ${at.toString(16)} ${state}`);
      }
    }
});

test('the ROM is below 4 GiB whatever the PAM registers say, and keeps what it holds', (t) => {
  const b = biosBoard();
  const map = new RomMap(b.views, { read: (at) => b.views.i32[at >>> 2] });
  for (const at of [0, 0x1_2345, ROM - 16, ROM - 4]) {
    const gpa = 0x1_0000_0000 - ROM + at;
    t.true(b.platform.claimsMmio(gpa));
    b.platform.mmioWrite(gpa, 4, 0);
    t.is(b.platform.mmioRead(gpa, 1), byteOf(at));
    t.is(map.find(Math.floor(gpa / 4096)), (RAM >>> 12) + (at >>> 12));
    t.not(b.views.u32[(PartitionMap.PAGE_FLAGS >>> 2) + Math.floor(gpa / 4096)] & PageFlag.OVERLAID, 0);
  }
  t.false(map.has(0xbf));
  t.false(map.has(0x100));
  t.false(map.has(0xf_ffbf));
});

test('only writes to PAM registers tell that memory is elsewhere; SMRAM keeps its bits and does nothing', (t) => {
  const b = biosBoard();
  setPam(b, 0x72, 0x4a);
  t.deepEqual(b.power, []);
  t.is(b.platform.ioRead(0xcfc + 2, 1), 0x4a);
  setPam(b, 0x5f, 0xff);
  t.deepEqual(b.power, ['remapped']);
  t.is(b.platform.ioRead(0xcfc + 3, 1), 0x33, 'reserved bits stay 0');
  t.is(board().platform.ioRead(0x402, 1), 0xff, 'a partition without a BIOS has no debug port');
});

test('a guest reads the directory and the files of the configuration device, and zeros beyond', (t) => {
  const { platform } = biosBoard();
  const select = (item: number): void => void platform.ioWrite(0x510, 2, item);
  const read = (count: number): number[] => Array.from({ length: count }, () => platform.ioRead(0x511, 1));
  select(0);
  t.is(String.fromCharCode(...read(4)), 'QEMU');
  select(0x19);
  t.deepEqual(read(4), [0, 0, 0, 2]);
  const entry = (): { size: number; item: number; name: string } => {
    const bytes = read(64);
    return {
      size: (bytes[2] << 8) | bytes[3],
      item: (bytes[4] << 8) | bytes[5],
      name: String.fromCharCode(...bytes.slice(8, bytes.indexOf(0, 8))),
    };
  };
  t.deepEqual(entry(), { size: 2, item: 0x20, name: 'etc/sercon-port' });
  t.deepEqual(entry(), { size: 5, item: 0x21, name: 'vgaroms/vga.bin' });
  t.deepEqual(read(4), [0, 0, 0, 0]);
  select(0x20);
  t.deepEqual(read(4), [0xf8, 0x03, 0, 0]);
  select(0x21);
  t.deepEqual(read(7), [...videoRom.data, 0, 0]);
});

test('whatever is selected and read, the configuration device gives bytes of its files or zeros', (t) => {
  const { platform } = biosBoard();
  fc.assert(
    fc.property(fc.nat(0xffff), fc.nat(300), (item, count) => {
      platform.ioWrite(0x510, 2, item);
      for (let n = 0; n < count; n++) if (platform.ioRead(0x511, 1) > 0xff) return false;
      return item < 0x22 || platform.ioRead(0x511, 1) === 0;
    }),
    { numRuns: 50 },
  );
  t.pass();
});

test('what is said on the debug port is in the log', (t) => {
  const b = biosBoard();
  t.is(b.in(0x402), 0xe9);
  for (const byte of Buffer.from('SeaBIOS')) b.out(0x402, byte);
  t.is(Buffer.from(new ByteLog(b.views, DeviceMap.FIRMWARE_LOG, FIRMWARE_LOG_BYTES).read(0).bytes).toString(), 'SeaBIOS');
});
