// The architectural registers of a VP in the form people read them. Exact while the VP does not run; a glimpse while it does.
import { Slot, type VpBlock } from '../../shared/layout/vp.js';
import type { PartitionInspect } from '../../shared/protocol/messages.js';

type Registers = PartitionInspect['registers'][number];

const GPR = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;
const CR0_PE = 1;
const EFER_LMA = 1 << 10;
const ACCESS_L = 1 << 13;
const ACCESS_DB = 1 << 14;
const RFLAGS_VM = 1 << 17;

export const readRegisters = (vp: VpBlock, index: number): Registers => ({
  vp: index,
  rip: hex64(slot(vp, Slot.RIP)),
  rflags: hex32(rflagsOf(vp)),
  cr0: hex32(vp.cr0),
  cr3: hex64(vp.cr3),
  cr4: hex32(vp.cr4),
  efer: hex32(vp.efer),
  cpl: vp.cpl,
  mode: modeOf(vp),
  gpr: Object.fromEntries(GPR.map((name, number) => [name, hex64(slot(vp, number))])),
  apic: {
    posted: vectorsIn(vp, vp.newIrr),
    requested: vectorsIn(vp, vp.irr),
    inService: vectorsIn(vp, vp.isr),
    tpr: vp.apicTpr,
    requests: vp.requests,
  },
});

const vectorsIn = (vp: VpBlock, address: number): number[] => {
  const vectors: number[] = [];
  for (let v = 0; v < 256; v++) if ((vp.views.u32[(address >>> 2) + (v >>> 5)]! >>> (v & 31)) & 1) vectors.push(v);
  return vectors;
};

/** Six lines that say where a VP stood, for a guest that ended badly. */
export const dumpRegisters = (vp: VpBlock, index: number): string => {
  const r = readRegisters(vp, index);
  const rows = [0, 4, 8, 12].map((row) =>
    GPR.slice(row, row + 4)
      .map((name) => `${name.padEnd(3)} ${r.gpr[name]}`)
      .join('  '),
  );
  return [
    `VP ${index} (${r.mode}, CPL ${r.cpl})`,
    ...rows,
    `rip ${r.rip}  rflags ${r.rflags}  cs ${vp.csSelector.toString(16)} base ${hex64(slot(vp, Slot.CS_BASE))}  ss ${vp.ssSelector.toString(16)}`,
    `cr0 ${r.cr0}  cr2 ${hex64(vp.cr2)}  cr3 ${r.cr3}  cr4 ${r.cr4}  efer ${r.efer}`,
  ].join('\n');
};

const slot = (vp: VpBlock, number: number): bigint => vp.views.u64[(vp.slots >>> 3) + number]!;

/** IA-32e mode. */
export const isLong = (vp: VpBlock): boolean => (vp.efer & EFER_LMA) !== 0;
/** 32-bit code, by CS.D. */
export const isWideCode = (vp: VpBlock): boolean => (vp.csAccess & ACCESS_DB) !== 0;
/** 64-bit code: no segment has a base but FS and GS. */
export const isLong64 = (vp: VpBlock): boolean => (vp.efer & EFER_LMA) !== 0 && (vp.csAccess & ACCESS_L) !== 0;

/** SDM 3A 2.2: what CR0, EFER, RFLAGS and CS make of the processor. */
const modeOf = (vp: VpBlock): string => {
  if ((vp.cr0 & CR0_PE) === 0) return 'real';
  if ((vp.efer & EFER_LMA) !== 0) return (vp.csAccess & ACCESS_L) !== 0 ? 'long 64' : 'long compatibility';
  if ((Number(slot(vp, Slot.FLAG_SYSTEM)) & RFLAGS_VM) !== 0) return 'virtual-8086';
  return (vp.csAccess & ACCESS_DB) !== 0 ? 'protected 32' : 'protected 16';
};

/** The lazy flags of the VP block, put together (see Slot.FLAG_RESULT and Slot.FLAG_AUX). */
export const rflagsOf = (vp: VpBlock): number => {
  const result = slot(vp, Slot.FLAG_RESULT);
  const aux = Number(slot(vp, Slot.FLAG_AUX) & 0xffffn);
  const system = Number(slot(vp, Slot.FLAG_SYSTEM) & 0xffff_ffffn);
  const carry = aux & 1;
  const adjust = aux & 0x10;
  const overflow = aux & 0x800;
  const zero = result === 0n ? 0x40 : 0;
  const sign = (result >> 63n === 1n ? 0x80 : 0) ^ (aux & 0x80);
  const parity = (evenParity(Number(result & 0xffn)) ? 4 : 0) ^ (aux & 4);
  return (system | carry | parity | adjust | zero | sign | overflow) >>> 0;
};

const evenParity = (byte: number): boolean => {
  let bits = byte ^ (byte >> 4);
  bits ^= bits >> 2;
  bits ^= bits >> 1;
  return (bits & 1) === 0;
};

const hex64 = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16).padStart(16, '0')}`;
const hex32 = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
