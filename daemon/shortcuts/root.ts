// Mode registers where no hypervisor is beneath: the code of the switch page (hypervisor/world) changes super-mode by these and a few far transfers. What guests are intercepted
// for it simply does: CR0.PG falls and rises, CR3 is loaded while paging is off, EFER.LME changes; everything else is the slow half's (hypervisor/world/host-processor).
// Paging on and off is a change of banks: the MMU names those of the LP's three address spaces in `switches`. What they hold is good until `switchEpoch` says otherwise, for the
// tables of the host are edited by nobody without it. References: SDM 3A 4.1.2, 4.4.1, 10.8.5; machine/cpu/control-registers, which this must agree with.
import { useBank } from './address-space';
import { is64BitCode } from './interrupts';
import {
  BANK_MODE_IDS,
  BANK_SPACES,
  CR0,
  CR0_PE,
  CR0_PG,
  CR3_HI,
  CR3_LO,
  CR4,
  CR4_PAE,
  CR4_PCIDE,
  CS_ACCESS,
  EFER,
  EFER_LMA,
  EFER_LME,
  EXIT_CR_ACCESS,
  IF,
  INTERRUPT_SHADOW,
  LONG,
  MSR_EFER,
  OP_MOV_FROM_CR,
  OP_MOV_TO_CR,
  OP_RDMSR,
  OP_WRMSR,
  RAM,
  RAX,
  RCX,
  RDX,
  SPACE_LEGACY,
  SPACE_LONG,
  SPACE_UNPAGED,
  SWITCH_BANK,
  SWITCH_ENTRY_EPOCH,
  SWITCH_EPOCH,
  SWITCH_HIGH,
  SWITCH_LOW,
  SWITCH_NAME,
  SWITCH_SIZE,
  SWITCHES,
  TR_ACCESS,
  TSS16,
  VP_PDPTES,
} from './layout';
import { charge, context, cplOf, systemFlags, vp } from './processor';
import { dispatch, goOn, LEFT, registerAt } from './system';

/** SysResult, or LEFT. */
export function rootRegister(op: i32, descriptor: i32): i32 {
  if (cplOf() != 0) return LEFT;
  if (op == OP_MOV_FROM_CR) return fromControlRegister(descriptor);
  if (op == OP_RDMSR) return readEfer(descriptor);
  // Of what follows an interrupt may be waiting for the end; that it is closed is how the hypervisor changes modes.
  if ((systemFlags() & IF) != 0 || load<i32>(vp + INTERRUPT_SHADOW) != 0) return LEFT;
  if (op == OP_WRMSR) return writeEfer(descriptor);
  if (op != OP_MOV_TO_CR || is64BitCode()) return LEFT;
  const cr = (descriptor >>> 16) & 15;
  const value = load<i32>(registerAt(descriptor));
  return cr == 0 ? writeCr0(descriptor, value) : cr == 3 ? writeCr3(descriptor, value) : LEFT;
}

function fromControlRegister(descriptor: i32): i32 {
  const cr = (descriptor >>> 16) & 15;
  let value: i64;
  if (cr == 0) value = load<u32>(vp + CR0);
  else if (cr == 4) value = load<u32>(vp + CR4);
  else if (cr == 3) value = is64BitCode() ? load<i64>(vp + CR3_LO) : <i64>load<u32>(vp + CR3_LO);
  else return LEFT;
  store<i64>(registerAt(descriptor), value);
  return goOn(descriptor);
}

function readEfer(descriptor: i32): i32 {
  if (load<i32>(vp + RCX) != MSR_EFER) return LEFT;
  store<i64>(vp + RAX, load<u32>(vp + EFER));
  store<i64>(vp + RDX, 0);
  return goOn(descriptor);
}
/** LME alone, with paging off. */
function writeEfer(descriptor: i32): i32 {
  if (load<i32>(vp + RCX) != MSR_EFER || load<i32>(vp + RDX) != 0 || (load<i32>(vp + CR0) & CR0_PG) != 0) return LEFT;
  const before = load<i32>(vp + EFER);
  const after = (load<i32>(vp + RAX) & ~EFER_LMA) | (before & EFER_LMA);
  if ((before ^ after) != EFER_LME) return LEFT;
  store<i32>(vp + EFER, after);
  charge(EXIT_CR_ACCESS);
  return dispatch(descriptor);
}

/** With paging off it names nothing, and nothing is looked at. */
function writeCr3(descriptor: i32, value: i32): i32 {
  if ((load<i32>(vp + CR0) & CR0_PG) != 0) return LEFT;
  store<i32>(vp + CR3_LO, value);
  store<i32>(vp + CR3_HI, 0);
  charge(EXIT_CR_ACCESS);
  return dispatch(descriptor);
}

/** PG alone, in code that is not of 64 bits. */
function writeCr0(descriptor: i32, value: i32): i32 {
  const cr0 = load<i32>(vp + CR0);
  const cr4 = load<i32>(vp + CR4);
  if ((cr0 ^ value) != CR0_PG || (cr0 & CR0_PE) == 0 || (cr4 & CR4_PCIDE) != 0) return LEFT;
  const efer = load<i32>(vp + EFER);
  if ((value & CR0_PG) == 0) {
    const bank = bankOf(SPACE_UNPAGED, false);
    if (bank < 0) return LEFT;
    store<i32>(vp + EFER, efer & ~EFER_LMA);
    useBank(bank);
  } else if ((efer & EFER_LME) != 0) {
    const bank = bankOf(SPACE_LONG, true);
    if (bank < 0 || (cr4 & CR4_PAE) == 0 || (load<i32>(vp + CS_ACCESS) & LONG) != 0 || (load<i32>(vp + TR_ACCESS) & 0x1d) == TSS16)
      return LEFT;
    store<i32>(vp + EFER, efer | EFER_LMA);
    useBank(bank);
  } else {
    const bank = bankOf(SPACE_LEGACY, true);
    if (bank < 0 || (cr4 & CR4_PAE) == 0 || !keepsPdptes()) return LEFT;
    useBank(bank);
  }
  store<i32>(vp + CR0, value);
  charge(EXIT_CR_ACCESS);
  return dispatch(descriptor);
}

/** Bank of the space, if it is as the MMU has left it; or -1. `rooted`: at the table that CR3 names. */
function bankOf(space: i32, rooted: bool): i32 {
  const entry = context + SWITCHES + space * SWITCH_SIZE;
  if (load<i32>(entry + SWITCH_ENTRY_EPOCH) != load<i32>(context + SWITCH_EPOCH)) return -1;
  if (rooted && (load<i32>(entry + SWITCH_LOW) != load<i32>(vp + CR3_LO) || load<i32>(entry + SWITCH_HIGH) != load<i32>(vp + CR3_HI)))
    return -1;
  const bank = load<i32>(entry + SWITCH_BANK);
  const word = context + bank * 4;
  return load<i32>(word + BANK_SPACES) == load<i32>(entry + SWITCH_NAME) && load<i32>(word + BANK_MODE_IDS) != 0 ? bank : -1;
}

/** The four top entries of PAE paging are what they were when they were loaded, and checked, last: the space hangs on them, too. */
function keepsPdptes(): bool {
  const from = RAM + (load<i32>(vp + CR3_LO) & -32);
  for (let at = 0; at < 32; at += 8) if (load<i64>(from + at) != load<i64>(vp + VP_PDPTES + at)) return false;
  return true;
}
