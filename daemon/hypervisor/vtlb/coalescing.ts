// Periodic merging of shadow tables that say the same (`vtlb.coalesce`, US7788464B2): spaces that came to have tables of their own for one guest table share one from then on.
// They arise where nobody shares at a fill: lower halves (the two spaces that page-table isolation keeps for a process), spaces from before `vtlb.share` was set, and
// what VPs or nodes had to themselves under another setting.
//
// What is merged hangs below a shared node afterwards and is kept like one that fills have taken up (sharing.ts). Tables keep their number and their place in the index of
// guest tables: the first space's move below the node, of the others' the entries that the node lacks are copied. No VP runs meanwhile; LPs between VPs may still
// go over spaces, and finish fills under the mutex. Hence two stages, as when tables are freed:
//
//   1. the node's bit in each space, so that who flushes the space goes over the node; each table is cut from its space (version + 1); THEN wait for fills and clearings
//   2. what hangs below it leaves the list of its space; THEN wait, for whoever goes through that list; THEN it is of the node; THEN wait, for whoever marks it and its space
//   3. inside a fill: entries that the guest's tables no longer say are cleared from all of the node that may be stale, THEN each space whose tables still lead there links it; the tables that were cut are freed with what is left below them
import { PAGE_TABLE_ENTRIES, Pte } from '../../../shared/layout/paging.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  FILLED,
  Role,
  Sas,
  Spt,
  SptState,
  sasAt,
  sptHeaderAt,
  sptOfEntry,
  sptPageAt,
  TrackMode,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { AddressSpaces } from './address-spaces.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { DuplicateFinder, Duplicates } from './duplicates.js';
import type { FillLock } from './fill-lock.js';
import { hasRoomForNode, leadsToNode, type NodeLinks } from './node-links.js';
import type { Reclaim } from './reclaim.js';
import { SpaceKey } from './role.js';
import type { ShadowTree } from './shadow-tree.js';
import type { TablePolicy } from './table-policy.js';
import { Grant, type Tracking } from './tracking.js';
import type { Validation } from './validation.js';

const MADE = vtlbWord('tablesMade');
const CUTS = vtlbWord('cuts');
/** Without `vtlb.share`: what one table covers is 1 GiB. */
const LEVEL = 2;

/** Fills and clearings that are waited for: those that link below what was cut, that go through its space's list, that have read whose a table is and are about to mark it and its space. */
export const MergeWait = { LINKS: 0, LISTS: 1, MARKS: 2 } as const;
export type MergeWait = 0 | 1 | 2;

export interface CoalescingParts {
  readonly views: Views;
  readonly words: SharedWords;
  readonly lock: FillLock;
  readonly tree: ShadowTree;
  readonly links: NodeLinks;
  readonly reclaim: Reclaim;
  readonly spaces: AddressSpaces;
  readonly tables: TablePolicy;
  readonly tracking: Tracking;
  readonly validation: Validation;
  readonly finder: DuplicateFinder;
  readonly counting: VtlbCounting;
}

/** A table that was cut from its space. */
interface Cut {
  readonly spt: number;
  readonly sas: number;
}

export class Coalescing {
  readonly #p: CoalescingParts;
  readonly #key = new SpaceKey();
  readonly #ramPages: number;

  constructor(parts: CoalescingParts) {
    this.#p = parts;
    this.#ramPages = parts.views.u32[PartitionLayout.at.ramSize >>> 2] >>> 12;
  }

  /** So many tables have been made since the last pass. */
  get isDue(): boolean {
    const period = this.#p.tables.coalesce;
    return period !== 0 && this.#p.words.read(MADE) >= period;
  }

  /** One pass, unless another LP has begun it. Outside fills, where no access is under way. VPs are stopped only if there is something to merge. */
  run(): void {
    const { counting, finder, spaces, tables, words } = this.#p;
    if (words.exchange(MADE, 0) === 0) return;
    counting.add(Counter.coalescePasses);
    const level = tables.share || LEVEL;
    let found: readonly Duplicates[] = [];
    spaces.exclusively(() => {
      found = finder.find(level);
    });
    if (found.length > 0) this.withoutVps(() => this.#merge(found));
  }

  /** No VP runs, nobody else makes or frees tables. */
  #merge(found: readonly Duplicates[]): void {
    const { lock } = this.#p;
    const retiring: number[] = [];
    for (const group of found) {
      const { gptGfn, role, place, owner, level } = group;
      const members = group.spts.filter((spt) => this.#isStill(spt, group));
      if (members.length + (group.hasNode ? 1 : 0) < 2) continue;
      // May evict: what is left of the group is known afterwards.
      const node = this.#p.spaces.nodeOf(this.#key.node(gptGfn, role, place, owner));
      if (node < 0) return;
      const cuts = members.filter((spt) => this.#isStill(spt, group)).flatMap((spt) => this.#cut(spt, node));
      if (cuts.length === 0) continue;
      this.awaitFills(MergeWait.LINKS);
      const below = cuts.map(({ spt }) => this.#below(spt, level));
      cuts.forEach(({ sas }, n) => {
        this.#p.reclaim.leaveSpace(sas, new Set(below[n]));
      });
      this.awaitFills(MergeWait.LISTS);
      for (const spts of below) for (const spt of spts) this.#give(spt, node);
      this.awaitFills(MergeWait.MARKS);
      if (below.some((spts) => spts.some((spt) => this.#isMarked(spt)))) this.handOverMark(node);
      lock.begin();
      for (const { spt } of cuts) this.#absorb(spt, this.#rootOf(node), level, place * 2 ** (12 + 9 * level));
      this.cleanse(node);
      for (const { sas } of cuts) this.#link(sas, node, group);
      lock.end();
      for (const { spt } of cuts) {
        this.#p.words.store(sptHeaderAt(spt) + Spt.state, SptState.CONDEMNED);
        retiring.push(spt);
      }
      this.#p.counting.add(Counter.tablesCoalesced, cuts.length);
    }
    // With what is left below them: one shootdown for all.
    if (retiring.length > 0) this.#p.reclaim.retire(retiring);
  }

  protected awaitFills(_which: MergeWait): void {
    this.#p.lock.quiesce();
  }
  #isMarked(spt: number): boolean {
    return this.#p.words.load(sptHeaderAt(spt) + Spt.stale) !== 0;
  }
  /** A table that the node has now may be stale. */
  protected handOverMark(node: number): void {
    this.#p.words.store(sasAt(node) + Sas.stale, 1);
  }
  protected withoutVps(section: () => void): void {
    this.#p.spaces.alone(section);
  }

  #rootOf(node: number): number {
    return this.#p.views.u32[(sasAt(node) + Sas.root) >>> 2];
  }

  #isStill(spt: number, { gptGfn, role, place, owner, level }: Duplicates): boolean {
    const { finder, views } = this.#p;
    const { i32, u32 } = views;
    const h = sptHeaderAt(spt) >>> 2;
    if (u32[h + (Spt.gptGfn >> 2)] !== gptGfn || i32[h + (Spt.role >> 2)] !== role || u32[h + (Spt.parent >> 2)] === 0) return false;
    const sas = u32[h + (Spt.sas >> 2)];
    return finder.isCurrent(sas, false) && u32[(sasAt(sas) + Sas.owner) >>> 2] === owner && finder.placeIn(spt, level) === place;
  }

  /** Stage 1. Nothing when the space has no room for a node, or a fill was faster. */
  #cut(spt: number, node: number): Cut[] {
    const { views, words } = this.#p;
    const h = sptHeaderAt(spt);
    const sas = views.u32[(h + Spt.sas) >>> 2];
    const at = sasAt(sas) + Sas.nodes + (node >>> 5) * 4;
    const bit = 1 << (node & 31);
    const taken = (words.load(at) & bit) !== 0;
    if (!taken && !hasRoomForNode(views, sas)) return [];
    if (!taken) {
      words.add(sasAt(node) + Sas.users, 1);
      words.or(at, bit);
    }
    const parent = views.u32[(h + Spt.parent) >>> 2];
    const entry = words.load(parent);
    // Without it an INVLPG would not know of a large page below (SDM 3A 4.10.2.3).
    words.add(CUTS, 1);
    if (sptOfEntry(entry) !== spt || words.compareExchange(parent, entry, 0) !== entry) return [];
    // Hardware TLBs hold what is no longer found by who goes over the space, should it not be linked again.
    words.add(sasAt(sas) + Sas.version, 1);
    return [{ spt, sas }];
  }

  /** Every table that hangs below one that was cut, but what hangs below a node of a lower level: nodes hang in spaces only, and its link is lost with the table. */
  #below(spt: number, level: number): number[] {
    if (level === 1) return [];
    const { views } = this.#p;
    const found: number[] = [];
    for (let i = 0; i < PAGE_TABLE_ENTRIES; i++) {
      // Plainly: fills that might have added to it are over.
      const entry = views.i32[(sptPageAt(spt) + i * 8) >>> 2];
      if ((entry & Pte.P) !== 0 && !leadsToNode(views, entry)) found.push(sptOfEntry(entry), ...this.#below(sptOfEntry(entry), level - 1));
    }
    return found;
  }

  /** Stage 2: the table is of the node from now on. Nobody else adds to the node's list. */
  #give(spt: number, node: number): void {
    const { views, words } = this.#p;
    const h = sptHeaderAt(spt);
    views.u32[(h + Spt.sas) >>> 2] = node;
    const head = sasAt(node) + Sas.spts;
    for (let first = words.load(head); ; ) {
      words.store(h + Spt.sasNext, first);
      const seen = words.compareExchange(head, first, spt);
      if (seen === first) break;
      first = seen;
    }
  }

  /** Stage 3: what hangs below `from` is moved below `to`, or its entries are copied where `to` has a table of the same kind with room. */
  #absorb(from: number, to: number, level: number, gva: number): void {
    const { counting, tracking, views, words } = this.#p;
    const target = sptHeaderAt(to);
    counting.costs.swept();
    for (let i = 0; i < PAGE_TABLE_ENTRIES; i++) {
      const [out, into] = [sptPageAt(from) + i * 8, sptPageAt(to) + i * 8];
      const entry = views.i32[out >>> 2];
      if ((entry & Pte.P) === 0 || (level > 1 && leadsToNode(views, entry))) continue;
      const at = gva + i * 2 ** (3 + 9 * level);
      if (level === 1) this.#copy(out, into, at);
      else if (words.compareExchange(into, 0, entry) === 0) {
        views.u32[(sptHeaderAt(sptOfEntry(entry)) + Spt.parent) >>> 2] = into;
        words.store(out, 0);
      } else {
        const [mine, its] = [sptHeaderAt(sptOfEntry(entry)) >>> 2, sptHeaderAt(sptOfEntry(words.load(into))) >>> 2];
        const same = views.i32[mine + (Spt.role >> 2)] === views.i32[its + (Spt.role >> 2)];
        // Of two kinds one is outdated: what is lost is filled again.
        if (same && views.u32[mine + (Spt.gptGfn >> 2)] === views.u32[its + (Spt.gptGfn >> 2)])
          this.#absorb(sptOfEntry(entry), sptOfEntry(words.load(into)), level - 1, at);
      }
    }
    const gfn = views.u32[(target + Spt.gptGfn) >>> 2];
    if ((views.i32[(target + Spt.role) >>> 2] & Role.DIRECT) !== 0) return;
    if (this.#isMarked(from)) tracking.markStale(to);
    tracking.filled(gfn, to);
  }

  /** A leaf that the target lacks. A right to write is recorded like a fill's, or left out. */
  #copy(out: number, into: number, gva: number): void {
    const { counting, tracking, words } = this.#p;
    if ((words.read(into) & Pte.P) !== 0) return;
    words.load64(out);
    let { low } = words;
    const { high } = words;
    if ((low & Pte.P) === 0) return;
    const gfn = ((low & -4096) - PartitionMap.RAM) >>> 12;
    if ((low & Pte.W) !== 0 && gfn < this.#ramPages && tracking.grant(gfn, into, gva, false) !== Grant.WRITABLE) low &= ~Pte.W;
    if (!words.compareExchange64(into, words.read(into), words.read(into + 4), low, high)) return;
    const target = sptHeaderAt(sptOfEntry(into));
    if ((low & Pte.G) === 0) words.store(target + Spt.unpurged, FILLED);
    counting.add(Counter.entriesCoalesced);
  }

  /**
   * Clears what the guest's tables no longer say from every table of the node that may have it: any, where nothing is tracked. Each VP may have flushed what another's
   * space still had. Marks stay.
   */
  protected cleanse(node: number): void {
    const { tracking, validation, views, words } = this.#p;
    const root = this.#rootOf(node);
    const all = tracking.mode === TrackMode.OFF;
    let cleared = 0;
    for (let spt = root; spt !== 0; spt = words.load(spt === root ? sasAt(node) + Sas.spts : sptHeaderAt(spt) + Spt.sasNext)) {
      const mayBe = all || words.load(sptHeaderAt(spt) + Spt.stale) !== 0;
      if (mayBe && (views.i32[(sptHeaderAt(spt) + Spt.role) >>> 2] & Role.DIRECT) === 0) cleared += validation.validate(spt);
    }
    if (cleared > 0) words.add(sasAt(node) + Sas.version, 1);
  }

  #link(sas: number, node: number, { level, place }: Duplicates): void {
    const { counting, tree } = this.#p;
    if (!tree.linkNode(sas, this.#rootOf(node), place * 2 ** (12 + 9 * level), level)) return;
    counting.add(Counter.nodeLinks);
    this.review(sas);
  }

  /** The table may have hung by a link that was outdated: a link to a node is good or gone (node-links.ts). */
  protected review(sas: number): void {
    this.#p.links.review(sas);
  }
}
