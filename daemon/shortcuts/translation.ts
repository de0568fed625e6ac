// A data access that the inline lookup of the TLB has missed: the walk of the shadow page tables, or the #PF intercept and a fill (fill.ts), and the entry in the TLB.
// Counted and charged as hypervisor/shadow-mmu does it. The walk is the LP's hardware walker (machine/walker) for reads and writes; where a right hangs on EFLAGS.AC
// or an access would be a fault, it says nothing.

import { fill } from './fill';
import {
  ADDEND,
  CHARGED,
  EXIT_FILL,
  HARDWARE_TLB_MISSES,
  KICK,
  PAGE_FAULT_INTERCEPTS,
  PTE_A,
  PTE_D,
  PTE_G,
  PTE_P,
  PTE_U,
  PTE_W,
  RAM,
  SCRATCH,
  SHORT_FILLS,
  TLB,
  USER,
  VECTOR_SCRATCH,
  WALK_CYCLES,
  WALK_RIGHTS,
  WALK_ROOT,
  WALK_SMAP,
  WALKS,
  WRITE,
  WRITE_TAG,
} from './layout';
import { charge, context, count, cplOf, discharge, mayIntercept, spend, vp } from './processor';
import { entryOf, halfOf, holds, insert, isDevice, isWatched } from './tlb';
import { slotAt, tally } from './vtlb';
import { compareExchange, read } from './words';

/** What a walk says that finds no right, and one whose right hangs on more than the entry. */
const NONE: i32 = 0;
const UNKNOWN: i32 = 1;

/** Low half of the leaf that grants the access, or one of these. */
function walk(gva: i64, access: i32): i32 {
  let page = load<i32>(context + WALK_ROOT);
  if (page == 0) return NONE;
  for (let level = 4; level > 1; level--) {
    const entry = read(slotAt(page, level, gva));
    if ((entry & PTE_P) == 0) return NONE;
    page = entry & -4096;
  }
  const at = slotAt(page, 1, gva);
  const leaf = read(at);
  if ((leaf & PTE_P) == 0) return NONE;
  if ((access & USER) != 0) {
    if ((leaf & PTE_U) == 0) return NONE;
  } else if ((leaf & PTE_U) != 0 && (load<i32>(context + WALK_RIGHTS) & WALK_SMAP) != 0) return UNKNOWN;
  const write = (access & WRITE) != 0;
  if (write && (leaf & PTE_W) == 0) return NONE;
  const wanted = leaf | PTE_A | (write ? PTE_D : 0);
  return wanted == leaf || compareExchange(at, leaf, wanted) == leaf ? wanted : UNKNOWN;
}

/** Enters the page into the TLB for the access; its entry, or 0: nothing has happened that the guest or an account could tell. */
export function translate(gva: i64, access: i32): i32 {
  if (load<i32>(context + SHORT_FILLS) == 0) return 0;
  const write = (access & WRITE) != 0;
  const mode = (access & USER) != 0 ? 1 : 0;
  const entry = entryOf(mode, gva);
  // A right that is there for whoever looks more closely.
  if (holds(entry, gva) && (!write || isWatched(entry))) return 0;
  if ((write && load<i32>(context + KICK) != 0) || isDevice(mode, gva, write)) return 0;
  let leaf = walk(gva, access);
  if (leaf == UNKNOWN) return 0;
  if (leaf != NONE) spend(load<i32>(context + WALK_CYCLES));
  else if (!mayIntercept()) return 0;
  else {
    const charged = load<i32>(context + CHARGED);
    charge(EXIT_FILL);
    leaf = fill(gva, access);
    if (leaf == 0) {
      discharge(EXIT_FILL, charged);
      return 0;
    }
    count(PAGE_FAULT_INTERCEPTS);
  }
  count(HARDWARE_TLB_MISSES);
  tally(WALKS);
  insert(entry, mode, gva, leaf, (leaf & (PTE_W | PTE_D)) == (PTE_W | PTE_D), ((leaf & -4096) - RAM) >>> 12, (leaf & PTE_G) != 0);
  return entry;
}

/** Host address of the bytes of an explicit access of the program, which lie in one page and which no watch is for; 0: nothing has been accessed. */
function reach(gva: f64, width: i32, write: bool, check: bool): i32 {
  const linear = <i64>gva;
  const user = cplOf() == 3;
  if ((<i32>linear & 4095) + (1 << width) > 4096 || (linear << 16) >> 16 != linear) return 0;
  // Another half than the bank's: every access is to be looked at.
  if (load<i32>(context + TLB) != halfOf(user ? 1 : 0)) return 0;
  const entry = translate(linear, (write ? WRITE : 0) | (user ? USER : 0));
  if (entry == 0 || (check && load<i64>(entry + WRITE_TAG) != (linear & -4096))) return 0;
  return <i32>linear + load<i32>(entry + ADDEND);
}

/** As `loadSlow`, when nothing stands in the way; false: nothing was loaded. */
export function loadFilled(gva: f64, info: i32): bool {
  const width = info & 7;
  const at = reach(gva, width, width != 4 && (info & 16) != 0, false);
  if (at == 0) return false;
  switch (width) {
    case 0:
      store<i64>(vp + SCRATCH, load<u8>(at));
      break;
    case 1:
      store<i64>(vp + SCRATCH, load<u16>(at));
      break;
    case 2:
      store<i64>(vp + SCRATCH, load<u32>(at));
      break;
    case 3:
      store<i64>(vp + SCRATCH, load<i64>(at));
      break;
    default:
      v128.store(vp + VECTOR_SCRATCH, v128.load(at));
  }
  return true;
}

/** As `storeSlow`, into a page that holds no watched code; false: nothing was stored. */
export function storeFilled(gva: f64, width: i32): bool {
  const at = reach(gva, width, true, true);
  if (at == 0) return false;
  switch (width) {
    case 0:
      store<u8>(at, load<u8>(vp + SCRATCH));
      break;
    case 1:
      store<u16>(at, load<u16>(vp + SCRATCH));
      break;
    case 2:
      store<u32>(at, load<u32>(vp + SCRATCH));
      break;
    case 3:
      store<i64>(at, load<i64>(vp + SCRATCH));
      break;
    default:
      v128.store(at, v128.load(vp + VECTOR_SCRATCH));
  }
  return true;
}
