// Interrupts, system calls, ports, control registers and the rest that the processor's slow half does whole; fences and no-operations.
import { OpKind, Register } from 'iced-x86';
import { Slot } from '../../../shared/layout/vp.js';
import { REGISTER_SLOT, REGISTER_WIDTH, segmentNumber } from '../decode/registers.js';
import { SysOp, type Width } from '../micro-op.js';
import { inSegment } from './effective-address.js';
import type { Families, Family } from './instruction-context.js';
import { undefinedInstruction } from './undefined.js';

const DS = 3;
const FS = 4;
const GS = 5;

const nothing: Family = () => undefined;
const fence: Family = (x) => x.builder.fence();

/** No operands beyond the registers. `ends`: what follows must be fetched, decoded or interrupted anew. */
const plain =
  (op: number, width: Width = 2): Family =>
  (x) =>
    x.builder.sys({ op, width, addressWidth: x.addressWidth });
const ending =
  (op: number, width: Width = 2): Family =>
  (x) =>
    x.builder.sys({ op, width, addressWidth: x.addressWidth }, true);

const interrupt: Family = (x) => {
  x.builder.move(Slot.ARG0, x.builder.constant(x.decoder.instruction.immediate8));
  x.builder.sys({ op: SysOp.INT, width: 2, addressWidth: x.addressWidth }, true);
};
/** AAM, AAD: ARG1 = base. */
const withBase =
  (op: number): Family =>
  (x) => {
    x.builder.move(Slot.ARG1, x.builder.constant(x.decoder.instruction.immediate8));
    x.builder.sys({ op, width: 0, addressWidth: x.addressWidth });
  };
/** IN, OUT: ARG1 = port. */
const port =
  (op: number, operand: number, width: Width): Family =>
  (x) => {
    const { builder } = x;
    const immediate = x.kind(operand) !== OpKind.Register;
    builder.move(Slot.ARG1, immediate ? builder.constant(x.decoder.instruction.immediate8) : builder.zeroExtended(1, Slot.RDX));
    builder.sys({ op, width, addressWidth: x.addressWidth });
  };
const bound: Family = (x) => {
  const { builder, width, addressWidth } = x;
  builder.move(Slot.ARG0, x.address(1 << width, false));
  const segment = segmentNumber(x.decoder.instruction.memorySegment);
  builder.sys({ op: SysOp.BOUND, width, addressWidth, a: REGISTER_SLOT[x.register(0)], segment, memory: true });
};

const controlRegister =
  (op: number, general: number, first: Register, ends: boolean): Family =>
  (x) => {
    const special = 1 - general;
    x.builder.sys(
      {
        op,
        width: x.builder.mode.bits === 64 ? 3 : 2,
        addressWidth: x.addressWidth,
        a: x.register(special) - first,
        b: REGISTER_SLOT[x.register(general)],
      },
      ends,
    );
  };
const invlpg: Family = (x) => {
  x.builder.move(Slot.ARG0, x.address(1, false));
  x.builder.sys({ op: SysOp.INVLPG, width: 0, addressWidth: x.addressWidth, memory: true }, true);
};
const invpcid: Family = (x) => {
  x.builder.move(Slot.ARG0, x.address(16, false));
  x.builder.sys(
    {
      op: SysOp.INVPCID,
      width: x.builder.mode.bits === 64 ? 3 : 2,
      addressWidth: x.addressWidth,
      b: REGISTER_SLOT[x.register(0)],
      memory: true,
    },
    true,
  );
};

/** RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE. */
const segmentBase =
  (op: number, segment: number): Family =>
  (x) => {
    const register = x.register(0);
    x.builder.sys({ op, width: REGISTER_WIDTH[register] as Width, addressWidth: x.addressWidth, a: segment, b: REGISTER_SLOT[register] });
  };
const rdpid: Family = (x) => x.builder.sys({ op: SysOp.READ_PID, width: 2, addressWidth: x.addressWidth, b: REGISTER_SLOT[x.register(0)] });
/** CLFLUSH, CLFLUSHOPT, CLWB: there are no caches; the address is checked as that of a byte read (SDM 2A CLFLUSH). */
const cacheLine: Family = (x) => void x.builder.load(0, x.address(1, false));

/** MONITOR: ARG0 = linear address of DS (or the override):rAX. */
const monitor: Family = (x) => {
  const segment = x.segmentOverride ? segmentNumber(x.decoder.instruction.segmentPrefix) : DS;
  const { builder, addressWidth } = x;
  const offset = builder.zeroExtended(addressWidth, Slot.RAX);
  const byDefault = !x.segmentOverride && builder.mode.flat;
  builder.move(Slot.ARG0, byDefault ? offset : inSegment(x, segment, offset, 1, false));
  builder.sys({ op: SysOp.MONITOR, width: 0, addressWidth, memory: true });
};
/** RDRAND, RDSEED: one source of numbers behind both. */
const random: Family = (x) =>
  x.builder.sys({
    op: SysOp.RDRAND,
    width: REGISTER_WIDTH[x.register(0)] as Width,
    addressWidth: x.addressWidth,
    b: REGISTER_SLOT[x.register(0)],
  });

const families: Record<string, Family> = {
  Nopw: nothing,
  Nopd: nothing,
  Nopq: nothing,
  Nop: nothing,
  Reservednop: nothing,
  Endbr64: nothing,
  Endbr32: nothing,
  Prefetch: nothing,
  Prefetchw: nothing,
  Prefetchwt1: nothing,
  Prefetchnta: nothing,
  Prefetcht0: nothing,
  Prefetcht1: nothing,
  Prefetcht2: nothing,
  Prefetchit0: nothing,
  Prefetchit1: nothing,
  Cldemote: nothing,
  Rdsspd: nothing,
  Rdsspq: nothing,
  Ud0: undefinedInstruction,
  Ud1: undefinedInstruction,
  Ud2: undefinedInstruction,
  Int: interrupt,
  Int3: ending(SysOp.INT3),
  Int1: ending(SysOp.INT1),
  Into: plain(SysOp.INTO),
  Bound: bound,
  Iretw: ending(SysOp.IRET, 1),
  Iretd: ending(SysOp.IRET, 2),
  Iretq: ending(SysOp.IRET, 3),
  Syscall: ending(SysOp.SYSCALL),
  Sysretd: ending(SysOp.SYSRET, 2),
  Sysretq: ending(SysOp.SYSRET, 3),
  Sysenter: ending(SysOp.SYSENTER),
  Sysexitd: ending(SysOp.SYSEXIT, 2),
  Sysexitq: ending(SysOp.SYSEXIT, 3),
  Hlt: ending(SysOp.HLT),
  Cpuid: plain(SysOp.CPUID),
  Rdtsc: plain(SysOp.RDTSC),
  Rdtscp: plain(SysOp.RDTSCP),
  Rdpmc: plain(SysOp.RDPMC),
  Rdmsr: plain(SysOp.RDMSR),
  Wrmsr: ending(SysOp.WRMSR),
  Pause: plain(SysOp.PAUSE),
  Cli: plain(SysOp.CLI),
  Sti: ending(SysOp.STI),
  Clts: ending(SysOp.CLTS),
  In_AL_imm8: port(SysOp.IN, 1, 0),
  In_AX_imm8: port(SysOp.IN, 1, 1),
  In_EAX_imm8: port(SysOp.IN, 1, 2),
  In_AL_DX: port(SysOp.IN, 1, 0),
  In_AX_DX: port(SysOp.IN, 1, 1),
  In_EAX_DX: port(SysOp.IN, 1, 2),
  Out_imm8_AL: port(SysOp.OUT, 0, 0),
  Out_imm8_AX: port(SysOp.OUT, 0, 1),
  Out_imm8_EAX: port(SysOp.OUT, 0, 2),
  Out_DX_AL: port(SysOp.OUT, 0, 0),
  Out_DX_AX: port(SysOp.OUT, 0, 1),
  Out_DX_EAX: port(SysOp.OUT, 0, 2),
  Mov_r32_cr: controlRegister(SysOp.MOV_FROM_CR, 0, Register.CR0, false),
  Mov_r64_cr: controlRegister(SysOp.MOV_FROM_CR, 0, Register.CR0, false),
  Mov_cr_r32: controlRegister(SysOp.MOV_TO_CR, 1, Register.CR0, true),
  Mov_cr_r64: controlRegister(SysOp.MOV_TO_CR, 1, Register.CR0, true),
  Mov_r32_dr: controlRegister(SysOp.MOV_FROM_DR, 0, Register.DR0, false),
  Mov_r64_dr: controlRegister(SysOp.MOV_FROM_DR, 0, Register.DR0, false),
  Mov_dr_r32: controlRegister(SysOp.MOV_TO_DR, 1, Register.DR0, true),
  Mov_dr_r64: controlRegister(SysOp.MOV_TO_DR, 1, Register.DR0, true),
  Invlpg: invlpg,
  Invpcid: invpcid,
  Invd: plain(SysOp.INVD),
  Wbinvd: plain(SysOp.WBINVD),
  Wbnoinvd: plain(SysOp.WBINVD),
  Swapgs: plain(SysOp.SWAPGS),
  Rsm: ending(SysOp.RSM),
  Xgetbv: plain(SysOp.XGETBV),
  Xsetbv: ending(SysOp.XSETBV),
  Vmcall: plain(SysOp.VMCALL),
  Vmmcall: plain(SysOp.VMCALL),
  Vmrund: ending(SysOp.VMRUN),
  Vmrunq: ending(SysOp.VMRUN),
  Monitorw: monitor,
  Monitord: monitor,
  Monitorq: monitor,
  Mwait: ending(SysOp.MWAIT),
  Rdrand: random,
  Rdseed: random,
  Stac: plain(SysOp.STAC),
  Clac: plain(SysOp.CLAC),
  Rdfsbase: segmentBase(SysOp.READ_BASE, FS),
  Rdgsbase: segmentBase(SysOp.READ_BASE, GS),
  Wrfsbase: segmentBase(SysOp.WRITE_BASE, FS),
  Wrgsbase: segmentBase(SysOp.WRITE_BASE, GS),
  Rdpid: rdpid,
  Clflush: cacheLine,
  Clflushopt: cacheLine,
  Clwb: cacheLine,
  Daa: plain(SysOp.DAA, 0),
  Das: plain(SysOp.DAS, 0),
  Aaa: plain(SysOp.AAA, 0),
  Aas: plain(SysOp.AAS, 0),
  Aam: withBase(SysOp.AAM),
  Aad: withBase(SysOp.AAD),
};
for (const suffix of ['', '_E9', '_EA', '_EB', '_EC', '_ED', '_EE', '_EF']) families[`Lfence${suffix}`] = fence;
for (const suffix of ['', '_F1', '_F2', '_F3', '_F4', '_F5', '_F6', '_F7']) families[`Mfence${suffix}`] = fence;
for (const suffix of ['', '_F9', '_FA', '_FB', '_FC', '_FD', '_FE', '_FF']) families[`Sfence${suffix}`] = fence;
export const systemFamilies: Families = families;
