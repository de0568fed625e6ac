// A flush of the whole vTLB by generation (US7788464B2): one addition, and whatever any SAS holds is of an older generation, hence nothing. An LP notices when it next loads
// a SAS or faults, and begins a new one; what the old ones hold is freed when memory is wanted. With `vtlb.flush=walk` all entries are cleared instead.
import { SAS_MAX, Sas, sasAt, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { AddressSpaces } from './address-spaces.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { FillLock } from './fill-lock.js';
import type { Invalidation } from './invalidation.js';
import type { TablePolicy } from './table-policy.js';

const GENERATION = vtlbWord('generation');

export class WholeFlush {
  readonly #words: SharedWords;
  readonly #lock: FillLock;
  readonly #invalidation: Invalidation;
  readonly #spaces: AddressSpaces;
  readonly #tables: TablePolicy;
  readonly #counting: VtlbCounting;

  constructor(
    words: SharedWords,
    lock: FillLock,
    invalidation: Invalidation,
    spaces: AddressSpaces,
    tables: TablePolicy,
    counting: VtlbCounting,
  ) {
    this.#words = words;
    this.#lock = lock;
    this.#invalidation = invalidation;
    this.#spaces = spaces;
    this.#tables = tables;
    this.#counting = counting;
  }

  /** No SAS has a translation from now on that is older than this. Other LPs may go on in theirs, as far as they know, until they flush. Outside fills. */
  run(): void {
    const words = this.#words;
    this.#counting.add(Counter.wholeFlushes);
    if (!this.#tables.flushWalks) {
      words.add(GENERATION, 1);
      return;
    }
    this.#counting.add(Counter.flushWalks);
    this.#lock.beginClear();
    for (let sas = 0; sas < SAS_MAX; sas++) {
      if (words.load(sasAt(sas) + Sas.users) < 0) continue;
      // First what its root is by now: links that no longer lead to nodes are found from there.
      this.#spaces.followBus(sas);
      this.#invalidation.purge(sas, true);
      words.add(sasAt(sas) + Sas.version, 1);
    }
    this.#lock.end();
  }

  /** Whether the SAS, which this LP has loaded, was forgotten since it was made. */
  hasForgotten(sas: number): boolean {
    return this.#words.read(sasAt(sas) + Sas.generation) !== this.#words.load(GENERATION);
  }
}
