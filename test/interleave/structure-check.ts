// Invariants of a quiescent vTLB: what the arena must look like whenever no LP is inside an operation.
// Why one function: explorer, stress and property tests ask the same after every run.

import { leadsToNode } from '../../daemon/hypervisor/vtlb/node-links.js';
import { Pte } from '../../shared/layout/paging.js';
import { MAX_LPS, MAX_NODES } from '../../shared/layout/partition.js';
import {
  freeTopAt,
  generationAt,
  gptIndexAt,
  POISON_HIGH,
  POISON_LOW,
  Role,
  SAS_MAX,
  Sas,
  Spt,
  SptState,
  sasAt,
  sptHeaderAt,
  sptOfEntry,
  sptPageAt,
  vtlbWord,
} from '../../shared/layout/vtlb.js';
import type { SmallMachine } from './small-machine.js';

/** What is wrong, or null. Freed tables hold poison from the start in a pool of a test's size. */
export const checkStructure = ({ partition, pages }: SmallMachine): string | null => {
  const { i32, u32 } = partition;
  for (let lp = 0; lp < MAX_LPS; lp++) if ((partition.i32[generationAt(lp) >>> 2] & 1) !== 0) return `LP ${lp} is still inside a fill`;
  const count = u32[vtlbWord('sptCount') >>> 2];
  const free = new Set<number>();
  for (let node = 0; node < MAX_NODES; node++)
    for (let spt = i32[freeTopAt(node) >>> 2]; spt !== 0; spt = i32[(sptHeaderAt(spt) + Spt.next) >>> 2]) {
      if (free.has(spt)) return `SPT ${spt} is free twice`;
      free.add(spt);
      if (i32[(sptHeaderAt(spt) + Spt.state) >>> 2] !== SptState.FREE) return `SPT ${spt} on the free stack is not FREE`;
      for (let i = 0; i < 512; i++) {
        const at = (sptPageAt(spt) >>> 2) + i * 2;
        if (i32[at] !== POISON_LOW || i32[at + 1] !== POISON_HIGH) return `entry ${i} of the free SPT ${spt} was written`;
      }
    }
  const condemned = new Set<number>();
  for (let spt = i32[vtlbWord('condemned') >>> 2]; spt !== 0; spt = i32[(sptHeaderAt(spt) + Spt.next) >>> 2]) {
    if (condemned.has(spt)) return `SPT ${spt} is condemned twice`;
    condemned.add(spt);
  }
  if (i32[vtlbWord('condemnedCount') >>> 2] !== condemned.size) return 'condemnedCount is wrong';
  // Trees: every table reached once, by the parent its header names.
  const reached = new Set<number>();
  const descend = (spt: number, level: number, sas: number): string | null => {
    if (reached.has(spt)) return `SPT ${spt} is linked twice`;
    reached.add(spt);
    const h = sptHeaderAt(spt) >>> 2;
    if (i32[h + (Spt.state >> 2)] !== SptState.LIVE) return `SPT ${spt} is linked and not LIVE`;
    if ((i32[h + (Spt.role >> 2)] & Role.LEVEL) !== level)
      return `SPT ${spt} of level ${i32[h + (Spt.role >> 2)] & 7} stands at level ${level}`;
    if (u32[h + (Spt.sas >> 2)] !== sas) return `SPT ${spt} is in the tree of another SAS`;
    for (let i = 0; i < 512; i++) {
      const entry = i32[(sptPageAt(spt) >>> 2) + i * 2];
      if ((entry & Pte.P) === 0 || level === 1) continue;
      const child = sptOfEntry(entry);
      if (leadsToNode(partition, entry)) {
        const node = u32[(sptHeaderAt(child) + Spt.sas) >>> 2];
        if (((i32[(sasAt(sas) + Sas.nodes + (node >>> 5) * 4) >>> 2] >>> (node & 31)) & 1) === 0)
          return `SPT ${spt} leads to node ${node}, which its SAS has not taken up`;
        continue;
      }
      if (u32[(sptHeaderAt(child) + Spt.parent) >>> 2] !== sptPageAt(spt) + i * 8) return `SPT ${child} names another parent`;
      const wrong = descend(child, level - 1, sas);
      if (wrong !== null) return wrong;
    }
    return null;
  };
  const listed = new Set<number>();
  for (let sas = 0; sas < SAS_MAX; sas++) {
    const at = sasAt(sas) >>> 2;
    if (i32[at + (Sas.users >> 2)] < 0) continue;
    const level = i32[at + (Sas.role >> 2)] & Role.LEVEL;
    let takers = 0;
    for (let other = 0; other < SAS_MAX; other++)
      if (i32[(sasAt(other) + Sas.users) >>> 2] >= 0)
        takers += (i32[(sasAt(other) + Sas.nodes + (sas >>> 5) * 4) >>> 2] >>> (sas & 31)) & 1;
    if (level !== 0 && i32[at + (Sas.users >> 2)] !== takers) return `node ${sas} has ${takers} takers and counts another number`;
    const wrong = descend(u32[at + (Sas.root >> 2)], level === 0 ? 4 : level, sas);
    if (wrong !== null) return wrong;
    for (let spt = i32[at + (Sas.spts >> 2)]; spt !== 0; spt = i32[(sptHeaderAt(spt) + Spt.sasNext) >>> 2]) {
      if (listed.has(spt)) return `SPT ${spt} is listed twice`;
      listed.add(spt);
      if (free.has(spt)) return `the free SPT ${spt} is listed`;
    }
  }
  for (const spt of reached) {
    const h = sptHeaderAt(spt) >>> 2;
    if (u32[h + (Spt.parent >> 2)] !== 0 && !listed.has(spt)) return `SPT ${spt} is linked and not listed`;
    const role = i32[h + (Spt.role >> 2)];
    const gfn = i32[h + (Spt.gptGfn >> 2)];
    if (u32[h + (Spt.parent >> 2)] === 0 || (role & Role.DIRECT) !== 0 || gfn >= pages) continue;
    let times = 0;
    for (let s = i32[gptIndexAt(gfn) >>> 2]; s !== 0; s = i32[(sptHeaderAt(s) + Spt.gptNext) >>> 2]) if (s === spt) times++;
    if (times !== 1) return `SPT ${spt} is ${times} times in the index of its guest table`;
  }
  for (let spt = 1; spt < count; spt++) {
    const places = (free.has(spt) ? 1 : 0) + (reached.has(spt) ? 1 : 0) + (condemned.has(spt) ? 1 : 0);
    // Below a condemned table more may hang; they are found when it is retired.
    if (places > 1) return `SPT ${spt} is in ${places} places`;
    if (places === 0 && !listed.has(spt)) return `SPT ${spt} is lost`;
  }
  return null;
};
