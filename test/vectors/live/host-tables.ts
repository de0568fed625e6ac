// The descriptor tables that user code on the host can name segments of: Linux's GDT, and the LDT that harness/live.c sets up. For the simulated processor,
// so that loads of segment registers and far transfers find the same descriptors on both.
// References: Linux arch/x86/include/asm/segment.h (GDT) and desc.h (fill_ldt: what modify_ldt makes of a user_desc).
import { type BareProcessor, System } from '../../rig/bare-processor.js';
import { CODE_PAGE, DATA_PAGE } from '../load.js';

/** GDT entries by number; 9 and 11 are the upper halves of TSS and LDT. The last, 15, is the host's CPU number: not to be looked at. */
const GDT: Readonly<Record<number, bigint>> = {
  1: 0x00cf_9b00_0000_ffffn,
  2: 0x00af_9b00_0000_ffffn,
  3: 0x00cf_9300_0000_ffffn,
  4: 0x00cf_fb00_0000_ffffn,
  5: 0x00cf_f300_0000_ffffn,
  6: 0x00af_fb00_0000_ffffn,
  8: 0x0000_8b00_0000_0067n,
  10: 0x0000_8200_0000_0000n,
};
export const GDT_ENTRIES = 16;
const KERNEL_CS = 0x10n;

/** Type, S, DPL 3 and P; AVL, D/B and G. */
const Access = { DATA: 0xf3, READ_ONLY: 0xf1, EXPAND_DOWN: 0xf7, CODE: 0xfb, EXECUTE_ONLY: 0xf9, ABSENT: 0x80 } as const;
const AVL = 0x10;
const WIDE = 0x40;
const PAGES = 0x80;
const entry = (base: number, limit: number, access: number, flags = 0): bigint => {
  const [b, l] = [BigInt(base), BigInt(limit)];
  return (
    (l & 0xffffn) |
    ((b & 0xff_ffffn) << 16n) |
    (BigInt(access) << 40n) |
    ((l >> 16n) << 48n) |
    (BigInt(flags | AVL) << 48n) |
    ((b >> 24n) << 56n)
  );
};
/** As harness/live.c has them. */
const LDT: readonly bigint[] = [
  entry(CODE_PAGE, 0xffff, Access.CODE),
  entry(DATA_PAGE, 0xffff, Access.DATA),
  entry(DATA_PAGE + 0x100, 0x9ff, Access.DATA, WIDE),
  entry(DATA_PAGE, 0x3ff, Access.EXPAND_DOWN, WIDE),
  entry(DATA_PAGE, 0xffff, Access.READ_ONLY),
  entry(CODE_PAGE, 0xffff, Access.EXECUTE_ONLY, WIDE),
  entry(DATA_PAGE, 0xffff, Access.DATA & ~Access.ABSENT, WIDE),
  entry(CODE_PAGE, 0xffff, Access.CODE & ~Access.ABSENT),
  entry(CODE_PAGE, 0xffff, Access.CODE, WIDE),
  entry(DATA_PAGE, 0xbff, Access.DATA),
  entry(DATA_PAGE, 0xf, Access.DATA, WIDE | PAGES),
  entry(CODE_PAGE, 0x1fff, Access.CODE),
];
export const LDT_ENTRIES: number = LDT.length;

/** Segments whose offsets count from the data page, or the code page; the others count from 0. */
export const LOCAL_CODE: readonly number[] = [0, 5, 7, 8, 11];

/** Offset of the LDT in the page of the GDT. */
const LDT_AT = 0x400;

/** In place of the tables that `userMode` has set up at `gpa`, with 64-bit gates. */
export const installHostTables = (machine: BareProcessor, gpa: number): void => {
  const { views, vp } = machine;
  const gdt = machine.host(gpa) >>> 3;
  for (let i = 0; i < GDT_ENTRIES; i++) views.u64[gdt + i] = GDT[i] ?? 0n;
  views.u64.set(LDT, gdt + (LDT_AT >>> 3));
  const idt = machine.host(gpa + System.IDT - System.GDT) >>> 3;
  for (let vector = 0; vector < 256; vector++)
    views.u64[idt + vector * 2] = (views.u64[idt + vector * 2] & ~0xffff_0000n) | (KERNEL_CS << 16n);
  Object.assign(vp, {
    gdtrLimit: GDT_ENTRIES * 8 - 1,
    ldtrSelector: 0x50,
    ldtrAccess: 0x82,
    ldtrBaseNum: System.GDT + LDT_AT,
    ldtrLimit: LDT_ENTRIES * 8 - 1,
    trSelector: 0x40,
  });
};
