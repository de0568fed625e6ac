// IN and OUT where the privilege level alone allows them: straight to the port intercept, without the way through the slow half's table of instructions.
// References: SDM 1 19.5; machine/cpu/port-io, which does the rest (permission bitmap, breakpoints on ports, INS and OUTS).
import {
  ARG1,
  CODE_EPOCH,
  CONSOLE_IN_HEAD,
  CONSOLE_IN_TAIL,
  CONTINUE,
  CR0,
  CR0_PE,
  CS_ACCESS,
  EFER,
  EFER_LMA,
  EXIT_PORT,
  IO_INTERCEPTS,
  KICK,
  LEAVE,
  LONG,
  POST_CODE,
  RAX,
  RIP,
  UART_FIFO_COUNT,
  UART_LINE_ERRORS,
  VM,
} from './layout';
import { charge, context, count, cplOf, systemFlags, vp } from './processor';
import { portRead, portWrite } from './slow';

/** Real mode, or CPL at most IOPL outside virtual-8086 mode. */
export function mayUsePorts(): bool {
  if ((load<i32>(vp + CR0) & CR0_PE) == 0) return true;
  const flags = systemFlags();
  return (flags & VM) == 0 && cplOf() <= ((flags >>> 12) & 3);
}

/** RIP names the next instruction. */
export function advance(descriptor: i32): void {
  const next = load<i64>(vp + RIP) + <i64>((descriptor >>> 8) & 15);
  const wide = (load<i32>(vp + EFER) & EFER_LMA) != 0 && (load<i32>(vp + CS_ACCESS) & LONG) != 0;
  store<i64>(vp + RIP, wide ? next : next & 0xffff_ffff);
}
/** The block goes on unless somebody wants a look, as after any instruction of the slow half. */
function after(descriptor: i32, epoch: i32): i32 {
  if (load<i32>(context + KICK) == 0 && load<i32>(CODE_EPOCH) == epoch) return CONTINUE;
  advance(descriptor);
  return LEAVE;
}

const LINE_STATUS = 0x3fd;
const POST = 0x80;
/** Transmitter and its register empty. */
const TRANSMITTER_EMPTY = 0x60;

/**
 * The byte that a port has without its device being asked, or -1: the line status of COM1 while there is nothing to receive (platform/uart `quietStatus`), which
 * drivers poll before each byte, and the page register behind port 80h (platform/dma).
 */
function quietByte(port: i32): i32 {
  if (port == POST) return load<u8>(POST_CODE);
  const quiet =
    port == LINE_STATUS &&
    (load<u8>(UART_FIFO_COUNT) | load<u8>(UART_LINE_ERRORS)) == 0 &&
    load<i32>(CONSOLE_IN_HEAD) == load<i32>(CONSOLE_IN_TAIL);
  return quiet ? TRANSMITTER_EMPTY : -1;
}
function account(): void {
  count(IO_INTERCEPTS);
  charge(EXIT_PORT);
}

export function input(descriptor: i32): i32 {
  const epoch = load<i32>(CODE_EPOCH);
  const width = (descriptor >>> 12) & 3;
  const port: i32 = load<u16>(vp + ARG1);
  let value = width == 0 ? quietByte(port) : -1;
  if (value >= 0) account();
  else value = portRead(port, 1 << width);
  if (width == 0) store<u8>(vp + RAX, <u8>value);
  else if (width == 1) store<u16>(vp + RAX, <u16>value);
  else store<i64>(vp + RAX, <i64>(<u32>value));
  return after(descriptor, epoch);
}

export function output(descriptor: i32): i32 {
  const epoch = load<i32>(CODE_EPOCH);
  const width = (descriptor >>> 12) & 3;
  const port: i32 = load<u16>(vp + ARG1);
  const value = load<i32>(vp + RAX);
  // POST codes, and the pause between two accesses of slow devices: nothing hangs on them.
  if (port == POST && width == 0) {
    account();
    store<u8>(POST_CODE, value);
  } else portWrite(port, 1 << width, width == 0 ? value & 0xff : width == 1 ? value & 0xffff : value);
  return after(descriptor, epoch);
}
