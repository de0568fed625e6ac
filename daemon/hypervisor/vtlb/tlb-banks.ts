// The banks of this LP's hardware TLB, and the version of its SAS with which each is in step: nothing that was taken from the SAS before that version is held by the bank.
// Why versions: what others take away need not be flushed at once from banks that are not in use; who takes one up again compares.
import { LpContextLayout, TLB_BANKS } from '../../../shared/layout/lp-context.js';
import { lpContextAt } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { SAS_MAX, Sas, sasAt, spaceName } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { HardwareTlb } from '../../machine/tlb.js';
import type { FlushEpochs } from './flush-epochs.js';
import { versionOf } from './node-links.js';

export class TlbBanks {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #tlb: HardwareTlb;
  readonly #epochs: FlushEpochs;
  readonly #versions: Int32Array;

  constructor(views: Views, words: SharedWords, lp: number, tlb: HardwareTlb, epochs: FlushEpochs) {
    this.#views = views;
    this.#words = words;
    this.#tlb = tlb;
    this.#epochs = epochs;
    this.#versions = new Int32Array(views.buffer, lpContextAt(lp) + LpContextLayout.at.bankVersions, TLB_BANKS);
  }

  /** Version with which the bank in use is in step. */
  get version(): number {
    return this.#versions[this.#tlb.bank];
  }
  /** The bank in use, that of the SAS, is in step with the version: it was read before the bank was flushed, or compared. */
  settle(sas: number, version: number): void {
    this.#versions[this.#tlb.bank] = version;
    this.#epochs.settle(sas, version);
  }

  /** Versions of what was touched are added to by `advance`. No bank holds what was taken away: those that are in step stay so. */
  keepStep(advance: () => void): void {
    const steps: (readonly [bank: number, sas: number, version: number])[] = [];
    for (let bank = 0; bank < TLB_BANKS; bank++) {
      const name = this.#tlb.spaceOf(bank);
      const sas = name % SAS_MAX;
      // Another SAS may have the entry of the table by now; nobody will take up the bank then.
      if (name < SAS_MAX || name !== spaceName(this.#views.u32[(sasAt(sas) + Sas.serial) >>> 2], sas)) continue;
      const version = versionOf(this.#views, this.#words, sas);
      const parts = this.#epochs.touchedParts(sas);
      if (parts > 0 && this.#versions[bank] === version) steps.push([bank, sas, (version + parts) | 0]);
    }
    advance();
    for (const [bank, sas, version] of steps)
      if (bank === this.#tlb.bank && this.#epochs.settledIn === sas) this.settle(sas, version);
      else this.#versions[bank] = version;
  }
}
