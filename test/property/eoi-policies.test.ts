// What a guest can see of its interrupts is the same under every EOI policy, at every exit: the same program on three machines in step, with free intercepts, so that time is
// the same too. The program gives an EOI that it may leave out as many instructions as one that it must write. VPs send to themselves and to each other, and another one has its
// turn only where all three machines stand alike, as one order of the LPs is the same for all under the deterministic clock.
import test from 'ava';
import { hasVector, highestVector } from '../../daemon/hypervisor/apic/vector-set.js';
import { MachineHeader } from '../../shared/layout/machine.js';
import { Slot, VpState, vpCounterIndex } from '../../shared/layout/vp.js';
import { findPolicy, writePolicy } from '../../shared/protocol/policies.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

/**
 * R12 times: an interrupt by the ICR with a random vector (R13) to a random VP, TPR to a random class, PPR, an ISR and an IRR word into the hash R14, TPR back to 0.
 *    mov ecx, 0x40000073; mov eax, r11d; or eax, 1; xor edx, edx; wrmsr: the assist page; sti
 *    mov rax, 6364136223846793005;  1: imul r13, rax; add r13, 1442695; push rax
 *    mov rax, r13; shr rax, 33; and eax, 0x7f; add eax, 0x30; mov rdx, r13; shr rdx, 58; and edx, VPs; mov ecx, 0x830; wrmsr
 *    mov rax, r13; shr rax, 45; and eax, 0xf0; xor edx, edx; mov ecx, 0x808; wrmsr
 *    mov ecx, 0x80a / 0x813 / 0x824; rdmsr; rol r14, 5; xor r14, rax
 *    xor eax, eax; xor edx, edx; mov ecx, 0x808; wrmsr; pop rax; dec r12; jnz 1b; cli
 */
const program = (vps: number): string => `b973000040 4489d8 83c801 31d2 0f30 fb
  48b82d7f954c2df45158 4c0fafe8 4981c587031600 50
  4c89e8 48c1e821 83e07f 83c030 4c89ea 48c1ea3a 83e20${vps - 1} b930080000 0f30
  4c89e8 48c1e82d 25f0000000 31d2 b908080000 0f30
  b90a080000 0f32 49c1c605 4931c6 b913080000 0f32 49c1c605 4931c6 b924080000 0f32 49c1c605 4931c6
  31c0 31d2 b908080000 0f30 58 49ffcc 7586 fa`;
/**
 * The handler of all vectors: PPR into the hash, every fourth time an interrupt of its own, a while, then the EOI as Linux has it (hv_apic_eoi_write), with interrupts on:
 *    push rax; push rcx; push rdx; inc r15; mov ecx, 0x80a; rdmsr; rol r14, 5; xor r14, rax
 *    mov ecx, r15d; and ecx, 3; jnz 1f; mov eax, r15d; shr eax, 2; mov edx, eax; and edx, VPs; and eax, 0x7f; add eax, 0x30; mov ecx, 0x830; wrmsr
 *    1: sti; mov ecx, 12; 2: dec ecx; jnz 2b; nop; xor eax, eax; xchg eax, [r11]; test al, 1; jnz 3f
 *    xor eax, eax; xor edx, edx; mov ecx, 0x80b; wrmsr; jmp 4f;  3: nop; nop; nop; nop; jmp 4f;  4: pop rdx; pop rcx; pop rax; iretq
 */
const handler = (vps: number): string => `505152 49ffc7 b90a080000 0f32 49c1c605 4931c6
  4489f9 83e103 7518 4489f8 c1e802 89c2 83e20${vps - 1} 83e07f 83c030 b930080000 0f30
  fb b90c000000 ffc9 75fc 90 31c0 418703 a801 750d
  31c0 31d2 b90b080000 0f30 eb06 90909090 eb00 5a5958 48cf`;
/** Gates of the rig lead to the first 64 KiB. */
const HANDLER_AT = 0xe000;
/** Where the marker has been taken back and the EOI is not written yet: what they differ in is seen by nobody. */
const BETWEEN = [HANDLER_AT + 0x41, HANDLER_AT + 0x5b] as const;
/** Behind the program's HLT. */
const END = Kernel.CODE + 0x96;
const ASSIST_PAGES = 0x2_2000;
const STACKS = 0x2_8000;
const FIRST_VECTOR = 0x30;
const LAST_VECTOR = 0xaf;
const ROUNDS = 300;
const POLICIES = ['exit', 'assist', 'auto'] as const;
/** One VP sends to itself; several are on one LP in turn, or on two that take turns. */
const SHAPES = [
  { vps: 1, lps: 1 },
  { vps: 4, lps: 1 },
  { vps: 4, lps: 2 },
] as const;
type Shape = (typeof SHAPES)[number];

const machineWith = (policy: string, tiers: 'cold' | 'hot', seed: number, { vps, lps }: Shape): KernelMachine => {
  const m = new KernelMachine(tiers, 'max', vps, { hv: 'linux', lps });
  writePolicy(new MachineHeader(m.machine, 0), findPolicy('apic.eoi'), policy);
  for (let vector = FIRST_VECTOR; vector <= LAST_VECTOR; vector++) m.gate(vector, HANDLER_AT);
  m.load(handler(vps), HANDLER_AT);
  m.load(program(vps), Kernel.CODE);
  for (const [index, vp] of m.vps.entries()) {
    // x2APIC, enabled.
    vp.apicBase |= 0xc00n;
    vp.apicSvr = 0x1ff;
    m.prepare(index, {
      registers: {
        [Slot.R11]: ASSIST_PAGES + index * 4096,
        [Slot.R12]: ROUNDS / vps,
        [Slot.R13]: seed + index,
        [Slot.RSP]: STACKS + (index + 1) * 4096,
      },
    });
  }
  return m;
};

const slotOf = (m: KernelMachine, vp: number, slot: number): bigint => m.views.u64[(m.vps[vp].base >>> 3) + slot];
/** Whether a vector below one is set. */
const hasBelow = (i32: Int32Array, set: number, vector: number): boolean => {
  for (let lower = FIRST_VECTOR; lower < vector; lower++) if (hasVector(i32, set, lower)) return true;
  return false;
};
/** It lies at the HLT behind its program. */
const isDone = (m: KernelMachine, vp: number): boolean => m.vps[vp].state === VpState.HALTED && slotOf(m, vp, Slot.RIP) === BigInt(END);

/** Everything that a VP's guest could read, as one text; undefined while it is between taking the marker back and its EOI. */
const visible = (m: KernelMachine, index: number): string | undefined => {
  const rip = Number(slotOf(m, index, Slot.RIP));
  if (rip > BETWEEN[0] && rip < BETWEEN[1]) return undefined;
  const vp = m.vps[index];
  const { i32 } = vp.views;
  const words = (at: number): string => Array.from({ length: 8 }, (_, word) => i32[(at >>> 2) + word] >>> 0).join();
  const requested = Array.from({ length: 8 }, (_, word) => (i32[(vp.irr >>> 2) + word] | i32[(vp.newIrr >>> 2) + word]) >>> 0).join();
  const inService = highestVector(i32, vp.isr);
  const registers = Array.from({ length: 16 }, (_, slot) => slotOf(m, index, slot)).join();
  return `VP ${index} rip ${rip.toString(16)} isr ${words(vp.isr)} irr ${requested} tpr ${vp.apicTpr} highest ${inService} state ${vp.state} registers ${registers}`;
};
const counter = ({ vps }: KernelMachine, name: keyof typeof vpCounterIndex): number =>
  vps.reduce((sum, vp) => sum + vp.views.u32[(vp.counters >>> 2) + vpCounterIndex[name]], 0);

/** Machines in step: each turn, the same VP runs on all of them to a moment at which they stand alike, and everything that any VP could see then is compared. */
class InStep {
  readonly machines: readonly KernelMachine[];
  compared = 0;
  nested = 0;
  /** Something had come in from another VP while one lay with an interrupt in service. */
  posted = 0;
  readonly #lps: number;
  /** By machine and LP, cycles. */
  readonly #clocks: readonly number[][];

  constructor(machines: readonly KernelMachine[], lps: number) {
    this.machines = machines;
    this.#lps = lps;
    this.#clocks = machines.map(() => Array.from({ length: lps }, () => 0));
  }

  clocks(lp: number): number[] {
    return this.#clocks.map((clocks) => clocks[lp]);
  }

  /** Runs the VP for so many cycles at least. The first difference, or undefined. */
  turn(index: number, cycles: number): string | undefined {
    const lp = index % this.#lps;
    let target = Math.max(...this.clocks(lp)) + cycles;
    for (let more = 0; more < MORE_MAX; more++, target += MORE_CYCLES) {
      for (const [i, m] of this.machines.entries()) {
        const clocks = this.#clocks[i];
        if (clocks[lp] < target) clocks[lp] += m.guests[lp].run(index, clocks[lp], target - clocks[lp]);
      }
      // Compiled code looks at its budget less often where it has no intercept: then they stand at different instructions.
      const seen = this.machines.map((m) => visible(m, index));
      if (!seen.includes(undefined) && new Set(this.clocks(lp)).size === 1) return this.#compare();
    }
    return `VP ${index}: they stand alike nowhere within ${MORE_MAX} looks: ${this.clocks(lp)}`;
  }

  #compare(): string | undefined {
    this.compared++;
    for (const { index } of this.machines[0].vps) {
      const [exit, ...others] = this.machines.map((m) => visible(m, index));
      const { views, isr, newIrr } = this.machines[0].vps[index];
      const highest = highestVector(views.i32, isr);
      if (highest >= 0 && hasBelow(views.i32, isr, highest)) this.nested++;
      if (highest >= 0 && highestVector(views.i32, newIrr) >= 0) this.posted++;
      for (const [i, text] of others.entries()) if (text !== exit) return `${POLICIES[i + 1]}:\n${text}\nexit:\n${exit}`;
    }
    return undefined;
  }
}
const MORE_CYCLES = 7;
const MORE_MAX = 100;

for (const tiers of ['cold', 'hot'] as const)
  for (const shape of SHAPES) {
    const { vps, lps } = shape;
    test(`${tiers}, ${vps} VPs on ${lps} LPs: guests see the same IRR, ISR, PPR and time at each exit under every EOI policy`, (t) => {
      const seen = { compared: 0, nested: 0, posted: 0 };
      for (const seed of [1, 77, 123_456]) {
        const step = new InStep(
          POLICIES.map((policy) => machineWith(policy, tiers, seed, shape)),
          lps,
        );
        const [machine] = step.machines;
        for (let turn = 0; !machine.vps.every(({ index }) => isDone(machine, index)) && turn < 20_000; turn++) {
          const index = turn % vps;
          if (isDone(machine, index)) continue;
          const difference = step.turn(index, 5 + ((turn * 7919) % 61));
          if (difference !== undefined) return t.fail(`seed ${seed}, turn ${turn}, ${difference}`);
        }
        const [delivered, eois, lazy] = (['virtualInterrupts', 'apicEoiAccesses', 'lazyEois'] as const).map((name) =>
          step.machines.map((m) => counter(m, name)),
        );
        t.true(step.machines.every((m) => m.vps.every(({ index }) => isDone(m, index))));
        for (let lp = 0; lp < lps; lp++) t.is(new Set(step.clocks(lp)).size, 1, `each took as long: ${step.clocks(lp)}`);
        t.is(lazy[0], 0);
        t.true(delivered[0] > ROUNDS / 2, `${delivered[0]} interrupts`);
        t.is(eois[0], delivered[0], 'exit: an intercept each');
        for (const i of [1, 2]) {
          t.is(eois[i] + lazy[i], delivered[i]);
          t.true(lazy[i] > delivered[i] / 10, `${POLICIES[i]}: ${lazy[i]} lazy of ${delivered[i]}`);
        }
        for (const what of ['compared', 'nested', 'posted'] as const) seen[what] += step[what];
      }
      t.log(JSON.stringify(seen));
      t.true(seen.compared > 1000 && seen.nested > 50);
      // Alone, nobody sends to a VP that does not run.
      t.is(seen.posted > 50, vps > 1);
    });
  }
