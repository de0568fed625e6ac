// Links from a space to the nodes it shares (sharing.ts). What hangs below other links is filled through them alone, and each such fill looks at every table on its way: an outdated
// link is harmless, so invalidations clear leaves only. Below a node others fill: its link is as good as a leaf, and goes like one when the guest's tables no longer say it.
import { Pte } from '../../../shared/layout/paging.js';
import type { Views } from '../../../shared/layout/struct.js';
import { Role, SAS_MAX, Sas, Spt, sasAt, slotAt, sptHeaderAt, sptOfEntry, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { OverlayMap } from '../overlay-map.js';
import { Counter, type VtlbCounting } from './counters.js';
import { GuestTable } from './guest-table.js';
import type { SptLocks } from './spt-locks.js';

export class NodeLinks {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #locks: SptLocks;
  readonly #counting: VtlbCounting;
  readonly #guest: GuestTable;

  constructor(views: Views, words: SharedWords, locks: SptLocks, overlays: OverlayMap, counting: VtlbCounting) {
    this.#views = views;
    this.#words = words;
    this.#locks = locks;
    this.#counting = counting;
    this.#guest = new GuestTable(views, words, overlays);
  }

  /** Goes over all links of a space. Between `begin` and `end`, after pending fills. */
  review(sas: number): void {
    const root = this.#views.u32[(sasAt(sas) + Sas.root) >>> 2];
    eachNode(this.#views, sas, (node) => {
      const level = this.#views.i32[(sasAt(node) + Sas.role) >>> 2] & Role.LEVEL;
      const gva = this.#views.i32[(sasAt(node) + Sas.pdpte) >>> 2] * 2 ** (12 + 9 * level);
      this.#reviewAt(root, level, gva);
    });
  }
  #reviewAt(root: number, level: number, gva: number): void {
    let spt = root;
    this.#locks.lock(spt);
    for (let above = 4; ; above--) {
      const at = slotAt(spt, above, gva);
      const entry = this.#words.read(at);
      if ((entry & Pte.P) === 0) break;
      if (above === level + 1) {
        if (leadsToNode(this.#views, entry) && !this.stands(root, level, gva)) this.cut(at);
        break;
      }
      const below = sptOfEntry(entry);
      this.#locks.lock(below);
      this.#locks.unlock(spt);
      spt = below;
    }
    this.#locks.unlock(spt);
  }

  /** Whether the guest's tables lead from the root to what hangs at `gva` in the tree, down to an SPT of the level. The table with its link does not change meanwhile. */
  stands(root: number, level: number, gva: number): boolean {
    let spt = root;
    for (let above = 4; above > level; above--) {
      const at = slotAt(spt, above, gva);
      const entry = this.#words.read(at);
      if ((entry & Pte.P) === 0 || !this.#guest.open(spt)) return false;
      const index = (at & 0xff8) >>> 3;
      this.#guest.read(index);
      spt = sptOfEntry(entry);
      if (!this.#guest.leadsTo(spt, index)) return false;
    }
    return true;
  }

  /** Takes the link at `at` away. What hardware TLBs hold through it is no longer found by who goes over the space: its version is the caller's to raise. */
  cut(at: number): void {
    this.#words.add(vtlbWord('cuts'), 1);
    if ((this.#words.exchange(at, 0) & Pte.P) === 0) return;
    this.#counting.add(Counter.nodeLinksCut);
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

/** Most nodes of one space: while it is loaded they stay, as its root does, however small the vTLB is (SptPool.bound). */
const NODES_MAX = 8;
/** Whether the space may take up one more. */
export const hasRoomForNode = (views: Views, sas: number): boolean => {
  let nodes = 0;
  eachNode(views, sas, () => {
    nodes++;
  });
  return nodes < NODES_MAX;
};

/** Whether the SAS has linked any. */
export const hasNodes = (views: Views, sas: number): boolean => {
  let has = false;
  eachNode(views, sas, () => {
    has = true;
  });
  return has;
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
