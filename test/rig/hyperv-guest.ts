// A kernel machine whose partition has the Hyper-V interface, and what short programs do with it: MSRs, hypercalls by registers and by memory.
import { HvMsr } from '../../shared/abi/hyperv.js';
import { Slot } from '../../shared/layout/vp.js';
import { KernelMachine, type RunOptions, type Stop, type Surroundings } from './kernel-machine.js';

export const TIERS = ['cold', 'hot'] as const;
export type Tier = (typeof TIERS)[number];

export const HypercallPages = { CODE: 0x6_0000, INPUT: 0x7_0000, OUTPUT: 0x7_1000 } as const;
const WRMSR = '0f30';
const RDMSR = '0f32';
const CALL_RBX = 'ffd3';
export const OS_ID = 0x8100_0006_0100_0000n;

export interface CallResult {
  /** Exception, or -1. */
  readonly vector: number;
  readonly status: number;
  readonly reps: number;
  readonly registers: readonly bigint[];
}

export class HypervGuest {
  readonly machine: KernelMachine;

  constructor(tiers: Tier, hv = 'all', vps = 1, surroundings: Surroundings = {}) {
    this.machine = new KernelMachine(tiers, 'max', vps, { ...surroundings, hv });
  }

  /** WRMSR by VP 0: the exception, or -1. */
  write(index: number, value: bigint): number {
    return this.#msr(WRMSR, index, value).vector;
  }
  /** RDMSR by VP 0: the value, or -1n for #GP. */
  read(index: number): bigint {
    const { vector, registers } = this.#msr(RDMSR, index);
    return vector === -1 ? (registers[Slot.RDX] << 32n) | registers[Slot.RAX] : -1n;
  }
  #msr(code: string, index: number, value = 0n): Stop {
    this.machine.load(code);
    return this.machine.run({ registers: { [Slot.RCX]: index, [Slot.RAX]: value & 0xffff_ffffn, [Slot.RDX]: value >> 32n } });
  }

  /** Says who it is and has the hypercall page mapped. */
  enable(): this {
    this.write(HvMsr.GUEST_OS_ID, OS_ID);
    this.write(HvMsr.HYPERCALL, BigInt(HypercallPages.CODE) | 1n);
    return this;
  }

  /** 32-bit words at the input page. */
  input(...words: readonly number[]): void {
    this.machine.views.u32.set(words, this.machine.host(HypercallPages.INPUT) >>> 2);
  }
  output(word: number): number {
    return this.machine.views.u32[(this.machine.host(HypercallPages.OUTPUT) >>> 2) + word];
  }

  /** A hypercall by the page, as 64-bit code. */
  call(
    control: bigint,
    input: bigint | number = HypercallPages.INPUT,
    output: bigint | number = HypercallPages.OUTPUT,
    options: RunOptions = {},
  ): CallResult {
    const { machine } = this;
    machine.load(CALL_RBX);
    const stop = machine.run({
      ...options,
      registers: { [Slot.RBX]: HypercallPages.CODE, [Slot.RCX]: control, [Slot.RDX]: input, [Slot.R8]: output, ...options.registers },
    });
    const result = stop.registers[Slot.RAX];
    return { vector: stop.vector, status: Number(result & 0xffffn), reps: Number((result >> 32n) & 0xfffn), registers: stop.registers };
  }
}

/** A hypercall input value. */
export const control = (code: number, { fast = false, variable = 0, reps = 0, start = 0, more = 0n } = {}): bigint =>
  BigInt(code) | (fast ? 1n << 16n : 0n) | (BigInt(variable) << 17n) | (BigInt(reps) << 32n) | (BigInt(start) << 48n) | more;
