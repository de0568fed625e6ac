// The LP's hardware TLB as whoever fills and flushes single pages of it sees it (machine/tlb, machine/device-tlb, machine/jump-cache: the same steps).
import {
  ADDEND,
  BANK,
  BANK_LOGGED,
  BANK_LOGS,
  CODE,
  CODE_PAGE_HASHES,
  CODE_PAGES,
  DEVICE_ENTRIES,
  DEVICE_ENTRY_SIZE,
  DEVICE_WRITTEN,
  DEVICES,
  DEVICES_USED,
  ENTRY_FLAGS,
  ENTRY_GFN,
  FLAG_GLOBAL,
  FLAG_WATCHED,
  KICK,
  PAGE_FLAGS,
  READ_TAG,
  RECENT_ENTRY_SIZE,
  RECENT_FROM,
  TLB_BANK_SIZE,
  TLB_ENTRIES,
  TLB_LOG_MAX,
  TLB_MODE_SIZE,
  TLB_WRITE,
  TLBS,
  WRITE_TAG,
} from './layout';
import { context } from './processor';
import { or, read } from './words';

const EMPTY: i64 = -1;
/** No page begins here: it is not canonical. */
const NO_DEVICE: f64 = -9223372036854775808.0;

/** Half of the bank in use: of the supervisor, or of the user. */
export function halfOf(mode: i32): i32 {
  return context + TLBS + load<i32>(context + BANK) * TLB_BANK_SIZE + mode * TLB_MODE_SIZE;
}
function indexOf(gva: i64): i32 {
  return (<i32>gva >>> 12) & (TLB_ENTRIES - 1);
}
/** The entry that the page has or would have in one half of the bank in use. */
export function entryOf(mode: i32, gva: i64): i32 {
  return halfOf(mode) + (indexOf(gva) << 5);
}
/** Whether the entry is the page's. */
export function holds(entry: i32, gva: i64): bool {
  return load<i64>(entry + READ_TAG) == (gva & -4096);
}
/** Whether the entry lacks the right to write only for a watch. */
export function isWatched(entry: i32): bool {
  return (load<i32>(entry + ENTRY_FLAGS) & FLAG_WATCHED) != 0;
}

function mayWrite(gfn: i32): bool {
  if (load<i32>(context + KICK) != 0) return false;
  const flags = PAGE_FLAGS + gfn * 4;
  const seen = read(flags);
  if ((seen & CODE) != 0) return false;
  return (seen & TLB_WRITE) != 0 || (or(flags, TLB_WRITE) & CODE) == 0;
}

/** As HardwareTlb.insert. */
export function insert(entry: i32, mode: i32, gva: i64, spa: i32, writable: bool, gfn: i32, global: bool): void {
  const bank = load<i32>(context + BANK);
  const logged = context + BANK_LOGGED + bank * 4;
  const count = load<i32>(logged);
  if (count < TLB_LOG_MAX) store<u16>(context + BANK_LOGS + (bank * TLB_LOG_MAX + count) * 2, (mode << 10) | indexOf(gva));
  store<i32>(logged, count + 1);
  const page = gva & -4096;
  store<i64>(entry + READ_TAG, page);
  const written = writable && mayWrite(gfn);
  store<i64>(entry + WRITE_TAG, written ? page : EMPTY);
  store<i32>(entry + ADDEND, (spa & -4096) - <i32>page);
  store<i32>(entry + ENTRY_GFN, gfn);
  store<i32>(entry + ENTRY_FLAGS, (global ? FLAG_GLOBAL : 0) | (writable && !written ? FLAG_WATCHED : 0));
}

function hashOf(gva: i64): i32 {
  const page = gva >> 12;
  return <i32>(page ^ (page / CODE_PAGE_HASHES)) & (CODE_PAGE_HASHES - 1);
}
/** Whether nothing that is found by address depends on the page's mapping: then the data side is all that there is to flush. */
export function isDataOnly(gva: i64): bool {
  return load<u8>(context + CODE_PAGES + load<i32>(context + BANK) * CODE_PAGE_HASHES + hashOf(gva)) == 0;
}

function forgetDevices(): void {
  if (load<i32>(context + DEVICES_USED) == 0) return;
  for (let n = 0; n < 2 * DEVICE_ENTRIES; n++) store<f64>(context + DEVICES + n * DEVICE_ENTRY_SIZE, NO_DEVICE);
  store<i32>(context + DEVICES_USED, 0);
}
/** Whether the part for devices would serve the access. */
export function isDevice(mode: i32, gva: i64, write: bool): bool {
  if (load<i32>(context + DEVICES_USED) == 0) return false;
  const lo = <i32>gva;
  const index = (((lo >>> 12) ^ (lo >>> 20)) & (DEVICE_ENTRIES - 1)) | (mode * DEVICE_ENTRIES);
  const entry = context + DEVICES + index * DEVICE_ENTRY_SIZE;
  return load<f64>(entry) == <f64>(gva & -4096) && (!write || load<i32>(entry + DEVICE_WRITTEN) != 0);
}

/** As HardwareTlb.flushPage, for a page that is data only. */
export function flushPage(gva: i64): void {
  const page = gva & -4096;
  for (let mode = 0; mode < 2; mode++) {
    const entry = entryOf(mode, gva);
    if (load<i64>(entry + READ_TAG) == page) {
      store<i64>(entry + READ_TAG, EMPTY);
      store<i64>(entry + WRITE_TAG, EMPTY);
    }
    const half = halfOf(mode);
    // Whatever the high half of the address is.
    for (let at = half + RECENT_FROM; at < half + TLB_MODE_SIZE; at += RECENT_ENTRY_SIZE)
      if (load<i32>(at) == <i32>page) store<i64>(at, EMPTY);
  }
  forgetDevices();
}
