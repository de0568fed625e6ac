// The VP and the LP context that the module works on, and what every shortcut asks of them: registers, flags, the hardware TLB.
// Both addresses are globals: an LP runs one VP at a time, and whoever changes it says so (`attach`).
import {
  ADDEND,
  ARITHMETIC,
  ASIDE,
  BUDGET,
  CHARGED,
  CLOCK_END,
  CPL,
  EXIT_CYCLES,
  EXITS,
  FLAG_AUX,
  FLAG_RESULT,
  FLAG_SYSTEM,
  INTERCEPTS,
  READ_TAG,
  SHORTCUTS,
  TLB,
  TLB_ENTRIES,
  TLB_MODE_SIZE,
  WRITE_TAG,
  ZF,
} from './layout';

export let vp: i32 = 0;
export let context: i32 = 0;

export function attach(vpBlock: i32, lpContext: i32): void {
  vp = vpBlock;
  context = lpContext;
}

/** Nobody beneath wants to be asked for every intercept. */
export function mayIntercept(): bool {
  return (load<i32>(context + SHORTCUTS) & INTERCEPTS) != 0;
}
/** A counter of the VP. */
export function count(counter: i32): void {
  store<i32>(vp + counter, load<i32>(vp + counter) + 1);
}
/** Cycles of this LP's time, beyond the one of each instruction. */
export function spend(cycles: i32): void {
  store<i32>(context + BUDGET, load<i32>(context + BUDGET) - cycles);
  store<i32>(context + CHARGED, load<i32>(context + CHARGED) + cycles);
}
/** An intercept of a kind is dealt with here: its charge is made at once, the machine counts it when guest code is left. */
export function charge(kind: i32): void {
  spend(load<i32>(context + EXIT_CYCLES + kind * 4));
  store<i32>(context + EXITS + kind * 4, load<i32>(context + EXITS + kind * 4) + 1);
}
/** It is not, after all: JavaScript begins it anew. What was spent since `charged` was as it is given here comes back. */
export function discharge(kind: i32, charged: i32): void {
  spend(charged - load<i32>(context + CHARGED));
  store<i32>(context + EXITS + kind * 4, load<i32>(context + EXITS + kind * 4) - 1);
}
/** The LP's clock. */
export function now(): i64 {
  return load<i64>(context + CLOCK_END) - <i64>load<i32>(context + BUDGET) - <i64>load<i32>(context + ASIDE);
}

export function cplOf(): i32 {
  return load<i32>(vp + CPL);
}

/** Host address of the bytes if this half of the TLB lets them be accessed so without a look, all in one page; 0 if not. */
function find(half: i32, gva: i64, bytes: i32, tag: i32): i32 {
  const lo = <i32>gva;
  const entry = half + (((lo >>> 12) & (TLB_ENTRIES - 1)) << 5);
  if (load<i64>(entry + tag) != ((gva + <i64>(bytes - 1)) & -4096)) return 0;
  return lo + load<i32>(entry + ADDEND);
}
/** The processor's own reads of its tables: the supervisor's half never holds what SMAP keeps from them. */
export function findTable(gva: i64, bytes: i32): i32 {
  return find(load<i32>(context + TLB) - (cplOf() == 3 ? TLB_MODE_SIZE : 0), gva, bytes, READ_TAG);
}
/** Accesses at CPL. Who may write without a look writes to no code. */
export function findRead(gva: i64, bytes: i32): i32 {
  return find(load<i32>(context + TLB), gva, bytes, READ_TAG);
}
export function findWrite(gva: i64, bytes: i32): i32 {
  return find(load<i32>(context + TLB), gva, bytes, WRITE_TAG);
}

export function systemFlags(): i32 {
  return load<i32>(vp + FLAG_SYSTEM);
}
/** The whole of RFLAGS (machine/cpu/flags says how the arithmetic ones are kept). */
export function rflags(): i32 {
  const result = load<i64>(vp + FLAG_RESULT);
  const low = <i32>result & 0xff;
  const parity = ((0x9669 >>> ((low ^ (low >>> 4)) & 15)) & 1) << 2;
  const derived = parity | (<i32>(result >>> 56) & 0x80) | (result == 0 ? ZF : 0);
  return systemFlags() | (derived ^ (load<i32>(vp + FLAG_AUX) & ARITHMETIC & ~ZF));
}
export function setSystemFlags(bits: i32): void {
  store<i64>(vp + FLAG_SYSTEM, <i64>((bits & ~ARITHMETIC) | 2));
}
export function setRflags(bits: i32): void {
  setSystemFlags(bits);
  const zero = (bits & ZF) != 0;
  store<i64>(vp + FLAG_RESULT, zero ? 0 : 1);
  store<i64>(vp + FLAG_AUX, <i64>((bits & ARITHMETIC & ~ZF) ^ (zero ? 4 : 0)));
}
