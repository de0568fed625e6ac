// A table that the guest writes from flush to flush, and from which no fill makes anything meanwhile, is a table no more: the page has been given to other uses while some entry
// above it still leads there. It is unshadowed: what was made from it goes, and then nobody protects it (revalidation.ts), until a fill uses it again.
// Why after several rounds: one write and no use is how any edit begins. KVM counts to three, too (Linux: write_flooding_count).
//
// Kept in the header's `lastUse`, whose bit 0 is the clock hand's:   9..8 rounds so far   25..16 entries after the last round.
// Written by who goes over the table; a fill that sets bit 0 at the same time may undo that, or be undone: it is a guess, nothing relies on it.
import type { Views } from '../../../shared/layout/struct.js';
import { Role, Spt, sptHeaderAt } from '../../../shared/layout/vtlb.js';
import { isEmpty, presentIn } from './spt-entries.js';

/** Rounds in a row. */
const ROUNDS = 3;
const USED = 1;

/** A table that was written is about to be gone over. True: it has been once too often. */
export const isFlooded = (views: Views, spt: number): boolean => {
  const { i32 } = views;
  const h = sptHeaderAt(spt) >>> 2;
  // Above the leaves an edit of the table above takes what hangs below with it.
  if ((i32[h + (Spt.role >> 2)] & (Role.LEVEL | Role.DIRECT)) !== 1) return false;
  const word = i32[h + (Spt.lastUse >> 2)];
  const used = presentIn(views, spt) > word >>> 16;
  const rounds = used ? 0 : Math.min(ROUNDS, ((word >>> 8) & 3) + 1);
  i32[h + (Spt.lastUse >> 2)] = (word & ~0x300) | (rounds << 8);
  return rounds === ROUNDS;
};

/** It has been gone over: entries from here on are of fills. */
export const endRound = (views: Views, spt: number): void => {
  const { i32 } = views;
  const h = sptHeaderAt(spt) >>> 2;
  const word = i32[h + (Spt.lastUse >> 2)];
  i32[h + (Spt.lastUse >> 2)] = (word & 0xffff) | (presentIn(views, spt) << 16);
};

/** It was cleared for that, and nothing has been made from it since. */
export const isLetGo = (views: Views, spt: number): boolean => {
  const { i32 } = views;
  const h = sptHeaderAt(spt) >>> 2;
  return ((i32[h + (Spt.lastUse >> 2)] >>> 8) & 3) === ROUNDS && isEmpty(views, spt);
};

/** A fill has passed the table. */
export const noteUse = ({ i32 }: Views, spt: number): void => {
  const at = (sptHeaderAt(spt) + Spt.lastUse) >>> 2;
  if ((i32[at] & USED) === 0) i32[at] |= USED;
};

/** The clock hand passes the table: whether a fill has, since it did. */
export const takeUse = ({ i32 }: Views, spt: number): boolean => {
  const at = (sptHeaderAt(spt) + Spt.lastUse) >>> 2;
  if ((i32[at] & USED) === 0) return false;
  i32[at] &= ~USED;
  return true;
};
