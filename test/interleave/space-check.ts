// Invariant I1 for address spaces that nobody has loaded: while writes to tables are tracked, what is not marked stale is what a walk of the guest's tables finds.
// Why apart from the check of what a VP may use: here no flush is under way that could excuse a difference; a mark is the only excuse.
import { PTE_XD_HIGH, Pte } from '../../shared/layout/paging.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import {
  PagingMode,
  Role,
  SAS_MAX,
  Sas,
  Spt,
  sasAt,
  sptHeaderAt,
  sptOfEntry,
  sptPageAt,
  TrackMode,
  vtlbWord,
} from '../../shared/layout/vtlb.js';
import { type PhysicalMemory, type Registers, translate } from './paging-model.js';
import type { SmallMachine } from './small-machine.js';

const NAMES: readonly Registers['mode'][] = ['none', 'legacy', 'pae', 'long'];

/** What is wrong, or null. `bus`: AND of frame numbers. */
export const checkSpaces = ({ partition: { i32, u32 } }: SmallMachine, memory: PhysicalMemory, bus: number): string | null => {
  if (i32[vtlbWord('trackMode') >>> 2] === TrackMode.OFF) return null;
  for (let sas = 0; sas < SAS_MAX; sas++) {
    const at = sasAt(sas) >>> 2;
    if (i32[at + (Sas.users >> 2)] < 0 || i32[at + (Sas.generation >> 2)] !== i32[vtlbWord('generation') >>> 2]) continue;
    const role = i32[at + (Sas.role >> 2)];
    // What is shared is looked at from each space that leads to it.
    if ((role & Role.LEVEL) !== 0) continue;
    const mode = (role & Role.MODE) >>> Role.MODE_SHIFT;
    if (mode === PagingMode.NONE) continue;
    const wide = at + (Sas.pdpte >> 2);
    const registers: Registers = {
      mode: NAMES[mode],
      cr3: (BigInt(u32[at + (Sas.cr3Hi >> 2)]) << 32n) | BigInt(u32[at + (Sas.cr3Lo >> 2)]),
      pdpte: [0, 1, 2, 3].map((n) => (BigInt(u32[wide + n * 2 + 1]) << 32n) | BigInt(u32[wide + n * 2])),
      pse: (role & Role.PSE) !== 0,
      wp: (role & Role.WP) !== 0,
      smep: (role & Role.SMEP) !== 0,
      smap: (role & Role.SMAP) !== 0,
      nxe: (role & Role.NXE) !== 0,
      ac: false,
    };
    const descend = (spt: number, level: number, linear: number): string | null => {
      const h = sptHeaderAt(spt) >>> 2;
      if (i32[h + (Spt.stale >> 2)] !== 0) return null;
      for (let i = 0; i < 512; i++) {
        const low = i32[(sptPageAt(spt) >>> 2) + i * 2];
        if ((low & Pte.P) === 0) continue;
        const gva = linear + i * 2 ** (3 + 9 * level);
        if (level > 1) {
          const wrong = descend(sptOfEntry(low), level - 1, gva);
          if (wrong !== null) return wrong;
          continue;
        }
        const canonical = gva >= 2 ** 47 ? gva - 2 ** 48 : gva;
        const user = (low & Pte.U) !== 0;
        const write = (low & Pte.W) !== 0;
        const fetch = (i32[(sptPageAt(spt) >>> 2) + i * 2 + 1] & PTE_XD_HIGH) === 0;
        const frame = (((low & -4096) >>> 0) - PartitionMap.RAM) >>> 12;
        // The supervisor's right to a user page hangs on SMAP and AC: the user's own right is looked at there.
        for (const wanted of [
          { write: false, user, fetch: false, implicit: false },
          ...(write ? [{ write: true, user, fetch: false, implicit: false }] : []),
          ...(fetch ? [{ write: false, user, fetch: true, implicit: false }] : []),
        ]) {
          const lent = !user && registers.smep;
          const outcome = translate(memory, registers, canonical, wanted);
          if ('error' in outcome) {
            if (lent && wanted.fetch) continue;
            return `entry ${i} of the clean SPT ${spt} in SAS ${sas} grants ${JSON.stringify(wanted)} at ${canonical.toString(16)}; the model: fault ${outcome.error}`;
          }
          if ((Number(outcome.gpa >> 12n) & bus) >>> 0 !== frame || outcome.marked.length > 0)
            return `entry ${i} of the clean SPT ${spt} in SAS ${sas} leads ${canonical.toString(16)} to frame ${frame}; the model: ${outcome.gpa.toString(16)}, ${outcome.marked.length} bits to set`;
        }
      }
      return null;
    };
    const wrong = descend(u32[at + (Sas.root >> 2)], 4, 0);
    if (wrong !== null) return wrong;
  }
  return null;
};
