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
import { Pte } from '../../../shared/layout/paging.js';
import type { Views } from '../../../shared/layout/struct.js';
import { SAS_MAX, Sas, Spt, sasAt, sptHeaderAt, sptOfEntry, TrackMode } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { AddressSpaces } from './address-spaces.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { FillLock } from './fill-lock.js';
import type { Invalidation } from './invalidation.js';
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
   * came of it. `stillSo` walks the guest's tables again: they may have changed since.
   */
  takeUp(sas: number, owner: number, stillSo: () => boolean): void {
    const { spaces, tree } = this.#p;
    const { gva, level, gptGfn, role } = tree.wish;
    const key = this.#key.node(gptGfn, role, placeOf(gva, level), owner);
    this.#alone(() => {
      const node = spaces.nodeOf(key);
      const at = sasAt(sas) + Sas.nodes + (node >>> 5) * 4;
      const bit = 1 << (node & 31);
      if ((this.#p.words.load(at) & bit) === 0) {
        this.#p.words.add(sasAt(node) + Sas.users, 1);
        this.#p.words.or(at, bit);
      }
      this.#link(sas, node, stillSo);
    });
  }

  /** No VP runs meanwhile, and nobody makes or frees shadow tables. The bus first: its owner may need the structure lock, which must not wait for the bus. */
  #alone(section: () => void): void {
    const { handshake, spaces } = this.#p;
    const inside = handshake.isInGuest;
    handshake.stopOthers();
    spaces.exclusively(section);
    handshake.releaseOthers();
    if (!inside) handshake.leaveGuest();
  }

  #link(sas: number, node: number, stillSo: () => boolean): void {
    const { counting, lock, tracking, tree, views, words } = this.#p;
    // Before the wait: another LP that took the mark away earlier has gone over the node after it.
    const stale = words.load(sasAt(node) + Sas.stale) !== 0;
    lock.waitForPendingFills();
    lock.begin();
    // Each VP of this space may have flushed since the node's entries were made, and nobody went over the node for it.
    if (tracking.mode === TrackMode.OFF) this.cleanse(node, false);
    else if (stale || words.load(sasAt(node) + Sas.stale) !== 0) this.cleanse(node, true);
    if (stillSo() && tree.linkNode(sas, views.u32[(sasAt(node) + Sas.root) >>> 2])) counting.add(Counter.nodeLinks);
    lock.end();
  }

  protected cleanse(node: number, all: boolean): void {
    this.#p.invalidation.purge(node, all);
    this.#p.words.add(sasAt(node) + Sas.version, 1);
  }
}

/** Number of the slot, among all of the level, that the address falls in. */
export const placeOf = (gva: number, level: number): number => Math.floor(gva / 2 ** (12 + 9 * level)) | 0;

/** Calls `visit` for each node that the SAS has linked. */
export const eachNode = (views: Views, sas: number, visit: (node: number) => void): void => {
  for (let word = 0; word < SAS_MAX / 32; word++) {
    for (let bits = views.i32[(sasAt(sas) + Sas.nodes + word * 4) >>> 2]; bits !== 0; bits &= bits - 1)
      visit(word * 32 + 31 - Math.clz32(bits & -bits));
  }
};

/** Most nodes of a space: while it is loaded they stay, as its root does, however small the vTLB is (SptPool.bound). */
const NODES_MAX = 8;
/** Whether the space may take up one more. */
export const hasRoomForNode = (views: Views, sas: number): boolean => {
  let nodes = 0;
  eachNode(views, sas, () => {
    nodes++;
  });
  return nodes < NODES_MAX;
};

/** As `eachNode`, for the SAS itself first. */
export const eachPart = (views: Views, sas: number, visit: (part: number) => void): void => {
  visit(sas);
  eachNode(views, sas, visit);
};

/** Changes whenever something is taken from the SAS or from a node of it. */
export const versionOf = (views: Views, words: SharedWords, sas: number): number => {
  let sum = 0;
  eachPart(views, sas, (part) => {
    sum = (sum + words.load(sasAt(part) + Sas.version)) | 0;
  });
  return sum;
};

/** Whether a link in the table leads to a node: a root that stands below something. */
export const leadsToNode = (views: Views, entry: number): boolean =>
  (entry & Pte.P) !== 0 && views.u32[(sptHeaderAt(sptOfEntry(entry)) + Spt.parent) >>> 2] === 0;
