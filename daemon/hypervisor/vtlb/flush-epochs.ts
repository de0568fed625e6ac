// Which LPs a deferred shootdown need not ask: those that have flushed what it is about since it began, or will before they could use it (US7788464B2).
// Each LP publishes the SAS that it uses and the version of that SAS with which its hardware TLB is in step: its flush epoch. Whoever takes entries or rights away adds to the
// version of each SAS that had them. Then
//   an LP in another SAS compares versions, and flushes, when it next loads one of those;
//   an LP that is in step with the version has flushed, or loaded the SAS, since.
// Only the others are asked and waited for.
//
// Order: entries taken away, THEN versions added to, THEN the LPs' words looked at.    loading: UNSETTLED, THEN read the version, THEN flush, THEN publish.
//   So either who loads sees the new version, or who looks finds an LP that is unsettled or behind, and asks it. Versions only grow, and who looks reads the version that the LP
//   is in step with before it reads the SAS's: equal means that the LP read each part of the sum after it had been added to.
// Whoever publishes is at a point where no access and no walk is under way: what an LP that need not be asked did with the old entries is over, and visible.
import type { Views } from '../../../shared/layout/struct.js';
import { SAS_MAX, Sas, sasAt, UNSETTLED, VtlbLpLayout, vtlbLpAt } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { Counter, type VtlbCounting } from './counters.js';
import { eachPart, versionOf } from './node-links.js';

const { space, version } = VtlbLpLayout.at;

export class FlushEpochs {
  protected readonly views: Views;
  protected readonly words: SharedWords;
  readonly #handshake: FlushHandshake;
  readonly #counting: VtlbCounting;
  readonly #own: number;
  /** By number of a SAS: it had something that was taken away. */
  readonly #touched = new Uint8Array(SAS_MAX);

  constructor(views: Views, words: SharedWords, handshake: FlushHandshake, counting: VtlbCounting) {
    this.views = views;
    this.words = words;
    this.#handshake = handshake;
    this.#counting = counting;
    this.#own = vtlbLpAt(handshake.lp);
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): { readonly touched: Uint8Array } {
    return { touched: this.#touched };
  }
  set saved({ touched }: { readonly touched: Uint8Array }) {
    this.#touched.set(touched);
  }

  /** SAS with which this LP says it is in step, -1 none. */
  get settledIn(): number {
    return Math.max(-1, this.words.read(this.#own + space) - 1);
  }
  /** This LP's walker uses no SAS, and will load one before it does. */
  leave(): void {
    this.words.store(this.#own + space, 0);
  }
  /** This LP's TLB may hold anything, or an access be under way that no entry tells of, until it settles. */
  unsettle(): void {
    this.words.store(this.#own + space, UNSETTLED);
  }
  /** The bank in use holds nothing of the SAS that was taken away before it had this version. From UNSETTLED, or in the same SAS. */
  settle(sas: number, inStepWith: number): void {
    const { words } = this;
    words.store(this.#own + version, inStepWith);
    words.store(this.#own + space, sas + 1);
  }

  /** Entries of the SAS, or of the shared node, are about to be taken away, or have been. */
  touch(sas: number): void {
    if (sas < SAS_MAX) this.#touched[sas] = 1;
  }
  /** Of the SAS and its nodes, how many have been touched: so much its version will grow. */
  touchedParts(sas: number): number {
    let parts = 0;
    eachPart(this.views, sas, (part) => {
      parts += this.#touched[part];
    });
    return parts;
  }
  /** What was touched has another version from now on. */
  advance(): void {
    for (let sas = 0; sas < SAS_MAX; sas++) if (this.#touched[sas] !== 0) this.words.add(sasAt(sas) + Sas.version, 1);
  }

  /**
   * Every LP whose TLB may hold something of what was touched flushes; `all`: every LP. Versions have been added to by now. Nothing is touched afterwards.
   * True if any had to be asked.
   */
  shootDown(all: boolean): boolean {
    const handshake = this.#handshake;
    const low = all ? handshake.othersLow() : this.#behind(handshake.othersLow(), 0);
    const high = all ? handshake.othersHigh() : this.#behind(handshake.othersHigh(), 32);
    this.#touched.fill(0);
    if ((low | high) === 0) return false;
    handshake.requestFlush(low, high);
    return true;
  }
  #behind(lps: number, base: number): number {
    let behind = 0;
    for (let rest = lps; rest !== 0; rest &= rest - 1) {
      const bit = rest & -rest;
      if (this.isBehind(base + 31 - Math.clz32(bit))) behind |= bit;
      else this.#counting.add(Counter.flushesSaved);
    }
    return behind;
  }
  protected isBehind(lp: number): boolean {
    const { words } = this;
    const at = vtlbLpAt(lp);
    const used = words.load(at + space);
    if (used === 0) return false;
    if (used === UNSETTLED) return true;
    const sas = used - 1;
    if (this.touchedParts(sas) === 0) return false;
    // In another SAS by now: it has said so at a point where no access was under way, and has read that one's version, and will read this one's, after what was added. So nothing
    // hangs on whether the version read here is of the same SAS.
    return words.load(at + version) !== versionOf(this.views, words, sas);
  }
}
