// A few VPs in power-up state with their virtual local APICs, and a bus that records kicks: what the APIC tests stand on.
import type { ApicBus } from '../../daemon/hypervisor/apic/apic-bus.js';
import { applyRequests } from '../../daemon/hypervisor/apic/requests.js';
import { type ApicOptions, VirtualApic } from '../../daemon/hypervisor/apic/virtual-apic.js';
import { ApicRegister } from '../../shared/abi/apic.js';
import { writeProcessor } from '../../shared/cpu/partition-processor.js';
import { DEFAULT_PROCESSOR, parseProcessor } from '../../shared/cpu/processor-choice.js';
import { PartitionHeader, PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { powerUpVp } from '../../shared/layout/vp-reset.js';

export const TSC_HZ = 2_500_000_000;

interface RigOptions extends ApicOptions {
  readonly views?: Views;
  readonly cpu?: string;
}

/** A partition memory with so many bytes of guest RAM. */
export const withRam = (bytes: number): Views => {
  const views = viewsOf(new SharedArrayBuffer(PartitionMap.RAM + bytes));
  new PartitionHeader(views, 0).ramSize = bytes;
  return views;
};

export class ApicPartition implements ApicBus {
  readonly vpCount: number;
  readonly apics: readonly VirtualApic[];
  readonly kicks: number[] = [];
  /** The clock that interrupts are noted with. */
  clock = 0;
  /** Vectors of level-triggered EOIs. */
  readonly eois: number[] = [];

  /** `views`: of a memory with guest RAM, for assist pages; it is used anew. */
  constructor(vpCount: number, { views = viewsOf(new SharedArrayBuffer(vpBlockAt(vpCount))), cpu, ...options }: RigOptions = {}) {
    this.vpCount = vpCount;
    writeProcessor(views, cpu === undefined ? DEFAULT_PROCESSOR : parseProcessor(cpu));
    this.apics = Array.from({ length: vpCount }, (_, index) => {
      const vp = new VpBlock(views, vpBlockAt(index));
      powerUpVp(vp, index);
      return new VirtualApic(vp, this, TSC_HZ, (vector) => this.eois.push(vector), options);
    });
  }

  vpBlock(index: number): VpBlock {
    return this.apics[index].vp;
  }

  kick(index: number): void {
    this.kicks.push(index);
  }

  now(): number {
    return this.clock;
  }

  write(index: number, register: number, value: number, now = 0): void {
    this.apics[index].mmioWrite(register, value, now);
  }

  read(index: number, register: number, now = 0): number {
    return this.apics[index].mmioRead(register, now);
  }

  /** Software-enables every APIC with the error vector 0xfe. */
  enable(): this {
    for (const [index] of this.apics.entries()) {
      this.write(index, ApicRegister.SVR, 0x1ff);
      this.write(index, ApicRegister.LVT_ERROR, 0xfe);
    }
    return this;
  }

  x2apic(): this {
    for (const apic of this.apics) apic.writeBase(apic.vp.apicBase | 0x400n);
    return this;
  }

  /** Requests and posted vectors taken; then all that the VP would be given, in order, each with its EOI. */
  drain(index: number): number[] {
    const apic = this.apics[index];
    applyRequests(apic);
    apic.pull();
    const taken: number[] = [];
    for (let vector = apic.pendingVector(); vector >= 0; vector = apic.pendingVector()) {
      apic.accept(vector);
      taken.push(vector);
      apic.eoi();
    }
    return taken;
  }

  drainAll(): number[][] {
    return this.apics.map((_, index) => this.drain(index));
  }
}
