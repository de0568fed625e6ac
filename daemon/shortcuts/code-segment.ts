// Code descriptors in the GDT, as interrupts and their returns within a level meet them. Anything but the usual is left to the slow half, which also raises the faults.
// References: SDM 3A 3.4.5, 5.8; machine/cpu/descriptor and code-transfer, which this must agree with.
import { CS_ACCESS, CS_BASE, CS_LIMIT, GDTR_BASE, GDTR_LIMIT } from './layout';
import { findTable, vp } from './processor';

/** Host address of the descriptor; 0: null, in the LDT, outside the table, or not at hand. */
export function descriptorAt(selector: i32): i32 {
  const offset = selector & 0xfff8;
  if (offset == 0 || (selector & 4) != 0 || <u32>(offset + 7) > load<u32>(vp + GDTR_LIMIT)) return 0;
  return findTable(load<i64>(vp + GDTR_BASE) + <i64>offset, 8);
}
export function dplFrom(hi: i32): i32 {
  return (hi >>> 13) & 3;
}
/** Present, code, and marked as accessed. */
export function isUsedCode(hi: i32): bool {
  return (hi & 0x9900) == 0x9900;
}
export function isConforming(hi: i32): bool {
  return (hi & 0x400) != 0;
}
export function is64Bit(hi: i32): bool {
  return (hi & 0x60_0000) == 0x20_0000;
}
export function limitFrom(lo: i32, hi: i32): u32 {
  const limit = (lo & 0xffff) | (hi & 0xf_0000);
  return (hi & 0x80_0000) != 0 ? <u32>((limit << 12) | 0xfff) : <u32>limit;
}
export function baseFrom(lo: i32, hi: i32): u32 {
  return <u32>((lo >>> 16) | ((hi & 0xff) << 16) | (hi & <i32>0xff00_0000));
}
/** Access rights as the VP block holds them. */
export function rightsFrom(hi: i32): i32 {
  return ((hi >>> 8) & 0xf0ff) | 1;
}
/** The descriptor says what CS holds already: nothing but the selector changes. */
export function isCurrent(lo: i32, hi: i32): bool {
  return (
    rightsFrom(hi) == load<i32>(vp + CS_ACCESS) &&
    limitFrom(lo, hi) == load<u32>(vp + CS_LIMIT) &&
    baseFrom(lo, hi) == load<u32>(vp + CS_BASE)
  );
}
