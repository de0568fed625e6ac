// The state of a virtual processor after power-up and after INIT (SDM 3A 10.1.1, table 10-1; table 9-1 in older editions).
// Why here: the loader makes VPs in this state before any LP runs, the hypervisor puts them back into it on INIT.
import { APIC_DEFAULT_BASE, APIC_EXTENDED, APIC_VERSION, ApicBase, Lvt, Svr } from '../abi/apic.js';
import { MISC_ENABLE_RESET, PAT_RESET } from '../abi/msr.js';
import { readProcessor } from '../cpu/partition-processor.js';
import { Slot, VP_BLOCK_SIZE, type VpBlock, VpState } from './vp.js';
import { seedRandom } from './vp-random.js';

/** CR0 after reset: caches off, ET. */
const CR0_RESET = 0x6000_0010;
/** Access rights of a present, accessed, 16-bit segment: data, code; and of the system segments (SDM 3A table 10-1). */
const ACCESS_DATA = 0x93;
const ACCESS_LDT = 0x82;
const ACCESS_TSS = 0x8b;
const LIMIT_64K = 0xffff;
/** SIMD floating-point exceptions masked; x87 state enabled. INIT leaves both as they are. */
const MXCSR_RESET = 0x1f80;
const XCR0_RESET = 1;
/** The x87 after power-up: no exception masked, single precision, all registers +0 (not as after FNINIT; SDM 3A table 10-1). */
const FPU_CONTROL_RESET = 0x40;

/** All of a VP block as at power-up: registers, MSRs, local APIC; every VP but VP 0 waits for a SIPI. Clears the counters too. The header names the processor and the machine's seed. */
export const powerUpVp = (vp: VpBlock, index: number): void => {
  vp.views.u8.fill(0, vp.base, vp.base + VP_BLOCK_SIZE);
  vp.index = index;
  vp.lp = -1;
  vp.homeLp = -1;
  vp.pat = PAT_RESET;
  vp.mxcsr = MXCSR_RESET;
  vp.xcr0 = XCR0_RESET;
  vp.miscEnable = BigInt(MISC_ENABLE_RESET);
  vp.apicId = index;
  seedRandom(vp, index);
  const { features } = readProcessor(vp.views);
  const enable = features.has('apic') ? ApicBase.ENABLE : 0;
  vp.apicVersion = features.has('extapic') ? (APIC_VERSION | APIC_EXTENDED) >>> 0 : APIC_VERSION;
  vp.apicBase = BigInt(APIC_DEFAULT_BASE + enable + (index === 0 ? ApicBase.BSP : 0));
  // INIT leaves floating-point state alone.
  vp.fpuControl = FPU_CONTROL_RESET;
  vp.fpuValid = 0xff;
  resetApicRegisters(vp);
  initRegisters(vp);
  vp.state = index === 0 ? VpState.READY : VpState.WAIT_FOR_SIPI;
};

/** What INIT resets of the registers: MSRs (but EFER), MTRRs, PAT, TSC and CR0.CD/NW stay. Owner LP only. */
export const initRegisters = (vp: VpBlock): void => {
  const { u64 } = vp.views;
  const slots = vp.base >>> 3;
  u64.fill(0n, slots, slots + Slot.SCRATCH);
  vp.views.u64[slots + Slot.RDX] = BigInt(readProcessor(vp.views).model.signature);
  u64[slots + Slot.RIP] = 0xfff0n;
  // A result of 1 is neither zero nor negative nor of even parity: the six arithmetic flags read as 0.
  u64[slots + Slot.FLAG_RESULT] = 1n;
  u64[slots + Slot.FLAG_SYSTEM] = 2n;
  u64[slots + Slot.CS_BASE] = 0xffff_0000n;
  // Every access goes to the slow check until the processor has derived its limits from the segments.
  u64.fill(0xffff_ffff_ffff_ffffn, slots + Slot.READ_LIMIT, slots + Slot.WRITE_LIMIT + 6);
  vp.esSelector = vp.ssSelector = vp.dsSelector = vp.fsSelector = vp.gsSelector = vp.ldtrSelector = vp.trSelector = 0;
  vp.csSelector = 0xf000;
  vp.esAccess = vp.csAccess = vp.ssAccess = vp.dsAccess = vp.fsAccess = vp.gsAccess = ACCESS_DATA;
  vp.ldtrAccess = ACCESS_LDT;
  vp.trAccess = ACCESS_TSS;
  vp.esLimit = vp.csLimit = vp.ssLimit = vp.dsLimit = vp.fsLimit = vp.gsLimit = vp.ldtrLimit = vp.trLimit = LIMIT_64K;
  vp.ldtrBase = vp.trBase = vp.gdtrBase = vp.idtrBase = 0n;
  vp.gdtrLimit = vp.idtrLimit = LIMIT_64K;
  // CD and NW are unchanged by INIT; at power-up the block was zero, and both are set.
  vp.cr0 = vp.cr0 === 0 ? CR0_RESET : (vp.cr0 & 0x6000_0000) | 0x10;
  vp.cr4 = 0;
  vp.cr2 = 0n;
  vp.cr3 = 0n;
  vp.efer = 0;
  vp.cpl = 0;
  u64.fill(0n, vp.pdpte >>> 3, (vp.pdpte >>> 3) + 4);
  u64.fill(0n, vp.dr >>> 3, (vp.dr >>> 3) + 8);
  u64[(vp.dr >>> 3) + 6] = 0xffff_0ff0n;
  u64[(vp.dr >>> 3) + 7] = 0x400n;
  vp.interruptShadow = vp.mwait = vp.extInt = 0;
  vp.pendingKind = vp.pendingVector = vp.pendingError = vp.pendingHasError = 0;
  vp.faultVector = vp.faultError = 0;
  vp.nmiPending = vp.nmiBlocked = vp.pauseCount = 0;
};

/**
 * The local APIC's registers as after power-up or INIT: software-disabled, nothing pending; ID and IA32_APIC_BASE stay (SDM 3A 11.4.7). Owner LP only, with no marker of lazy EOI set.
 * Returns, eight words, the vectors that were requested or in service: nobody will end them any more.
 */
export const resetApicRegisters = (vp: VpBlock): readonly number[] => {
  vp.apicTpr = vp.apicLdr = vp.apicEsr = vp.apicIcrLo = vp.apicIcrHi = 0;
  vp.apicDfr = 0xffff_ffff;
  vp.apicSvr = Svr.RESET;
  vp.lvtCmci = vp.lvtTimer = vp.lvtThermal = vp.lvtPerf = vp.lvtLint0 = vp.lvtLint1 = vp.lvtError = Lvt.RESET;
  vp.timerInitial = vp.timerDivide = vp.timerArmed = 0;
  vp.timerDeadline = vp.timerStart = vp.tscDeadline = 0n;
  vp.apicExtendedControl = 0;
  const { i32 } = vp.views;
  const lost = Array.from(
    { length: 8 },
    (_, word) => i32[(vp.irr >>> 2) + word] | i32[(vp.isr >>> 2) + word] | Atomics.exchange(i32, (vp.newIrr >>> 2) + word, 0),
  );
  i32.fill(0, vp.irr >>> 2, (vp.autoEoi >>> 2) + 8);
  i32.fill(0, vp.raised >>> 2, (vp.raised >>> 2) + 256);
  return lost;
};
