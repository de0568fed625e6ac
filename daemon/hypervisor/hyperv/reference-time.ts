// Partition reference time in units of 100 ns, and the reference TSC page that lets guests compute it themselves (TLFS 12.4, 12.7).
// One formula for both, from the same virtual time-stamp counter: a guest that reads page, MSR and page again on one VP sees no step back.
//
//   page: +0 u32 TscSequence   +8 u64 TscScale   +16 i64 TscOffset      time = ((tsc * TscScale) >> 64) + TscOffset
//
// Sequence 0 sends guests to the MSR. So it is while a VP's counter is not the partition's (the guest has written it), or too slow for a scale of 64 bits.
import { HypervLayout, PartitionOverlay } from '../../../shared/layout/hyperv.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import type { HyperV } from './hyperv.js';

const UNITS_PER_SECOND = 10_000_000n;
const MOVED = (PartitionMap.HYPERV + HypervLayout.at.tscMoved) >>> 2;
const U64 = 1n << 64n;
/** Sequence numbers that mean something else: 0, and all ones in what older specifications say. */
const SEQUENCE_LAST = 0xffff_fffe;
const Page = { SEQUENCE: 0, SCALE: 8, OFFSET: 16, END: 24 } as const;

export class ReferenceTime {
  readonly #hv: HyperV;
  readonly #scale: bigint;

  constructor(hv: HyperV) {
    this.#hv = hv;
    this.#scale = (UNITS_PER_SECOND << 64n) / BigInt(hv.on.wiring.frequencyHz);
  }

  /** Reference time now. */
  now(): bigint {
    return this.at(this.#hv.on.clock.rawTsc());
  }
  /** Reference time at a value of the partition's time-stamp counter. */
  at(tsc: bigint): bigint {
    return (tsc * this.#scale) >> 64n;
  }

  /** Writes the page by the update protocol: invalid, then the numbers, then the next sequence. Within `HyperV.exclusively`. */
  publish(): void {
    const { overlays } = this.#hv;
    const at = overlays.address(PartitionOverlay.REFERENCE_TSC);
    overlays.store(at, Page.END, () => this.#put(at));
  }
  #put(at: number): void {
    const { i32, u64 } = this.#hv.on.views;
    const sequence = (at + Page.SEQUENCE) >>> 2;
    const before = Atomics.exchange(i32, sequence, 0) >>> 0;
    Atomics.store(u64, (at + Page.SCALE) >>> 3, this.#scale % U64);
    Atomics.store(u64, (at + Page.OFFSET) >>> 3, 0n);
    if (this.#isValid) Atomics.store(i32, sequence, before >= SEQUENCE_LAST ? 1 : before + 1);
  }
  get #isValid(): boolean {
    return this.#scale < U64 && Atomics.load(this.#hv.on.views.i32, MOVED) === 0;
  }

  /** A VP has written its time-stamp counter: its own is no longer what the page is computed from. */
  counterMoved(): void {
    if (Atomics.exchange(this.#hv.on.views.i32, MOVED, 1) !== 0) return;
    this.#hv.exclusively(() => this.publish());
  }
}
