// Sharing of shadow tables between address spaces, at one level only (`vtlb.share`, US7788464B2): the upper half of a guest's address space is the same under each CR3, and
// so are its tables. A shared node is an SPT of that level with all that hangs below it; above it tables are each space's own, below it they are the node's.
//
// A node has an entry of the SAS table to itself, with its own list, marks and version: whatever works on a SAS works on a node. Its tag is (guest table, role, place in the
// address space): one place, so that an invalidation of a page passes it on its way from any root. `Sas.nodes` of a space has a bit for each node that it has ever linked,
// and the node's `users` counts those spaces: with the last of them the node is evicted, too. So there is one list of back-pointers, and it is short: the bits.
//
// What hardware TLBs hold of a space is in step with the sum of its version and its nodes'.
//
// Order: the bit is set, THEN fills are waited for and what may be stale in the node is purged, THEN the guest's tables are looked at again, THEN the link is made, inside a
// fill. So whoever flushes the space later goes over the node, and whoever did before flushed what is purged here. Every other LP is out of guest mode meanwhile:
// under table locks (fine) an INVLPG waits for no fill, and could pass between the purge and the link.
import type { Views } from '../../../shared/layout/struct.js';
import { Sas, sasAt, TrackMode } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { AddressSpaces } from './address-spaces.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { FillLock } from './fill-lock.js';
import type { Invalidation } from './invalidation.js';
import { placeOf } from './node-links.js';
import { SpaceKey } from './role.js';
import type { ShadowTree } from './shadow-tree.js';
import type { Tracking } from './tracking.js';

export interface SharingParts {
  readonly views: Views;
  readonly words: SharedWords;
  readonly handshake: FlushHandshake;
  readonly lock: FillLock;
  readonly tree: ShadowTree;
  readonly invalidation: Invalidation;
  readonly spaces: AddressSpaces;
  readonly tracking: Tracking;
  readonly counting: VtlbCounting;
}

export class Sharing {
  readonly #p: SharingParts;
  readonly #key = new SpaceKey();

  constructor(parts: SharingParts) {
    this.#p = parts;
  }

  /**
   * A fill in the SAS wants to link what `tree.wish` says: links the shared node instead. Outside fills; the fill is tried again afterwards, whatever
   * came of it. `stillSo` walks the guest's tables again: they may have changed since. False: there is no node for it, and none can be made.
   */
  takeUp(sas: number, owner: number, stillSo: () => boolean): boolean {
    const { spaces, tree } = this.#p;
    const { gva, level, gptGfn, role } = tree.wish;
    const key = this.#key.node(gptGfn, role, placeOf(gva, level), owner);
    let node = -1;
    this.withoutVps(() => {
      node = spaces.nodeOf(key);
      if (node < 0) return;
      const at = sasAt(sas) + Sas.nodes + (node >>> 5) * 4;
      const bit = 1 << (node & 31);
      if ((this.#p.words.load(at) & bit) === 0) {
        this.#p.words.add(sasAt(node) + Sas.users, 1);
        this.#p.words.or(at, bit);
      }
      this.#link(sas, node, stillSo);
    });
    return node >= 0;
  }
  protected withoutVps(section: () => void): void {
    this.#p.spaces.alone(section);
  }

  #link(sas: number, node: number, stillSo: () => boolean): void {
    const { counting, lock, tracking, tree, views } = this.#p;
    // Before the wait: another LP that took the mark away earlier has gone over the node after it.
    const stale = this.isMarked(node);
    this.awaitFills();
    lock.begin();
    // Each VP of this space may have flushed since the node's entries were made, and nobody went over the node for it.
    if (tracking.mode === TrackMode.OFF) this.cleanse(node, false);
    else if (stale || this.isMarked(node)) this.cleanse(node, true);
    if (this.isStill(stillSo) && tree.linkNode(sas, views.u32[(sasAt(node) + Sas.root) >>> 2], tree.wish.gva, tree.wish.level))
      counting.add(Counter.nodeLinks);
    lock.end();
  }

  protected isMarked(node: number): boolean {
    return this.#p.words.load(sasAt(node) + Sas.stale) !== 0;
  }
  protected awaitFills(): void {
    this.#p.lock.waitForPendingFills();
  }
  protected isStill(stillSo: () => boolean): boolean {
    return stillSo();
  }
  protected cleanse(node: number, all: boolean): void {
    this.#p.invalidation.purge(node, all);
    this.#p.words.add(sasAt(node) + Sas.version, 1);
  }
}
