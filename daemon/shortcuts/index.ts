// What the module exports: `sys` is what translated code calls for an instruction of the slow half, in both tiers; `deliver` is for the slow half itself.

import { moveToCr3 } from './address-space';
import { readApic, writeApic } from './apic-page';
import { fill } from './fill';
import { deliver as deliverEvent, interruptReturn, isQuiet } from './interrupts';
import { invalidate, invalidatePage } from './invlpg';
import {
  ARG0,
  DISPATCH,
  LEAVE,
  OP_IN,
  OP_INT,
  OP_INVLPG,
  OP_IRET,
  OP_MOV_FROM_CR,
  OP_MOV_TO_CR,
  OP_OUT,
  OP_RDMSR,
  OP_WRMSR,
  RIP,
  ROOT,
  SHORTCUTS,
  SOFTWARE,
} from './layout';
import { advance, input, mayUsePorts, output } from './ports';
import { attach, context, mayIntercept, rflags, systemFlags, vp } from './processor';
import { rootRegister } from './root';
import { loadSlow, storeSlow, sysSlow } from './slow';
import { LEFT, system } from './system';
import { loadFilled, storeFilled, translate } from './translation';

// The larger ones by name, too: what is exported is not made part of `sys`, whose frame stays small.
export { attach, input, interruptReturn, output, rootRegister, system };

/** The helpers `loadSlow` and `storeSlow` of translated code: 32 bits may be a register of the local APIC; most often a page is wanted. */
export function loadMissed(gva: f64, info: i32): i32 {
  if (load<i32>(context + SHORTCUTS) != 0 && ((info == 2 && mayIntercept() && readApic(gva)) || loadFilled(gva, info))) return 0;
  return loadSlow(gva, info);
}
export function storeMissed(gva: f64, width: i32): i32 {
  if (load<i32>(context + SHORTCUTS) != 0 && ((width == 2 && mayIntercept() && writeApic(gva)) || storeFilled(gva, width))) return 0;
  return storeSlow(gva, width);
}

/** What guests leave to the hypervisor beneath them. */
function isIntercepted(op: i32, descriptor: i32): bool {
  // CR2 is each processor's own.
  if (op == OP_MOV_FROM_CR) return ((descriptor >>> 16) & 15) != 2;
  return op == OP_IN || op == OP_OUT || op == OP_MOV_TO_CR || op == OP_INVLPG || op == OP_RDMSR || op == OP_WRMSR;
}
function intercepted(op: i32, descriptor: i32): i32 {
  if (op == OP_IN) return mayUsePorts() ? input(descriptor) : LEFT;
  if (op == OP_OUT) return mayUsePorts() ? output(descriptor) : LEFT;
  if (op == OP_INVLPG) {
    if (!invalidatePage(load<i64>(vp + ARG0))) return LEFT;
    advance(descriptor);
  } else if (load<i32>(context + ROOT) != 0) return rootRegister(op, descriptor);
  else if (op != OP_MOV_TO_CR || !moveToCr3(descriptor)) return LEFT;
  return isQuiet(systemFlags()) ? DISPATCH : LEAVE;
}

/** (descriptor) -> SysResult. RIP and all registers are in the VP block. */
export function sys(descriptor: i32): i32 {
  const op = descriptor & 0xff;
  if (load<i32>(context + SHORTCUTS) != 0) {
    if (op == OP_INT) {
      const next = load<i64>(vp + RIP) + <i64>((descriptor >>> 8) & 15);
      if (deliverEvent(SOFTWARE, load<u8>(vp + ARG0), -1, next, rflags())) return DISPATCH;
    } else if (op == OP_IRET) {
      if (interruptReturn((descriptor >>> 12) & 3)) return DISPATCH;
    } else {
      const result = isIntercepted(op, descriptor) ? (mayIntercept() ? intercepted(op, descriptor) : LEFT) : system(op, descriptor);
      if (result != LEFT) return result;
    }
  }
  return sysSlow(descriptor);
}

/** The steps of an access that missed, for whoever has no program to make it: 0, left to JavaScript. */
export function translatePage(gva: f64, access: i32): i32 {
  return translate(<i64>gva, access);
}
export function fillPage(gva: f64, access: i32): i32 {
  return fill(<i64>gva, access);
}
export function clearPage(gva: f64): i32 {
  return invalidate(<i64>gva) ? 1 : 0;
}

/** Delivers an event as `machine/cpu/deliver` does, or does nothing and says 0. `rip` is exact: an address. */
export function deliver(kind: i32, vector: i32, error: i32, rip: f64, extraFlags: i32): i32 {
  return load<i32>(context + SHORTCUTS) != 0 && deliverEvent(kind, vector, error, <i64>rip, rflags() | extraFlags) ? 1 : 0;
}
