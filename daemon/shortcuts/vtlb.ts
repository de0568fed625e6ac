// The vTLB's words as an LP that fills or invalidates here needs them (layout/vtlb has the drawing): where things are, the generation counters, what is counted.
// References: hypervisor/vtlb, whose fill-lock, shadow-tree and tracking state the protocol.

import { awaitFills, noteInside } from './busy';
import {
  COUNTERS,
  COUNTERS_SIZE,
  FAULT_NO_SECOND_LOOK,
  GENERATIONS,
  LOCK_GENERATION,
  LOCK_MODE,
  LP,
  LPS_HIGH,
  LPS_LOW,
  SAS,
  SAS_SIZE,
  SAS_TABLE,
  SHORT_FILLS,
  SPT_HEADERS,
  SPT_PAGES,
} from './layout';
import { context } from './processor';
import { add, lacks, read, word } from './words';

/** The SAS that is loaded; 0: none, or whatever fills has to know more than this. */
export function loadedSpace(): i32 {
  if (load<i32>(context + SHORT_FILLS) == 0) return 0;
  const sas = load<i32>(context + SAS);
  return sas < 0 ? 0 : SAS_TABLE + sas * SAS_SIZE;
}
/** Header of the SPT whose page this is. */
export function headerOf(page: i32): i32 {
  return SPT_HEADERS + (((page - SPT_PAGES) >>> 12) << 6);
}
/** Address of the entry for the page in an SPT of a level. */
export function slotAt(page: i32, level: i32, gva: i64): i32 {
  return page + (<i32>(gva >> (9 * level)) & 0xff8);
}

/** Of the last `nobodyFills`: cycles of virtual time that it took. */
export let waited: i32 = 0;

/** Adds to a counter of this LP's column. */
export function tally(counter: i32, n: i32 = 1): void {
  const at = COUNTERS + load<i32>(context + LP) * COUNTERS_SIZE + counter * 4;
  store<i32>(at, load<i32>(at) + n);
}

function ownCounter(): i32 {
  return GENERATIONS + load<i32>(context + LP) * 64;
}
/** A fill or a clearing begins, if the generation counters are what orders them. */
export function begin(): bool {
  if (read(LOCK_MODE) != LOCK_GENERATION) return false;
  add(ownCounter(), 1);
  if (lacks(FAULT_NO_SECOND_LOOK) || word(LOCK_MODE) == LOCK_GENERATION) {
    noteInside();
    return true;
  }
  end();
  return false;
}
export function end(): void {
  add(ownCounter(), 1);
}

/** Bits of the partition's other LPs, of the lower or the upper 32. */
function others(at: i32, from: i32): i32 {
  const own = load<i32>(context + LP) - from;
  return read(at) & ~(own >= 0 && own < 32 ? 1 << own : 0);
}
export function hasOthers(): bool {
  return (others(LPS_LOW, 0) | others(LPS_HIGH, 32)) != 0;
}
function insideAny(lps: i32, from: i32): bool {
  for (; lps != 0; lps &= lps - 1) if ((word(GENERATIONS + (from + ctz(lps)) * 64) & 1) != 0) return true;
  return false;
}
/**
 * The guest's own stores so far are visible to all, and no other LP is inside a fill that it may have begun before. False: one is, and whoever can wait must.
 */
export function nobodyFills(): bool {
  add(ownCounter(), 0);
  const low = others(LPS_LOW, 0);
  const high = others(LPS_HIGH, 32);
  if (insideAny(low, 0) || insideAny(high, 32)) return false;
  waited = awaitFills(low, high);
  return true;
}
