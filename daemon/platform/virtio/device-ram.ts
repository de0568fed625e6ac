// Guest memory as devices reach it: by physical addresses, RAM only. What overlay pages cover is reached as it is below them (TLFS 5.2.1 speaks of processors).
// Why its own door: stores must be known before they happen, as every store by something other than a processor (PlatformHost.beginStore), and no address or length
// that a guest names may lead out of its RAM.
import { PartitionHeader, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import type { PlatformHost } from '../host.js';

const PAGE = 4096;
const TWO_32 = 0x1_0000_0000;

export class DeviceRam {
  private readonly views: Views;
  private readonly host: Pick<PlatformHost, 'beginStore' | 'endStore'>;
  private readonly size: number;

  constructor(views: Views, host: Pick<PlatformHost, 'beginStore' | 'endStore'>) {
    this.views = views;
    this.host = host;
    this.size = new PartitionHeader(views, PartitionMap.HEADER).ramSize;
  }

  holds(gpa: number, bytes: number): boolean {
    return gpa + bytes <= this.size;
  }

  /** Bytes of RAM from the address on. */
  room(gpa: number): number {
    return Math.max(0, this.size - gpa);
  }

  /** The rest: of addresses that `holds` has accepted, and that are aligned. */
  load16(gpa: number): number {
    return Atomics.load(this.views.u16, (PartitionMap.RAM + gpa) >>> 1);
  }
  load32(gpa: number): number {
    return this.views.u32[(PartitionMap.RAM + gpa) >>> 2];
  }
  load64(gpa: number): number {
    return this.load32(gpa + 4) * TWO_32 + this.load32(gpa);
  }
  /** What is there now; it may change while one looks. */
  bytes(gpa: number, count: number): Uint8Array {
    return this.views.u8.subarray(PartitionMap.RAM + gpa, PartitionMap.RAM + gpa + count);
  }

  /** Seen by processors after everything that was stored before. */
  store16(gpa: number, value: number): void {
    this.host.beginStore(gpa, 2);
    Atomics.store(this.views.u16, (PartitionMap.RAM + gpa) >>> 1, value);
    this.host.endStore(gpa, 2);
  }
  store64(gpa: number, low: number, high: number): void {
    this.host.beginStore(gpa, 8);
    this.views.u32[(PartitionMap.RAM + gpa) >>> 2] = low;
    this.views.u32[(PartitionMap.RAM + gpa + 4) >>> 2] = high;
    this.host.endStore(gpa, 8);
  }
  store(gpa: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      const count = Math.min(from.length - done, PAGE - ((gpa + done) % PAGE));
      this.host.beginStore(gpa + done, count);
      this.views.u8.set(from.subarray(done, done + count), PartitionMap.RAM + gpa + done);
      this.host.endStore(gpa + done, count);
      done += count;
    }
  }
}
