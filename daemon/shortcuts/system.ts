// Instructions of kernels that nobody intercepts: PUSHF, POPF, CLI, RDFSBASE and its kin, LGDT, LIDT, LTR, CR2 and the reading of debug registers. Each is done whole, or not at
// all: whatever would fault, end the block for a look, or meets virtual-8086 mode is the slow half's.
// References: SDM 2A/2B of each; machine/cpu/event-instructions, supervisor-features, table-instructions, segment-load, system-registers, which this must agree with.
import { baseFrom, descriptorAt, limitFrom } from './code-segment';
import { is64BitCode, isCanonical, isQuiet } from './interrupts';
import {
  AC,
  ARG0,
  ARG1,
  ARITHMETIC,
  CONTINUE,
  CR0,
  CR0_PE,
  CR2,
  CR4,
  CR4_FSGSBASE,
  DB,
  DF,
  DISPATCH,
  DR,
  DR7_GD,
  EFER,
  EFER_LMA,
  ES_BASE,
  GDTR_BASE,
  GDTR_LIMIT,
  ID,
  IDTR_BASE,
  IDTR_LIMIT,
  IF,
  IOPL,
  KICK,
  LEAVE,
  NT,
  OP_CLI,
  OP_LGDT,
  OP_LIDT,
  OP_LTR,
  OP_MOV_FROM_CR,
  OP_MOV_FROM_DR,
  OP_POPF,
  OP_PUSHF,
  OP_READ_BASE,
  OP_WRITE_BASE,
  RF,
  RSP,
  SS_ACCESS,
  SS_BASE,
  SS_READ_LIMIT,
  SS_WRITE_LIMIT,
  TF,
  TR_ACCESS,
  TR_BASE,
  TR_LIMIT,
  TR_SELECTOR,
  VIF,
  VIP,
  VM,
} from './layout';
import { advance } from './ports';
import { context, cplOf, findRead, findTable, findWrite, rflags, setRflags, setSystemFlags, systemFlags, vp } from './processor';

/** The slow half has to do it: nothing has happened. */
export const LEFT: i32 = -1;

/** SysResult, or LEFT. */
export function system(op: i32, descriptor: i32): i32 {
  let result = LEFT;
  if (op == OP_CLI) result = clearInterrupts();
  else if (op == OP_PUSHF) result = pushFlags((descriptor >>> 12) & 3);
  else if (op == OP_POPF) result = popFlags(descriptor);
  else if (op == OP_READ_BASE || op == OP_WRITE_BASE) result = segmentBase(op == OP_READ_BASE, descriptor);
  else if (op == OP_LGDT) result = loadTable(descriptor, GDTR_BASE, GDTR_LIMIT);
  else if (op == OP_LIDT) result = loadTable(descriptor, IDTR_BASE, IDTR_LIMIT);
  else if (op == OP_LTR) result = loadTask(descriptor);
  else if (op == OP_MOV_FROM_DR) result = fromDebugRegister(descriptor);
  else if (op == OP_MOV_FROM_CR) result = fromCr2(descriptor);
  return result == CONTINUE ? goOn(descriptor) : result;
}

/** The block goes on, unless somebody has asked for a look. */
export function goOn(descriptor: i32): i32 {
  if (load<i32>(context + KICK) == 0) return CONTINUE;
  advance(descriptor);
  return LEAVE;
}
/** As after instructions that end their block. `true`: done, and nothing waits. */
export function dispatch(descriptor: i32): i32 {
  advance(descriptor);
  return DISPATCH;
}

export function registerAt(descriptor: i32): i32 {
  return vp + ((descriptor >>> 20) & 15) * 8;
}

function clearInterrupts(): i32 {
  const flags = systemFlags();
  if ((flags & VM) != 0 || cplOf() > ((flags >>> 12) & 3)) return LEFT;
  setSystemFlags(flags & ~IF);
  return CONTINUE;
}

/** Linear address of `bytes` from `sp` on in a 32-bit stack, or -1. */
function legacyStack(sp: u32, bytes: i32, limit: i32): i64 {
  if ((load<i32>(vp + SS_ACCESS) & DB) == 0 || <i64>sp + <i64>(bytes - 1) > load<i64>(vp + limit)) return -1;
  return <i64>(load<u32>(vp + SS_BASE) + sp);
}
/** Levels at which an access may have to be aligned, and virtual-8086 mode with them, are left. */
function mayUseStack(width: i32): bool {
  return cplOf() != 3 && (is64BitCode() ? width == 3 : width == 2);
}

function pushFlags(width: i32): i32 {
  if (!mayUseStack(width)) return LEFT;
  const image = rflags() & ~(VM | RF);
  if (width == 3) {
    const sp = load<i64>(vp + RSP) - 8;
    const at = isCanonical(sp) ? findWrite(sp, 8) : 0;
    if (at == 0) return LEFT;
    store<i64>(at, <i64>image);
    store<i64>(vp + RSP, sp);
    return CONTINUE;
  }
  const sp = load<u32>(vp + RSP) - 4;
  const linear = legacyStack(sp, 4, SS_WRITE_LIMIT);
  const at = linear < 0 ? 0 : findWrite(linear, 4);
  if (at == 0) return LEFT;
  store<i32>(at, image);
  store<i64>(vp + RSP, <i64>sp);
  return CONTINUE;
}

function popFlags(descriptor: i32): i32 {
  const width = (descriptor >>> 12) & 3;
  if (!mayUseStack(width)) return LEFT;
  const sp = load<i64>(vp + RSP);
  const linear = width == 3 ? (isCanonical(sp) ? sp : -1) : legacyStack(<u32>sp, 4, SS_READ_LIMIT);
  if (width == 2 && linear < 0) return LEFT;
  const at = width == 3 && !isCanonical(sp) ? 0 : findRead(linear, 1 << width);
  if (at == 0) return LEFT;
  const image = load<i32>(at);
  const before = rflags();
  let mask = ARITHMETIC | TF | DF | NT | AC | ID;
  if (cplOf() <= ((before >>> 12) & 3)) mask |= IF;
  if (cplOf() == 0) mask |= IOPL;
  let after = (before & ~mask) | (image & mask);
  if ((after & TF) != 0 || ((after ^ before) & AC) != 0) return LEFT;
  const opens = (after & (after ^ before) & IF) != 0;
  if (opens && !isQuiet(after)) return LEFT;
  if (cplOf() == 0) after &= ~(VIF | VIP);
  setRflags(after & ~RF);
  store<i64>(vp + RSP, width == 3 ? sp + 8 : <i64>(<u32>sp + 4));
  return opens ? dispatch(descriptor) : CONTINUE;
}

/** Of FS or GS. */
function segmentBase(read: bool, descriptor: i32): i32 {
  if (!is64BitCode() || (load<i32>(vp + CR4) & CR4_FSGSBASE) == 0) return LEFT;
  const base = vp + ES_BASE + ((descriptor >>> 16) & 15) * 8;
  const from = read ? base : registerAt(descriptor);
  const wide = ((descriptor >>> 12) & 3) == 3;
  const value = wide ? load<i64>(from) : <i64>load<u32>(from);
  if (!read && !isCanonical(value)) return LEFT;
  store<i64>(read ? registerAt(descriptor) : base, value);
  return CONTINUE;
}

function loadTable(descriptor: i32, base: i32, limit: i32): i32 {
  if (cplOf() != 0) return LEFT;
  const long = is64BitCode();
  const at = findRead(load<i64>(vp + ARG0), long ? 10 : 6);
  if (at == 0) return LEFT;
  const address = long ? load<i64>(at, 2) : <i64>load<u32>(at, 2) & (((descriptor >>> 12) & 3) == 1 ? 0xff_ffff : 0xffff_ffff);
  if (!isCanonical(address)) return LEFT;
  store<i64>(vp + base, address);
  store<i32>(vp + limit, load<u16>(at));
  return CONTINUE;
}

/** LTR of a register: a task state segment of 32 or 64 bits that is available. */
function loadTask(descriptor: i32): i32 {
  if ((load<i32>(vp + CR0) & CR0_PE) == 0 || (systemFlags() & VM) != 0 || cplOf() != 0 || (descriptor & (1 << 29)) != 0) return LEFT;
  const selector: i32 = load<u16>(vp + ARG1);
  const at = descriptorAt(selector);
  if (at == 0) return LEFT;
  const lo = load<i32>(at);
  const hi = load<i32>(at, 4);
  // Present, a 32-bit TSS, not busy.
  if ((hi & 0x9f00) != 0x8900) return LEFT;
  const linear = load<i64>(vp + GDTR_BASE) + <i64>(selector & 0xfff8);
  let base = <i64>baseFrom(lo, hi);
  if ((load<i32>(vp + EFER) & EFER_LMA) != 0) {
    if (<u32>((selector & 0xfff8) + 15) > load<u32>(vp + GDTR_LIMIT)) return LEFT;
    const whole = findTable(linear, 16);
    if (whole == 0) return LEFT;
    base |= load<i64>(whole, 8) << 32;
    if (!isCanonical(base)) return LEFT;
  }
  const access = findWrite(linear + 5, 1);
  if (access == 0) return LEFT;
  atomic.or<u8>(access, 2);
  store<i32>(vp + TR_SELECTOR, selector);
  store<i32>(vp + TR_ACCESS, ((hi >>> 8) & 0xf0ff) | 2);
  store<u32>(vp + TR_LIMIT, limitFrom(lo, hi));
  store<i64>(vp + TR_BASE, base);
  return CONTINUE;
}

/** But DR4 and DR5, and with general detect on. */
function fromDebugRegister(descriptor: i32): i32 {
  const dr = (descriptor >>> 16) & 15;
  if (cplOf() != 0 || dr == 4 || dr == 5 || dr > 7 || (load<i32>(vp + DR + 7 * 8) & DR7_GD) != 0) return LEFT;
  const value = load<i64>(vp + DR + dr * 8);
  store<i64>(registerAt(descriptor), is64BitCode() ? value : value & 0xffff_ffff);
  return CONTINUE;
}

/** The other control registers are intercepts. */
function fromCr2(descriptor: i32): i32 {
  if (cplOf() != 0) return LEFT;
  const value = load<i64>(vp + CR2);
  store<i64>(registerAt(descriptor), is64BitCode() ? value : value & 0xffff_ffff);
  return CONTINUE;
}
