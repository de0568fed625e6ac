// A processor with nothing round it but a page map and an IDT that leads to HLT: for instruction tests. No hypervisor, no devices.

import { FlushHandshake } from '../../daemon/machine/flush-handshake.js';
import { Resolve } from '../../daemon/machine/guest-memory.js';
import { GuestProcessor, type ProcessorOptions } from '../../daemon/machine/guest-processor.js';
import { InstructionCount } from '../../daemon/machine/instruction-count.js';
import { GuestFault } from '../../daemon/machine/processor.js';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { HardwareTlb } from '../../daemon/machine/tlb.js';
import { IMPLEMENTED } from '../../shared/cpu/feature-set.js';
import { KICKED, LpContextLayout, type ShortcutExit } from '../../shared/layout/lp-context.js';
import { lpContextAt, PageFlag, PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { Slot, type VpBlock } from '../../shared/layout/vp.js';
import { TEST_HOT_RUNS } from './hot-runs.js';

/** One mapped page: where it is in RAM and who may do what. */
export interface MappedPage {
  readonly gfn: number;
  readonly writable: boolean;
  readonly user: boolean;
  /** Code may not be fetched from it. */
  readonly noExecute?: boolean;
}

/** What its CPUID costs. */
export const CPUID_CYCLES = 40;
/** What intercepts cost that shortcuts deal with. */
export const EXIT_CYCLES = { apicPage: 50, port: 60, crAccess: 70, fill: 80, invlpg: 90 } as const;

export interface BareProcessor {
  readonly memory: WebAssembly.Memory;
  readonly views: Views;
  readonly vp: VpBlock;
  readonly processor: GuestProcessor;
  readonly tlb: HardwareTlb;
  /** With other processors in the partition. */
  readonly handshake: FlushHandshake | undefined;
  /** Page number of a linear address -> page. Change it only together with `tlb.flushAll()`. */
  readonly pages: Map<number, MappedPage>;
  /** Address in the views of a byte of RAM. */
  host(gpa: number): number;
  /** A page has just been watched: what other processors do in the meantime. */
  watched: (gfn: number) => void;
  /** HLT was reached since it was last set to false. */
  halted: boolean;
  /** A loop that only waits has lasted for the window. */
  waited: () => void;
  /** The processor shut down. */
  shutDown: boolean;
  /** How often an instruction was run with the bus locked. */
  busLocks: number;
  /** How often FERR# was asserted. */
  floatErrors: number;
  /** CPUID: how often the intercept was asked, how often its kept answers were given, and what it says in ECX (EAX and EBX are leaf and subleaf). */
  readonly cpuid: { asked: number; answered: number; third: number };
  /** Intercepts that shortcuts have dealt with. */
  readonly shortened: Record<ShortcutExit, number>;
  /** What was retired, where it is counted. */
  readonly count: InstructionCount | undefined;
}

/** Memory of a partition with so much RAM, for so many LPs. */
export const bareMemory = (ramBytes: number, lps: number): WebAssembly.Memory => {
  const wasmPages = Math.ceil((PartitionMap.RAM + ramBytes) / 65536);
  const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages, shared: true });
  const views = viewsOf(memory.buffer);
  views.u32[PartitionLayout.at.ramSize >>> 2] = ramBytes;
  views.u32[PartitionLayout.at.lpCount >>> 2] = lps;
  return memory;
};

/** A processor that shares its partition with those of other threads: it is LP and VP `lp`. */
export interface Shared {
  readonly memory: WebAssembly.Memory;
  readonly lp: number;
  readonly lps: number;
  /** PAUSE was run. */
  readonly pause: () => void;
}

export const bareProcessor = (ramBytes: number, options?: ProcessorOptions, counted = false, shared?: Shared): BareProcessor => {
  const memory = shared?.memory ?? bareMemory(ramBytes, 1);
  const lp = shared?.lp ?? 0;
  const views = viewsOf(memory.buffer);
  const pages = new Map<number, MappedPage>();
  let busHeld = false;
  const count = counted ? new InstructionCount(views, lpContextAt(lp)) : undefined;
  const refuse = (): never => {
    throw processor.fault.set(6);
  };
  const pageOf = (gva: number): MappedPage | undefined => pages.get(Math.floor(gva / 4096));
  const words = new SharedWords(views);
  const tlb = new HardwareTlb(views, words, lp);
  const handshake = shared === undefined ? undefined : new FlushHandshake(words, lp, tlb);
  handshake?.join();
  const processor: GuestProcessor = new GuestProcessor(
    memory,
    lpContextAt(lp),
    {
      features: IMPLEMENTED,
      fault: new GuestFault(),
      translator: {
        gpa: 0,
        get flushes() {
          return tlb.flushes;
        },
        resolve: (gva, access, user) => {
          const page = pageOf(gva);
          const allowed =
            page !== undefined && (page.user || !user) && (page.writable || access !== 1) && !(page.noExecute && access === 2);
          if (!allowed) {
            processor.vp.cr2Num = gva;
            processor.fault.set(14, (page ? 1 : 0) | (access === 1 ? 2 : 0) | (user ? 4 : 0) | (access === 2 ? 16 : 0));
            return Resolve.FAULT;
          }
          const spa = PartitionMap.RAM + page.gfn * 4096 + (gva & 4095);
          if (access !== 2) tlb.insert(user ? 1 : 0, gva, spa, page.writable, page.gfn);
          return spa;
        },
        peek: (gva) => {
          const page = pageOf(gva);
          return page ? PartitionMap.RAM + page.gfn * 4096 + (gva & 4095) : Resolve.FAULT;
        },
      },
      mmio: { read: () => 0xffff_ffff, write: () => false },
      intercepts: {
        writeCr: refuse,
        readCr: refuse,
        invlpg: refuse,
        invpcid: refuse,
        ioRead: refuse,
        ioWrite: refuse,
        readMsr: refuse,
        writeMsr: refuse,
        cpuid: (leaf, subleaf) => {
          machine.cpuid.asked++;
          processor.charge(CPUID_CYCLES);
          return [leaf, subleaf, machine.cpuid.third, 0xffff_ffff];
        },
        cpuidAnswered: (times) => {
          machine.cpuid.answered += times;
        },
        shortened: (exit, times) => {
          machine.shortened[exit] += times;
        },
        halt: () => {
          machine.halted = true;
        },
        monitor: () => {},
        mwait: () => false,
        pause: () => shared?.pause(),
        waiting: () => machine.waited(),
        hypercall: refuse,
        tsc: () => 0n,
        floatError: () => {
          machine.floatErrors++;
        },
        tripleFault: () => {
          machine.shutDown = true;
        },
        wbinvd: () => {},
      },
      cpuidCycles: CPUID_CYCLES,
      exitCycles: EXIT_CYCLES,
      watchCode: (gfn) => {
        if (handshake !== undefined) {
          handshake.watchCode(gfn);
          return;
        }
        Atomics.or(views.i32, (PartitionMap.PAGE_FLAGS >>> 2) + gfn, PageFlag.CODE);
        tlb.flushAll();
        machine.watched(gfn);
      },
      unwatchCode: (gfn, marked) => {
        if (handshake !== undefined) {
          handshake.unwatchCode(gfn, marked);
          return;
        }
        Atomics.and(views.i32, (PartitionMap.PAGE_FLAGS >>> 2) + gfn, ~PageFlag.CODE);
      },
      isMonitored: () => false,
      stored: () => {},
      kickOthers: () => {
        for (let other = 0; other < (shared?.lps ?? 1); other++)
          if (other !== lp) Atomics.store(views.i32, (lpContextAt(other) + LpContextLayout.at.kick) >>> 2, KICKED);
      },
      stopOthers: () => {
        // Where others exist, an LP that asks twice waits for itself.
        if (busHeld) throw new Error('the bus is locked already');
        busHeld = true;
        machine.busLocks++;
        handshake?.stopOthers();
      },
      releaseOthers: () => {
        busHeld = false;
        handshake?.releaseOthers();
      },
      attention: () => true,
      enterGuest: () => handshake?.enterGuest(),
      leaveGuest: () => handshake?.leaveGuest(),
    },
    { hotRuns: TEST_HOT_RUNS, ...options, count },
  );
  processor.load(lp);
  const machine: BareProcessor = {
    memory,
    views,
    handshake,
    vp: processor.vp,
    processor,
    tlb,
    pages,
    host: (gpa) => PartitionMap.RAM + gpa,
    watched: () => {},
    waited: () => {},
    halted: false,
    shutDown: false,
    busLocks: 0,
    floatErrors: 0,
    shortened: { apicPage: 0, port: 0, crAccess: 0, fill: 0, invlpg: 0 },
    cpuid: { asked: 0, answered: 0, third: 3 },
    count,
  };
  return machine;
};

/** Linear addresses of the tables that `userMode` sets up; each is one supervisor page. */
export const System = { GDT: 0x7000_0000, IDT: 0x7000_1000, TSS: 0x7000_2000, HANDLERS: 0x7000_3000, STACK: 0x7000_4000 } as const;
const KERNEL_CS = 0x08;
const USER_CS = 0x1b;
const USER_DS = 0x23;

/**
 * GDT, TSS and an IDT whose every gate leads to a HLT of its own at HANDLERS + vector, in five pages from `gpa` on; then flat user segments and CPL 3.
 * After a run `takeEvent` tells which vector was delivered.
 */
export const userMode = (machine: BareProcessor, bits: 32 | 64, gpa: number): void => {
  const { vp, views, pages } = machine;
  for (const [i, linear] of Object.values(System).entries()) pages.set(linear / 4096, { gfn: gpa / 4096 + i, writable: true, user: false });
  const at = (linear: number): number => machine.host(gpa + linear - System.GDT);
  const gdt = at(System.GDT) >>> 3;
  views.u64[gdt + 1] = bits === 64 ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn;
  views.u64[gdt + 2] = 0x00cf_9300_0000_ffffn;
  views.u64[gdt + 3] = bits === 64 ? 0x00af_fb00_0000_ffffn : 0x00cf_fb00_0000_ffffn;
  views.u64[gdt + 4] = 0x00cf_f300_0000_ffffn;
  for (let vector = 0; vector < 256; vector++) {
    const handler = BigInt(System.HANDLERS + vector);
    const access = vector === 3 || vector === 4 ? 0xeen : 0x8en;
    const gate = (handler & 0xffffn) | (BigInt(KERNEL_CS) << 16n) | (access << 40n) | ((handler >> 16n) << 48n);
    if (bits === 64) {
      views.u64[(at(System.IDT) >>> 3) + vector * 2] = gate;
      views.u64[(at(System.IDT) >>> 3) + vector * 2 + 1] = handler >> 32n;
    } else views.u64[(at(System.IDT) >>> 3) + vector] = gate;
  }
  views.u8.fill(0xf4, at(System.HANDLERS), at(System.HANDLERS) + 256);
  const stackTop = System.STACK + 4096 - 64;
  if (bits === 64) views.data.setBigUint64(at(System.TSS) + 4, BigInt(stackTop), true);
  else {
    views.u32[(at(System.TSS) + 4) >>> 2] = stackTop;
    views.u32[(at(System.TSS) + 8) >>> 2] = 0x10;
  }
  for (let i = 0; i < 6; i++) views.u64[(vp.base >>> 3) + Slot.ES_BASE + i] = 0n;
  Object.assign(vp, {
    gdtrBaseNum: System.GDT,
    gdtrLimit: 0x27,
    idtrBaseNum: System.IDT,
    idtrLimit: bits === 64 ? 4095 : 2047,
    trSelector: 0x28,
    trBaseNum: System.TSS,
    trLimit: 0x67,
    trAccess: 0x8b,
    ldtrAccess: 0x1_0000,
    cr0: 0x8001_0031,
    cr4: 0x20,
    efer: bits === 64 ? 0x501 : 0,
    interruptShadow: 0,
  });
  toUser(machine, bits);
};

/** Back to CPL 3 with flat segments; tables stay. */
export const toUser = (machine: BareProcessor, bits: 32 | 64): void => {
  const { vp, views } = machine;
  vp.cpl = 3;
  vp.csSelector = USER_CS;
  vp.csAccess = bits === 64 ? 0xa0fb : 0xc0fb;
  vp.csLimit = 0xffff_ffff;
  for (const s of ['ss', 'ds', 'es', 'fs', 'gs'] as const) {
    vp[`${s}Selector`] = USER_DS;
    vp[`${s}Access`] = 0xc0f3;
    vp[`${s}Limit`] = 0xffff_ffff;
  }
  views.u64[(vp.base >>> 3) + Slot.FLAG_SYSTEM] = 0x202n;
};

/** What the interrupted program looked like, from the frame on the ring-0 stack. */
export interface TakenEvent {
  readonly vector: number;
  readonly error: number;
  readonly rip: bigint;
  readonly flags: bigint;
  readonly rsp: bigint;
  readonly cs: number;
  readonly ss: number;
}
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);

/** Reads the frame after HLT at a handler: RIP is one past HANDLERS + vector. */
export const takeEvent = (machine: BareProcessor, bits: 32 | 64, gpa: number): TakenEvent => {
  const { vp, views } = machine;
  const word = bits === 64 ? 8 : 4;
  const slot = (n: number): bigint => views.u64[(vp.base >>> 3) + n];
  const vector = Number(slot(Slot.RIP)) - System.HANDLERS - 1;
  let at = machine.host(gpa + Number(slot(Slot.RSP)) - System.GDT);
  const pop = (): bigint => {
    const value = bits === 64 ? views.data.getBigUint64(at, true) : BigInt(views.data.getUint32(at, true));
    at += word;
    return value;
  };
  const error = WITH_ERROR.has(vector) ? Number(pop()) : 0;
  const rip = pop();
  const cs = Number(pop()) & 0xffff;
  const flags = pop();
  const rsp = pop();
  return { vector, error, rip, flags, rsp, cs, ss: Number(pop()) & 0xffff };
};
