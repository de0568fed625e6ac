// Host memory: what the hypervisor on the LPs owns as a processor sees it: register blocks, page tables, descriptor tables, stacks, and the code that changes
// super-mode. One shared WebAssembly.Memory for the machine, laid out as a partition's is (partition.ts), so that the same processor runs it: VP block n is the
// register file of LP n, LP context n its TLB and code cache, guest RAM is the host's memory. Why apart from machine.ts: translated code reaches WebAssembly memory only.
//
// Addresses of the host (linear and physical; every LP has the same linear map):
//   0x0_8000  the switch page (hypervisor/world/switch-page): physical = linear in both tables of every LP, read-only
//   0x0_9000  entries of the far side's IDT handlers, 16 bytes each      0x0_a000  those of the 64-bit IDT
//   0x0_b000  INT n; RET for each vector, 4 bytes each                    0x0_c000  far side's IDT    0x0_d000  64-bit IDT
//   0x1_0000  the LP's own page (HostLp below), 0x1_1000 stack of the far side, 0x1_2000 of the 64-bit side: other physical pages for each LP
//   physical 0x10_0000 + LP x 0x1_0000: that LP's tables and pages (HostPage)
import { MAX_LPS, PartitionHeader, PartitionMap } from './partition.js';
import { accessor, block, struct, u32, u64, viewsOf } from './struct.js';

export const HostMap = {
  SWITCH_PAGE: 0x8000,
  FAR_STUBS: 0x9000,
  STUBS: 0xa000,
  INTERRUPTS: 0xb000,
  FAR_IDT: 0xc000,
  IDT: 0xd000,
  LP: 0x1_0000,
  FAR_STACK_TOP: 0x1_2000,
  STACK_TOP: 0x1_3000,
  LP_PAGES: 0x10_0000,
  LP_STRIDE: 0x1_0000,
} as const;
/** Bytes of an entry stub, and of INT n; RET. */
export const HOST_STUB = 16;
export const HOST_INTERRUPT = 4;
export const HOST_RAM: number = HostMap.LP_PAGES + MAX_LPS * HostMap.LP_STRIDE;

/** Pages of an LP from HostMap.LP_PAGES + LP x LP_STRIDE on. The page directory and its table serve both modes: PAE entries and 4-level ones are the same. */
export const HostPage = { PML4: 0, PDPT: 1, DIRECTORY: 2, TABLE: 3, LEGACY_PDPT: 4, LP: 5, FAR_STACK: 6, STACK: 7 } as const;
export const hostPageAt = (lp: number, page: number): number => HostMap.LP_PAGES + lp * HostMap.LP_STRIDE + page * 4096;

/** The LP's own page. The switch page's code has these offsets in it: its test compares them. */
export const HostLpLayout = struct('HostLp', {
  gdt: block(0x40, 64),
  farGdt: block(0x40, 64),
  /** Operands of LGDT and LIDT: limit, base. */
  gdtr: block(16, 16),
  idtr: block(16, 16),
  farGdtr: block(16, 16),
  farIdtr: block(16, 16),
  legacyCr3: u64,
  longCr3: u64,
  savedRsp: u64,
  /** Why guest mode was left last: HostExit. */
  exitCode: u32,
  /** Vector that came on the far side and is still to be delivered here, 0 none. */
  vector: u32,
  /** DR0 to DR3 and DR6 while a guest has the debug registers. */
  debug: block(5 * 8),
  /** The host's vector that its handler hands over. */
  handed: u32,
  tss: block(0x68, 64),
  farTss: block(0x68, 64),
  /** Interrupts and exceptions that the 64-bit IDT has had, by vector. */
  counts: block(256 * 4, 64),
});
export const HostLp = accessor(HostLpLayout);
export type HostLp = InstanceType<typeof HostLp>;

/** Why guest mode is left: an intercept, or a physical interrupt (as AMD's VMEXIT_INTR, APM 2 appendix C). */
export const HostExit = { INTERCEPT: 1, INTERRUPT: 0x60 } as const;

export const HostSelector = { CODE64: 0x08, DATA: 0x10, CODE32: 0x18, TSS: 0x20 } as const;
/** Data and 32-bit code are the same segments in both: what is loaded of them stays good. */
export const FarSelector = { DATA: 0x10, CODE32: 0x18, TSS: 0x20 } as const;

/** The memory, empty: an LP lays out its part before it uses it. By root, before any LP runs. */
export const createHostMemory = (lps: number): WebAssembly.Memory => {
  const pages = (PartitionMap.RAM + HOST_RAM) / 0x1_0000;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const header = new PartitionHeader(viewsOf(memory.buffer), PartitionMap.HEADER);
  header.vpCount = header.lpCount = lps;
  header.ramSize = HOST_RAM;
  return memory;
};
