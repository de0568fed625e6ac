// A small partition for tests of MMU and vTLB: a few dozen guest pages, hand-made page tables, LPs made on demand.
// Why its own: explorer and stress reset it thousands of times, so resetting touches only what a test can have dirtied.

import { initVtlb } from '../../daemon/hypervisor/vtlb/arena.js';
import { createLpMmu, type LpMmu, type LpMmuOptions } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Cr0, Cr4, Efer } from '../../shared/abi/registers.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import { MachineLayout, machineMemorySize } from '../../shared/layout/machine.js';
import { lpContextAt, PartitionLayout, PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { Slot, VP_BLOCK_SIZE, VpBlock } from '../../shared/layout/vp.js';

export interface SmallMachine {
  readonly memory: WebAssembly.Memory;
  readonly partition: Views;
  readonly machine: Views;
  readonly pages: number;
  readonly lps: number;
}

const WASM_PAGE = 65536;

export const makeMachine = (pages: number, lps: number): SmallMachine => {
  const size = Math.ceil((PartitionMap.RAM + pages * 4096) / WASM_PAGE);
  const memory = new WebAssembly.Memory({ initial: size, maximum: size, shared: true });
  return attachMachine(memory, new SharedArrayBuffer(machineMemorySize(lps)), pages, lps);
};

/** Over memories that another thread made. */
export const attachMachine = (memory: WebAssembly.Memory, machine: ArrayBufferLike, pages: number, lps: number): SmallMachine => ({
  memory,
  partition: viewsOf(memory.buffer),
  machine: viewsOf(machine),
  pages,
  lps,
});

/** Everything as before power-up: no VP loaded, vTLB of `spts` SPTs empty, guest RAM zero. */
export const resetMachine = ({ partition, machine, pages, lps }: SmallMachine, spts: number): void => {
  const { i32 } = partition;
  i32.fill(0, 0, PartitionLayout.size >>> 2);
  i32[PartitionLayout.at.ramSize >>> 2] = pages * 4096;
  i32[PartitionLayout.at.nodeCount >>> 2] = 1;
  i32[PartitionLayout.at.lpCount >>> 2] = lps;
  for (let vp = 0; vp < lps; vp++) i32.fill(0, vpBlockAt(vp) >>> 2, (vpBlockAt(vp) + VP_BLOCK_SIZE) >>> 2);
  i32.fill(0, PartitionMap.PAGE_FLAGS >>> 2, (PartitionMap.PAGE_FLAGS >>> 2) + pages);
  for (let lp = 0; lp < lps; lp++) {
    const at = lpContextAt(lp) >>> 2;
    for (const name of ['kick', 'inGuest', 'flushRequest', 'flushAck', 'cuts'] as const) i32[at + (LpContextLayout.at[name] >> 2)] = 0;
  }
  i32.fill(0, PartitionMap.RAM >>> 2, (PartitionMap.RAM >>> 2) + pages * 1024);
  machine.i32.fill(0, 0, MachineLayout.size >>> 2);
  initVtlb(partition, spts);
};

export const makeLp = (m: SmallMachine, lp: number, options: Partial<LpMmuOptions> = {}): LpMmu =>
  createLpMmu({ ...options, partition: m.partition, machine: m.machine, lp });

/** A store by something other than a processor. */
export const deviceStore = (lp: LpMmu, frame: number, store: () => void): void => {
  lp.vtlb.beginStore(frame);
  store();
  lp.vtlb.endStore();
};

/** VP with 32-bit paging, CR3 at a guest frame. */
export const legacyVp = (m: SmallMachine, index: number, frame: number, cr4: number = Cr4.PGE): VpBlock => {
  const vp = new VpBlock(m.partition, vpBlockAt(index));
  vp.index = index;
  vp.cr0 = Cr0.PG | Cr0.WP | Cr0.PE;
  vp.cr4 = cr4;
  vp.efer = 0;
  vp.cr3Num = frame * 4096;
  return vp;
};

/** VP with 4-level paging, CR3 at a guest frame. */
export const longVp = (m: SmallMachine, index: number, frame: number): VpBlock => {
  const vp = legacyVp(m, index, frame, Cr4.PGE | Cr4.PAE);
  vp.efer = Efer.LME | Efer.LMA | Efer.NXE;
  return vp;
};

export const setFlags = (vp: VpBlock, rflags: number): void => {
  vp.views.u32[(vp.base >>> 2) + Slot.FLAG_SYSTEM * 2] = rflags;
};

/** Address of entry `index` of the 32-bit (64-bit) table in a guest frame. */
export const entry32 = (frame: number, index: number): number => PartitionMap.RAM + frame * 4096 + index * 4;
export const entry64 = (frame: number, index: number): number => PartitionMap.RAM + frame * 4096 + index * 8;
export const spaOf = (frame: number): number => PartitionMap.RAM + frame * 4096;
