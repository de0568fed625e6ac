// Finds shadow tables that say the same: made from one guest table, with the same role, at the same place of several address spaces, for the same owner (US7788464B2).
// Why at one level only: what is merged becomes a shared node, and nodes hang in spaces, not in each other (sharing.ts). Below it everything is merged with it.
import { PartitionLayout } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { PagingMode, Role, Sas, Spt, SptState, sasAt, sptHeaderAt, sptOfEntry, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { VtlbCounting } from './counters.js';
import { presentIn } from './spt-entries.js';

export interface Duplicates {
  readonly gptGfn: number;
  readonly role: number;
  /** See placeOf. */
  readonly place: number;
  readonly owner: number;
  readonly level: number;
  /** Those that belong to spaces, with most entries first. */
  readonly spts: number[];
  /** There is a shared node of this tag already. */
  hasNode: boolean;
}

/** Headers that are read for the price of a table. */
const HEADERS_A_SWEEP = 64;

export class DuplicateFinder {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #counting: VtlbCounting;
  readonly #ramPages: number;

  constructor(views: Views, words: SharedWords, counting: VtlbCounting) {
    this.#views = views;
    this.#words = words;
    this.#counting = counting;
    this.#ramPages = views.u32[PartitionLayout.at.ramSize >>> 2] >>> 12;
  }

  /** Under the structure lock. A hint: fills go on meanwhile. */
  find(level: number): readonly Duplicates[] {
    const { u32 } = this.#views;
    const groups = new Map<string, Duplicates>();
    const count = u32[vtlbWord('sptCount') >>> 2];
    for (let spt = 1; spt < count; spt++) {
      if (spt % HEADERS_A_SWEEP === 0) this.#counting.costs.swept();
      if (!this.#isCandidate(spt, level)) continue;
      const h = sptHeaderAt(spt) >>> 2;
      const at = sasAt(u32[h + (Spt.sas >> 2)]) >>> 2;
      const isNode = u32[h + (Spt.parent >> 2)] === 0;
      const place = isNode ? this.#views.i32[at + (Sas.pdpte >> 2)] : this.placeIn(spt, level);
      if (place === null) continue;
      const [gptGfn, role, owner] = [u32[h + (Spt.gptGfn >> 2)], u32[h + (Spt.role >> 2)], u32[at + (Sas.owner >> 2)]];
      const key = `${gptGfn} ${role} ${place} ${owner}`;
      const group = groups.get(key) ?? { gptGfn, role, place, owner, level, spts: [], hasNode: false };
      groups.set(key, group);
      if (isNode) group.hasNode = true;
      else group.spts.push(spt);
    }
    const found = [...groups.values()].filter(({ spts, hasNode }) => spts.length + (hasNode ? 1 : 0) > 1 && spts.length > 0);
    const entries = (spt: number): number => presentIn(this.#views, spt);
    for (const { spts } of found) spts.sort((a, b) => entries(b) - entries(a) || a - b);
    return found;
  }

  /** Of a 64-bit space of this generation, or its node, and made from a table in RAM. */
  #isCandidate(spt: number, level: number): boolean {
    const { i32, u32 } = this.#views;
    const h = sptHeaderAt(spt) >>> 2;
    const role = i32[h + (Spt.role >> 2)];
    if (i32[h + (Spt.state >> 2)] !== SptState.LIVE || (role & (Role.LEVEL | Role.DIRECT)) !== level) return false;
    if ((role & Role.MODE) >>> Role.MODE_SHIFT !== PagingMode.LONG || u32[h + (Spt.gptGfn >> 2)] >= this.#ramPages) return false;
    return this.isCurrent(u32[h + (Spt.sas >> 2)], u32[h + (Spt.parent >> 2)] === 0);
  }

  /** Whether the entry of the SAS table is a space (a node) in use. */
  isCurrent(sas: number, node: boolean): boolean {
    const { i32 } = this.#views;
    const at = sasAt(sas) >>> 2;
    if (sas >= this.#words.load(vtlbWord('sasLimit')) || i32[at + (Sas.users >> 2)] < 0) return false;
    if (((i32[at + (Sas.role >> 2)] & Role.LEVEL) !== 0) !== node) return false;
    return i32[at + (Sas.generation >> 2)] === this.#words.read(vtlbWord('generation'));
  }

  /** Where the tree of its space has the SPT; null when no link leads to it any more. */
  placeIn(spt: number, level: number): number | null {
    const { u32 } = this.#views;
    let below = spt;
    let place = 0;
    let scale = 1;
    for (let above = level + 1; above <= 4; above++, scale *= 512) {
      const at = u32[(sptHeaderAt(below) + Spt.parent) >>> 2];
      if (at === 0 || sptOfEntry(this.#words.read(at)) !== below) return null;
      const index = (at & 0xff8) >>> 3;
      // Upper halves have negative addresses.
      place += (above === 4 && index >= 256 ? index - 512 : index) * scale;
      below = sptOfEntry(at);
    }
    const sas = u32[(sptHeaderAt(spt) + Spt.sas) >>> 2];
    return below === u32[(sasAt(sas) + Sas.root) >>> 2] ? place : null;
  }
}
