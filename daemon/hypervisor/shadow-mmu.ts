// The memory management of one partition on one LP, as the processor sees it: hardware TLB, hardware walker over shadow page tables, and the #PF intercept.
// The life of a page fault: guest-memory (TLB miss) -> here: walk -> vtlb (a fill under the generation counters, or the guest's own #PF) -> walk again -> TLB.
import { PageAccess } from '../../shared/layout/paging.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { Access, Resolve, type Translator } from '../machine/guest-memory.js';
import type { GuestFault } from '../machine/processor.js';
import type { FetchCache } from '../machine/tlb.js';
import { Walk } from '../machine/walker.js';
import { createLpMmu, type LpMmu, type VtlbClasses } from './vtlb/create-vtlb.js';
import type { Flush } from './vtlb/loaded-space.js';
import { PageFault } from './vtlb/page-faults.js';
import type { VirtualTime } from './vtlb/virtual-costs.js';

const BITS = { [Access.READ]: PageAccess.READ, [Access.WRITE]: PageAccess.WRITE, [Access.EXECUTE]: PageAccess.FETCH } as const;
/** A fill is followed by a walk that may find the entry gone again, by another LP's invalidation; after this many rounds hvd itself is wrong. */
const ROUNDS_MAX = 10_000;

/** Told of intercepts as they happen. */
export interface PageFaultListener {
  /** The hardware TLB had no translation for a data access. */
  tlbMiss(): void;
  pageFault(): void;
  /** The hypervisor has done what it had to. */
  handled?(): void;
  /** The guest's own fault: `reflected` to it with CR2 set. */
  reflected(): void;
}

/** `time`: the LP's clock. `classes`: tests put mutants in. */
export interface ShadowMmuOptions {
  readonly time?: VirtualTime;
  readonly classes?: VtlbClasses | undefined;
}

export class ShadowMmu implements Translator {
  readonly lp: LpMmu;
  readonly #listener: PageFaultListener;
  readonly #fault: GuestFault;
  #vp: VpBlock | undefined;
  /** After MMIO: guest physical address. */
  gpa = 0;

  constructor(
    machine: Views,
    partition: Views,
    lp: number,
    fetch: FetchCache,
    fault: GuestFault,
    listener: PageFaultListener,
    { time, classes }: ShadowMmuOptions = {},
  ) {
    this.lp = createLpMmu({ machine, partition, lp, fetch, time, classes });
    this.#fault = fault;
    this.#listener = listener;
  }

  get flushes(): number {
    return this.lp.tlb.flushes;
  }

  load(vp: VpBlock): void {
    this.#vp = vp;
    this.lp.vtlb.load(vp);
  }
  /** After a change of the VP's paging registers: see Vtlb.switchAddressSpace. */
  switchAddressSpace(flush: Flush): void {
    this.lp.vtlb.switchAddressSpace(flush);
  }
  /** Guest physical addresses mean something else from now on. */
  flushPartition(): void {
    this.lp.vtlb.flushPartition();
  }
  invlpg(gva: number): void {
    this.lp.vtlb.invlpg(gva);
  }
  invpcid(type: number, pcid: number, gva: number): void {
    this.lp.vtlb.invpcid(type, pcid, gva);
  }

  resolve(gva: number, access: Access, user: boolean, implicit: boolean): number {
    const { walker, vtlb, tlb, costs } = this.lp;
    const { found } = vtlb;
    const vp = this.#vp as VpBlock;
    // Supervisor accesses that CPL 3 code causes are the processor's own (SDM 3A 4.6.1).
    const bits = BITS[access] | (user ? PageAccess.USER : implicit || vp.cpl === 3 ? PageAccess.IMPLICIT : 0);
    if (access !== Access.EXECUTE) {
      this.#listener.tlbMiss();
      const gpa = tlb.devices.lookup(gva, access === Access.WRITE, user);
      if (gpa >= 0) {
        // An intercept like the one that found the device, at the same charge: only hvd's own work is saved.
        this.#listener.pageFault();
        this.#listener.handled?.();
        this.gpa = gpa;
        return Resolve.MMIO;
      }
    }
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (walker.walk(gva, bits) === Walk.HIT) {
        // A fetch says nothing about the right to read under SMAP: only data accesses enter the TLB.
        // What instruction fetch looks up, and when, depends on how code is translated: that is none of the guest's time.
        if (access !== Access.EXECUTE) costs.walked(walker.remoteLevels);
        if (access !== Access.EXECUTE && walker.cacheable)
          tlb.insert(user ? 1 : 0, gva, walker.spa, walker.writable, walker.gfn, walker.global);
        else if (access === Access.WRITE) tlb.claimWrite(walker.gfn);
        return walker.spa + (gva & 4095);
      }
      this.#listener.pageFault();
      const result = vtlb.pageFault(gva, bits);
      this.#listener.handled?.();
      if (result === PageFault.GUEST_FAULT) {
        vp.cr2Num = gva;
        this.#listener.reflected();
        this.#fault.set(14, found.errorCode);
        return Resolve.FAULT;
      }
      if (result === PageFault.PROTECTED) {
        this.#fault.set(13, 0);
        return Resolve.FAULT;
      }
      if (result === PageFault.MMIO) {
        this.gpa = found.gpa;
        if (found.cacheable) tlb.devices.insert(gva, found.gpa, access === Access.WRITE, user);
        return Resolve.MMIO;
      }
      if (result === PageFault.ONCE) {
        if (access === Access.WRITE) tlb.claimWrite((found.spa - PartitionMap.RAM) >>> 12);
        return found.spa;
      }
      if (found.cacheable) {
        tlb.insert(user ? 1 : 0, gva, found.spa, found.writable, (found.spa - PartitionMap.RAM) >>> 12, found.global);
        return found.spa;
      }
    }
    throw new RangeError(`page at 0x${gva.toString(16)} was filled ${ROUNDS_MAX} times and is still not there`);
  }

  peek(gva: number, user: boolean, access: Access = Access.EXECUTE): number {
    const { walker } = this.lp;
    return walker.walk(gva, BITS[access] | (user ? PageAccess.USER : 0)) === Walk.HIT ? walker.spa + (gva & 4095) : Resolve.FAULT;
  }
}
