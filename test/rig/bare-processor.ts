// A processor with nothing round it: linear addresses are RAM addresses, every intercept is #UD, faults are delivered to nobody. For instruction tests.
import { lpContextAt, PageFlag, PartitionLayout, PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { Slot } from '../../shared/layout/vp.js';
import { viewsOf, type Views } from '../../shared/layout/struct.js';
import type { CodeCacheOptions } from '../../daemon/machine/code-cache.js';
import { Resolve } from '../../daemon/machine/guest-memory.js';
import { GuestProcessor } from '../../daemon/machine/guest-processor.js';
import { HardwareTlb } from '../../daemon/machine/tlb.js';
import { SharedWords } from '../../daemon/machine/shared-words.js';

export interface BareProcessor {
  readonly views: Views;
  readonly vp: VpBlock;
  readonly processor: GuestProcessor;
  readonly tlb: HardwareTlb;
}

/** `ram` bytes of memory at linear 0, or at `base` upwards. Accesses outside fault with #PF. */
export const bareProcessor = (ram: number, base = 0, options?: CodeCacheOptions): BareProcessor => {
  const pages = Math.ceil((PartitionMap.RAM + ram) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const views = viewsOf(memory.buffer);
  views.u32[PartitionLayout.at.ramSize >>> 2] = ram;
  views.u32[PartitionLayout.at.lpCount >>> 2] = 1;
  const vp = new VpBlock(views, vpBlockAt(0));
  const refuse = (): never => {
    throw processor.fault.set(6);
  };
  const resolve = (gva: number): number => (gva >= base && gva < base + ram ? PartitionMap.RAM + gva - base : Resolve.FAULT);
  let tlb: HardwareTlb;
  const processor: GuestProcessor = new GuestProcessor(
    memory,
    lpContextAt(0),
    {
      translator: {
        gpa: 0,
        resolve: (gva, access, user) => {
          const spa = resolve(gva);
          if (spa < 0) {
            vp.cr2Num = gva;
            processor.fault.set(14, (access === 1 ? 2 : 0) | (user ? 4 : 0));
            return Resolve.FAULT;
          }
          if (access !== 2) tlb.insert(user ? 1 : 0, gva, spa, true, (spa - PartitionMap.RAM) >>> 12);
          return spa;
        },
        peek: resolve,
      },
      mmio: { read: () => 0xffff_ffff, write: () => {} },
      intercepts: {
        writeCr: refuse, readCr: refuse, invlpg: refuse, invpcid: refuse, ioRead: refuse, ioWrite: refuse, readMsr: refuse, writeMsr: refuse,
        cpuid: () => [0, 0, 0, 0], halt: () => {}, pause: () => {}, hypercall: refuse, tsc: () => 0n, tripleFault: () => {}, wbinvd: () => {},
      },
      watchCode: (gfn) => {
        Atomics.or(views.i32, (PartitionMap.PAGE_FLAGS >>> 2) + gfn, PageFlag.CODE);
        tlb.flushAll();
      },
      kickOthers: () => {}, stopOthers: () => {}, releaseOthers: () => {}, enterGuest: () => {}, leaveGuest: () => {},
    },
    options,
  );
  tlb = new HardwareTlb(views, new SharedWords(views), 0);
  return { views, vp: processor.vp, processor, tlb };
};

/** Flat user-mode segments of the width, as a process has them. */
export const flatUser = (machine: BareProcessor, bits: 32 | 64): void => {
  const { vp, views } = machine;
  for (let i = 0; i < 6; i++) views.u64[(vp.base >>> 3) + Slot.ES_BASE + i] = 0n;
  vp.cr0 = 0x8000_0011;
  vp.cr4 = 0x20;
  vp.efer = bits === 64 ? 0x501 : 0;
  vp.cpl = 3;
  vp.csSelector = 0x33;
  vp.csAccess = bits === 64 ? 0xa0fb : 0xc0fb;
  vp.csLimit = 0xffff_ffff;
  for (const s of ['ss', 'ds', 'es', 'fs', 'gs'] as const) {
    vp[`${s}Selector`] = 0x2b;
    vp[`${s}Access`] = 0xc0f3;
    vp[`${s}Limit`] = 0xffff_ffff;
  }
  views.u64[(vp.base >>> 3) + Slot.FLAG_SYSTEM] = 0x202n;
};
