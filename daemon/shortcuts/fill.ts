// A fill of the vTLB whose tables are all there: the guest's tables are walked and the leaf is put into the shadow tree, inside this LP's generation counter.
// The steps and their order are those of hypervisor/vtlb (page-faults.answer, shadow-tree.publish, tracking.grant and filled); what needs a table, a lock, a record or a wait
// is left to them.

import { dirty, gfn, global, leafPage, rights, sourcePage, walkGuest } from './guest-tables';
import {
  CAS_LOST,
  FAULT_ANY_GENERATION,
  FAULT_GRANT_ALL,
  FAULT_NO_MARK,
  FAULT_NOTHING_TO_PURGE,
  FILLED,
  FILLS,
  GENERATION,
  LEVEL_MASK,
  MODE_LONG,
  MODE_NONE,
  POISON,
  PTE_A,
  PTE_D,
  PTE_G,
  PTE_P,
  PTE_U,
  PTE_W,
  RAM,
  RAM_SIZE,
  ROLE_DIRECT,
  ROLE_MODE,
  ROLE_MODE_SHIFT,
  ROLE_U,
  ROLE_W,
  ROLE_WP,
  ROLE_X,
  SAS_GENERATION,
  SAS_MAX,
  SAS_ROLE,
  SAS_SIZE,
  SAS_STALE,
  SAS_TABLE,
  SAS_VERSION,
  SPT_GPT_GFN,
  SPT_ROLE,
  SPT_SAS,
  SPT_STALE,
  SPT_UNPURGED,
  STALE,
  STALE_MARKS,
  STATE_CLOSING,
  STATE_DIRTY,
  STATE_MASK,
  STATE_TRACKED,
  TRACK,
  TRACK_MODE,
  TRACK_OFF,
  TRACK_RMAP,
  TRACK_WRITE,
  WRITE,
} from './layout';
import { begin, end, headerOf, loadedSpace, slotAt, tally } from './vtlb';
import { add, compareExchange, compareExchange64, lacks, read, setWord, word } from './words';

const XD: i32 = 0x8000_0000;

function sasOf(header: i32): i32 {
  return SAS_TABLE + load<i32>(header + SPT_SAS) * SAS_SIZE;
}

/** The SPT first, then its SAS (tracking.markStale). */
function markStale(header: i32): void {
  if (load<u32>(header + SPT_SAS) >= <u32>SAS_MAX || read(header + SPT_STALE) == STALE) return;
  setWord(header + SPT_STALE, STALE);
  setWord(sasOf(header) + SAS_STALE, 1);
  tally(STALE_MARKS);
}
/** An entry was added to what was made from the SPT's guest table: while writes to that may go unseen, it must be gone over. */
function track(header: i32): void {
  const role = load<i32>(header + SPT_ROLE);
  const mode = (role & ROLE_MODE) >>> ROLE_MODE_SHIFT;
  const table = load<i32>(header + SPT_GPT_GFN);
  if ((role & ROLE_DIRECT) != 0 || mode == MODE_NONE || (role & LEVEL_MASK) > (mode == MODE_LONG ? 4 : 2)) return;
  if (<u32>table >= <u32>load<i32>(RAM_SIZE) >>> 12 || lacks(FAULT_NO_MARK)) return;
  if (read(TRACK + table * 4) != STATE_TRACKED) markStale(header);
}

/** Whether the guest's right to write the page may go into the leaf: 1, must not: 0; -1: something else is to be done first. */
function grant(mode: i32, write: bool): i32 {
  if (mode == TRACK_OFF || lacks(FAULT_GRANT_ALL)) return 1;
  const state = read(TRACK + gfn * 4) & STATE_MASK;
  if (state == STATE_TRACKED || state == STATE_CLOSING || (state == STATE_DIRTY && mode == TRACK_WRITE)) return write ? -1 : 0;
  return state == STATE_DIRTY || mode == TRACK_RMAP ? -1 : 1;
}

/** Puts the leaf that the walk has found into the shadow tree; its low half, or 0. */
function publish(gva: i64, access: i32, role: i32): i32 {
  const user = (rights & ROLE_U) != 0;
  // With CR0.WP = 0 the supervisor may write any page; the LP's own WP stays 1, so the SPTE must say so.
  const writable = (rights & ROLE_W) != 0 || (!user && (role & ROLE_WP) == 0);
  const high = (rights & ROLE_X) == 0 ? XD : 0;
  let low = (RAM + (gfn << 12)) | PTE_P | PTE_A | (user ? PTE_U : 0) | (global ? PTE_G : 0);
  const mode = read(TRACK_MODE);
  if (writable && dirty) {
    low |= PTE_W | PTE_D;
    const granted = grant(mode, (access & WRITE) != 0);
    if (granted < 0) return 0;
    if (granted == 0) low &= ~PTE_W;
  }
  const at = slotAt(leafPage, 1, gva);
  const oldLow = read(at);
  const oldHigh = read(at + 4);
  if (oldLow == POISON || ((oldLow | PTE_D) == (low | PTE_D) && oldHigh == high)) return 0;
  // With both halves 0 on the high side, whatever comes between can only make the entry forbid execution that is allowed, and that is found by the next fault.
  const old = ((<i64>oldHigh) << 32) | <i64>(<u32>oldLow);
  const installed =
    (oldHigh | high) != 0
      ? compareExchange64(at, old, ((<i64>high) << 32) | <i64>(<u32>low)) == old
      : compareExchange(at, oldLow, low) == oldLow;
  if (!installed) {
    tally(CAS_LOST);
    return 0;
  }
  const header = headerOf(leafPage);
  // What hardware TLBs hold of the old entry is more than the new one grants: no longer in step.
  const narrows = ((oldLow ^ low) & (-4096 | PTE_U)) != 0 || (oldLow & ~low & PTE_W) != 0 || (oldHigh == 0 && high != 0);
  if ((oldLow & PTE_P) != 0 && narrows) add(sasOf(header) + SAS_VERSION, 1);
  // After the entry and still inside the fill: a purge that has waited for this fill finds both.
  if (mode != TRACK_OFF) track(headerOf(sourcePage));
  // Only the first of them writes: the line stays where all LPs that fill can read it.
  else if (!global && read(header + SPT_UNPURGED) != FILLED && !lacks(FAULT_NOTHING_TO_PURGE)) setWord(header + SPT_UNPURGED, FILLED);
  return low;
}

/** The low half of the leaf that a data access needs and that is in the shadow tree now; 0: hypervisor/vtlb must see to it. */
export function fill(gva: i64, access: i32): i32 {
  const sas = loadedSpace();
  if (sas == 0 || !begin()) return 0;
  let leaf = 0;
  // Inside: the generation is looked at where no flush of the whole vTLB can pass by unseen.
  if ((lacks(FAULT_ANY_GENERATION) || read(sas + SAS_GENERATION) == word(GENERATION)) && walkGuest(sas, gva, access))
    leaf = publish(gva, access, load<i32>(sas + SAS_ROLE));
  end();
  if (leaf != 0) tally(FILLS);
  return leaf;
}
