// MOV CR3 to an address space that this VP has loaded before, where nothing has to be gone over: its entries are what the guest's tables say, and the hardware TLB's bank is
// in step with it. A switch is then a change of roots and of banks. All else is left to the slow half, whose steps these are, in their order.
// Why only while the partition has no other LP: waiting for others' fills takes virtual time, which is reckoned there (hypervisor/vtlb/virtual-costs).
// References: hypervisor/vtlb/vtlb (the life of a switch), address-spaces, machine/tlb, machine/jump-cache; SDM 3A 4.10.4.1.

import { is64BitCode } from './interrupts';
import {
  BANK,
  BANK_CLOCK,
  BANK_MODE_IDS,
  BANK_SPACES,
  BANK_USES,
  BANK_VERSIONS,
  COUNTER_SWITCHES,
  COUNTER_TAG_HITS,
  COUNTERS,
  COUNTERS_SIZE,
  CR_ACCESS_INTERCEPTS,
  CR3_HI,
  CR3_LO,
  CR4,
  CR4_PCIDE,
  DEVICE_ENTRIES,
  DEVICE_ENTRY_SIZE,
  DEVICES,
  DEVICES_USED,
  EXIT_CR_ACCESS,
  GENERATION,
  JUMP_TAG,
  LOCK_GLOBAL,
  LOCK_MODE,
  LP,
  LP_RECORD_SIZE,
  LP_RECORD_SPACE,
  LP_RECORD_VERSION,
  LP_RECORDS,
  LPS_HIGH,
  LPS_LOW,
  RIP,
  SAS,
  SAS_CR3_HI,
  SAS_CR3_LO,
  SAS_GENERATION,
  SAS_LAST_USE,
  SAS_MAX,
  SAS_NAMES,
  SAS_NODES,
  SAS_PCID,
  SAS_ROOT,
  SAS_SERIAL,
  SAS_SIZE,
  SAS_STALE,
  SAS_TABLE,
  SAS_USERS,
  SAS_VERSION,
  SPACE_SWITCHES,
  SPT_PAGES,
  SWITCH_AGE,
  SWITCH_BANK,
  SWITCH_ENTRIES,
  SWITCH_ENTRY_EPOCH,
  SWITCH_EPOCH,
  SWITCH_HIGH,
  SWITCH_LOW,
  SWITCH_NAME,
  SWITCH_SAS,
  SWITCH_SIZE,
  SWITCHES,
  TICK,
  TLB,
  TLB_BANK_SIZE,
  TLBS,
  TRACK_MODE,
  TRACK_OFF,
  UNSETTLED,
  VP_INDEX,
  VP_RECORD_CR3_HI,
  VP_RECORD_CR3_LO,
  VP_RECORD_SIZE,
  VP_RECORD_SPACE,
  VP_RECORDS,
  WALK_ROOT,
} from './layout';
import { charge, context, count, cplOf, vp } from './processor';

/** First byte of an empty entry's page: no page begins here, for it is not canonical. */
const NO_DEVICE: f64 = -9223372036854775808.0;

function isAlone(): bool {
  const lp = load<i32>(context + LP);
  const own: i64 = 1;
  const all = <i64>load<u32>(LPS_LOW) | ((<i64>load<u32>(LPS_HIGH)) << 32);
  return (all & ~(own << lp)) == 0;
}
function isCurrent(at: i32, sas: i32, name: i32): bool {
  return (
    ((load<i32>(at + SAS_SERIAL) * SAS_MAX + sas) & SAS_NAMES) == name && load<i32>(at + SAS_GENERATION) == atomic.load<i32>(GENERATION)
  );
}
/** Loaded by this LP too, unless it is being evicted or is another by now. */
function acquire(at: i32, sas: i32, name: i32): bool {
  const users = atomic.load<i32>(at + SAS_USERS);
  if (users < 0 || atomic.cmpxchg<i32>(at + SAS_USERS, users, users + 1) != users) return false;
  if (isCurrent(at, sas, name)) return true;
  atomic.sub<i32>(at + SAS_USERS, 1);
  return false;
}
/** Once it is loaded: it is surely among those whose translations are kept. */
function isRecent(at: i32): bool {
  return atomic.load<i32>(at + SAS_USERS) > 1 || atomic.load<i32>(TICK) - load<i32>(at + SAS_LAST_USE) <= load<i32>(context + SWITCH_AGE);
}
/** Nothing that it was made from may have been written, and it has no part that it shares. */
function isClean(at: i32): bool {
  return atomic.load<i32>(at + SAS_STALE) == 0 && (load<i64>(at + SAS_NODES) | load<i64>(at + SAS_NODES + 8)) == 0;
}
function lpRecord(): i32 {
  return LP_RECORDS + load<i32>(context + LP) * LP_RECORD_SIZE;
}
/** Bank of the TLB that is in step with it, if code is found there, or -1. */
function bankOf(entry: i32, at: i32, name: i32): i32 {
  const bank = load<i32>(entry + SWITCH_BANK);
  const word = context + bank * 4;
  if (load<i32>(word + BANK_SPACES) != name || load<i32>(word + BANK_VERSIONS) != atomic.load<i32>(at + SAS_VERSION)) return -1;
  return load<i32>(word + BANK_MODE_IDS) != 0 ? bank : -1;
}
function tally(counter: i32): void {
  const at = COUNTERS + load<i32>(context + LP) * COUNTERS_SIZE + counter * 4;
  store<i32>(at, load<i32>(at) + 1);
}

/** False: nothing has happened. */
export function moveToCr3(descriptor: i32): bool {
  if (((descriptor >>> 16) & 15) != 3 || cplOf() != 0) return false;
  const wide = is64BitCode();
  const value = load<i64>(vp + ((descriptor >>> 20) & 15) * 8);
  if (!switchSpace(<i32>value, wide ? <i32>(value >> 32) : 0)) return false;
  const next = load<i64>(vp + RIP) + <i64>((descriptor >>> 8) & 15);
  store<i64>(vp + RIP, wide ? next : next & 0xffff_ffff);
  return true;
}

function switchSpace(low: i32, written: i32): bool {
  const high = (load<i32>(vp + CR4) & CR4_PCIDE) != 0 ? written & 0x7fff_ffff : written;
  const entry = context + SWITCHES + (((low >>> 12) ^ (low >>> 16) ^ low) & (SWITCH_ENTRIES - 1)) * SWITCH_SIZE;
  if (load<i32>(entry + SWITCH_LOW) != low || load<i32>(entry + SWITCH_HIGH) != high) return false;
  if (load<i32>(entry + SWITCH_ENTRY_EPOCH) != load<i32>(context + SWITCH_EPOCH)) return false;
  if (!isAlone() || atomic.load<i32>(TRACK_MODE) == TRACK_OFF || atomic.load<i32>(LOCK_MODE) == LOCK_GLOBAL) return false;
  const sas = load<i32>(entry + SWITCH_SAS);
  const name = load<i32>(entry + SWITCH_NAME);
  const before = load<i32>(context + SAS);
  const at = SAS_TABLE + sas * SAS_SIZE;
  // What this LP's TLB is in step with, for shootdowns of others (hypervisor/vtlb/flush-epochs): nothing, until it says so again.
  if (before != sas) atomic.store<i32>(lpRecord() + LP_RECORD_SPACE, UNSETTLED);
  if (before == sas ? !isCurrent(at, sas, name) : !acquire(at, sas, name)) return false;
  const bank = isClean(at) && (before == sas || isRecent(at)) ? bankOf(entry, at, name) : -1;
  if (bank < 0) {
    if (before != sas) atomic.sub<i32>(at + SAS_USERS, 1);
    return false;
  }
  if (before != sas) {
    tally(COUNTER_TAG_HITS);
    const last = SAS_TABLE + before * SAS_SIZE;
    atomic.store<i32>(last + SAS_LAST_USE, atomic.add<i32>(TICK, 1) + 1);
    atomic.sub<i32>(last + SAS_USERS, 1);
    store<i32>(context + SAS, sas);
    store<i32>(context + WALK_ROOT, SPT_PAGES + (load<i32>(at + SAS_ROOT) << 12));
  }
  tally(COUNTER_SWITCHES);
  count(CR_ACCESS_INTERCEPTS);
  count(SPACE_SWITCHES);
  charge(EXIT_CR_ACCESS);
  store<i32>(vp + CR3_LO, low);
  store<i32>(vp + CR3_HI, high);
  const record = VP_RECORDS + load<i32>(vp + VP_INDEX) * VP_RECORD_SIZE;
  store<i32>(record + VP_RECORD_SPACE, name);
  store<i32>(record + VP_RECORD_CR3_LO, load<i32>(at + SAS_CR3_LO) | load<i32>(at + SAS_PCID));
  store<i32>(record + VP_RECORD_CR3_HI, load<i32>(at + SAS_CR3_HI));
  useBank(bank);
  atomic.store<i32>(lpRecord() + LP_RECORD_VERSION, load<i32>(context + bank * 4 + BANK_VERSIONS));
  atomic.store<i32>(lpRecord() + LP_RECORD_SPACE, sas + 1);
  return true;
}

/** The supervisor's half of the bank. */
export function useBank(bank: i32): void {
  if (load<i32>(context + BANK) != bank) {
    const clock = load<i32>(context + BANK_CLOCK) + 1;
    store<i32>(context + BANK_CLOCK, clock);
    store<i32>(context + bank * 4 + BANK_USES, clock);
    store<i32>(context + BANK, bank);
  }
  store<i32>(context + TLB, context + TLBS + bank * TLB_BANK_SIZE);
  store<i32>(context + JUMP_TAG + 4, load<i32>(context + bank * 4 + BANK_MODE_IDS) << 16);
  if (load<i32>(context + DEVICES_USED) == 0) return;
  for (let n = 0; n < 2 * DEVICE_ENTRIES; n++) store<f64>(context + DEVICES + n * DEVICE_ENTRY_SIZE, NO_DEVICE);
  store<i32>(context + DEVICES_USED, 0);
}
