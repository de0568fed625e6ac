// The vTLB as one LP uses it for one partition: loads address spaces, answers #PF intercepts, invalidates. All shared state is in the arena (layout/vtlb.ts).
// Why shadow tables at all: the LP's walker knows only its own CR3; the guest's tables are software's to read (US7788464B2, SDM 3C 28.3.3).
//
// What keeps a VP from using a translation that it has invalidated (SDM 3A 4.10.4):
//   INVLPG     clears the page in the SAS that is loaded.
//   MOV CR3    loads the SAS of the new tag (loaded-space.ts, US20080215848A1). Whatever in it was made from tables that may have been written since is gone over first
//              (revalidation.ts), so all that outlives the switch is what a walk would find again. The same rule covers every other change of tag
//              (CR0.WP, EFER.NXE, CR4.PGE, ...), INVPCID, and CR3 writes that ask for no flush: those may forget more than they must.
//   partition  every SAS is forgotten, whatever it holds (whole-flush.ts). LPs in guest mode leave their roots at the handshake that flushes their TLBs.
// Each waits for the fills of other LPs that may have read the old entries BEFORE it clears. Other VPs lose translations, which is always legal.
//
// `vtlb.tags=1` keeps no translation across a flush: INVLPG clears every SAS, MOV CR3 purges what is not global, a flush of everything raises the generation.
import { LpContextLayout } from '../../../shared/layout/lp-context.js';
import { lpContextAt } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import type { VpBlock } from '../../../shared/layout/vp.js';
import { Sas, sasAt, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import { InvpcidType } from '../../machine/processor.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { HardwareTlb } from '../../machine/tlb.js';
import type { HardwareWalker } from '../../machine/walker.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { FillLock } from './fill-lock.js';
import type { FlushEpochs } from './flush-epochs.js';
import type { Invalidation } from './invalidation.js';
import { Flush, type LoadedSpace } from './loaded-space.js';
import { versionOf } from './node-links.js';
import type { Numa } from './numa.js';
import type { Found, PageFault, PageFaults } from './page-faults.js';
import type { Tracking } from './tracking.js';
import type { WalkCounts, WalkCountsSaved } from './walk-counts.js';
import type { WholeFlush } from './whole-flush.js';

const CUTS = vtlbWord('cuts');

/** What a Vtlb is made of; `createLpMmu` wires them. */
export interface VtlbParts {
  readonly views: Views;
  readonly words: SharedWords;
  readonly tlb: HardwareTlb;
  readonly walker: HardwareWalker;
  readonly handshake: FlushHandshake;
  readonly lock: FillLock;
  readonly space: LoadedSpace;
  readonly faults: PageFaults;
  readonly whole: WholeFlush;
  readonly invalidation: Invalidation;
  readonly tracking: Tracking;
  readonly numa: Numa;
  readonly epochs: FlushEpochs;
  readonly walks: WalkCounts;
  readonly counting: VtlbCounting;
}

export interface VtlbSaved extends WalkCountsSaved {
  readonly lastVp: number;
  readonly allowsOnce: boolean;
  readonly walker: HardwareWalker['saved'];
  readonly numa: Numa['saved'];
  readonly epochs: FlushEpochs['saved'];
  readonly tlb: HardwareTlb['saved'];
}

export class Vtlb {
  readonly #p: VtlbParts;
  /** Word of the LP context that says which cuts this LP's hardware TLB has nothing left of. */
  readonly #cutsWord: number;
  /** What the last page fault came to. */
  readonly found: Readonly<Found>;

  constructor(parts: VtlbParts) {
    this.#p = parts;
    this.#cutsWord = (lpContextAt(parts.handshake.lp) + LpContextLayout.at.cuts) >>> 2;
    this.found = parts.faults.found;
  }

  /** Snapshots (shared/kit/saved). Between runs: which VP is loaded is decided as the next one begins. */
  get saved(): VtlbSaved {
    const { epochs, faults, numa, space, tlb, walker, walks } = this.#p;
    return {
      lastVp: space.lastVp,
      allowsOnce: faults.allowsOnce,
      ...walks.saved,
      walker: walker.saved,
      numa: numa.saved,
      epochs: epochs.saved,
      tlb: tlb.saved,
    };
  }
  set saved(saved: VtlbSaved) {
    const { epochs, faults, numa, space, tlb, walker, walks } = this.#p;
    space.lastVp = saved.lastVp;
    faults.allowsOnce = saved.allowsOnce;
    walks.saved = saved;
    walker.saved = saved.walker;
    numa.saved = saved.numa;
    epochs.saved = saved.epochs;
    tlb.saved = saved.tlb;
  }

  /** SAS that is loaded, -1 none. */
  get sas(): number {
    return this.#p.space.sas;
  }

  /**
   * This LP begins to run the VP: loads its address space into the LP's CR3. Returns the root's SPA. Not in guest mode. If guest RAM was changed from outside
   * (restored, remapped) call `flushPartition` first.
   */
  load(vp: VpBlock): number {
    return this.#p.space.load(vp);
  }

  /** The VP leaves this LP for long, or for good: its SAS may be evicted. Its hardware TLB entries stay good for its return. */
  unload(): void {
    this.#p.walks.carryOver();
    this.#p.space.unload();
  }

  /** The hardware walker found no right for the access (PageAccess bits) to a canonical GVA. At a point where no access is under way. `found` has what it came to. */
  pageFault(gva: number, access: number): PageFault {
    return this.#p.faults.answer(gva, access);
  }

  /** After a change of the VP's CR0, CR3, CR4, EFER or PDPTEs that is in its block already: loads the address space they name, with the flush they demand. */
  switchAddressSpace(flush: Flush): void {
    this.#p.space.switchTo(flush);
  }

  /** Flushes this VP's translations: INVPCID of all contexts, CR4.PGE, hypercalls. */
  flush(flush: Flush): void {
    if (flush !== Flush.NONE) this.switchAddressSpace(flush);
  }

  /** INVLPG: returns when this VP can use no older translation of the page. */
  invlpg(gva: number): void {
    const { counting, handshake, invalidation, lock, space, tlb, views, words } = this.#p;
    counting.add(Counter.invalidations);
    lock.beginClear();
    const { sas, tracks } = space;
    const large = tracks ? invalidation.clearPage(sas, gva) : invalidation.clearPageEverywhere(gva);
    // The only LP has no other's TLB to be out of step, nor its own for another space unless that shares the table.
    const { owner } = invalidation;
    if (tracks && invalidation.cleared > 0 && (owner !== sas || (handshake.othersLow() | handshake.othersHigh()) !== 0)) {
      const version = versionOf(views, words, sas);
      this.noteTaken(owner);
      space.stepTogether(version);
    }
    // Nothing is left by which to know what else hardware TLBs hold through the link, this one's too: with the next flush it goes.
    if (tracks && invalidation.unlinked) words.add(sasAt(sas) + Sas.version, 1);
    // After the clearing: a table that it did not find was counted before it went.
    const cuts = words.read(CUTS);
    lock.end();
    if (cuts !== views.i32[this.#cutsWord]) {
      // Of whichever address space it was: the word is one for all banks.
      views.i32[this.#cutsWord] = cuts;
      tlb.flushAll();
    } else if (!large) tlb.flushPage(gva);
    else if (tracks) tlb.flushSpace();
    else tlb.flushAll();
  }
  /** Banks of other LPs, and of this one, may hold what was taken from the space. */
  protected noteTaken(sas: number): void {
    this.#p.words.add(sasAt(sas) + Sas.version, 1);
  }

  /**
   * INVPCID (SDM 2A). What is loaded is gone over, or loses the page, at once. Whatever has another PCID is gone over when it is loaded next, with a flush or without: until
   * then nobody uses it. Where nothing is tracked it is purged then.
   */
  invpcid(type: number, pcid: number, gva: number): void {
    const { key, tracks } = this.#p.space;
    const loaded = pcid === key.pcid;
    switch (type) {
      case InvpcidType.ADDRESS:
        if (loaded || !tracks) this.invlpg(gva);
        break;
      case InvpcidType.CONTEXT:
        if (loaded || !tracks) this.switchAddressSpace(Flush.NON_GLOBAL);
        break;
      default:
        this.switchAddressSpace(type === InvpcidType.ALL ? Flush.ALL : Flush.NON_GLOBAL);
    }
  }

  /**
   * A device, a hypercall or a debugger writes the page of guest RAM until `endStore`: what was made from it, if it is a page table, is stale. Nothing may wait in between. The
   * store is inside a fill as the mark is: whoever took the mark away before the bytes changed would find the table as it was, and nobody would look again.
   */
  beginStore(gfn: number): void {
    this.#p.lock.begin();
    this.#p.tracking.written(gfn);
  }
  endStore(): void {
    this.#p.lock.end();
  }

  /** Empties the vTLB for every VP, hardware TLBs included: guest physical memory was remapped or replaced. */
  flushPartition(): void {
    this.#p.whole.run();
    this.#p.handshake.flushEverywhere();
  }
}
