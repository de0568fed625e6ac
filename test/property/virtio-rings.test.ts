// Rings against a small model: a disk that is an array, requests of every shape in every grouping; then drivers that put anything into their rings.
import test from 'ava';
import fc from 'fast-check';
import { BlockFeature, BlockRequest, BlockStatus, CommonConfig, VirtioFeature } from '../../shared/abi/virtio.js';
import { BLOCK_SLOTS, BlockSlot, blockDataAt, blockSlotAt, DiskOperation, SlotState } from '../../shared/layout/block-buffer.js';
import { DeviceClockLayout, DeviceMap, PlatformRequest } from '../../shared/layout/devices.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import { VirtualDeviceKind } from '../../shared/layout/virtual-devices.js';
import { boardWith, Driver, type Part, RAM_BYTES, type Ring } from '../rig/virtio-driver.js';

const SECTORS = 1024;
const SECTOR = 512;
const HEADER = 0x8000;
const STATUS = 0x8100;
const DATA = 0x1_0000;
/** Longer than any request here takes. */
const LONG_NS = 1e9;

/** Root: does what is posted to the disk, at once, and says so. */
const serveDisk = (d: Driver, disk: Uint8Array): number => {
  let served = 0;
  for (let n = 0; n < BLOCK_SLOTS; n++) {
    const slot = new BlockSlot(d.b.views, blockSlotAt(d.buffer, n));
    if (slot.state !== SlotState.POSTED) continue;
    const at = blockDataAt(d.buffer, n);
    const bytes = d.b.views.u8.subarray(at, at + slot.bytes);
    if (slot.operation === DiskOperation.READ) bytes.set(disk.subarray(slot.offsetNum, slot.offsetNum + slot.bytes));
    else if (slot.operation !== DiskOperation.FLUSH) disk.set(bytes, slot.offsetNum);
    slot.state = SlotState.DONE;
    served++;
  }
  Atomics.or(d.b.views.i32, (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2, PlatformRequest.VIRTIO);
  return served;
};
/** Until nothing is under way; false when that does not come. */
const settle = (d: Driver, disk: Uint8Array): boolean => {
  for (let round = 0; round < 200; round++) {
    if (serveDisk(d, disk) === 0) return true;
    d.b.wait(LONG_NS);
  }
  return false;
};

const newDisk = (): Uint8Array => Uint8Array.from({ length: SECTORS * SECTOR }, (_, i) => (i * 7 + (i >>> 9)) & 0xff);
const blockDriver = (readOnly = 0, deterministic = false): Driver =>
  new Driver(
    boardWith(VirtualDeviceKind.BLOCK, deterministic, (entry) => {
      entry.sectorsNum = SECTORS;
      entry.readOnly = readOnly;
      entry.views.u8.set(new TextEncoder().encode('disk-of-the-test'), entry.serial);
    }),
  );
const header = (d: Driver, type: number, sector: number): void => {
  const bytes = new DataView(new ArrayBuffer(16));
  bytes.setUint32(0, type, true);
  bytes.setBigUint64(8, BigInt(sector), true);
  d.poke(HEADER, new Uint8Array(bytes.buffer));
};
/** `bytes` from `address` on in pieces. */
const cut = (address: number, bytes: number, cuts: readonly number[], write: boolean): Part[] => {
  const at = [...new Set([0, ...cuts.map((part) => part % Math.max(1, bytes)), bytes])].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => ({ address: address + at[i], bytes: end - at[i], write }));
};

const request = fc.record({
  type: fc.constantFrom<number>(BlockRequest.IN, BlockRequest.OUT, BlockRequest.FLUSH, BlockRequest.GET_ID, 11),
  sector: fc.oneof(fc.nat(SECTORS), fc.nat(SECTORS - 300)),
  sectors: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constantFrom(127, 128, 129, 256)),
  cuts: fc.array(fc.nat(0x2_0000), { maxLength: 5 }),
  indirect: fc.boolean(),
  fill: fc.nat(255),
});

test('every request does to the disk and to memory what it does to an array, whatever its shape', (t) => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 12 }), fc.boolean(), (requests, eventIndex) => {
      const d = blockDriver();
      const disk = newDisk();
      const model = newDisk();
      const features = [VirtioFeature.VERSION_1, VirtioFeature.INDIRECT_DESC, BlockFeature.FLUSH];
      const [ring] = d.start(1, eventIndex ? [...features, VirtioFeature.EVENT_IDX] : features);
      for (const { type, sector, sectors, cuts, indirect, fill } of requests) {
        const bytes = type === BlockRequest.GET_ID ? 20 : sectors * SECTOR;
        const write = type !== BlockRequest.OUT;
        const data = Uint8Array.from({ length: bytes }, (_, i) => (i + fill) & 0xff);
        d.poke(DATA, data);
        d.poke(STATUS, Uint8Array.of(0xee));
        header(d, type, sector);
        d.b.stores();
        const parts = [
          { address: HEADER, bytes: 16 },
          ...(type === BlockRequest.FLUSH ? [] : cut(DATA, bytes, cuts, write)),
          { address: STATUS, bytes: 1, write: true },
        ];
        const head = ring.add(parts, indirect);
        ring.kick();
        if (!settle(d, disk)) return false;
        const isWithin = sector + sectors <= SECTORS;
        const isTransfer = type === BlockRequest.IN || type === BlockRequest.OUT;
        const status = type === 11 ? BlockStatus.UNSUPPORTED : isTransfer && !isWithin ? BlockStatus.IO_ERROR : BlockStatus.OK;
        if (isWithin && type === BlockRequest.OUT) model.set(data, sector * SECTOR);
        let expected = data;
        if (isWithin && type === BlockRequest.IN) expected = model.slice(sector * SECTOR, sector * SECTOR + bytes);
        if (type === BlockRequest.GET_ID) expected = d.b.views.u8.slice(d.entry.serial, d.entry.serial + 20);
        const written = status === BlockStatus.OK && (type === BlockRequest.IN || type === BlockRequest.GET_ID) ? bytes : 0;
        const used = ring.used();
        t.deepEqual(used, [[head, written + 1]]);
        t.is(d.peek(STATUS, 1)[0], status);
        t.deepEqual(Buffer.from(d.peek(DATA, bytes)), Buffer.from(expected));
        // Each byte that the device has stored was announced, within its page.
        const announced = d.b.stores();
        t.is(
          announced.filter(([at]) => at >= DATA).reduce((sum, [, count]) => sum + count, 0),
          written,
        );
        t.true(announced.every(([at, count]) => (at % 4096) + count <= 4096));
      }
      t.deepEqual(Buffer.from(disk), Buffer.from(model));
      return !d.needsReset;
    }),
    { numRuns: 20 },
  );
});

test('more requests than slots wait in the ring; what is given up by a reset is never told of', (t) => {
  const d = blockDriver();
  const disk = newDisk();
  const [ring] = d.start(1, [VirtioFeature.VERSION_1, BlockFeature.FLUSH], 64);
  header(d, BlockRequest.FLUSH, 0);
  const parts = [
    { address: HEADER, bytes: 16 },
    { address: STATUS, bytes: 1, write: true },
  ];
  for (let n = 0; n < BLOCK_SLOTS + 5; n++) ring.add(parts);
  ring.kick();
  t.is(serveDisk(d, disk), BLOCK_SLOTS);
  d.b.wait(1);
  t.is(ring.used().length, 0, 'done, and not due');
  d.b.wait(LONG_NS);
  t.is(ring.used().length, BLOCK_SLOTS);
  t.is(serveDisk(d, disk), 5);
  d.set(CommonConfig.STATUS, 1, 0);
  const [again] = d.start(1, [VirtioFeature.VERSION_1, BlockFeature.FLUSH], 64);
  d.b.wait(LONG_NS);
  t.is(again.used().length, 0);
  again.add(parts);
  again.kick();
  t.true(settle(d, disk));
  t.is(again.used().length, 1);
});

test('in the deterministic mode a request ends when it is due, no matter when root has done it and without a word of it', (t) => {
  const dues = [true, false].map((early) => {
    const d = blockDriver(0, true);
    const disk = newDisk();
    const [ring] = d.start(1);
    header(d, BlockRequest.IN, 3);
    ring.add([
      { address: HEADER, bytes: 16 },
      { address: DATA, bytes: SECTOR, write: true },
      { address: STATUS, bytes: 1, write: true },
    ]);
    ring.kick();
    const due = d.b.platform.nextDeadline();
    const done = (): void => {
      const slot = new BlockSlot(d.b.views, blockSlotAt(d.buffer, 0));
      const at = blockDataAt(d.buffer, 0);
      d.b.views.u8.set(disk.subarray(slot.offsetNum, slot.offsetNum + slot.bytes), at);
      slot.state = SlotState.DONE;
    };
    if (early) done();
    d.b.wait(due - 1);
    t.is(ring.used().length, 0, 'done or not, it is not due');
    if (!early) done();
    d.b.wait(1);
    t.deepEqual(ring.used(), [[0, SECTOR + 1]]);
    t.deepEqual(Buffer.from(d.peek(DATA, SECTOR)), Buffer.from(disk.subarray(3 * SECTOR, 4 * SECTOR)));
    return due;
  });
  t.is(dues[0], dues[1]);
});

test('a read-only disk refuses writes; one without FLUSH has them written through', (t) => {
  for (const [readOnly, status, operation] of [
    [1, BlockStatus.IO_ERROR, undefined],
    [0, BlockStatus.OK, DiskOperation.WRITE_THROUGH],
  ] as const) {
    const d = blockDriver(readOnly);
    const [ring] = d.start(1);
    header(d, BlockRequest.OUT, 0);
    ring.add([
      { address: HEADER, bytes: 16 },
      { address: DATA, bytes: SECTOR },
      { address: STATUS, bytes: 1, write: true },
    ]);
    ring.kick();
    const slot = new BlockSlot(d.b.views, blockSlotAt(d.buffer, 0));
    t.is(slot.state === SlotState.POSTED ? slot.operation : undefined, operation);
    t.true(settle(d, newDisk()));
    t.is(d.peek(STATUS, 1)[0], status);
  }
});

const HOSTILE: readonly (readonly [string, (ring: Ring) => void])[] = [
  [
    'a loop',
    (r) => {
      for (const n of [0, 1]) r.descriptor(r.base + n * 16, HEADER, 16, 1, 1 - n);
    },
  ],
  ['a chain beyond its table', (r) => r.descriptor(r.base, HEADER, 16, 1, 16)],
  ['an address beyond RAM', (r) => r.descriptor(r.base, RAM_BYTES, 1, 0, 0)],
  ['an address near 2^64', (r) => r.descriptor(r.base, 2 ** 64 - 2048, 16, 0, 0)],
  ['a length beyond RAM', (r) => r.descriptor(r.base, HEADER, 0xffff_ffff, 0, 0)],
  [
    'what is read behind what is written',
    (r) => {
      r.descriptor(r.base, DATA, 16, 1 | 2, 1);
      r.descriptor(r.base + 16, HEADER, 16, 0, 0);
    },
  ],
  ['an indirect table that was not agreed on', (r) => r.descriptor(r.base, DATA, 32, 4, 0)],
  ['no header', (r) => r.descriptor(r.base, STATUS, 1, 2, 0)],
  ['no room for the status', (r) => r.descriptor(r.base, HEADER, 16, 0, 0)],
];
for (const [what, spoil] of HOSTILE)
  test(`${what}: the device needs a reset, and works after it`, (t) => {
    const d = blockDriver();
    const [ring] = d.start(1);
    spoil(ring);
    ring.publish(0);
    d.notify(0);
    t.true(d.needsReset);
    t.is(d.entry.violations, 1);
    const [again] = d.start(1);
    header(d, BlockRequest.GET_ID, 0);
    again.add([
      { address: HEADER, bytes: 16 },
      { address: DATA, bytes: 20, write: true },
      { address: STATUS, bytes: 1, write: true },
    ]);
    again.kick();
    t.deepEqual(again.used(), [[0, 21]]);
  });

for (const kind of [VirtualDeviceKind.CONSOLE, VirtualDeviceKind.BLOCK, VirtualDeviceKind.NETWORK])
  test(`rings full of anything: no throw, no hang, nothing outside RAM is stored (device kind ${kind})`, (t) => {
    const word = fc.oneof(fc.nat(40), fc.nat(0xffff), fc.constantFrom(0, 1, 2, 3, 4, 7, 0x1000, 0x8000, 0xffff));
    const step = fc.tuple(fc.nat(0xbff), word, fc.nat(5), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 150 }), (steps) => {
        const d = new Driver(
          boardWith(kind, false, (entry) => {
            entry.sectorsNum = SECTORS;
          }),
        );
        const begin = (): Ring[] =>
          d.start(kind === VirtualDeviceKind.CONSOLE ? 6 : kind, [VirtioFeature.VERSION_1, VirtioFeature.INDIRECT_DESC]);
        let rings = begin();
        const disk = newDisk();
        const guard = d.b.views.u8.slice(0x2000, 0x3000);
        for (const [at, value, queue, tell] of steps) {
          const ring = rings[queue % rings.length];
          ring.setU16(at & ~1, value);
          // Descriptors with a chance: addresses in RAM, short.
          ring.descriptor(ring.base + (at % 16) * 16, 0x8000 + value, value & 0x3ff, at & 7, value % 20);
          if (!tell) continue;
          ring.publish(at % 17);
          d.notify(queue % rings.length);
          if (kind === VirtualDeviceKind.BLOCK) serveDisk(d, disk);
          d.b.wait(100_000);
          if (d.needsReset) rings = begin();
        }
        if (new PartitionHeader(d.b.views, PartitionMap.HEADER).deviceLock !== 0) return false;
        if (!d.b.stores().every(([gpa, bytes]) => gpa >= 0 && gpa + bytes <= RAM_BYTES)) return false;
        return Buffer.from(d.b.views.u8.slice(0x2000, 0x3000)).equals(Buffer.from(guard));
      }),
      { numRuns: 12 },
    );
    t.pass();
  });
