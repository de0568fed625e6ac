// The simulated processor at user level, ready for live cases: same pages and segments as the real one has in harness/live.c.
// Three ways to run the same code: one instruction at a time, blocks of micro-ops, compiled regions.

import { setRflags } from '../../../daemon/machine/cpu/flags.js';
import { putFxState, takeFxState } from '../../../daemon/machine/cpu/fpu-image.js';
import { Left } from '../../../daemon/machine/guest-exits.js';
import { SharedWords } from '../../../daemon/machine/shared-words.js';
import { WatchedCode } from '../../../daemon/machine/watched-code.js';
import { Cr0 } from '../../../shared/abi/registers.js';
import { SEGMENTS as SEGMENT_NAMES, Slot, VectorSlot, VpLayout } from '../../../shared/layout/vp.js';
import { type BareProcessor, bareProcessor, System, takeEvent, userMode } from '../../rig/bare-processor.js';
import { CODE_FILL, CODE_PAGE, DATA_PAGE, READ_ONLY_FILL, READ_ONLY_PAGE } from '../load.js';
import { installHostTables } from './host-tables.js';
import { type Bits, CODE_BYTES, codeBase, SEGMENTS, WORDS } from './layout.js';
import { type End, type Start, startPage } from './state.js';
import { vectorState } from './vector-state.js';

const GPA = { CODE: 0x1000, DATA: 0x5000, READ_ONLY: 0x6000, SYSTEM: 0x8000 } as const;
const RAM = 0x10000;
const BREAKPOINT = 3;
const PAGE_FAULT = 14;
/** Offset in the TSS (SDM 3A 8.2.1). */
const IO_MAP_BASE = 0x66;
/** OSXSAVE, OSXMMEXCPT, OSFXSR, PAE; AVX, SSE and x87 state. */
const CR4 = 0x4_0620;
const XCR0 = 7;
/** Offsets in a vector state. */
const MXCSR = 24;
const XMM = 160;
const YMM_HIGH = 512;
/** Cycles after which a case counts as one that does not end. */
const CYCLES_MAX = 400_000;

/**
 * `single`: one instruction a block, nothing optimised between instructions; `cold`: blocks of micro-ops; `hot`: regions, compiled before they first run.
 */
export const WAYS = ['single', 'cold', 'hot'] as const;
export type Way = (typeof WAYS)[number];

/** What `run` says of a case that does not end. */
export const NO_END = 'the case does not end';

export class SimulatedProcessor {
  readonly bits: Bits;
  readonly way: Way;
  readonly machine: BareProcessor;
  readonly #system: 32 | 64;
  readonly #tables: boolean;
  readonly #code: Uint8Array;
  readonly #data: Int32Array;
  /** The VP block that every case begins with. */
  readonly #fresh: Uint8Array;
  #loaded = 0;
  #entry = 0;
  /** Starts of blocks, as RIPs: translated before the code runs, so that regions find them. */
  #blocks: readonly number[] = [];

  /** `tables`: descriptor tables as those of the host's system, which is 64-bit whatever the case is. */
  constructor(bits: Bits, way: Way, tables = false) {
    this.bits = bits;
    this.way = way;
    this.#system = bits === 64 || tables ? 64 : 32;
    this.#tables = tables;
    const machine = bareProcessor(RAM, { tiers: way === 'hot' ? 'hot' : 'cold', ...(way === 'single' ? { blockInstructions: 1 } : {}) });
    this.machine = machine;
    const { pages, views } = machine;
    for (let i = 0; i < CODE_BYTES; i += 4096)
      pages.set((CODE_PAGE + i) / 4096, { gfn: (GPA.CODE + i) / 4096, writable: false, user: true });
    pages.set(DATA_PAGE / 4096, { gfn: GPA.DATA / 4096, writable: true, user: true, noExecute: true });
    pages.set(READ_ONLY_PAGE / 4096, { gfn: GPA.READ_ONLY / 4096, writable: false, user: true, noExecute: true });
    views.u8.fill(READ_ONLY_FILL, machine.host(GPA.READ_ONLY), machine.host(GPA.READ_ONLY) + 4096);
    this.#code = views.u8.subarray(machine.host(GPA.CODE), machine.host(GPA.CODE) + CODE_BYTES);
    this.#code.fill(CODE_FILL);
    const data = machine.host(GPA.DATA) >>> 2;
    this.#data = views.i32.subarray(data, data + WORDS * 2);
    userMode(machine, this.#system, GPA.SYSTEM);
    if (tables) installHostTables(machine, GPA.SYSTEM);
    machine.vp.cr0 |= Cr0.AM;
    machine.vp.cr4 = CR4;
    machine.vp.xcr0 = XCR0;
    // The I/O map base lies behind the TSS: no port is allowed.
    views.u16[(machine.host(GPA.SYSTEM) + System.TSS - System.GDT + IO_MAP_BASE) >>> 1] = 0xffff;
    SEGMENTS[bits].forEach((s, i) => {
      const name = SEGMENT_NAMES[i] as 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs';
      machine.vp[`${name}Selector`] = s.selector;
      machine.vp[`${name}Access`] = s.access;
      machine.vp[`${name}Limit`] = s.limit;
      views.u64[(machine.vp.base >>> 3) + Slot.ES_BASE + i] = BigInt(s.base);
    });
    this.#fresh = views.u8.slice(machine.vp.base, machine.vp.base + VpLayout.size);
  }

  /** Puts code in place, as a store of another processor would: what was made from the old code is forgotten by its page alone. `blocks` are offsets in the code pages at which blocks begin. */
  load(code: Uint8Array, entry: number, blocks: readonly number[] = []): void {
    const { processor, views } = this.machine;
    const end = Math.max(this.#entry + this.#loaded, entry + code.length);
    this.#code.fill(CODE_FILL, this.#entry, this.#entry + this.#loaded);
    this.#code.set(code, entry);
    for (let at = Math.min(this.#entry, entry) & ~4095; at < end; at += 4096)
      new WatchedCode(new SharedWords(views)).invalidate((GPA.CODE + at) / 4096, 0, 4096);
    processor.code.noticeEpoch();
    this.#entry = entry;
    this.#loaded = code.length;
    this.#blocks = blocks.map((offset) => codeBase(this.bits) + offset);
  }

  /** Runs the code from a state, in slices of `budget` cycles. Text instead of an end: what no processor does. */
  run(start: Start, budget = 20_000): End | string {
    const { machine, bits } = this;
    const { views, vp, processor } = machine;
    const slots = vp.base >>> 3;
    this.#data.set(startPage(start));
    views.u8.set(this.#fresh, vp.base);
    views.u64.set(start.registers, slots);
    views.u64[slots + Slot.RIP] = BigInt(codeBase(bits) + this.#entry);
    setRflags(vp, start.flags | 0x202);
    if (start.vectorSeed >= 0) this.#loadVectors(vectorState(start.vectorSeed));
    machine.halted = machine.shutDown = false;
    processor.modeChanged();
    if (this.way === 'hot') for (const rip of this.#blocks) processor.code.lookup(rip);
    for (let spent = 0; spent < CYCLES_MAX && !machine.halted && !machine.shutDown; spent += budget)
      if (processor.run(budget) === Left.BUDGET && processor.context.budget >= 0) processor.takeKick();
    if (machine.shutDown) return 'the processor shut down';
    if (!machine.halted) return NO_END;
    const event = takeEvent(machine, this.#system, GPA.SYSTEM);
    const registers = views.u64.slice(slots, slots + 16);
    registers[Slot.RSP] = event.rsp;
    return {
      vector: event.vector,
      error: event.error,
      rip: event.vector === BREAKPOINT ? event.rip - 1n : event.rip,
      cr2: event.vector === PAGE_FAULT ? vp.cr2 : 0n,
      flags: Number(event.flags),
      registers,
      selectors: this.#tables
        ? [vp.esSelector, event.cs, event.ss, vp.dsSelector, vp.fsSelector, vp.gsSelector].map((s) => s & 0xffff)
        : undefined,
      data: this.#data.slice(),
      vectors: start.vectorSeed >= 0 ? this.#storeVectors(vectorState(start.vectorSeed).slice()) : undefined,
    };
  }

  #vector(slot: number): Uint8Array {
    const { views, vp } = this.machine;
    const at = vp.base + VpLayout.at.vectors + slot * 16;
    return views.u8.subarray(at, at + 16);
  }
  #loadVectors(state: Uint8Array): void {
    const image = new DataView(state.buffer);
    takeFxState(this.machine.vp, image, true);
    this.machine.vp.mxcsr = image.getUint32(MXCSR, true);
    for (let n = 0; n < 16; n++) {
      this.#vector(VectorSlot.XMM + n).set(state.subarray(XMM + n * 16, XMM + n * 16 + 16));
      this.#vector(VectorSlot.YMM_HIGH + n).set(state.subarray(YMM_HIGH + n * 16, YMM_HIGH + n * 16 + 16));
    }
  }
  #storeVectors(state: Uint8Array): Uint8Array {
    const image = new DataView(state.buffer);
    putFxState(this.machine.vp, image, true);
    image.setUint32(MXCSR, this.machine.vp.mxcsr, true);
    for (let n = 0; n < 16; n++) {
      state.set(this.#vector(VectorSlot.XMM + n), XMM + n * 16);
      state.set(this.#vector(VectorSlot.YMM_HIGH + n), YMM_HIGH + n * 16);
    }
    return state;
  }
}
