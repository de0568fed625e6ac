// A board with a BIOS, floppy drives and a little RAM, whose root is played here: images that are arrays.
import { writeBios } from '../../daemon/boot/bios.js';
import { type FloppyMedium, floppyOf } from '../../shared/devices/floppy-media.js';
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
import { DeviceClockLayout, DeviceMap, PlatformRequest } from '../../shared/layout/devices.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { VirtualDevice, virtualDeviceAt } from '../../shared/layout/virtual-devices.js';
import { type Board, board, startPics } from '../unit/platform-board.js';
import { specOf } from './boot-partition.js';

const RAM = 1 << 20;
const ROM = 64 << 10;
const FIRMWARE = ROM + 0x1_0000;
/** Longer than any command takes. */
const LATER = 10_000_000;

export interface FloppyBoard {
  readonly b: Board;
  readonly images: readonly Uint8Array[];
  readonly media: readonly FloppyMedium[];
  readonly ram: Uint8Array;
  /** What lies behind RAM and is not the drives' buffers. */
  readonly behind: Uint8Array;
  /** Does what is posted, without letting time pass. */
  serve(): void;
  /** The same, and lets it be due: until nothing is posted any more. */
  settle(): void;
  /** Programs channel 2: `mode` is 6 to memory, 10 from memory, 2 to verify, with 16 for auto, 32 for downwards. */
  dma(mode: number, address: number, bytes: number): void;
  command(...bytes: number[]): void;
  result(): number[];
  /** Takes the interrupt that waits, and ends it; its vector, undefined: none. */
  interrupt(): number | undefined;
}

/** `sectors` of each drive's medium. The controller is out of reset, its interrupts are taken, and its rate is the first medium's. */
export const floppyBoard = (sectors: readonly number[], readOnly = false): FloppyBoard => {
  const devices = sectors.map((count) => ({ kind: 'floppy', sectors: count, readOnly, serial: 'floppy.img' }) as const);
  const b = board(undefined, {
    ramSize: RAM,
    bytes: RAM + FIRMWARE + deviceBytesOf(devices),
    prepare: (views) => {
      writeBios(views, specOf(new Uint8Array(ROM), { bios: {}, ramSize: RAM }), PartitionMap.RAM + RAM);
      writeDevices(views, devices, PartitionMap.RAM + RAM + FIRMWARE);
    },
  });
  startPics(b);
  const images = sectors.map((count, drive) => Uint8Array.from({ length: count * 512 }, (_, i) => (i * 31 + (i >>> 9) + drive) & 0xff));
  const serveDrive = (image: Uint8Array, drive: number): number => {
    const { buffer } = new VirtualDevice(b.views, virtualDeviceAt(drive));
    let served = 0;
    for (let n = 0; n < BLOCK_SLOTS; n++) {
      const slot = new BlockSlot(b.views, blockSlotAt(buffer, n));
      if (b.views.i32[(slot.base + BlockSlotLayout.at.state) >>> 2] !== SlotState.POSTED) continue;
      const at = blockDataAt(buffer, n);
      if (slot.offsetNum < 0 || slot.offsetNum + slot.bytes > image.length) throw new Error('beyond the floppy');
      if (slot.operation === DiskOperation.READ) b.views.u8.set(image.subarray(slot.offsetNum, slot.offsetNum + slot.bytes), at);
      else image.set(b.views.u8.subarray(at, at + slot.bytes), slot.offsetNum);
      b.views.i32[(slot.base + BlockSlotLayout.at.state) >>> 2] = SlotState.DONE;
      served++;
    }
    return served;
  };
  const serve = (): number => {
    const served = images.reduce((total, image, drive) => total + serveDrive(image, drive), 0);
    if (served > 0) Atomics.or(b.views.i32, (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2, PlatformRequest.VIRTIO);
    return served;
  };
  const settle = (): void => {
    do b.wait(LATER);
    while (serve() > 0);
  };
  const command = (...bytes: number[]): void => {
    for (const byte of bytes) b.out(0x3f5, byte);
  };
  const result = (): number[] => {
    const bytes: number[] = [];
    while ((b.in(0x3f4) & 0xc0) === 0xc0) bytes.push(b.in(0x3f5));
    return bytes;
  };
  const media = sectors.map((count) => floppyOf(count)!);
  b.out(0x3f2, 0x1c, 0x3f7, media[0].rate);
  for (let drive = 0; drive < 4; drive++) {
    command(8);
    result();
  }
  command(3, 0xaf, 2);
  const interrupt = (): number | undefined => {
    if (!b.platform.picPending()) return undefined;
    const vector = b.platform.picAcknowledge();
    b.out(0x20, 0x20);
    return vector;
  };
  interrupt();
  return {
    b,
    images,
    media,
    ram: b.views.u8.subarray(PartitionMap.RAM, PartitionMap.RAM + RAM),
    behind: b.views.u8.subarray(PartitionMap.RAM + RAM, PartitionMap.RAM + RAM + FIRMWARE),
    serve: () => {
      serve();
    },
    settle,
    dma: (mode, address, bytes) => {
      b.out(0x0a, 6, 0x0c, 0, 0x04, address & 0xff, 0x04, (address >>> 8) & 0xff, 0x81, address >>> 16);
      b.out(0x05, (bytes - 1) & 0xff, 0x05, (bytes - 1) >>> 8, 0x0b, 0x40 | mode, 0x0a, 2);
    },
    command,
    result,
    interrupt,
  };
};
