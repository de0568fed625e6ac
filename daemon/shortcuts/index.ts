// What the module exports: `sys` is what translated code calls for an instruction of the slow half, in both tiers; `deliver` is for the slow half itself.

import { moveToCr3 } from './address-space';
import { readApic, writeApic } from './apic-page';
import { deliver as deliverEvent, interruptReturn, isQuiet } from './interrupts';
import { ARG0, DISPATCH, LEAVE, OP_IN, OP_INT, OP_IRET, OP_MOV_TO_CR, OP_OUT, RIP, SHORTCUTS, SOFTWARE } from './layout';
import { input, mayUsePorts, output } from './ports';
import { attach, context, rflags, systemFlags, vp } from './processor';
import { loadSlow, storeSlow, sysSlow } from './slow';

// The larger ones by name, too: what is exported is not made part of `sys`, whose frame stays small.
export { attach, input, interruptReturn, output };

/** The helpers `loadSlow` and `storeSlow` of translated code: 32 bits may be a register of the local APIC. */
export function loadMissed(gva: f64, info: i32): i32 {
  return info == 2 && load<i32>(context + SHORTCUTS) != 0 && readApic(gva) ? 0 : loadSlow(gva, info);
}
export function storeMissed(gva: f64, width: i32): i32 {
  return width == 2 && load<i32>(context + SHORTCUTS) != 0 && writeApic(gva) ? 0 : storeSlow(gva, width);
}

/** (descriptor) -> SysResult. RIP and all registers are in the VP block. */
export function sys(descriptor: i32): i32 {
  const op = descriptor & 0xff;
  if (load<i32>(context + SHORTCUTS) != 0) {
    if (op == OP_IN) {
      if (mayUsePorts()) return input(descriptor);
    } else if (op == OP_OUT) {
      if (mayUsePorts()) return output(descriptor);
    } else if (op == OP_INT) {
      const next = load<i64>(vp + RIP) + <i64>((descriptor >>> 8) & 15);
      if (deliverEvent(SOFTWARE, load<u8>(vp + ARG0), -1, next, rflags())) return DISPATCH;
    } else if (op == OP_MOV_TO_CR) {
      if (moveToCr3(descriptor)) return isQuiet(systemFlags()) ? DISPATCH : LEAVE;
    } else if (op == OP_IRET && interruptReturn((descriptor >>> 12) & 3)) return DISPATCH;
  }
  return sysSlow(descriptor);
}

/** Delivers an event as `machine/cpu/deliver` does, or does nothing and says 0. `rip` is exact: an address. */
export function deliver(kind: i32, vector: i32, error: i32, rip: f64, extraFlags: i32): i32 {
  return load<i32>(context + SHORTCUTS) != 0 && deliverEvent(kind, vector, error, <i64>rip, rflags() | extraFlags) ? 1 : 0;
}
