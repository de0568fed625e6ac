// The #PF intercept: the hardware walker found no right for an access in the shadow tables. One fault from its beginning to its end:
//
//   begin a fill (fill-lock.ts)  ->  is the SAS still good?  ->  walk the guest's tables (guest-walk.ts)  ->  publish what they say (shadow-tree.ts)  ->  end the fill
//     ->  the fault is the guest's own, or the access is to no memory, or the LP has its translation
//     ->  or something has to be done outside the fill first (memory, a shared node, records of mappings), and then all of it again
//
// Why again from the start: whatever was read before the fill ended may be invalidated as soon as it has.
import { PageAccess, Pte } from '../../../shared/layout/paging.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import type { VpBlock } from '../../../shared/layout/vp.js';
import { Role } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { type OverlayMap, Stores } from '../overlay-map.js';
import type { AddressSpaces } from './address-spaces.js';
import type { Coalescing } from './coalescing.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { Discovery } from './discovery.js';
import type { FillLock } from './fill-lock.js';
import type { FlushEpochs } from './flush-epochs.js';
import { GuestWalk, GuestWalkResult } from './guest-walk.js';
import type { LoadedSpace } from './loaded-space.js';
import { Publish, type ShadowTree } from './shadow-tree.js';
import type { Sharing } from './sharing.js';
import type { WalkCounts } from './walk-counts.js';
import type { WholeFlush } from './whole-flush.js';

/**
 * What a #PF intercept came to. FILLED: access `spa`, or walk again. GUEST_FAULT: raise #PF with `errorCode` (the caller sets CR2). MMIO: `gpa` is outside RAM, nothing was filled.
 * ONCE: this one access may go to the byte at `spa`; neither the TLB nor an SPTE can express the right. PROTECTED: a write to an overlay that guests may not write: #GP(0).
 */
export const PageFault = { FILLED: 0, GUEST_FAULT: 1, MMIO: 2, ONCE: 3, PROTECTED: 4 } as const;
export type PageFault = 0 | 1 | 2 | 3 | 4;

/** What goes with it. */
export interface Found {
  /** After GUEST_FAULT. */
  errorCode: number;
  /** After MMIO: guest physical address of the byte. */
  gpa: number;
  /** After ONCE and FILLED: its SPA. */
  spa: number;
  /**
   * After FILLED: whether the hardware TLB may hold the translation at once, and whether for writes too and globally. A walk would say the same, or less.
   * After MMIO: whether its part for devices may hold it, for this kind of access.
   */
  cacheable: boolean;
  writable: boolean;
  global: boolean;
}

const { RAM } = PartitionMap;

export interface PageFaultParts {
  readonly words: SharedWords;
  readonly lock: FillLock;
  readonly space: LoadedSpace;
  readonly whole: WholeFlush;
  readonly tree: ShadowTree;
  readonly spaces: AddressSpaces;
  readonly sharing: Sharing;
  readonly coalescing: Coalescing;
  readonly discovery: Discovery;
  readonly overlays: OverlayMap;
  readonly epochs: FlushEpochs;
  readonly walks: WalkCounts;
  readonly counting: VtlbCounting;
}

export class PageFaults {
  readonly #p: PageFaultParts;
  readonly #walk: GuestWalk;
  readonly found: Found = { errorCode: 0, gpa: 0, spa: 0, cacheable: false, writable: false, global: false };
  /** The access that was allowed last, for once, may be under way. */
  allowsOnce = false;

  constructor(parts: PageFaultParts) {
    this.#p = parts;
    this.#walk = new GuestWalk(parts.words, parts.counting, parts.overlays);
  }

  /** The access (PageAccess bits) is to a canonical GVA. At a point where no access is under way. */
  answer(gva: number, access: number): PageFault {
    const { coalescing, counting, discovery, lock, space, spaces, tree } = this.#p;
    const walk = this.#walk;
    const vp = space.vp;
    if (vp === null) throw new RangeError('page fault with no VP loaded');
    this.#p.walks.carryOver();
    if (this.allowsOnce) this.#endOnce();
    // Before the fill, whose result must be used without a wait in between.
    if (coalescing.isDue) coalescing.run();
    let shares = true;
    for (;;) {
      lock.begin();
      // Inside: the generation is checked where no flush of the whole vTLB can pass by unseen.
      if (this.isForgotten(space.sas)) {
        lock.end();
        space.renew();
        continue;
      }
      if (lock.fine) tree.claim(space.sas, gva);
      const result = walk.walk(vp, space.key, gva, access);
      const refused = result === GuestWalkResult.OK && walk.stores !== Stores.ALLOWED && (access & PageAccess.WRITE) !== 0;
      const published =
        result === GuestWalkResult.OK && walk.isMemory && !refused
          ? tree.publish(space.sas, gva, access, space.key.role, walk, shares)
          : Publish.DONE;
      if (lock.fine) tree.letGo();
      if (published === Publish.ONCE && space.tracks) {
        this.allowsOnce = true;
        this.unsettleForOnce();
      }
      lock.end();
      if (result === GuestWalkResult.FAULT) {
        counting.add(Counter.guestFaults);
        this.found.errorCode = walk.errorCode;
        return PageFault.GUEST_FAULT;
      }
      if (refused && walk.stores === Stores.REFUSED) return PageFault.PROTECTED;
      if (result === GuestWalkResult.OK) {
        if (!walk.isMemory || refused) return this.#toDevice(gva, access, walk);
        switch (published) {
          case Publish.DONE:
            return this.#filled(gva, access, walk);
          case Publish.ONCE:
            counting.add(Counter.oneTimeTranslations);
            this.found.spa = RAM + walk.gfn * 4096 + (gva & 4095);
            return PageFault.ONCE;
          case Publish.NO_MEMORY:
            spaces.reclaim();
            break;
          case Publish.SHARE:
            shares = this.#takeUpNode(vp, gva, access);
            break;
          case Publish.NO_RECORD:
            discovery.forgetMappings();
        }
      }
      counting.add(Counter.fillRetries);
    }
  }

  protected isForgotten(sas: number): boolean {
    return this.#p.whole.hasForgotten(sas);
  }
  /**
   * Inside the fill: no entry and no record tells of the access that comes, so whoever protects the page asks this LP, and is answered when the access is over
   * (flush-epochs.ts).
   */
  protected unsettleForOnce(): void {
    this.#p.epochs.unsettle();
  }
  #endOnce(): void {
    this.allowsOnce = false;
    this.#p.space.settleAgain();
  }

  #takeUpNode(vp: VpBlock, gva: number, access: number): boolean {
    const { sharing, space, tree } = this.#p;
    const walk = this.#walk;
    const { level, gptGfn, role } = tree.wish;
    return sharing.takeUp(
      space.sas,
      space.key.owner,
      () => walk.walk(vp, space.key, gva, access) === GuestWalkResult.OK && walk.sptGfn[level] === gptGfn && walk.sptRole[level] === role,
    );
  }

  #filled(gva: number, access: number, walk: GuestWalk): PageFault {
    this.#p.counting.add(Counter.fills);
    const { found } = this;
    const leaf = this.#p.tree.installed;
    found.cacheable = leaf !== 0 && this.#tlbMayHold(access, (leaf & Pte.U) !== 0);
    found.writable = (leaf & Pte.W) !== 0;
    found.global = (leaf & Pte.G) !== 0;
    found.spa = RAM + walk.gfn * 4096 + (gva & 4095);
    return PageFault.FILLED;
  }

  #toDevice(gva: number, access: number, walk: GuestWalk): PageFault {
    this.#p.counting.add(Counter.mmioFaults);
    this.found.gpa = (walk.busGfn >>> 0) * 4096 + (gva & 4095);
    this.found.cacheable = this.#tlbMayHold(access, (walk.rights & Role.U) !== 0);
    return PageFault.MMIO;
  }

  /** As the walker has it: not what hangs on EFLAGS.AC, and a fetch says nothing about the right to read. */
  #tlbMayHold(access: number, userPage: boolean): boolean {
    const supervisorAtUser = userPage && (access & PageAccess.USER) === 0;
    return (access & PageAccess.FETCH) === 0 && !(supervisorAtUser && (this.#p.space.key.role & Role.SMAP) !== 0);
  }
}
