// Counters of the vTLB: each LP adds to its own column without atomics; readers sum the columns.
// Why named after what the TLFS's hypervisor counts: `hvtop` and metrics print them as they are.
import { MAX_LPS, MAX_NODES } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  freeCountAt,
  SAS_MAX,
  Sas,
  sasAt,
  VTLB_COUNTERS,
  type VtlbCounter,
  vtlbCountersAt,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';

/** Number of each counter. */
export const Counter = Object.fromEntries(VTLB_COUNTERS.map((name, i) => [name, i])) as { readonly [K in VtlbCounter]: number };

export class VtlbCounting {
  readonly #u32: Uint32Array;
  readonly #base: number;

  constructor(views: Views, lp: number) {
    this.#u32 = views.u32;
    this.#base = vtlbCountersAt(lp) >>> 2;
  }
  add(counter: number, n = 1): void {
    this.#u32[this.#base + counter] += n;
  }
}

/** All counters and gauges of a partition's vTLB by name, summed over LPs. */
export const vtlbCounters = (views: Views): Record<string, number> => {
  const sums: Record<string, number> = {};
  VTLB_COUNTERS.forEach((name, i) => {
    let sum = 0;
    for (let lp = 0; lp < MAX_LPS; lp++) sum += views.u32[(vtlbCountersAt(lp) >>> 2) + i];
    sums[name] = sum;
  });
  const word = (address: number): number => Atomics.load(views.i32, address >>> 2);
  const pool = Math.max(0, word(vtlbWord('sptCount')) - 1);
  let free = 0;
  for (let node = 0; node < MAX_NODES; node++) free += word(freeCountAt(node));
  let spaces = 0;
  for (let sas = 0; sas < SAS_MAX; sas++) if (word(sasAt(sas) + Sas.users) >= 0) spaces++;
  const condemned = word(vtlbWord('condemnedCount'));
  return {
    ...sums,
    sptPool: pool,
    sptFree: free,
    sptCondemned: condemned,
    sptLive: pool - free - condemned,
    sasLive: pool === 0 ? 0 : spaces,
    generation: word(vtlbWord('generation')),
    lockMode: word(vtlbWord('lockMode')),
  };
};
