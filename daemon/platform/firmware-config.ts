// The configuration that QEMU hands to firmware, as far as test images ask for it: how many processors there are, and how much memory.
// Reference: QEMU, docs/specs/fw_cfg: a 16-bit write to the first port selects an item, byte reads go through it; beyond its end come zeros.
import { DeviceMap, FirmwareConfigRegisters, PlatformAddress } from '../../shared/layout/devices.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { allOnes, type PortDevice } from './port-device.js';

/** `MAX_PROCESSORS`: as many as there are, for none is added later. */
const Item = { SIGNATURE: 0x00, VERSION: 0x01, RAM_SIZE: 0x03, PROCESSORS: 0x05, MAX_PROCESSORS: 0x0f } as const;
const SIGNATURE = 0x554d_4551; // "QEMU"
/** Bit 0: the interface of these two ports; bit 1, DMA, is not there. */
const VERSION = 1;

export class FirmwareConfig implements PortDevice {
  private readonly r: FirmwareConfigRegisters;
  private readonly header: PartitionHeader;

  constructor(views: Views) {
    this.r = new FirmwareConfigRegisters(views, DeviceMap.FIRMWARE_CONFIG);
    this.header = new PartitionHeader(views, PartitionMap.HEADER);
  }

  read(_port: number, bytes: number): number {
    if (bytes !== 1) return allOnes(bytes);
    const offset = this.r.offset++;
    return offset < 4 ? (this.value() >>> (8 * offset)) & 0xff : 0;
  }

  write(port: number, bytes: number, value: number): void {
    if (port !== PlatformAddress.FIRMWARE_CONFIG || bytes !== 2) return;
    this.r.item = value;
    this.r.offset = 0;
  }

  /** No item has more than 32 bits that are not 0. */
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
