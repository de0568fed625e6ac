// The rest of the board: keyboard controller, VGA and its text screen, PCI and DMA ports, the doorbell, the bus itself, the lock.
import { Worker } from 'node:worker_threads';
import test from 'ava';
import fc from 'fast-check';
import { DeviceLock } from '../../daemon/platform/device-lock.js';
import { bumpJobs, doorbellCount, jobPage } from '../../daemon/platform/doorbell.js';
import { PORT_LIMIT, PORT_MAP } from '../../daemon/platform/port-map.js';
import { readTextScreen } from '../../daemon/platform/text-screen.js';
import * as Devices from '../../shared/layout/devices.js';
import { JOB_AREA_SIZE } from '../../shared/layout/job-page.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import { PCI_CONFIG_SIZE } from '../../shared/layout/pci.js';
import { ringSize } from '../../shared/layout/ring.js';
import type { Fields, Struct } from '../../shared/layout/struct.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { board, ioapicWrite, startPics } from './platform-board.js';

test('device registers do not overlap', (t) => {
  const { DeviceMap: M } = Devices;
  const size = (s: Struct<Fields>, count = 1): number => s.size * count;
  const areas: [string, number, number][] = [
    ['clock', M.CLOCK, size(Devices.DeviceClockLayout)],
    ['doorbell', M.DOORBELL, size(Devices.DoorbellLayout)],
    ['lines', M.LINES, size(Devices.LinesLayout)],
    ['master', M.PIC_MASTER, size(Devices.PicLayout)],
    ['slave', M.PIC_SLAVE, size(Devices.PicLayout)],
    ['intr', M.PIC_OUTPUT, size(Devices.PicOutputLayout)],
    ['pit', M.PIT, size(Devices.PitChannelLayout, 3)],
    ['port b', M.PORT_B, size(Devices.PortBLayout)],
    ['rtc', M.RTC, size(Devices.RtcLayout)],
    ['uart', M.UART, size(Devices.UartLayout)],
    ['ioapic', M.IOAPIC, size(Devices.IoApicLayout)],
    ['i8042', M.I8042, size(Devices.I8042Layout)],
    ['acpi', M.ACPI, size(Devices.AcpiLayout)],
    ['pci', M.PCI, size(Devices.PciLayout)],
    ['system', M.SYSTEM, size(Devices.SystemLayout)],
    ['firmware configuration', M.FIRMWARE_CONFIG, size(Devices.FirmwareConfigLayout)],
    ['test device', M.TEST, size(Devices.TestLayout)],
    ['dma', M.DMA, size(Devices.DmaLayout)],
    ['vga', M.VGA, size(Devices.VgaLayout)],
    ['console out', M.CONSOLE_OUT, ringSize(Devices.CONSOLE_OUT_BYTES)],
    ['console watch', M.CONSOLE_WATCH, Devices.ConsoleWatchLayout.size],
    ['console in', M.CONSOLE_IN, ringSize(Devices.CONSOLE_IN_BYTES)],
    ['PCI configuration', M.PCI_CONFIG, PCI_CONFIG_SIZE],
    ['test memory', M.TEST_MEMORY, Devices.PlatformAddress.TEST_MEMORY_BYTES],
  ];
  areas.sort((a, b) => a[1] - b[1]);
  for (let i = 1; i < areas.length; i++) t.true(areas[i - 1][1] + areas[i - 1][2] <= areas[i][1], `${areas[i - 1][0]} and ${areas[i][0]}`);
  const [, last, bytes] = areas[areas.length - 1];
  t.true(last + bytes <= PartitionMap.DEVICES_END);
});

test('the port map is in order and names no port twice', (t) => {
  for (let i = 0; i < PORT_MAP.length; i++) {
    t.true(PORT_MAP[i].first <= PORT_MAP[i].last && PORT_MAP[i].last < PORT_LIMIT);
    if (i > 0) t.true(PORT_MAP[i].first > PORT_MAP[i - 1].last, `range ${i}`);
  }
});

test('ports that nothing claims read as ones in each width', (t) => {
  const b = board();
  for (const port of [0x10, 0x1f0, 0x300, 0xcff + 1, 0x1000, 0xffff]) {
    b.platform.ioWrite(port, 4, 0);
    t.deepEqual(
      [1, 2, 4].map((n) => b.platform.ioRead(port, n)),
      [0xff, 0xffff, 0xffff_ffff],
    );
  }
});

test('wide accesses to byte devices are bytes at consecutive ports', (t) => {
  const b = board();
  b.platform.ioWrite(0x3d4, 2, 0x5a0f);
  t.is(b.platform.ioRead(0x3d4, 2), 0x5a0f);
  t.is(b.platform.ioRead(0x3d5, 4) >>> 0, (b.in(0x3d5) | 0xffff00 | (b.in(0x3d8) << 24)) >>> 0);
});

test('no access of any kind throws, and the lock is free afterwards', (t) => {
  const b = board();
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.integer({ min: 0, max: 0x1100 }), fc.constantFrom(1, 2, 4), fc.integer({ min: 0, max: 0xffff_ffff }), fc.nat(1e9)),
        { maxLength: 200 },
      ),
      (accesses) => {
        for (const [port, bytes, value, ns] of accesses) {
          b.wait(ns);
          b.platform.ioWrite(port, bytes, value);
          const read = b.platform.ioRead(port, bytes);
          if (!Number.isInteger(read) || read < 0 || read >= 2 ** (8 * bytes)) return false;
          b.platform.mmioWrite(0xfec0_0000 + (port & 0xfff), bytes, value);
          b.platform.picAcknowledge();
          b.platform.ioapicEoi(value & 0xff);
          readTextScreen(b.views, PartitionMap.RAM);
          if (Number.isNaN(b.platform.nextDeadline())) return false;
        }
        return true;
      },
    ),
    { numRuns: 60 },
  );
  t.is(new PartitionHeader(b.views, PartitionMap.HEADER).deviceLock, 0);
});

test('advance always gets past its own deadline: the run loop cannot spin', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(0x40, 0x43, 0x70, 0x71, 0x61, 0x602, 0x600, 0x3f9), fc.nat(255), fc.nat(1e8)), { maxLength: 60 }),
      (writes) => {
        const b = board();
        startPics(b);
        for (const [port, value, ns] of writes) {
          b.out(port, value);
          b.time += ns;
          for (let i = 0; b.platform.nextDeadline() <= b.time; i++) {
            if (i === 3) return false;
            b.platform.advance();
          }
        }
        return true;
      },
    ),
  );
  t.pass();
});

test('keyboard controller: self test, interface test, configuration byte, no mouse', (t) => {
  const b = board();
  b.out(0x64, 0xaa);
  t.is(b.in(0x64) & 0x05, 0x05, 'output full, system flag');
  t.is(b.in(0x60), 0x55);
  t.is(b.in(0x64) & 0x01, 0);
  b.out(0x64, 0xab);
  t.is(b.in(0x60), 0);
  b.out(0x64, 0x60, 0x60, 0x43, 0x64, 0x20);
  t.is(b.in(0x60), 0x63, 'the mouse port stays off');
  b.out(0x64, 0xa9);
  t.not(b.in(0x60), 0);
  b.out(0x64, 0xd0);
  t.is(b.in(0x60), 0x03);
});

test('A20 has one state behind the keyboard controller and port 0x92', (t) => {
  const b = board();
  t.is(b.in(0x92), 0x02);
  b.out(0x64, 0xdd);
  t.is(b.in(0x92), 0x00);
  b.out(0x92, 0x02, 0x64, 0xd0);
  t.is(b.in(0x60) & 2, 2);
});

test('the keyboard answers identification and reset, one IRQ 1 a byte', (t) => {
  const b = board();
  startPics(b);
  const answers = (command: number): number[] => {
    const got: number[] = [];
    b.out(0x60, command);
    while (b.platform.picPending()) {
      t.is(b.platform.picAcknowledge(), 0x21);
      got.push(b.in(0x60));
      b.out(0x20, 0x20);
    }
    return got;
  };
  t.deepEqual(answers(0xf2), [0xfa, 0xab, 0x41]);
  t.deepEqual(answers(0xff), [0xfa, 0xaa]);
  t.deepEqual(answers(0xed), [0xfa]);
  t.deepEqual(answers(0x02), [0xfa]);
  t.deepEqual(answers(0xee), [0xee]);
  t.deepEqual(answers(0x01), [0xfe]);
  for (let i = 0; i < 100; i++) b.out(0x60, 0xee);
  let count = 0;
  while (b.in(0x64) & 1) {
    b.in(0x60);
    count++;
  }
  t.is(count, 16, 'the queue is bounded');
});

test('the text screen is read with its cursor, in Unicode', (t) => {
  const b = board();
  const at = PartitionMap.RAM + 0xb8000;
  for (const [i, c] of [0x48, 0x69, 0x01, 0xc9, 0xcd, 0xbb, 0xff].entries()) b.views.u8[at + (80 * 2 + 3 + i) * 2] = c;
  b.out(0x3d4, 0x0e, 0x3d5, 0, 0x3d4, 0x0f, 0x3d5, 165);
  const screen = readTextScreen(b.views, PartitionMap.RAM);
  t.is(screen.lines.length, 25);
  t.true(screen.lines.every((l) => l.length === 80));
  t.is(screen.lines[2].trimEnd(), '   Hi☺╔═╗'.trimEnd());
  t.deepEqual(screen.cursor, { row: 2, column: 5 });
  t.false(screen.graphics);
  b.out(0x3d4, 0x0a, 0x3d5, 0x20);
  t.is(readTextScreen(b.views, PartitionMap.RAM).cursor, null);
  b.out(0x3d4, 0x0d, 0x3d5, 160);
  t.is(readTextScreen(b.views, PartitionMap.RAM).lines[0].slice(3, 5), 'Hi', 'scrolled by the start address');
});

test('VGA registers are kept, the attribute flip-flop is reset by reading the status', (t) => {
  const b = board();
  b.in(0x3da);
  b.out(0x3c0, 0x10, 0x3c0, 0x41);
  b.in(0x3da);
  b.out(0x3c0, 0x30);
  t.is(b.in(0x3c1), 0x41);
  b.out(0x3c8, 7, 0x3c9, 1, 0x3c9, 2, 0x3c9, 0xff, 0x3c7, 7);
  t.deepEqual([b.in(0x3c9), b.in(0x3c9), b.in(0x3c9)], [1, 2, 0x3f]);
  t.is(b.in(0x3cc), 0x67);
  b.out(0x3d4, 0x00, 0x3d5, 0x99);
  t.is(b.in(0x3d5), 0x5f, 'protected by register 0x11');
  t.is(b.in(0x3b5), 0xff, 'no monochrome adapter');
});

test('retrace bits toggle with virtual time', (t) => {
  const b = board();
  const seen = new Set<number>();
  for (let i = 0; i < 5000; i++) {
    b.time += 10_000;
    seen.add(b.in(0x3da) & 9);
  }
  t.deepEqual([...seen].sort(), [0, 1, 9]);
});

test('DMA registers are kept by halves, page registers whole', (t) => {
  const b = board();
  b.out(0x0c, 0, 0x02, 0x34, 0x02, 0x12, 0x0c, 0);
  t.deepEqual([b.in(0x02), b.in(0x02)], [0x34, 0x12]);
  b.out(0xd8, 0, 0xc4, 0x78, 0xc4, 0x56, 0xd8, 0);
  t.deepEqual([b.in(0xc4), b.in(0xc4)], [0x78, 0x56]);
  b.out(0x83, 0x9a, 0x80, 0x55);
  t.is(b.in(0x83), 0x9a);
});

test('the doorbell counts, and believes only a job area that lies in RAM', (t) => {
  const b = board();
  t.is(jobPage(b.views), null);
  for (const [address, accepted] of [
    [0x5000, true],
    [0x5004, false],
    [(64 << 20) - JOB_AREA_SIZE + 0x1000, false],
    [0xffff_f000, false],
    [(64 << 20) - JOB_AREA_SIZE, true],
  ] as const) {
    b.platform.ioWrite(0x510, 4, address);
    t.is(jobPage(b.views), (accepted ? address : null) as ReturnType<typeof jobPage>);
  }
  for (let i = 0; i < 5; i++) b.platform.ioWrite(0x518, 4, i);
  t.is(doorbellCount(b.views), 5);
  t.is(b.platform.ioRead(0x51c, 4), 0xffff_ffff);
});

test('changed jobs pulse IRQ 5 once, at the next advance', (t) => {
  const b = board();
  ioapicWrite(b, 0x10 + 10, 0x55);
  bumpJobs(b.views);
  bumpJobs(b.views);
  t.is(b.platform.nextDeadline(), 0);
  b.platform.advance();
  t.deepEqual(b.messages(), ['0.0.55']);
  t.is(b.platform.ioRead(0x514, 4), 2);
  b.platform.advance();
  t.deepEqual(b.messages(), []);
  bumpJobs(b.views);
  b.platform.advance();
  t.deepEqual(b.messages(), ['0.0.55']);
});

test('two LPs see one set of devices', (t) => {
  const a = board();
  const b = board(a.views);
  a.out(0x3ff, 0x77, 0x70, 0x40, 0x71, 0x12);
  t.is(b.in(0x3ff), 0x77);
  t.is(b.in(0x71), 0x12);
});

test('the device lock excludes: two threads, one counter', async (t) => {
  const views = viewsOf(new SharedArrayBuffer(PartitionMap.DEVICES));
  const ROUNDS = 100_000;
  const COUNTER = 0x4000 >>> 2;
  const STARTED = 0x4040 >>> 2;
  const source = `
    const { workerData } = require('node:worker_threads');
    (async () => {
      const { DeviceLock } = await import(workerData.lock);
      const { viewsOf } = await import(workerData.struct);
      const views = viewsOf(workerData.buffer);
      const lock = new DeviceLock(views);
      Atomics.add(views.i32, ${STARTED}, 1);
      while (Atomics.load(views.i32, ${STARTED}) < 2);
      for (let i = 0; i < ${ROUNDS}; i++) { lock.lock(); views.i32[${COUNTER}] = views.i32[${COUNTER}] + 1; lock.unlock(); }
    })();`;
  const workerData = {
    buffer: views.buffer,
    lock: new URL('../../daemon/platform/device-lock.js', import.meta.url).href,
    struct: new URL('../../shared/layout/struct.js', import.meta.url).href,
  };
  const done = [0, 1].map(() => {
    const worker = new Worker(source, { eval: true, workerData });
    return new Promise<number>((resolve, reject) => worker.once('error', reject).once('exit', resolve));
  });
  t.deepEqual(await Promise.all(done), [0, 0]);
  t.is(views.i32[COUNTER], 2 * ROUNDS);
  const lock = new DeviceLock(views);
  lock.lock();
  lock.breakOpen();
  lock.lock();
  t.pass('a broken lock is free');
});

test('FERR# is IRQ 13 until port F0h is written', (t) => {
  const b = board();
  startPics(b);
  b.platform.coprocessorError();
  t.deepEqual(b.intr(), [true]);
  t.is(b.platform.picAcknowledge(), 0x2d);
  // Non-specific EOIs; the line is still up, but the edge has been.
  b.out(0xa0, 0x20, 0x20, 0x20);
  b.intr();
  b.platform.coprocessorError();
  t.deepEqual(b.intr(), []);
  b.out(0xf0, 0);
  b.platform.coprocessorError();
  t.deepEqual(b.intr(), [true]);
});
