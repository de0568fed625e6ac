// Events through interrupt and trap gates to code of the level that is interrupted, and IRET back: 32-bit protected mode and 64-bit mode.
// Each either does all of the slow half's work (machine/cpu/deliver-protected, deliver-long, far-return) or nothing: it looks at everything that can go
// another way first (every table and stack access hits the TLB, no fault, no task gate, no stack switch, no mode that changes), and says false then.
// References: SDM 3A 6.12, 6.14; SDM 2A INT n, IRET.
import { baseFrom, descriptorAt, dplFrom, is64Bit, isConforming, isCurrent, isUsedCode, limitFrom, rightsFrom } from './code-segment';
import {
  AC,
  ARITHMETIC,
  CR0,
  CR0_PE,
  CS_ACCESS,
  CS_SELECTOR,
  DB,
  DF,
  EFER,
  EFER_LMA,
  ID,
  IDTR_BASE,
  IDTR_LIMIT,
  IF,
  INTERRUPT_SHADOW,
  IOPL,
  IRR,
  LONG,
  NMI_BLOCKED,
  NMI_PENDING,
  NT,
  PIC_INTR,
  RF,
  RIP,
  RSP,
  SECTION_ENDS,
  SOFTWARE,
  SS_ACCESS,
  SS_BASE,
  SS_LIMIT,
  SS_READ_LIMIT,
  SS_SELECTOR,
  SS_WRITE_LIMIT,
  TF,
  UNUSABLE,
  VIF,
  VIP,
  VM,
} from './layout';
import { context, cplOf, findRead, findTable, findWrite, rflags, setRflags, setSystemFlags, systemFlags, vp } from './processor';

export function isCanonical(address: i64): bool {
  return (address << 16) >> 16 == address;
}
/** Whether the VP goes on in guest code with these flags: nothing waits to be taken (hypervisor/interrupt-window). */
export function isQuiet(flags: i32): bool {
  if (load<i32>(vp + INTERRUPT_SHADOW) != 0 || load<i32>(vp + NMI_PENDING) != 0) return false;
  if ((flags & IF) == 0) return true;
  if (load<i32>(context + SECTION_ENDS) != 0) return false;
  const requested = load<i64>(vp + IRR) | load<i64>(vp + IRR + 8) | load<i64>(vp + IRR + 16) | load<i64>(vp + IRR + 24);
  return requested == 0 && load<i32>(PIC_INTR) == 0;
}
function isLegacy(): bool {
  return (load<i32>(vp + CR0) & CR0_PE) != 0 && (load<i32>(vp + EFER) & EFER_LMA) == 0 && (systemFlags() & VM) == 0;
}
export function is64BitCode(): bool {
  return (load<i32>(vp + EFER) & EFER_LMA) != 0 && (load<i32>(vp + CS_ACCESS) & LONG) != 0;
}
function handlerFlags(gateHi: i32): i32 {
  return systemFlags() & ~(TF | VM | RF | NT | ((gateHi & 0x100) == 0 ? IF : 0));
}
/** Present, of 32 or 64 bits, and open to the program that asks. */
function admits(gateHi: i32, kind: i32): bool {
  return (gateHi & 0x9e00) == 0x8e00 && (kind != SOFTWARE || dplFrom(gateHi) >= cplOf());
}

function deliverLegacy(kind: i32, vector: i32, error: i32, rip: i32, saved: i32): bool {
  if (<u32>(vector * 8 + 7) > load<u32>(vp + IDTR_LIMIT)) return false;
  const gate = findTable(load<i64>(vp + IDTR_BASE) + <i64>(vector * 8), 8);
  if (gate == 0) return false;
  const lo = load<i32>(gate);
  const hi = load<i32>(gate, 4);
  if (!admits(hi, kind)) return false;
  const flags = handlerFlags(hi);
  if (!isQuiet(flags)) return false;
  const target = <u32>((hi & <i32>0xffff_0000) | (lo & 0xffff));
  const selector = lo >>> 16;
  const level = cplOf();
  const code = descriptorAt(selector);
  if (code == 0) return false;
  const codeLo = load<i32>(code);
  const codeHi = load<i32>(code, 4);
  if (!isUsedCode(codeHi) || (isConforming(codeHi) ? dplFrom(codeHi) > level : dplFrom(codeHi) != level)) return false;
  if (!isCurrent(codeLo, codeHi) || target > limitFrom(codeLo, codeHi)) return false;
  if ((load<i32>(vp + SS_ACCESS) & DB) == 0) return false;
  const bytes = error >= 0 ? 16 : 12;
  const top = load<u32>(vp + RSP);
  if (top < <u32>bytes || <i64>top - 1 > load<i64>(vp + SS_WRITE_LIMIT)) return false;
  const sp = top - <u32>bytes;
  const linear = load<u32>(vp + SS_BASE) + sp;
  if ((linear & 3) != 0) return false;
  let frame = findWrite(<i64>linear, bytes);
  if (frame == 0) return false;
  if (error >= 0) {
    store<i32>(frame, error);
    frame += 4;
  }
  store<i32>(frame, rip);
  store<i32>(frame, load<i32>(vp + CS_SELECTOR), 4);
  store<i32>(frame, saved, 8);
  store<i64>(vp + RSP, <i64>sp);
  store<i64>(vp + RIP, <i64>target);
  store<i32>(vp + CS_SELECTOR, (selector & 0xfffc) | level);
  setSystemFlags(flags);
  return true;
}

function deliverLong(kind: i32, vector: i32, error: i32, rip: i64, saved: i32): bool {
  if (<u32>(vector * 16 + 15) > load<u32>(vp + IDTR_LIMIT)) return false;
  const gate = findTable(load<i64>(vp + IDTR_BASE) + <i64>(vector * 16), 16);
  if (gate == 0) return false;
  const lo = load<i32>(gate);
  const hi = load<i32>(gate, 4);
  // A stack of the interrupt stack table is a switch.
  if (!admits(hi, kind) || (hi & 7) != 0) return false;
  const flags = handlerFlags(hi);
  if (!isQuiet(flags)) return false;
  const target = (load<i64>(gate, 8) << 32) | <i64>(<u32>((hi & <i32>0xffff_0000) | (lo & 0xffff)));
  const selector = lo >>> 16;
  const level = cplOf();
  const code = descriptorAt(selector);
  if (code == 0) return false;
  const codeLo = load<i32>(code);
  const codeHi = load<i32>(code, 4);
  if (!isUsedCode(codeHi) || (isConforming(codeHi) ? dplFrom(codeHi) > level : dplFrom(codeHi) != level)) return false;
  if (!is64Bit(codeHi) || !isCurrent(codeLo, codeHi) || !isCanonical(target)) return false;
  const rsp = load<i64>(vp + RSP);
  if (!isCanonical(rsp)) return false;
  const bytes = error >= 0 ? 48 : 40;
  const sp = (rsp & -16) - <i64>bytes;
  let frame = findWrite(sp, bytes);
  if (frame == 0) return false;
  if (error >= 0) {
    store<i64>(frame, <i64>error);
    frame += 8;
  }
  store<i64>(frame, rip);
  store<i64>(frame, load<u32>(vp + CS_SELECTOR), 8);
  store<i64>(frame, <i64>saved, 16);
  store<i64>(frame, rsp, 24);
  store<i64>(frame, load<u32>(vp + SS_SELECTOR), 32);
  store<i64>(vp + RSP, sp);
  store<i64>(vp + RIP, target);
  store<i32>(vp + CS_SELECTOR, (selector & 0xfffc) | level);
  setSystemFlags(flags);
  return true;
}

/** `saved`: the image of RFLAGS that the handler will find; `error` -1: none. */
export function deliver(kind: i32, vector: i32, error: i32, rip: i64, saved: i32): bool {
  if (is64BitCode()) return deliverLong(kind, vector, error, rip, saved);
  return isLegacy() && deliverLegacy(kind, vector, error, <i32>rip, saved);
}

/** RFLAGS after IRET of 32 or 64 bits within `level`; -1: the slow half must look (single steps, alignment, what waits for IF). */
function returnedFlags(image: i32, level: i32): i32 {
  const before = rflags();
  if ((image & TF) != 0 || ((image ^ before) & AC) != 0) return -1;
  let mask = ARITHMETIC | TF | DF | NT | AC | ID;
  if (level <= ((before >>> 12) & 3)) mask |= IF;
  if (level == 0) mask |= IOPL | VIF | VIP;
  const after = (before & ~mask & ~RF) | (image & mask);
  return isQuiet(after) ? after : -1;
}

function returnLegacy(): bool {
  if ((systemFlags() & NT) != 0 || (load<i32>(vp + SS_ACCESS) & DB) == 0) return false;
  const sp = load<u32>(vp + RSP);
  if (<i64>sp + 11 > load<i64>(vp + SS_READ_LIMIT)) return false;
  const linear = load<u32>(vp + SS_BASE) + sp;
  if ((linear & 3) != 0) return false;
  const frame = findRead(<i64>linear, 12);
  if (frame == 0) return false;
  const rip = load<u32>(frame);
  const selector = load<i32>(frame, 4) & 0xffff;
  const image = load<i32>(frame, 8);
  const level = cplOf();
  if ((image & VM) != 0 || (selector & 3) != level) return false;
  const code = descriptorAt(selector);
  if (code == 0) return false;
  const lo = load<i32>(code);
  const hi = load<i32>(code, 4);
  if (!isUsedCode(hi) || (isConforming(hi) ? dplFrom(hi) > level : dplFrom(hi) != level)) return false;
  if (!isCurrent(lo, hi) || rip > limitFrom(lo, hi)) return false;
  const flags = returnedFlags(image, level);
  if (flags < 0) return false;
  store<i32>(vp + NMI_BLOCKED, 0);
  setRflags(flags);
  store<i64>(vp + RSP, <i64>(sp + 12));
  store<i64>(vp + RIP, <i64>rip);
  store<i32>(vp + CS_SELECTOR, (selector & 0xfffc) | level);
  return true;
}

/** In 64-bit mode SS:RSP is always popped. */
function returnLong(): bool {
  if ((systemFlags() & NT) != 0) return false;
  const sp = load<i64>(vp + RSP);
  const frame = findRead(sp, 40);
  if (frame == 0) return false;
  const rip = load<i64>(frame);
  const selector = load<i32>(frame, 8) & 0xffff;
  const image = load<i32>(frame, 16);
  const rsp = load<i64>(frame, 24);
  const stackSelector = load<i32>(frame, 32) & 0xffff;
  const level = cplOf();
  if ((selector & 3) != level || (stackSelector & 3) != level) return false;
  const code = descriptorAt(selector);
  if (code == 0) return false;
  const hi = load<i32>(code, 4);
  if (!isUsedCode(hi) || (isConforming(hi) ? dplFrom(hi) > level : dplFrom(hi) != level)) return false;
  if (!is64Bit(hi) || !isCurrent(load<i32>(code), hi) || !isCanonical(rip)) return false;
  let base: i64 = 0;
  let limit: u32 = 0;
  let rights = UNUSABLE | (level << 5);
  if ((stackSelector & 0xfffc) != 0) {
    const stack = descriptorAt(stackSelector);
    if (stack == 0) return false;
    const stackHi = load<i32>(stack, 4);
    // Present, writable data of this level, marked as accessed.
    if ((stackHi & 0x9b00) != 0x9300 || dplFrom(stackHi) != level) return false;
    const stackLo = load<i32>(stack);
    base = <i64>baseFrom(stackLo, stackHi);
    limit = limitFrom(stackLo, stackHi);
    rights = rightsFrom(stackHi);
  } else if (level == 3) return false;
  const flags = returnedFlags(image, level);
  if (flags < 0) return false;
  store<i32>(vp + NMI_BLOCKED, 0);
  setRflags(flags);
  store<i32>(vp + SS_SELECTOR, stackSelector);
  store<i32>(vp + SS_ACCESS, rights);
  store<u32>(vp + SS_LIMIT, limit);
  store<i64>(vp + SS_BASE, base);
  store<i64>(vp + RSP, rsp);
  store<i64>(vp + RIP, rip);
  store<i32>(vp + CS_SELECTOR, (selector & 0xfffc) | level);
  return true;
}

/** IRET with an operand of `width` (2: 32 bits, 3: 64). */
export function interruptReturn(width: i32): bool {
  if (is64BitCode()) return width == 3 && returnLong();
  return width == 2 && isLegacy() && returnLegacy();
}
