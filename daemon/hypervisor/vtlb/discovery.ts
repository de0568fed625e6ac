// Makes writable mappings known by taking all of them away: no scan of all tables for one page, but a purge of everything once there are many pages to know of (US8095771).
// Why with every other LP out of guest mode: nobody writes and nobody fills, so states can be set without a protocol. It is rare: `vtlb.untracked` says how rare.
import { PartitionLayout } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { SAS_MAX, Sas, Spt, SptState, sasAt, sptHeaderAt, TrackMode, TrackState, trackAt, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { AddressSpaces } from './address-spaces.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { FillLock } from './fill-lock.js';
import type { Invalidation } from './invalidation.js';
import { isTable } from './role.js';
import type { TrackPolicy } from './track-policy.js';
import type { WritableMappings } from './writable-mappings.js';

const MODE = vtlbWord('trackMode');
const UNTRACKED = vtlbWord('untracked');
const VISITS = vtlbWord('untrackedVisits');

export interface DiscoveryParts {
  readonly views: Views;
  readonly words: SharedWords;
  readonly handshake: FlushHandshake;
  readonly lock: FillLock;
  readonly invalidation: Invalidation;
  readonly spaces: AddressSpaces;
  readonly mappings: WritableMappings;
  readonly policy: TrackPolicy;
  readonly counting: VtlbCounting;
}

export class Discovery {
  readonly #p: DiscoveryParts;
  readonly #pages: number;

  constructor(parts: DiscoveryParts) {
    this.#p = parts;
    this.#pages = parts.views.u32[PartitionLayout.at.ramSize >>> 2] >>> 12;
  }

  /** So many tables whose writable mappings are not known have been gone over. When it has become many, all mappings are purged. Outside fills. */
  visited(tables: number): void {
    const { words, policy } = this.#p;
    if (words.add(VISITS, tables) + tables > policy.untracked) this.discover();
  }

  /** Purges all mappings; every guest page table that is known as one is TRACKED then. */
  discover(): void {
    const { words, counting, policy } = this.#p;
    this.withoutVps(() => {
      // Another LP may have been faster.
      if (words.load(VISITS) <= policy.untracked && words.load(UNTRACKED) === 0) return;
      counting.add(Counter.untrackedPurges);
      this.#beginAnew();
    });
  }

  /** There is no record left for a writable mapping: as `discover`, whatever is known. */
  forgetMappings(): void {
    this.withoutVps(() => this.#beginAnew());
  }

  /** The mode in force becomes the one wished for. Outside fills. */
  followPolicy(): void {
    const { words, counting, policy } = this.#p;
    this.withoutVps(() => {
      const wish = policy.mode;
      if (words.load(MODE) === wish) return;
      words.store(MODE, wish);
      counting.add(Counter.trackModeChanges);
      this.#beginAnew();
    });
  }

  protected withoutVps(section: () => void): void {
    this.#p.spaces.alone(section);
  }
  /** LPs that run no VP may be in the midst of a device's store: it has marked the tables that there were, and may not have changed the bytes. */
  protected awaitStores(): void {
    this.#p.lock.quiesce();
  }
  /** Both as one: the mutex alone orders it with who is not in guest mode. */
  protected inside(purge: () => void, setStates: () => void): void {
    const { lock } = this.#p;
    lock.begin();
    purge();
    setStates();
    lock.end();
  }
  protected flushTlbs(): void {
    this.#p.handshake.flushEverywhere();
  }

  #beginAnew(): void {
    this.awaitStores();
    this.inside(
      () => this.#purge(),
      () => this.#setStates(),
    );
    this.flushTlbs();
  }

  #purge(): void {
    const { words, invalidation, mappings } = this.#p;
    for (let sas = 0; sas < SAS_MAX; sas++) {
      if (words.load(sasAt(sas) + Sas.users) < 0) continue;
      invalidation.purge(sas, true);
      words.add(sasAt(sas) + Sas.version, 1);
    }
    mappings.reset();
  }

  /** No page can be written now without a fill: hardware TLBs are flushed before any VP runs. */
  #setStates(): void {
    const { words, views, counting } = this.#p;
    const { i32, u32 } = views;
    const off = words.load(MODE) === TrackMode.OFF;
    const from = trackAt(0) >>> 2;
    for (let gfn = 0; gfn < this.#pages; gfn++) {
      if (i32[from + gfn] === TrackState.NONE) continue;
      words.store(trackAt(gfn), TrackState.NONE);
    }
    const count = off ? 0 : u32[vtlbWord('sptCount') >>> 2];
    for (let spt = 1; spt < count; spt++) {
      const h = sptHeaderAt(spt) >>> 2;
      const gfn = u32[h + (Spt.gptGfn >> 2)];
      if (i32[h + (Spt.state >> 2)] !== SptState.LIVE || !isTable(i32[h + (Spt.role >> 2)]) || gfn >= this.#pages) continue;
      words.store(trackAt(gfn), TrackState.TRACKED);
      counting.add(Counter.tablesDiscovered);
    }
    words.store(UNTRACKED, 0);
    words.store(VISITS, 0);
  }
}
