// How an LP gets other LPs out of guest mode: to flush their hardware TLBs, to wait until no walk is under way, to hold the bus, to watch a page of code.
// Why a handshake and not a lock: an LP in guest mode pays nothing; one that asks waits until each other LP has flushed or is outside.
//
// Orders that carry it (all atomics are sequentially consistent):
//   entering guest mode:  inGuest := 1, THEN look at busLock and flushRequest.    asking:  flushRequest += 1, THEN look at inGuest.
//   So either the LP that enters sees the request, or the one that asks sees it inside and waits for its acknowledgement.
//   leaving: inGuest := 0, THEN acknowledge. Whoever waits for a flush sleeps on flushAck and sees it change.
//   stopping: busLock := LP + 1, THEN ask as above, THEN wait for inGuest = 0. Leaving: inGuest := 0, THEN notify if the bus is taken.
//   A waiting LP is itself outside guest mode: two that ask each other see each other quiescent.
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { lpContextAt, PageFlag, PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import { FutexLock } from './futex-lock.js';
import type { SharedWords } from './shared-words.js';
import type { HardwareTlb } from './tlb.js';

const { kick, inGuest, flushRequest, flushAck } = LpContextLayout.at;
const { busLock, codeWatchLock, lpsLow, lpsHigh } = PartitionLayout.at;

const bitsIn = (set: number): number => {
  let n = 0;
  for (let rest = set; rest !== 0; rest &= rest - 1) n++;
  return n;
};

export class FlushHandshake {
  readonly lp: number;
  readonly words: SharedWords;
  readonly #context: number;
  readonly #tlb: Pick<HardwareTlb, 'flushAll' | 'dropWrites'>;
  readonly #wake: ((lp: number) => void) | undefined;
  readonly #asked: (low: number, high: number) => void;
  readonly #watchLock: FutexLock;
  #inGuest = false;
  #ownsBus = false;
  /** Stops within a stop: a locked access that faults may make the hypervisor stop the others once more. */
  #stopsWithin = 0;

  /**
   * `tlb`: this LP's, of the same partition. `wake(lp)` does what it takes, beyond setting its `kick`, to make an LP in guest mode look
   * (nothing when LPs in guest mode always run).
   * `asked` is told of each flush that was asked of other LPs, and of which.
   */
  constructor(
    words: SharedWords,
    lp: number,
    tlb: Pick<HardwareTlb, 'flushAll' | 'dropWrites'>,
    wake?: (lp: number) => void,
    asked: (low: number, high: number) => void = () => {},
  ) {
    this.words = words;
    this.lp = lp;
    this.#context = lpContextAt(lp);
    this.#tlb = tlb;
    this.#wake = wake;
    this.#asked = asked;
    this.#watchLock = new FutexLock(words, PartitionMap.HEADER + codeWatchLock);
  }

  get isInGuest(): boolean {
    return this.#inGuest;
  }

  /** Registers this LP as one that may run VPs of the partition. Before its first fill or `enterGuest`. */
  join(): void {
    this.words.or((this.lp < 32 ? lpsLow : lpsHigh) + PartitionMap.HEADER, 1 << (this.lp & 31));
  }

  /** Before the first access through the hardware TLB. May wait for another LP's bus lock; on return no flush is owed. */
  enterGuest(): void {
    for (;;) {
      this.words.store(this.#context + inGuest, 1);
      this.answer();
      if (!this.busIsForeign()) break;
      this.stepOutside();
      const holder = this.words.load(PartitionMap.HEADER + busLock);
      if (holder !== 0) this.words.wait(PartitionMap.HEADER + busLock, holder);
    }
    this.#inGuest = true;
  }

  /** After the last access. Also before anything that may block for long. */
  leaveGuest(): void {
    this.#inGuest = false;
    this.stepOutside();
  }

  /**
   * At a point where no walk and no access is under way: answers requests, and stays outside as long as another LP holds the bus.
   * The run loop calls it after a kick, having cleared `kick` first.
   */
  acknowledge(): void {
    this.answer();
    if (this.#inGuest && this.busIsForeign()) {
      this.leaveGuest();
      this.enterGuest();
    }
  }

  protected stepOutside(): void {
    this.words.store(this.#context + inGuest, 0);
    this.answer();
    if (this.busIsForeign()) this.words.notify(this.#context + inGuest);
  }

  /** Flushes and acknowledges when a request is open. */
  protected answer(): void {
    const asked = this.words.load(this.#context + flushRequest);
    if (asked === this.words.load(this.#context + flushAck)) return;
    this.#tlb.flushAll();
    this.words.store(this.#context + flushAck, asked);
    this.words.notify(this.#context + flushAck);
  }

  /** How many LPs may run VPs of the partition. */
  lps(): number {
    return bitsIn(this.words.read(PartitionMap.HEADER + lpsLow)) + bitsIn(this.words.read(PartitionMap.HEADER + lpsHigh));
  }
  /** All LPs of the partition but this one. Read plainly: an LP joins before its first fill, and those that wait for it have a barrier behind them. */
  othersLow(): number {
    return this.words.read(PartitionMap.HEADER + lpsLow) & (this.lp < 32 ? ~(1 << this.lp) : -1);
  }
  othersHigh(): number {
    return this.words.read(PartitionMap.HEADER + lpsHigh) & (this.lp >= 32 ? ~(1 << (this.lp & 31)) : -1);
  }

  /**
   * Returns when each LP of the bit set has flushed its hardware TLB since the call, or is outside guest mode (then it flushes before it enters).
   * No walk that began before the call is under way then. This LP leaves guest mode while it waits; its own TLB is not flushed.
   */
  requestFlush(low: number, high = 0): void {
    const inside = this.#inGuest;
    if (inside) this.leaveGuest();
    if ((low | high) !== 0) this.#asked(low, high);
    this.#ask(low, 0);
    this.#ask(high, 32);
    this.#awaitFlush(low, 0);
    this.#awaitFlush(high, 32);
    if (inside) this.enterGuest();
  }

  /** As `requestFlush` of all other LPs of the partition, and this LP's own TLB too. */
  flushEverywhere(): void {
    this.#tlb.flushAll();
    this.requestFlush(this.othersLow(), this.othersHigh());
  }

  /**
   * Gets every other LP of the partition out of guest mode and keeps it out until `releaseOthers`: for a LOCK that the host has no atomic for
   * (SDM 3A 9.1.2). This LP is in guest mode on return.
   */
  stopOthers(): void {
    if (this.#ownsBus) {
      this.#stopsWithin++;
      return;
    }
    if (this.#inGuest) this.leaveGuest();
    for (;;) {
      const holder = this.words.compareExchange(PartitionMap.HEADER + busLock, 0, this.lp + 1);
      if (holder === 0) break;
      this.words.wait(PartitionMap.HEADER + busLock, holder);
    }
    this.#ownsBus = true;
    const low = this.othersLow();
    const high = this.othersHigh();
    this.#ask(low, 0);
    this.#ask(high, 32);
    this.#awaitOutside(low, 0);
    this.#awaitOutside(high, 32);
    // The holder uses its TLB and walker: whoever asks for a flush must find it inside.
    this.enterGuest();
  }

  releaseOthers(): void {
    if (this.#stopsWithin > 0) {
      this.#stopsWithin--;
      return;
    }
    this.#ownsBus = false;
    this.words.store(PartitionMap.HEADER + busLock, 0);
    this.words.notify(PartitionMap.HEADER + busLock);
  }

  /**
   * Marks a guest page as holding translated code. On return no LP holds a write tag for it nor can get one: bytes read now change only by watched stores.
   * Needs no handshake when no LP can have a write tag (TLB_WRITE clear). TLB_WRITE is cleared only here: under the lock, with CODE set all the while.
   */
  watchCode(gfn: number): void {
    const flags = PartitionMap.PAGE_FLAGS + gfn * 4;
    if ((this.words.or(flags, PageFlag.CODE) & PageFlag.TLB_WRITE) === 0) return;
    this.#locked(() => {
      if ((this.words.or(flags, PageFlag.CODE) & PageFlag.TLB_WRITE) === 0) return;
      this.#tlb.dropWrites(gfn);
      this.requestFlush(this.othersLow(), this.othersHigh());
      this.words.and(flags, ~PageFlag.TLB_WRITE);
    });
  }

  /**
   * The page holds no translated code any more, unless `marked` (looked at after CODE is clear) says that an LP has just marked lines of it: that LP may have seen
   * CODE still set. Then CODE is set again and every write tag taken back, and the result is false: what was translated meanwhile must be given up.
   */
  unwatchCode(gfn: number, marked: () => boolean = () => false): boolean {
    const flags = PartitionMap.PAGE_FLAGS + gfn * 4;
    let free = true;
    this.#locked(() => {
      this.words.and(flags, ~PageFlag.CODE);
      if (!marked()) return;
      free = false;
      this.words.or(flags, PageFlag.CODE);
      this.#tlb.dropWrites(gfn);
      this.requestFlush(this.othersLow(), this.othersHigh());
      this.words.and(flags, ~PageFlag.TLB_WRITE);
    });
    return free;
  }

  /** Outside guest mode all through: the lock's holder may be waiting for this LP, and this LP must not wait for the bus while it holds the lock. */
  #locked(section: () => void): void {
    const inside = this.#inGuest;
    if (inside) this.leaveGuest();
    this.#watchLock.lock();
    section();
    this.#watchLock.unlock();
    if (inside) this.enterGuest();
  }

  protected busIsForeign(): boolean {
    const holder = this.words.load(PartitionMap.HEADER + busLock);
    return holder !== 0 && !this.#ownsBus;
  }

  #ask(lps: number, base: number): void {
    for (let rest = lps; rest !== 0; rest &= rest - 1) {
      const lp = base + 31 - Math.clz32(rest & -rest);
      const context = lpContextAt(lp);
      this.words.add(context + flushRequest, 1);
      if (this.words.load(context + inGuest) === 0) continue;
      this.words.store(context + kick, KICKED);
      this.#wake?.(lp);
    }
  }

  #awaitFlush(lps: number, base: number): void {
    for (let rest = lps; rest !== 0; rest &= rest - 1) {
      const context = lpContextAt(base + 31 - Math.clz32(rest & -rest));
      // This call's request or a later one: either will be acknowledged.
      const asked = this.words.load(context + flushRequest);
      while (this.words.load(context + inGuest) !== 0) {
        const acknowledged = this.words.load(context + flushAck);
        if (((acknowledged - asked) | 0) >= 0) break;
        this.words.wait(context + flushAck, acknowledged);
      }
    }
  }

  #awaitOutside(lps: number, base: number): void {
    for (let rest = lps; rest !== 0; rest &= rest - 1) {
      const context = lpContextAt(base + 31 - Math.clz32(rest & -rest));
      while (this.words.load(context + inGuest) !== 0) this.words.wait(context + inGuest, 1);
    }
  }
}
