// A guest's page tables and the SPTs that shadow them, gone down together: for a data access whose every table is shadowed already, and right.
// Whatever else there is (a fault, an entry not accessed yet, an SPT to link, SMAP, CR0.WP=0 writes) ends the walk with nothing changed: hypervisor/vtlb/guest-walk and
// shadow-tree do it all again. References: SDM 3A 4.3-4.8.
import {
  A20_CLOSED,
  ACCESSED_SET,
  DIRTY_SET,
  FRAME_HIGH,
  MODE_LEGACY,
  MODE_NONE,
  MODE_PAE,
  OVERLAID,
  PAGE_FLAGS,
  PDPTE,
  PTE_A,
  PTE_D,
  PTE_G,
  PTE_P,
  PTE_PS,
  PTE_U,
  PTE_W,
  RAM,
  RAM_SIZE,
  RESERVED_1G,
  RESERVED_2M,
  RESERVED_4M,
  RESERVED_HIGH_LONG,
  RESERVED_HIGH_PAE,
  ROLE_ACCESS,
  ROLE_DIRECT,
  ROLE_MODE,
  ROLE_MODE_SHIFT,
  ROLE_NXE,
  ROLE_PGE,
  ROLE_PSE,
  ROLE_QUADRANT_SHIFT,
  ROLE_SMAP,
  ROLE_U,
  ROLE_W,
  ROLE_X,
  SAS_CR3_HI,
  SAS_CR3_LO,
  SAS_ROLE,
  SAS_ROOT,
  SPT_GPT_GFN,
  SPT_LAST_USE,
  SPT_PAGES,
  SPT_ROLE,
  USER,
  WRITE,
} from './layout';
import { headerOf, slotAt, tally } from './vtlb';
import { compareExchange, read, word } from './words';

/** Of the walk that ended well: page of the leaf SPT, and of the deepest one that shadows a table; frame, rights (ROLE_W, U, X), dirty, global. */
export let leafPage: i32 = 0;
export let sourcePage: i32 = 0;
export let gfn: i32 = 0;
export let rights: i32 = 0;
export let dirty: bool = false;
export let global: bool = false;

/** Page of the SPT below, if there is one and it shadows this; 0 if not. `level`: of the SPT below. */
function descend(page: i32, level: i32, gva: i64, frame: i32, role: i32): i32 {
  const entry = read(slotAt(page, level + 1, gva));
  if ((entry & PTE_P) == 0) return 0;
  const below = entry & -4096;
  const header = headerOf(below);
  if (load<i32>(header + SPT_GPT_GFN) != frame || load<i32>(header + SPT_ROLE) != role) return 0;
  // As vtlb/write-floods: the clock hand's bit.
  const use = load<i32>(header + SPT_LAST_USE);
  if ((use & 1) == 0) store<i32>(header + SPT_LAST_USE, use | 1);
  return below;
}
/** Down the SPTs of consecutive frames, from one above level `top`. */
function descendDirect(page: i32, top: i32, gva: i64, role: i32): bool {
  for (let level = top; level > 0; level--) {
    page = descend(page, level, gva, gfn & ~((1 << (9 * level)) - 1), role | ROLE_DIRECT | rights | level);
    if (page == 0) return false;
  }
  leafPage = page;
  return true;
}

/** Host address of the guest's frame, 0 when it is not RAM, or when an overlay is there instead. */
function hostOf(frame: i32): i32 {
  if (<u32>frame >= <u32>load<i32>(RAM_SIZE) >>> 12 || (read(PAGE_FLAGS + frame * 4) & OVERLAID) != 0) return 0;
  return RAM + (frame << 12);
}

/** The leaf entry at `at` was found: rights, A and D, then the SPTs below a large page. `level`: of the entry. */
function reach(page: i32, at: i32, entry: i32, level: i32, gva: i64, role: i32, access: i32): bool {
  if (hostOf(gfn) == 0) return false;
  const write = (access & WRITE) != 0;
  if (write && (rights & ROLE_W) == 0) return false;
  if ((access & USER) != 0) {
    if ((rights & ROLE_U) == 0) return false;
  } else if ((rights & ROLE_U) != 0 && (role & ROLE_SMAP) != 0) return false;
  const wanted = entry | PTE_A | (write ? PTE_D : 0);
  if (wanted != entry) {
    if (compareExchange(at, entry, wanted) != entry) return false;
    tally(((wanted ^ entry) & PTE_D) != 0 ? DIRTY_SET : ACCESSED_SET);
  }
  dirty = (wanted & PTE_D) != 0;
  global = (wanted & PTE_G) != 0 && (role & ROLE_PGE) != 0;
  leafPage = page;
  return descendDirect(page, level - 1, gva, role);
}

/** 64-bit entries, from the table of level `top` in `frame` down; `page`: of the SPT of the level above it, or for level 4 of that level. */
function walkWide(page: i32, gva: i64, role: i32, access: i32, top: i32, frame: i32, reserved: i32): bool {
  if ((role & ROLE_NXE) == 0) reserved |= 0x8000_0000;
  for (let level = top; level > 0; level--) {
    if (level < 4) {
      page = descend(page, level, gva, frame, role | rights | level);
      if (page == 0) return false;
    }
    sourcePage = page;
    const table = hostOf(frame);
    if (table == 0) return false;
    const at = slotAt(table, level, gva);
    // Low half first: whoever writes both halves separately sets P last (SDM 3A 4.10.4.2).
    const entry = word(at);
    const high = read(at + 4);
    if ((entry & PTE_P) == 0 || (high & reserved) != 0) return false;
    if ((entry & PTE_W) == 0) rights &= ~ROLE_W;
    if ((entry & PTE_U) == 0) rights &= ~ROLE_U;
    if (high < 0) rights &= ~ROLE_X;
    frame = ((high & FRAME_HIGH) << 20) | (entry >>> 12);
    if (level == 1) {
      gfn = frame;
      return reach(page, at, entry, 1, gva, role, access);
    }
    if ((entry & PTE_PS) != 0) {
      if (level == 4 || (entry & (level == 3 ? RESERVED_1G : RESERVED_2M)) != 0) return false;
      const within = level == 3 ? 0x3_ffff : 0x1ff;
      gfn = (frame & ~within) | (<i32>(gva >> 12) & within);
      return reach(page, at, entry, level, gva, role, access);
    }
    if ((entry & PTE_A) == 0) return false;
  }
  return false;
}

/** 32-bit paging: an SPT shadows a quarter of a directory, or half of a table. */
function walkLegacy(page: i32, gva: i64, role: i32, access: i32, frame: i32): bool {
  const low = <i32>gva;
  page = descend(page, 3, gva, frame, role | rights | 3);
  if (page == 0) return false;
  for (let level = 2; level > 0; level--) {
    page = descend(page, level, gva, frame, role | rights | level | ((level == 2 ? low >>> 30 : (low >>> 21) & 1) << ROLE_QUADRANT_SHIFT));
    if (page == 0) return false;
    sourcePage = page;
    const table = hostOf(frame);
    if (table == 0) return false;
    const at = table + ((level == 2 ? low >>> 20 : low >>> 10) & 0xffc);
    const entry = read(at);
    if ((entry & PTE_P) == 0) return false;
    if ((entry & PTE_W) == 0) rights &= ~ROLE_W;
    if ((entry & PTE_U) == 0) rights &= ~ROLE_U;
    frame = entry >>> 12;
    if (level == 1) {
      gfn = frame;
      return reach(page, at, entry, 1, gva, role, access);
    }
    if ((entry & PTE_PS) != 0 && (role & ROLE_PSE) != 0) {
      if ((entry & RESERVED_4M) != 0) return false;
      gfn = (frame & ~0x3ff) | ((low >>> 12) & 0x3ff);
      return reach(page, at, entry, 2, gva, role, access);
    }
    if ((entry & PTE_A) == 0) return false;
  }
  return false;
}

/** Walks for a data access in the SAS; inside a fill. */
export function walkGuest(sas: i32, gva: i64, access: i32): bool {
  if (read(A20_CLOSED) != 0) return false;
  const role = load<i32>(sas + SAS_ROLE);
  const mode = (role & ROLE_MODE) >>> ROLE_MODE_SHIFT;
  const root = SPT_PAGES + (load<i32>(sas + SAS_ROOT) << 12);
  const cr3 = load<i32>(sas + SAS_CR3_LO);
  rights = ROLE_ACCESS;
  if (mode == MODE_NONE) {
    gfn = <i32>(gva >> 12) & 0xf_ffff;
    dirty = true;
    global = false;
    sourcePage = root;
    return hostOf(gfn) != 0 && descendDirect(root, 3, gva, role);
  }
  if (mode == MODE_LEGACY) return walkLegacy(root, gva, role, access, cr3 >>> 12);
  if (mode == MODE_PAE) {
    const which = sas + PDPTE + ((<i32>gva >>> 30) << 3);
    const low = load<i32>(which);
    if ((low & PTE_P) == 0) return false;
    const page = descend(root, 3, gva, cr3 >>> 12, role | rights | 3);
    if (page == 0) return false;
    return walkWide(page, gva, role, access, 2, ((load<i32>(which, 4) & FRAME_HIGH) << 20) | (low >>> 12), RESERVED_HIGH_PAE);
  }
  return walkWide(root, gva, role, access, 4, ((load<i32>(sas + SAS_CR3_HI) & FRAME_HIGH) << 20) | (cr3 >>> 12), RESERVED_HIGH_LONG);
}
