// The samples of the last ten minutes, deflated: what the screen showed then can be shown again.
// Why deflated: a sample of 64 LPs and 128 VPs is half a megabyte of objects, and there are 1200 of them.
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { InterruptsInspect, MachineStats, VtlbInspect } from '../../shared/protocol/messages.js';

/** Host time that is kept, and bytes that it may take; the oldest go first. */
export const KEPT_MS = 600_000;
export const BYTES_MAX = 64 << 20;
/** Samples nearer to the last one than this are not kept: there are at most two a second. */
const APART_MS = 450;
/** zlib's fastest: a sixth of the time of its default for a quarter more bytes. */
const LEVEL = 1;

export interface Sample {
  readonly stats: MachineStats;
  /** Answers that have come since the sample before, of whoever looked at those pages. */
  readonly interrupts?: InterruptsInspect | undefined;
  readonly vtlb?: { readonly partition: string; readonly view: Extract<VtlbInspect, { kind: 'vtlb' }> } | undefined;
}
/** Where a sample is in the lanes (columns so far) and in the charts (buckets so far). */
export interface Place {
  /** As MachineStats. */
  readonly at: number;
  readonly column: number;
  readonly bucket: number;
}
interface Kept extends Place {
  readonly data: Uint8Array;
}

export class SampleRing {
  #kept: Kept[] = [];
  #bytes = 0;

  /** Bytes that samples take. */
  get bytes(): number {
    return this.#bytes;
  }
  get length(): number {
    return this.#kept.length;
  }

  push(place: Place, sample: Sample): void {
    const newest = this.#kept.at(-1);
    if (newest !== undefined && place.at - newest.at < APART_MS) return;
    // A copy: what zlib gives lies in a buffer of its own that is larger.
    const data = new Uint8Array(deflateRawSync(JSON.stringify(sample), { level: LEVEL }));
    this.#kept.push({ ...place, data });
    this.#bytes += data.length;
    let gone = 0;
    for (; gone < this.#kept.length - 1; gone++) {
      const { at, data: oldest } = this.#kept[gone]!;
      if (place.at - at <= KEPT_MS && this.#bytes <= BYTES_MAX) break;
      this.#bytes -= oldest.length;
    }
    if (gone > 0) this.#kept.splice(0, gone);
  }

  /** Number of the newest sample that is not younger than `at`, or of the oldest; -1 when there is none. */
  indexAt(at: number): number {
    let [low, high] = [0, this.#kept.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#kept[middle]!.at <= at) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1) < this.#kept.length ? Math.max(0, low - 1) : -1;
  }

  place(index: number): Place | undefined {
    return this.#kept[index];
  }

  sample(index: number): Sample | undefined {
    const kept = this.#kept[index];
    return kept && (JSON.parse(inflateRawSync(kept.data).toString()) as Sample);
  }

  clear(): void {
    this.#kept = [];
    this.#bytes = 0;
  }
}
