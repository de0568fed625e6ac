// Reads of the local APIC's register page, and writes of its two registers that every interrupt needs (TPR, EOI), where the device TLB has the page.
// Each is an access that misses the TLB, a page-fault intercept and an APIC intercept like any other, at their charges: only the way is shorter.
// References: SDM 3A 11.4.1 (registers), 11.8.5 (EOI); hypervisor/device-memory, apic/virtual-apic and apic-registers, which this must agree with.
import {
  APIC_ACCESSES,
  APIC_BASE,
  APIC_DFR,
  APIC_EN,
  APIC_EOI_WRITES,
  APIC_FIRST,
  APIC_ICR_HI,
  APIC_ICR_LO,
  APIC_ID,
  APIC_LDR,
  APIC_SVR,
  APIC_TPR,
  APIC_TPR_WRITES,
  APIC_VERSION,
  APIC_X2,
  DEVICE_ENTRIES,
  DEVICE_ENTRY_SIZE,
  DEVICE_PHYSICAL,
  DEVICE_WRITTEN,
  DEVICES,
  END_WATCHED,
  ENDED_EXPLICIT,
  EOI_MARKER_SET,
  EXIT_APIC_PAGE,
  HARDWARE_TLB_MISSES,
  INTERRUPT_LOG,
  INTERRUPT_LOG_AT,
  INTERRUPT_LOG_HEAD,
  INTERRUPT_RECORD_SIZE,
  IRR,
  ISR,
  LVT_CMCI,
  LVT_ERROR,
  LVT_LINT0,
  LVT_LINT1,
  LVT_PERF,
  LVT_THERMAL,
  LVT_TIMER,
  PAGE_FAULT_INTERCEPTS,
  RECORD_ENDED,
  REGISTER_DFR,
  REGISTER_EOI,
  REGISTER_ICR_HIGH,
  REGISTER_ICR_LOW,
  REGISTER_ID,
  REGISTER_LDR,
  REGISTER_LVT_CMCI,
  REGISTER_LVT_ERROR,
  REGISTER_LVT_LINT0,
  REGISTER_LVT_LINT1,
  REGISTER_LVT_PERF,
  REGISTER_LVT_THERMAL,
  REGISTER_LVT_TIMER,
  REGISTER_SVR,
  REGISTER_TPR,
  REGISTER_VERSION,
  SCRATCH,
  TMR,
} from './layout';
import { charge, context, count, cplOf, now, vp } from './processor';

/** Offset in the VP's own register page, or -1. */
function offsetOf(gva: f64, write: bool): i32 {
  const lo = <i32>(<i64>gva);
  const offset = lo & 4095;
  const index = (((lo >>> 12) ^ (lo >>> 20)) & (DEVICE_ENTRIES - 1)) | (cplOf() == 3 ? DEVICE_ENTRIES : 0);
  const entry = context + DEVICES + index * DEVICE_ENTRY_SIZE;
  if (load<f64>(entry) != gva - <f64>offset || (write && load<i32>(entry + DEVICE_WRITTEN) == 0)) return -1;
  const base = load<i64>(vp + APIC_BASE);
  if ((<i32>base & (APIC_EN | APIC_X2)) != APIC_EN) return -1;
  const page = base & ~0xfff;
  // Below it accesses are accounted as those of any device.
  return page >= <i64>(<u32>APIC_FIRST) && load<f64>(entry + DEVICE_PHYSICAL) == <f64>page ? offset : -1;
}
function account(): void {
  count(HARDWARE_TLB_MISSES);
  count(PAGE_FAULT_INTERCEPTS);
  count(APIC_ACCESSES);
  charge(EXIT_APIC_PAGE);
}
/** Nothing is requested: no write can let an interrupt through. */
function isIdle(): bool {
  return (load<i64>(vp + IRR) | load<i64>(vp + IRR + 8) | load<i64>(vp + IRR + 16) | load<i64>(vp + IRR + 24)) == 0;
}

/** A word of the VP block that holds the register at the offset as it reads, or -1. */
function wordOf(offset: i32): i32 {
  switch (offset) {
    case REGISTER_VERSION:
      return APIC_VERSION;
    case REGISTER_TPR:
      return APIC_TPR;
    case REGISTER_LDR:
      return APIC_LDR;
    case REGISTER_DFR:
      return APIC_DFR;
    case REGISTER_SVR:
      return APIC_SVR;
    case REGISTER_ICR_LOW:
      return APIC_ICR_LO;
    case REGISTER_ICR_HIGH:
      return APIC_ICR_HI;
    case REGISTER_LVT_CMCI:
      return LVT_CMCI;
    case REGISTER_LVT_TIMER:
      return LVT_TIMER;
    case REGISTER_LVT_THERMAL:
      return LVT_THERMAL;
    case REGISTER_LVT_PERF:
      return LVT_PERF;
    case REGISTER_LVT_LINT0:
      return LVT_LINT0;
    case REGISTER_LVT_LINT1:
      return LVT_LINT1;
    case REGISTER_LVT_ERROR:
      return LVT_ERROR;
    default:
      return -1;
  }
}

/** A read of 32 bits into SCRATCH; false: nothing has happened. */
export function readApic(gva: f64): bool {
  const offset = offsetOf(gva, false);
  if (offset < 0) return false;
  let value: u32;
  if (offset == REGISTER_ID) value = load<u32>(vp + APIC_ID) << 24;
  else {
    const word = wordOf(offset);
    if (word < 0) return false;
    value = load<u32>(vp + word) & (offset == REGISTER_TPR ? 0xff : -1);
  }
  account();
  store<i64>(vp + SCRATCH, <i64>value);
  return true;
}

/** In the VP's log of interrupts (apic/interrupt-log). */
function noteEnded(vector: u32): void {
  const head = load<i32>(vp + INTERRUPT_LOG_HEAD);
  for (let back = 1; back <= INTERRUPT_LOG; back++) {
    const record = vp + INTERRUPT_LOG_AT + ((head - back) & (INTERRUPT_LOG - 1)) * INTERRUPT_RECORD_SIZE;
    const what = load<u32>(record);
    if ((what & 0xff) != vector || what >>> 16 != 0) continue;
    store<u32>(record, what | ((<u32>ENDED_EXPLICIT) << 16));
    store<u32>(record, <u32>now(), RECORD_ENDED);
    return;
  }
}
/** Ends the highest interrupt in service; false: somebody has to be told, or the guest could have done it by the assist page. */
function endOfInterrupt(): bool {
  if (load<i32>(vp + EOI_MARKER_SET) != 0) return false;
  for (let word = 28; word >= 0; word -= 4) {
    const bits = load<u32>(vp + ISR + word);
    if (bits == 0) continue;
    const leading = clz(bits);
    const highest = <u32>0x8000_0000 >>> leading;
    if (((load<u32>(vp + TMR + word) | load<u32>(vp + END_WATCHED + word)) & highest) != 0) return false;
    store<u32>(vp + ISR + word, bits & ~highest);
    noteEnded(<u32>word * 8 + 31 - leading);
    return true;
  }
  return true;
}

/** A write of the 32 bits in SCRATCH; false: nothing has happened. */
export function writeApic(gva: f64): bool {
  const offset = offsetOf(gva, true);
  if ((offset != REGISTER_TPR && offset != REGISTER_EOI) || !isIdle()) return false;
  if (offset == REGISTER_TPR) {
    store<i32>(vp + APIC_TPR, load<u8>(vp + SCRATCH));
    count(APIC_TPR_WRITES);
  } else {
    if (!endOfInterrupt()) return false;
    count(APIC_EOI_WRITES);
  }
  account();
  return true;
}
