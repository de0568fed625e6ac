// MONITOR: which 64-byte lines VPs wait for stores to, and who is told of a store (SDM 3A 9.10.3).
// How a store is seen: the line's page is watched as a page of translated code is (machine/code-cache): no LP holds a write tag for it, so every store passes by here.
// The order that loses nothing: the line is armed, then the page watched, which ends when no LP can store unseen any more; MONITOR returns, and the guest looks at
// the value. A store before that is in what it sees; one after takes the line away and wakes the VP.
import { PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { type VpBlock, VpLayout, VpRequest } from '../../shared/layout/vp.js';

const COUNT = (PartitionMap.HEADER + PartitionLayout.at.monitors) >>> 2;
export const MONITOR_LINE_BYTES = 64;
const ARMED = 1;

export class Monitors {
  readonly #i32: Int32Array;
  readonly #vps: readonly VpBlock[];
  readonly #kick: (vp: number) => void;

  constructor(views: Views, vps: readonly VpBlock[], kick: (vp: number) => void) {
    this.#i32 = views.i32;
    this.#vps = vps;
    this.#kick = kick;
  }

  /** The VP watches the line. The caller has its page watched afterwards. */
  arm(vp: VpBlock, gpa: number): void {
    const line = (gpa & -MONITOR_LINE_BYTES) | ARMED;
    if (Atomics.exchange(this.#i32, at(vp), line) === 0) Atomics.add(this.#i32, COUNT, 1);
  }
  isArmed(vp: VpBlock): boolean {
    return Atomics.load(this.#i32, at(vp)) !== 0;
  }
  disarm(vp: VpBlock): void {
    if (Atomics.exchange(this.#i32, at(vp), 0) !== 0) Atomics.sub(this.#i32, COUNT, 1);
  }

  /** Whether any line of the page is watched. */
  watches(gfn: number): boolean {
    if (Atomics.load(this.#i32, COUNT) === 0) return false;
    return this.#vps.some((vp) => this.isArmed(vp) && Atomics.load(this.#i32, at(vp)) >>> 12 === gfn);
  }
  /** Bytes of the page have been stored: VPs that watch their lines wake. They lie in at most two lines. */
  stored(gfn: number, offset: number, bytes: number): void {
    if (Atomics.load(this.#i32, COUNT) === 0) return;
    const first = (gfn * 4096 + (offset & -MONITOR_LINE_BYTES)) | ARMED;
    const last = (gfn * 4096 + ((offset + bytes - 1) & -MONITOR_LINE_BYTES)) | ARMED;
    for (const vp of this.#vps) {
      const line = Atomics.load(this.#i32, at(vp));
      if ((line !== first && line !== last) || Atomics.compareExchange(this.#i32, at(vp), line, 0) !== line) continue;
      Atomics.sub(this.#i32, COUNT, 1);
      Atomics.or(this.#i32, (vp.base + VpLayout.at.requests) >>> 2, VpRequest.PULL);
      this.#kick(vp.index);
    }
  }
}

const at = (vp: VpBlock): number => (vp.base + VpLayout.at.monitorLine) >>> 2;
