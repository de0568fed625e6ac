// IN and OUT where the privilege level alone allows them: straight to the port intercept, without the way through the slow half's table of instructions.
// References: SDM 1 19.5; machine/cpu/port-io, which does the rest (permission bitmap, breakpoints on ports, INS and OUTS).
import { ARG1, CODE_EPOCH, CONTINUE, CR0, CR0_PE, CS_ACCESS, EFER, EFER_LMA, KICK, LEAVE, LONG, RAX, RIP, VM } from './layout';
import { context, cplOf, systemFlags, vp } from './processor';
import { portRead, portWrite } from './slow';

/** Real mode, or CPL at most IOPL outside virtual-8086 mode. */
export function mayUsePorts(): bool {
  if ((load<i32>(vp + CR0) & CR0_PE) == 0) return true;
  const flags = systemFlags();
  return (flags & VM) == 0 && cplOf() <= ((flags >>> 12) & 3);
}

/** The block goes on unless somebody wants a look, as after any instruction of the slow half. */
function after(descriptor: i32, epoch: i32): i32 {
  if (load<i32>(context + KICK) == 0 && load<i32>(CODE_EPOCH) == epoch) return CONTINUE;
  const next = load<i64>(vp + RIP) + <i64>((descriptor >>> 8) & 15);
  const wide = (load<i32>(vp + EFER) & EFER_LMA) != 0 && (load<i32>(vp + CS_ACCESS) & LONG) != 0;
  store<i64>(vp + RIP, wide ? next : next & 0xffff_ffff);
  return LEAVE;
}

export function input(descriptor: i32): i32 {
  const epoch = load<i32>(CODE_EPOCH);
  const width = (descriptor >>> 12) & 3;
  const value = portRead(load<u16>(vp + ARG1), 1 << width);
  if (width == 0) store<u8>(vp + RAX, <u8>value);
  else if (width == 1) store<u16>(vp + RAX, <u16>value);
  else store<i64>(vp + RAX, <i64>(<u32>value));
  return after(descriptor, epoch);
}

export function output(descriptor: i32): i32 {
  const epoch = load<i32>(CODE_EPOCH);
  const width = (descriptor >>> 12) & 3;
  const value = load<i32>(vp + RAX);
  portWrite(load<u16>(vp + ARG1), 1 << width, width == 0 ? value & 0xff : width == 1 ? value & 0xffff : value);
  return after(descriptor, epoch);
}
