// What the hypervisor sets up for its LPs in host memory before they change super-mode: the code pages, page tables of both modes, descriptor tables, task state
// segments and entries of both IDTs. Why page table entries serve both modes: PAE's and 4-level paging's are the same below the page directory pointers (SDM 3A 4.4, 4.5).
import { SystemType } from '../../../shared/abi/registers.js';
import { writeProcessor } from '../../../shared/cpu/partition-processor.js';
import { parseProcessor } from '../../../shared/cpu/processor-choice.js';
import {
  FarSelector,
  HOST_INTERRUPT,
  HOST_RAM,
  HOST_STUB,
  HostLp,
  HostLpLayout,
  HostMap,
  HostPage,
  HostSelector,
  hostPageAt,
} from '../../../shared/layout/host-memory.js';
import { LpContext } from '../../../shared/layout/lp-context.js';
import { Pte } from '../../../shared/layout/paging.js';
import { lpContextAt, PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { SWITCH_CODE, SwitchCode } from './switch-page.js';

const VECTORS = 256;
/** Flat segments of level 0, accessed: 64-bit code, data, 32-bit code. */
const CODE64 = 0x00af_9b00_0000_ffffn;
const DATA = 0x00cf_9300_0000_ffffn;
const CODE32 = 0x00cf_9b00_0000_ffffn;
const TSS_LIMIT = 0x67;
/** Pages that everybody shares, of which none is written once LPs run. */
const SHARED_FIRST = HostMap.SWITCH_PAGE;
const SHARED_END = HostMap.IDT + 4096;
const READ_ONLY: number = Pte.P | Pte.A;
const WRITABLE: number = Pte.P | Pte.W | Pte.A | Pte.D;

const spa = (gpa: number): number => PartitionMap.RAM + gpa;

/** Writes what all LPs share, once, and what is the LP's. Before its processor is made. */
export const prepareHost = (views: Views, lp: number): void => {
  const { i32 } = views;
  const prepared = (PartitionMap.HEADER + PartitionLayout.at.prepared) >>> 2;
  if (Atomics.compareExchange(i32, prepared, 0, 1) === 0) {
    writeProcessor(views, parseProcessor('max'));
    writeSharedPages(views);
    Atomics.store(i32, prepared, 2);
    Atomics.notify(i32, prepared);
  } else while (Atomics.load(i32, prepared) !== 2) Atomics.wait(i32, prepared, 1);
  writeLpPages(views, lp);
};

/** The LP's own page as the host sees it. */
export const hostLp = (views: Views, lp: number): HostLp => new HostLp(views, spa(hostPageAt(lp, HostPage.LP)));

const writeSharedPages = ({ u8, data, u64 }: Views): void => {
  u8.set(SWITCH_CODE, spa(HostMap.SWITCH_PAGE));
  for (let vector = 0; vector < VECTORS; vector++) {
    writeEntry({ u8, data }, HostMap.STUBS, vector, SwitchCode.HANDLER);
    writeEntry({ u8, data }, HostMap.FAR_STUBS, vector, SwitchCode.FAR_HANDLER);
    u8.set([0xcd, vector, 0xc3], spa(HostMap.INTERRUPTS + vector * HOST_INTERRUPT));
    const far = spa(HostMap.FAR_IDT + vector * 8) >>> 3;
    u64[far] = gate(FarSelector.CODE32, HostMap.FAR_STUBS + vector * HOST_STUB);
    const long = spa(HostMap.IDT + vector * 16) >>> 3;
    u64[long] = gate(HostSelector.CODE64, HostMap.STUBS + vector * HOST_STUB);
  }
};
/** PUSH vector; JMP handler. */
const writeEntry = ({ u8, data }: Pick<Views, 'u8' | 'data'>, table: number, vector: number, handler: number): void => {
  const at = table + vector * HOST_STUB;
  u8[spa(at)] = 0x68;
  data.setUint32(spa(at + 1), vector, true);
  u8[spa(at + 5)] = 0xe9;
  data.setInt32(spa(at + 6), handler - (at + 10), true);
};
/** An interrupt gate of level 0; in IA-32e mode the first half of one (SDM 3A 6.11, 6.14.1). */
const gate = (selector: number, handler: number): bigint =>
  BigInt(handler & 0xffff) | (BigInt(selector) << 16n) | (BigInt(0x80 | SystemType.INTERRUPT_GATE32) << 40n);
/** A task state segment that is not busy; in IA-32e mode the first half of one, whose base is below 4 GiB. */
const taskState = (base: number): bigint =>
  BigInt(TSS_LIMIT) | (BigInt(base & 0xff_ffff) << 16n) | (BigInt(0x80 | SystemType.TSS32) << 40n) | (BigInt(base >>> 24) << 56n);

const writeLpPages = (views: Views, lp: number): void => {
  const { u64, data } = views;
  const put = (page: number, entry: number, value: number): void => {
    u64[spa(hostPageAt(lp, page) + entry * 8) >>> 3] = BigInt(value);
  };
  const table = (page: number): number => hostPageAt(lp, page) | Pte.P | Pte.W | Pte.A;
  put(HostPage.PML4, 0, table(HostPage.PDPT));
  put(HostPage.PDPT, 0, table(HostPage.DIRECTORY));
  // Of a PDPTE that MOV CR3 loads, R/W and A are reserved (SDM 3A 4.4.1).
  put(HostPage.LEGACY_PDPT, 0, hostPageAt(lp, HostPage.DIRECTORY) | Pte.P);
  put(HostPage.DIRECTORY, 0, table(HostPage.TABLE));
  for (let at: number = SHARED_FIRST; at < SHARED_END; at += 4096) put(HostPage.TABLE, at >>> 12, at | READ_ONLY);
  [HostPage.LP, HostPage.FAR_STACK, HostPage.STACK].forEach((page, i) => {
    put(HostPage.TABLE, (HostMap.LP >>> 12) + i, hostPageAt(lp, page) | WRITABLE);
  });

  const own = hostLp(views, lp);
  const { at } = HostLpLayout;
  const linear = (field: number): number => HostMap.LP + field;
  [0n, CODE64, DATA, CODE32, taskState(linear(at.tss)), 0n].forEach((entry, i) => {
    u64[(own.gdt >>> 3) + i] = entry;
  });
  [0n, 0n, DATA, CODE32, taskState(linear(at.farTss))].forEach((entry, i) => {
    u64[(own.farGdt >>> 3) + i] = entry;
  });
  for (const [operand, base, limit] of [
    [own.gdtr, linear(at.gdt), 6 * 8 - 1],
    [own.idtr, HostMap.IDT, VECTORS * 16 - 1],
    [own.farGdtr, linear(at.farGdt), 5 * 8 - 1],
    [own.farIdtr, HostMap.FAR_IDT, VECTORS * 8 - 1],
  ] as const) {
    data.setUint16(operand, limit, true);
    data.setUint32(operand + 2, base, true);
  }
  own.longCr3 = BigInt(hostPageAt(lp, HostPage.PML4));
  own.legacyCr3 = BigInt(hostPageAt(lp, HostPage.LEGACY_PDPT));
  // RSP0 and ESP0, SS0: no code of the host runs at another level, but a task state segment says where level 0 is.
  data.setUint32(own.tss + 4, HostMap.STACK_TOP, true);
  data.setUint32(own.farTss + 4, HostMap.FAR_STACK_TOP, true);
  data.setUint32(own.farTss + 8, FarSelector.DATA, true);
};

/** Entry of the page's table entry in host memory, as an index of `u64`. */
const entryAt = (lp: number, linear: number): number => spa(hostPageAt(lp, HostPage.TABLE) + (linear >>> 12) * 8) >>> 3;
/** Changes the page table entry of a linear page below 2 MiB, in both modes' tables: what TLBs hold is forgotten with the next load of CR0 or CR3. */
export const editHostTable = (views: Views, lp: number, linear: number, entry: bigint): void => {
  views.u64[entryAt(lp, linear)] = entry;
  new LpContext(views, lpContextAt(lp)).switchEpoch++;
};
export const hostTableEntry = (views: Views, lp: number, linear: number): bigint => views.u64[entryAt(lp, linear)];

/** Whether both tables of the LP map the switch page to itself. */
export const mapsSwitchPage = (views: Views, lp: number): boolean => {
  const own = hostLp(views, lp);
  return isIdentity(views, own.longCr3Lo, 4) && isIdentity(views, own.legacyCr3Lo, 3);
};
const isIdentity = ({ u32 }: Views, root: number, levels: number): boolean => {
  let table = root;
  for (let level = levels; level > 0; level--) {
    // Below 2 MiB every index but the last is 0.
    const entry = u32[spa(level === 1 ? table + (HostMap.SWITCH_PAGE >>> 12) * 8 : table) >>> 2];
    if ((entry & Pte.P) === 0 || (level > 1 && (entry & Pte.PS) !== 0)) return false;
    table = (entry & -4096) >>> 0;
    if (table >= HOST_RAM) return false;
  }
  return table === HostMap.SWITCH_PAGE;
};
