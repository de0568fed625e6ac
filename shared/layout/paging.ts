// Bits of x86 paging-structure entries and of page-fault error codes, and the word that describes one memory access to walker and vTLB.
// Why apart: guest page tables and shadow page tables have the same format; both walkers read these. References: SDM 3A 4.3-4.5, 4.7.
//
//   entry, low 32 bits:   31..12 frame   11..9 ignored   8 G   7 PS   6 D   5 A   4 PCD   3 PWT   2 U   1 W   0 P
//   entry, high 32 bits:  31 XD   19..0 frame (bits 51..32)

import { PHYSICAL_ADDRESS_BITS } from '../abi/registers.js';

/** Bits of the low half of an entry. */
export const Pte = { P: 1, W: 2, U: 4, A: 0x20, D: 0x40, PS: 0x80, G: 0x100 } as const;
/** Bit 63, execute disable, as it stands in the high half (signed). */
export const PTE_XD_HIGH = -0x8000_0000;
/**
 * Bits that must be zero. In the high half: 51..MAXPHYADDR in 4-level paging, 62..MAXPHYADDR in PAE paging; bit 63 too without NXE. In the low half of a large page's
 * entry, 1 GiB, 2 MiB, and 4 MiB without PSE-36: address bits below its size; bit 12 is PAT (SDM 3A tables 4-4, 4-9, 4-16, 4-18).
 */
export const Reserved = {
  HIGH_LONG: (1 << (52 - 32)) - (1 << (PHYSICAL_ADDRESS_BITS - 32)),
  HIGH_PAE: 0x7fff_ffff & ~((1 << (PHYSICAL_ADDRESS_BITS - 32)) - 1),
  LARGE_1G: 0x3fff_e000,
  LARGE_2M: 0x1f_e000,
  LARGE_4M: 0x3f_e000,
} as const;
/** Bits of the high half that belong to the frame. */
export const FRAME_HIGH: number = (1 << (PHYSICAL_ADDRESS_BITS - 32)) - 1;
export const PTE_FRAME = -4096;
export const PAGE_TABLE_ENTRIES = 512;

/** Page-fault error code (SDM 3A 4.7). */
export const PageFaultError = { P: 1, W: 2, U: 4, RSVD: 8, I: 16 } as const;

/**
 * One access, as bits that agree with the error code's: WRITE, USER (made with user-mode privilege), FETCH.
 * IMPLICIT marks the processor's own supervisor accesses (descriptor tables, TSS), which EFLAGS.AC does not exempt from SMAP (SDM 3A 4.6.1).
 */
export const PageAccess = { READ: 0, WRITE: 2, USER: 4, FETCH: 16, IMPLICIT: 0x100 } as const;
