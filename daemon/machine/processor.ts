// What the slow half of the simulated processor works with: contracts between the CPU's parts, and between the CPU and the hypervisor above it.
// Why interfaces: the run loop provides them, tests provide small ones.
import type { FeatureSet } from '../../shared/cpu/feature-set.js';
import type { ShortcutExit } from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import type { CodeModes } from './cpu/code-mode.js';
import type { CpuidAnswers } from './cpuid-answers.js';
import type { DebugUnit } from './debug-unit.js';
import type { Shortcuts } from './shortcuts.js';

/** A guest fault on its way to delivery. Thrown (a preallocated object, no stack) by anything below `sys` helpers and caught by the run loop. */
export class GuestFault {
  vector = 0;
  /** -1 = no error code. */
  error = -1;
  /** The linear address, when it was refused as non-canonical; otherwise 0. */
  nonCanonical = 0;
  set(vector: number, error = -1): this {
    this.vector = vector;
    this.error = error;
    this.nonCanonical = 0;
    return this;
  }
  /** #GP(0) for a non-canonical address; who knows the instruction may make it the stack's #SS(0). */
  setNonCanonical(gva: number): this {
    this.set(13, 0);
    this.nonCanonical = gva;
    return this;
  }
}

/** Linear-address accesses by the processor itself. Addresses are GVAs as numbers (sign-extended); any of them may throw GuestFault (#PF with CR2 set, #GP/#SS for non-canonical). */
export interface LinearMemory {
  read8(gva: number): number;
  read16(gva: number): number;
  /** Unsigned. */
  read32(gva: number): number;
  read64(gva: number): bigint;
  /** As a signed number; exact for canonical addresses and counts below 2^53. */
  read64Number(gva: number): number;
  write8(gva: number, value: number): void;
  write16(gva: number, value: number): void;
  write32(gva: number, value: number): void;
  write64(gva: number, value: bigint): void;
  write64Number(gva: number, value: number): void;
  /**
   * Accesses until `restore` are made with supervisor privilege whatever CPL is. `implicit`: they are the processor's own (descriptor tables, TSS, IDT), which
   * SMAP never lets touch user pages (SDM 3A 4.6.1). Returns what to hand to `restore`.
   */
  supervisor(implicit?: boolean): number;
  restore(previous: number): void;
  /** Checks that a write of the bytes would succeed (both pages when it crosses); throws as the write would. */
  probeWrite(gva: number, bytes: number): void;
  /** SPA of the byte if the whole page is ordinary memory that may be read (written) without being watched, -1 otherwise (MMIO, watched code, ...). May throw GuestFault. For bulk string operations. */
  hostRead(gva: number): number;
  hostWrite(gva: number): number;
  /** As hostRead by the processor itself: an implicit supervisor access. For descriptor tables. */
  hostTable(gva: number): number;
  /** Counts flushes of the TLB: while it stays the same, what `host*` said before is still so. To find a second address this LP may have to leave guest mode. */
  readonly flushes: number;
}

/** Results of an intercept that may have to leave guest code. */
export const Resume = { CONTINUE: 0, LEAVE: 1 } as const;

/** Types of INVPCID (SDM 2A). */
export const InvpcidType = { ADDRESS: 0, CONTEXT: 1, ALL: 2, ALL_BUT_GLOBAL: 3 } as const;

/** The hypervisor as the processor sees it in guest mode. Numbers are u32 unless said otherwise. All may throw GuestFault to reflect a fault to the guest. */
export interface Intercepts {
  /** MOV to CR0/CR3/CR4/CR8, LMSW, CLTS, task switches. The value by its halves. Checks the guest's rules (#GP), updates the guest's register, switches shadow address spaces. */
  writeCr(cr: number, low: number, high: number): void;
  /** All but CR2, which is in the VP block. */
  readCr(cr: number): number;
  invlpg(gva: number): void;
  /** `type`: InvpcidType. Operands are checked. */
  invpcid(type: number, pcid: number, gva: number): void;
  ioRead(port: number, bytes: 1 | 2 | 4): number;
  ioWrite(port: number, bytes: 1 | 2 | 4, value: number): void;
  readMsr(index: number): bigint;
  writeMsr(index: number, value: bigint): void;
  /** [EAX, EBX, ECX, EDX]. */
  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number];
  /** CPUID was answered so many times more as before, and charged: to be counted. */
  cpuidAnswered(times: number): void;
  /** Shortcuts have dealt with so many of them, charged and counted for the VP: the machine is to count them. */
  shortened(exit: ShortcutExit, times: number): void;
  /** HLT with no interrupt deliverable. The VP's state changes; the helper then leaves guest code. */
  halt(): void;
  /** MONITOR of the line with this address in partition memory. */
  monitor(spa: number): void;
  /** MWAIT with a monitor that is armed. The VP's state changes; the helper then leaves guest code. False: there is nothing to wait for. */
  mwait(maskedToo: boolean): boolean;
  pause(): void;
  /** A loop that only waits has done so for the window that was set: nothing but another processor, a device or an interrupt ends it. */
  waiting(): void;
  /** False: the instruction is to be executed again, after interrupts. */
  hypercall(): boolean;
  /** VMRUN: only for the processor that runs the hypervisor's own code. */
  runGuest?(): void;
  /** Guest time-stamp counter. */
  tsc(): bigint;
  /** FERR#: a waiting x87 instruction finds an unmasked exception while CR0.NE is 0. The instruction is tried again after interrupts (SDM 1 8.7.2). */
  floatError(): void;
  /** The VP cannot go on (SDM 3A 6.15, shutdown). */
  tripleFault(): void;
  wbinvd(): void;
}

/** The processor as its slow half sees it: one per (LP, partition), re-pointed at the current VP. */
export interface Processor {
  readonly views: Views;
  /** The current VP's block. */
  readonly vp: VpBlock;
  readonly memory: LinearMemory;
  readonly intercepts: Intercepts;
  /** Keeps what CPUID answered until `modeChanged`. */
  readonly answers: Pick<CpuidAnswers, 'keep'>;
  /** For events within a level, where there are any. */
  readonly shortcuts?: Pick<Shortcuts, 'deliver'>;
  /** Copies host memory of the partition; the ranges may overlap. */
  readonly copy: (to: number, from: number, bytes: number) => void;
  /** Fills host memory of the partition with a byte. */
  readonly fill: (to: number, value: number, bytes: number) => void;
  /** The one fault object to throw: `throw processor.fault.set(13, 0)`. */
  readonly fault: GuestFault;
  /** What CPUID promises; and the modes that code is translated for with it. */
  readonly features: FeatureSet;
  readonly modes: CodeModes;
  /** Breakpoints and single steps. */
  readonly debug: DebugUnit;
  /** Charges LP cycles beyond the instruction's own. */
  charge(cycles: number): void;
  /** CS, SS, CPL, CR0.PE, CR4, XCR0, EFER.LMA, IA32_APIC_BASE or a segment's flatness may have changed: forgets CPUID's answers, recomputes the code mode, the TLB half and the segment limits (READ_LIMIT, WRITE_LIMIT slots). */
  modeChanged(): void;
}
