// Which shadow entries let the guest write a page: a chain of records for each guest page, so that the right can be taken away without a search of all tables.
// Why nobody unlinks: a record is a hint. An entry that has changed since is known by what it says, so clearing and freeing shadow entries costs nothing here, and who takes
// rights away need not be alone: an entry that gets W back at the same time has its record still. Records are used up instead, and when there are no more, all mappings are
// purged and the chains begin anew.
//
//   record, 8 bytes:  +0 byte address of the SPTE    +4 next record 21..0, low ten bits of the linear page number 31..22
import { PAGE_TABLE_ENTRIES, Pte } from '../../../shared/layout/paging.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { MAPPING_RECORDS_MAX, mappingRecordAt, mappingsAt, Spt, sptHeaderAt, sptOfEntry, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { HardwareTlb } from '../../machine/tlb.js';
import type { FlushEpochs } from './flush-epochs.js';

const NEXT = 0x3f_ffff;
const INDEX_SHIFT = 22;
const NEXT_FREE = vtlbWord('mappingNext');
/** Records of a page that are looked through for an equal one: longer chains may say a thing twice. */
const SEARCH_MAX = 2 * PAGE_TABLE_ENTRIES;

export class WritableMappings {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #tlb: HardwareTlb;

  constructor(views: Views, words: SharedWords, tlb: HardwareTlb) {
    this.#views = views;
    this.#words = words;
    this.#tlb = tlb;
  }

  /** Before the SPTE at `at`, for the page at `gva`, grants W for `gfn`; inside the fill. False: no record is left. */
  record(gfn: number, at: number, gva: number): boolean {
    const words = this.#words;
    const head = mappingsAt(gfn);
    const first = words.load(head);
    const index = (gva >>> 12) << INDEX_SHIFT;
    for (let record = first, n = 0; record !== 0 && n < SEARCH_MAX; n++) {
      const link = words.read(mappingRecordAt(record) + 4);
      if (words.read(mappingRecordAt(record)) === at && (link & ~NEXT) === index) return true;
      record = link & NEXT;
    }
    const record = words.add(NEXT_FREE, 1) + 1;
    if (record >= MAPPING_RECORDS_MAX) {
      words.add(NEXT_FREE, -1);
      return false;
    }
    words.store(mappingRecordAt(record), at);
    for (let next = first; ; ) {
      words.store(mappingRecordAt(record) + 4, index | next);
      const seen = words.compareExchange(head, next, record);
      if (seen === next) return true;
      next = seen;
    }
  }

  /**
   * Takes W from every entry that has been recorded for the page, and write tags from this LP's TLB. Outside fills, with those that might be recording over: an
   * entry that is freed meanwhile no longer says the page, and the compare-and-swap leaves it alone.
   * Touches every SAS that has such an entry, even one that has lost its W before: whoever took that may not have come to its shootdown yet.
   */
  revoke(gfn: number, epochs: FlushEpochs): void {
    const words = this.#words;
    const frame = PartitionMap.RAM + gfn * 4096;
    for (let record = words.load(mappingsAt(gfn)); record !== 0; ) {
      const at = words.load(mappingRecordAt(record));
      const link = words.load(mappingRecordAt(record) + 4);
      for (;;) {
        const entry = words.load(at);
        if ((entry & (Pte.P | Pte.W)) !== (Pte.P | Pte.W) || (entry & -4096) >>> 0 !== frame) break;
        if (words.compareExchange(at, entry, entry & ~Pte.W) === entry) break;
      }
      epochs.touch(this.#views.u32[(sptHeaderAt(sptOfEntry(at)) + Spt.sas) >>> 2]);
      this.#tlb.dropWritesAt(link >>> INDEX_SHIFT, gfn);
      record = link & NEXT;
    }
  }

  /** All chains are empty again: every mapping they could name is gone, and no fill is under way. */
  reset(): void {
    const pages = this.#views.u32[PartitionLayout.at.ramSize >>> 2] >>> 12;
    this.#views.i32.fill(0, mappingsAt(0) >>> 2, mappingsAt(pages) >>> 2);
    this.#words.store(NEXT_FREE, 0);
  }
}
