// The configuration that QEMU hands to firmware: to test images how many processors there are and how much memory, to a BIOS also files.
// Reference: QEMU, docs/specs/fw_cfg: a 16-bit write to the first port selects an item, byte reads go through it; beyond its end come zeros.
import { DeviceMap, FirmwareConfigRegisters, PlatformAddress } from '../../shared/layout/devices.js';
import { DIRECTORY_HEAD_BYTES, DirectoryEntry, FIRST_FILE, Firmware } from '../../shared/layout/firmware.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { allOnes, type PortDevice } from './port-device.js';

/** `MAX_PROCESSORS`: as many as there are, for none is added later. */
const Item = { SIGNATURE: 0x00, VERSION: 0x01, RAM_SIZE: 0x03, PROCESSORS: 0x05, MAX_PROCESSORS: 0x0f, FILES: 0x19 } as const;
const SIGNATURE = 0x554d_4551; // "QEMU"
/** Bit 0: the interface of these two ports; bit 1, DMA, is not there. */
const VERSION = 1;

export class FirmwareConfig implements PortDevice {
  private readonly views: Views;
  private readonly r: FirmwareConfigRegisters;
  private readonly header: PartitionHeader;
  private readonly firmware: Firmware;

  constructor(views: Views) {
    this.views = views;
    this.r = new FirmwareConfigRegisters(views, DeviceMap.FIRMWARE_CONFIG);
    this.header = new PartitionHeader(views, PartitionMap.HEADER);
    this.firmware = new Firmware(views, DeviceMap.FIRMWARE);
  }

  read(_port: number, bytes: number): number {
    if (bytes !== 1) return allOnes(bytes);
    const { r, firmware, views } = this;
    const offset = r.offset++;
    if (r.item === Item.FILES) return offset < firmware.directoryBytes ? views.u8[firmware.directory + offset] : 0;
    if (r.item < FIRST_FILE) return offset < 4 ? (this.value() >>> (8 * offset)) & 0xff : 0;
    return offset < r.bytes ? views.u8[r.at + offset] : 0;
  }

  write(port: number, bytes: number, value: number): void {
    if (port !== PlatformAddress.FIRMWARE_CONFIG || bytes !== 2) return;
    this.r.item = value;
    this.r.offset = 0;
    if (value >= FIRST_FILE) this.findFile(value - FIRST_FILE);
  }

  /** The file's place and size; without such a file there is nothing to read. */
  private findFile(index: number): void {
    const { directory, directoryBytes } = this.firmware;
    const count = Math.max(0, (directoryBytes - DIRECTORY_HEAD_BYTES) / DirectoryEntry.BYTES);
    const sizeOf = (file: number): number =>
      this.views.data.getUint32(directory + DIRECTORY_HEAD_BYTES + file * DirectoryEntry.BYTES + DirectoryEntry.SIZE);
    this.r.at = directory + directoryBytes;
    this.r.bytes = 0;
    if (index >= count) return;
    for (let file = 0; file < index; file++) this.r.at += sizeOf(file);
    this.r.bytes = sizeOf(index);
  }

  /** No item but files has more than 32 bits that are not 0. */
  private value(): number {
    switch (this.r.item) {
      case Item.SIGNATURE:
        return SIGNATURE;
      case Item.VERSION:
        return VERSION;
      case Item.RAM_SIZE:
        return this.header.ramSize;
      case Item.PROCESSORS:
      case Item.MAX_PROCESSORS:
        return this.header.vpCount;
    }
    return 0;
  }
}
