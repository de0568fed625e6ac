// INVLPG of a page that no large page maps, in a space that shares no tables, while no other LP is inside a fill: as Vtlb.invlpg does it, in the same order.
// The guest's change is visible, THEN no fill that began before it is under way, THEN the entry is cleared inside this LP's counter, THEN the TLB is flushed.
import {
  BANK,
  BANK_VERSIONS,
  CHARGED,
  CPL,
  CUTS,
  EXIT_INVLPG,
  FAULT_CLEAR_BEFORE_WAIT,
  FAULT_NO_CLEAR,
  FAULT_NO_WAIT,
  FILL_WAIT_CYCLES,
  INVALIDATIONS,
  INVLPG_INTERCEPTS,
  KICK,
  LP,
  LP_CUTS,
  MODE_LEGACY,
  PTE_P,
  ROLE_DIRECT,
  ROLE_MODE,
  ROLE_MODE_SHIFT,
  SAS,
  SAS_NODES,
  SAS_ROOT,
  SAS_VERSION,
  SETTLED_SPACE,
  SETTLED_VERSION,
  SPT_PAGES,
  SPT_ROLE,
  SPT_SAS,
  TRACK_MODE,
  TRACK_OFF,
  UNSETTLED,
  VTLB_LP_SIZE,
  VTLB_LPS,
} from './layout';
import { charge, context, count, discharge, spend, vp } from './processor';
import { flushPage, isDataOnly } from './tlb';
import { begin, end, hasOthers, headerOf, loadedSpace, nobodyFills, slotAt, tally, waited } from './vtlb';
import { add, exchange, lacks, read, setWord, word } from './words';

function roleOf(entry: i32): i32 {
  return load<i32>(headerOf(entry & -4096) + SPT_ROLE);
}

/** Entries cleared; -1: a large page is there, nothing was cleared. */
function clear(sas: i32, gva: i64): i32 {
  let page = SPT_PAGES + (load<i32>(sas + SAS_ROOT) << 12);
  for (let level = 4; level > 1; level--) {
    const at = slotAt(page, level, gva);
    // A page of 4 MiB has two SPTs: the other half's goes, whether or not this half has one.
    if (level == 2 && (load<i32>(headerOf(page) + SPT_ROLE) & ROLE_MODE) >>> ROLE_MODE_SHIFT == MODE_LEGACY) {
      const twin = read(at ^ 8);
      if ((twin & PTE_P) != 0 && (roleOf(twin) & ROLE_DIRECT) != 0) return -1;
    }
    const entry = read(at);
    if ((entry & PTE_P) == 0) return 0;
    if ((roleOf(entry) & ROLE_DIRECT) != 0) return -1;
    page = entry & -4096;
  }
  const header = headerOf(page);
  if (load<i32>(header + SPT_SAS) != load<i32>(context + SAS)) return -1;
  const leaf = slotAt(page, 1, gva);
  if (lacks(FAULT_NO_CLEAR) || (read(leaf) & PTE_P) == 0 || (exchange(leaf, 0) & PTE_P) == 0) return 0;
  return 1;
}

/** Hardware TLBs that are filled from the SAS are out of step with it, but for the bank of this LP that makes the step itself (vtlb/tlb-banks, vtlb/flush-epochs). */
function step(sas: i32): void {
  const version = word(sas + SAS_VERSION);
  add(sas + SAS_VERSION, 1);
  const own = context + BANK_VERSIONS + load<i32>(context + BANK) * 4;
  if (load<i32>(own) != version) return;
  store<i32>(own, version + 1);
  const told = VTLB_LPS + load<i32>(context + LP) * VTLB_LP_SIZE;
  const name = load<i32>(context + SAS) + 1;
  if (read(told + SETTLED_SPACE) != name) setWord(told + SETTLED_SPACE, UNSETTLED);
  setWord(told + SETTLED_VERSION, version + 1);
  setWord(told + SETTLED_SPACE, name);
}

function tryInvalidate(gva: i64): bool {
  const sas = loadedSpace();
  if (sas == 0 || (gva << 16) >> 16 != gva || read(TRACK_MODE) == TRACK_OFF || !isDataOnly(gva)) return false;
  // Nodes that others share (vtlb.share).
  if ((load<i64>(sas + SAS_NODES) | load<i64>(sas + SAS_NODES + 8)) != 0) return false;
  if (!lacks(FAULT_NO_WAIT) && !lacks(FAULT_CLEAR_BEFORE_WAIT) && !nobodyFills()) return false;
  if (!begin()) return false;
  const cleared = clear(sas, gva);
  if (cleared > 0 && hasOthers()) step(sas);
  // After the clearing: of a large page that was there before, more than the page has to go.
  const cut = read(CUTS) != load<i32>(context + LP_CUTS);
  end();
  if (lacks(FAULT_CLEAR_BEFORE_WAIT)) nobodyFills();
  if (cleared < 0 || cut) return false;
  tally(INVALIDATIONS);
  if (waited != 0) tally(FILL_WAIT_CYCLES, waited);
  flushPage(gva);
  return true;
}

/** False: the page may be cleared, but the TLB is as it was, and all is to be done again. */
export function invalidate(gva: i64): bool {
  const charged = load<i32>(context + CHARGED);
  if (tryInvalidate(gva)) return true;
  spend(charged - load<i32>(context + CHARGED));
  return false;
}

/** The instruction's intercept, at level 0. */
export function invalidatePage(gva: i64): bool {
  // What another LP wants to be looked at is looked at after this instruction, which serializes.
  if (load<i32>(vp + CPL) != 0 || load<i32>(context + KICK) != 0) return false;
  const charged = load<i32>(context + CHARGED);
  charge(EXIT_INVLPG);
  if (!tryInvalidate(gva)) {
    discharge(EXIT_INVLPG, charged);
    return false;
  }
  count(INVLPG_INTERCEPTS);
  return true;
}
