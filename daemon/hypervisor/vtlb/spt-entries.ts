// What a shadow page table holds, found by looking into it.
// Why nothing counts: a count would be a word that the fills of all LPs write, and its cache line would go from one to the next with each of them. Whoever wants to know has
// time to look: he goes over tables anyway.
import { PAGE_TABLE_ENTRIES, Pte } from '../../../shared/layout/paging.js';
import type { Views } from '../../../shared/layout/struct.js';
import { sptPageAt } from '../../../shared/layout/vtlb.js';

/** Present entries; exact while nobody fills or clears. */
export const presentIn = ({ i32 }: Views, spt: number): number => {
  const page = sptPageAt(spt) >>> 2;
  let present = 0;
  for (let i = 0; i < PAGE_TABLE_ENTRIES; i++) present += i32[page + i * 2]! & Pte.P;
  return present;
};

/** No entry is present, or only such as fills have put in since the look began. */
export const isEmpty = ({ i32 }: Views, spt: number): boolean => {
  const page = sptPageAt(spt) >>> 2;
  for (let i = 0; i < PAGE_TABLE_ENTRIES; i++) if ((i32[page + i * 2]! & Pte.P) !== 0) return false;
  return true;
};
