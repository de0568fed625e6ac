// Runs a 64-bit user program on the bare processor until it ends by INT3: code pages that may be written, one data page, a stack.
import { Left } from '../../daemon/machine/guest-exits.js';
import type { ProcessorOptions } from '../../daemon/machine/guest-processor.js';
import { Slot } from '../../shared/layout/vp.js';
import { type BareProcessor, bareProcessor, takeEvent, toUser, userMode } from './bare-processor.js';

/** Linear addresses of a program's pages. */
export const Program = { CODE: 0x40_0000, DATA: 0x1000_0000, STACK_TOP: 0x2000_0800 } as const;
export const CODE_PAGES = 4;
const GPA = { CODE: 0x1000, DATA: 0x5000, STACK: 0x6000, SYSTEM: 0x8000, SPARE: 0xd000 } as const;
export const SPARE_GFN = GPA.SPARE / 4096;
const CODE_GFN = GPA.CODE / 4096;
const INT3_OPCODE = 0xcc;
const RUNS_MAX = 200_000;

export type Tiers = 'both' | 'cold' | 'hot';

/** What a program left behind. */
export interface ProgramEnd {
  readonly vector: number;
  /** Of the INT3 itself, or of the instruction that faulted. */
  readonly rip: number;
  readonly flags: number;
  /** RAX RCX RDX RBX RSP RBP RSI RDI R8..R15. */
  readonly registers: readonly bigint[];
  readonly data: Uint8Array;
  /** Instructions retired, those of the ring-0 handler included. */
  readonly retired: number;
}

export const programMachine = (tiers: Tiers, counted = false, more: ProcessorOptions = {}): BareProcessor => {
  const machine = bareProcessor(0x10000, { ...more, tiers }, counted);
  const map = (linear: number, gpa: number): void => {
    machine.pages.set(linear / 4096, { gfn: gpa / 4096, writable: true, user: true });
  };
  for (let i = 0; i < CODE_PAGES; i++) map(Program.CODE + i * 4096, GPA.CODE + i * 4096);
  map(Program.DATA, GPA.DATA);
  map(Program.STACK_TOP & ~4095, GPA.STACK);
  userMode(machine, 64, GPA.SYSTEM);
  return machine;
};

/** Maps another page of RAM at a code page, as an INVLPG would make known. */
export const remapCode = (machine: BareProcessor, linear: number, gfn: number): void => {
  machine.pages.set(linear / 4096, { gfn, writable: true, user: true });
  machine.tlb.flushAll();
  machine.processor.code.jumps.flush();
};

/** The bytes of RAM behind a linear address of the code. */
export const codeMemory = (machine: BareProcessor, linear: number): Uint8Array => {
  const at = machine.host(GPA.CODE + linear - Program.CODE);
  return machine.views.u8.subarray(at, machine.host(GPA.CODE + CODE_PAGES * 4096));
};

/** All code pages INT3, data and stack zero, nothing translated, nothing remapped. */
export const clearProgram = (machine: BareProcessor): void => {
  const { views } = machine;
  views.u8.fill(INT3_OPCODE, machine.host(GPA.CODE), machine.host(GPA.CODE) + CODE_PAGES * 4096);
  views.u8.fill(0, machine.host(GPA.DATA), machine.host(GPA.STACK) + 4096);
  for (let i = 0; i < CODE_PAGES; i++) machine.pages.set(Program.CODE / 4096 + i, { gfn: CODE_GFN + i, writable: true, user: true });
  machine.processor.code.dropAll();
  machine.tlb.flushAll();
};

/** Runs from `entry` with the registers given by number (RSP is the stack's top unless given) in slices of `budget` cycles. */
export const runProgram = (
  machine: BareProcessor,
  entry: number,
  registers: Readonly<Record<number, bigint | number>> = {},
  budget: number = 100_000,
): ProgramEnd => {
  const { views, vp, processor } = machine;
  const slots = vp.base >>> 3;
  toUser(machine, 64);
  for (let i = 0; i < 16; i++) views.u64[slots + i] = BigInt.asUintN(64, BigInt(registers[i] ?? (i === Slot.RSP ? Program.STACK_TOP : 0)));
  views.u64[slots + Slot.RIP] = BigInt(entry);
  views.u64[slots + Slot.FLAG_RESULT] = 1n;
  views.u64[slots + Slot.FLAG_AUX] = 0n;
  machine.halted = machine.shutDown = false;
  processor.modeChanged();
  processor.retired = 0;
  for (let i = 0; i < RUNS_MAX && !machine.halted && !machine.shutDown; i++)
    if (processor.run(budget) === Left.BUDGET && processor.context.budget >= 0) processor.takeKick();
  if (!machine.halted) throw new Error(machine.shutDown ? 'shut down' : 'the program did not end');
  const event = takeEvent(machine, 64, GPA.SYSTEM);
  const at = machine.host(GPA.DATA);
  return {
    vector: event.vector,
    rip: Number(event.rip) - (event.vector === 3 ? 1 : 0),
    flags: Number(event.flags),
    registers: Array.from({ length: 16 }, (_, i) => (i === Slot.RSP ? event.rsp : views.u64[slots + i])),
    data: views.u8.slice(at, at + 4096),
    retired: processor.retired,
  };
};
