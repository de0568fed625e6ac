// The BIOS's ROM, and RAM below 1 MiB that the host bridge keeps from processors, for accesses that are not a processor's own way to memory: stores that pass by it, and
// loads where there is nothing (shared/layout/firmware.ts has the map).
import { DeviceMap } from '../../shared/layout/devices.js';
import { Firmware, FRAMES_4G, lowRomPage, PAM_END, PAM_FIRST, PamAccess, pamAccessOf, romAddress } from '../../shared/layout/firmware.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { allOnes } from './port-device.js';
import type { DeviceRam } from './virtio/device-ram.js';

const PAGE_SHIFT = 12;
const OFFSET = (1 << PAGE_SHIFT) - 1;
const FOUR_GIB = FRAMES_4G * 4096;

export class Rom {
  readonly pages: number;
  private readonly views: Views;
  private readonly ram: DeviceRam;
  private readonly at: number;
  private readonly first: number;

  constructor(views: Views, ram: DeviceRam) {
    const firmware = new Firmware(views, DeviceMap.FIRMWARE);
    this.views = views;
    this.ram = ram;
    this.pages = firmware.romPages;
    this.at = romAddress(firmware);
    this.first = FOUR_GIB - this.pages * 4096;
  }

  claims(gpa: number): boolean {
    if (this.pages === 0) return false;
    return (gpa >= this.first && gpa < FOUR_GIB) || (gpa >= PAM_FIRST << PAGE_SHIFT && gpa < PAM_END << PAGE_SHIFT);
  }

  /** Within one page. */
  read(gpa: number, bytes: number): number {
    const at = this.place(gpa);
    if (at < 0) return allOnes(bytes);
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.views.u8[at + i] * 2 ** (8 * i);
    return value;
  }
  /** RAM that is written but not read is how a BIOS copies itself there. */
  write(gpa: number, bytes: number, value: number): void {
    if (gpa >= this.first || (this.access(gpa) & PamAccess.WRITE) === 0) return;
    const data = Uint8Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 0xff);
    if (this.ram.holds(gpa, bytes)) this.ram.store(gpa, data);
  }

  private access(gpa: number): number {
    return pamAccessOf(gpa >>> PAGE_SHIFT, (address) => this.views.i32[address >>> 2]);
  }
  /** Address in partition memory of what is read there, -1: nothing. */
  private place(gpa: number): number {
    if (gpa >= this.first) return this.at + gpa - this.first;
    if ((this.access(gpa) & PamAccess.READ) !== 0) return PartitionMap.RAM + gpa;
    const page = lowRomPage(gpa >>> PAGE_SHIFT, this.pages);
    return page < 0 ? -1 : this.at + page * 4096 + (gpa & OFFSET);
  }
}
