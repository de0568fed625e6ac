// Configuration space by mechanism #1, as operating systems probe it: on the board for the host bridge, on a bus of its own for BARs and capabilities.
import test from 'ava';
import fc from 'fast-check';
import { PciBus } from '../../daemon/platform/pci/pci-bus.js';
import { type PciDevice, PciFunction } from '../../daemon/platform/pci/pci-function.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { ConfigRegister, PciCommand } from '../../shared/layout/pci.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { board } from './platform-board.js';

const ADDRESS = 0xcf8;
const DATA = 0xcfc;

test('Linux finds mechanism #1 and a host bridge on bus 0 (arch/x86/pci/direct.c)', (t) => {
  const { platform } = board();
  platform.ioWrite(0xcfb, 1, 1);
  platform.ioWrite(ADDRESS, 4, 0x8000_0000);
  t.is(platform.ioRead(ADDRESS, 4), 0x8000_0000);
  t.is(platform.ioRead(DATA, 4), 0x1237_8086);
  t.is(platform.ioRead(DATA + 2, 2), 0x1237);
  t.is(platform.ioRead(DATA + 1, 1), 0x80);
  platform.ioWrite(ADDRESS, 4, 0x8000_0008);
  t.is(platform.ioRead(DATA + 2, 2), 0x0600, 'class: host bridge');
  platform.ioWrite(ADDRESS, 4, 0x8000_000c);
  t.is(platform.ioRead(DATA + 2, 1), 0, 'one function, header type 0');
});

test('what is not there, or not asked for rightly, reads as ones', (t) => {
  const { platform } = board();
  const dword = (address: number, port = DATA, bytes = 4): number => {
    platform.ioWrite(ADDRESS, 4, address);
    return platform.ioRead(port, bytes);
  };
  t.is(dword(0x8000_0100), 0xffff_ffff, 'function 1');
  t.is(dword(0x8000_f800), 0xffff_ffff, 'device 31');
  t.is(dword(0x8001_0000), 0xffff_ffff, 'bus 1');
  t.is(dword(0x0000_0000), 0xffff_ffff, 'not enabled');
  t.is(dword(0x8000_0000, DATA + 1), 0xffff_ffff, 'beyond the double word');
  t.is(dword(0x8000_0000, DATA + 3, 2), 0xffff, 'beyond the double word');
  platform.ioWrite(ADDRESS, 4, 0x8000_0000);
  platform.ioWrite(DATA, 4, 0);
  t.is(platform.ioRead(DATA, 4), 0x1237_8086, 'identifiers are not to be written');
});

/** A function with a 64-bit BAR of 16 KiB, a 32-bit one of 4 KiB and two capabilities; it records what reaches it. */
const testFunction = () => {
  const log: string[] = [];
  const device: PciDevice = {
    identity: { vendor: 0x1af4, device: 0x1042, classCode: 0x01_8000, revision: 1, subsystemVendor: 0x1af4, subsystem: 2, irq: 11 },
    bars: [
      { register: 0, bytes: 0x4000, wide: true, address: 0xe000_0000 },
      { register: 2, bytes: 0x1000, wide: false, address: 0xe000_4000 },
    ],
    capabilities: [
      { id: 0x09, bytes: [5, 1, 2] },
      { id: 0x11, bytes: [0x03, 0x00, 1, 2, 3, 4], writable: { 3: 0xc0 } },
    ],
    memoryRead: (bar, offset) => bar * 0x1_0000 + offset,
    memoryWrite: (bar, offset, bytes, value) => log.push(`${bar} ${offset.toString(16)} ${bytes} ${value}`),
    configReading: () => undefined,
    configWritten: (offset, bytes) => log.push(`config ${offset.toString(16)} ${bytes}`),
  };
  const views = viewsOf(new SharedArrayBuffer(PartitionMap.DEVICES_END));
  const one = new PciFunction(views, 3, device);
  const bus = new PciBus(views, [one]);
  bus.reset();
  const write = (offset: number, bytes: number, value: number): void => bus.configWrite(3 << 3, offset, bytes, value, 0);
  const read = (offset: number, bytes = 4): number => bus.configRead(3 << 3, offset, bytes);
  return { bus, one, read, write, log };
};

test('BARs are sized by writing ones: 64-bit and 32-bit, and say what firmware has put there', (t) => {
  const { read, write } = testFunction();
  t.deepEqual(
    [0x10, 0x14, 0x18, 0x1c].map((at) => read(at)),
    [0xe000_0004, 0, 0xe000_4000, 0],
  );
  for (const at of [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30]) write(at, 4, 0xffff_ffff);
  t.deepEqual(
    [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30].map((at) => read(at)),
    [0xffff_c004, 0xffff_ffff, 0xffff_f000, 0, 0, 0, 0],
  );
});

test('memory is decoded where the BARs say while the command register allows it, beyond 4 GiB too', (t) => {
  const { bus, read, write, log } = testFunction();
  t.is(bus.claims(0xe000_0000)?.memoryRead(0xe000_0010, 4), 0x10);
  t.is(bus.claims(0xe000_4ffc)?.memoryRead(0xe000_4ffc, 4), 0x1_0ffc);
  t.is(bus.claims(0xe000_5000), undefined);
  t.is(bus.claims(0xdfff_ffff), undefined);
  write(0x14, 4, 0x12);
  write(0x10, 4, 0x8000_0000);
  t.is(bus.claims(0xe000_0000), undefined);
  const moved = 0x12_8000_0000;
  bus.claims(moved + 0x3000)?.memoryWrite(moved + 0x3000, 2, 7, 0);
  t.is(log.at(-1), '0 3000 2 7');
  write(ConfigRegister.COMMAND, 2, 0);
  t.is(bus.claims(moved), undefined);
  write(ConfigRegister.COMMAND, 2, 0xffff);
  t.is(
    read(ConfigRegister.COMMAND, 2),
    PciCommand.MEMORY | PciCommand.MASTER | PciCommand.PARITY | PciCommand.SERR | PciCommand.INTX_DISABLE,
  );
});

test('the capability list is linked, and only its writable bits change', (t) => {
  const { one, read, write } = testFunction();
  t.is(read(0x06, 2) & 0x10, 0x10);
  const seen: number[][] = [];
  for (let at = read(0x34, 1); at !== 0; at = read(at + 1, 1)) seen.push([at, read(at, 1)]);
  t.deepEqual(seen, [
    [0x40, 0x09],
    [0x48, 0x11],
  ]);
  t.deepEqual([one.capability(0), one.capability(1)], [0x40, 0x48]);
  write(0x48, 4, 0xffff_ffff);
  t.is(read(0x48), 0xc003_0011);
});

test('no write to configuration space changes what a guest must not change', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(255), fc.constantFrom(1, 2, 4), fc.integer({ min: 0, max: 0xffff_ffff })), { maxLength: 60 }),
      (writes) => {
        const { read, write } = testFunction();
        for (const [offset, bytes, value] of writes) if ((offset & 3) + bytes <= 4) write(offset, bytes, value);
        return (
          read(0) === 0x1042_1af4 &&
          read(0x08) === 0x0180_0001 &&
          read(0x2c) === 0x0002_1af4 &&
          read(0x34, 1) === 0x40 &&
          (read(0x10) & 0x3fff) === 4 &&
          (read(0x18) & 0xfff) === 0 &&
          read(0x3d, 1) === 1 &&
          (read(0x06, 2) & ~0) === 0x10
        );
      },
    ),
  );
  t.pass();
});
