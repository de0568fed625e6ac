// What a guest can see of its interrupts is the same under every EOI policy, at every exit: the same program on three machines in step, with free intercepts, so that time is
// the same too. The program gives an EOI that it may leave out as many instructions as one that it must write.
import test from 'ava';
import { highestVector } from '../../daemon/hypervisor/apic/vector-set.js';
import { MachineHeader } from '../../shared/layout/machine.js';
import { Slot, VpState, vpCounterIndex } from '../../shared/layout/vp.js';
import { findPolicy, writePolicy } from '../../shared/protocol/policies.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

/**
 * R12 times: a self-IPI of a random vector (R13), TPR to a random class, PPR, an ISR and an IRR word into the hash R14, TPR back to 0.
 *    mov rax, 6364136223846793005;  1: imul r13, rax; add r13, 1442695; push rax
 *    mov rax, r13; shr rax, 33; and eax, 0x7f; add eax, 0x30; mov ecx, 0x83f; xor edx, edx; wrmsr
 *    mov rax, r13; shr rax, 45; and eax, 0xf0; mov ecx, 0x808; wrmsr
 *    mov ecx, 0x80a / 0x813 / 0x824; rdmsr; rol r14, 5; xor r14, rax
 *    xor eax, eax; mov ecx, 0x808; wrmsr; pop rax; dec r12; jnz 1b; cli
 */
const PROGRAM = `48b82d7f954c2df45158 4c0fafe8 4981c587031600 50 4c89e8 48c1e821 83e07f 83c030 b93f080000 31d2 0f30
  4c89e8 48c1e82d 25f0000000 b908080000 0f30
  b90a080000 0f32 49c1c605 4931c6 b913080000 0f32 49c1c605 4931c6 b924080000 0f32 49c1c605 4931c6
  31c0 b908080000 0f30 58 49ffcc 7592 fa`;
/**
 * The handler of all vectors: PPR into the hash, every fourth time a self-IPI of its own, a while, then the EOI as Linux has it (hv_apic_eoi_write), with interrupts on:
 *    push rax; push rcx; push rdx; inc r15; mov ecx, 0x80a; rdmsr; rol r14, 5; xor r14, rax
 *    xor edx, edx; mov ecx, r15d; and ecx, 3; jnz 1f; mov eax, r15d; shr eax, 2; and eax, 0x7f; add eax, 0x30; mov ecx, 0x83f; wrmsr
 *    1: sti; mov ecx, 12; 2: dec ecx; jnz 2b; nop; xor eax, eax; xchg eax, [assist]; test al, 1; jnz 3f
 *    xor eax, eax; xor edx, edx; mov ecx, 0x80b; wrmsr; jmp 4f;  3: nop; nop; nop; nop; jmp 4f;  4: pop rdx; pop rcx; pop rax; iretq
 */
const HANDLER = `505152 49ffc7 b90a080000 0f32 49c1c605 4931c6
  31d2 4489f9 83e103 7513 4489f8 c1e802 83e07f 83c030 b93f080000 0f30
  fb b90c000000 ffc9 75fc 90 31c0 87042500200200 a801 750d
  31c0 31d2 b90b080000 0f30 eb06 90909090 eb00 5a5958 48cf`;
/** Gates of the rig lead to the first 64 KiB. */
const HANDLER_AT = 0xe000;
/** Where the marker has been taken back and the EOI is not written yet: what they differ in is seen by nobody. */
const BETWEEN = [HANDLER_AT + 0x45, HANDLER_AT + 0x5c] as const;
const FIRST_VECTOR = 0x30;
const LAST_VECTOR = 0xaf;
const ROUNDS = 300;
const POLICIES = ['exit', 'assist', 'auto'] as const;

const machineWith = (policy: string, tiers: 'cold' | 'hot', seed: number): KernelMachine => {
  const m = new KernelMachine(tiers, 'max', 1, { hv: 'linux' });
  writePolicy(new MachineHeader(m.machine, 0), findPolicy('apic.eoi'), policy);
  const { vp } = m;
  // x2APIC, enabled.
  vp.apicBase |= 0xc00n;
  vp.apicSvr = 0x1ff;
  for (let vector = FIRST_VECTOR; vector <= LAST_VECTOR; vector++) m.gate(vector, HANDLER_AT);
  m.load(HANDLER, HANDLER_AT);
  // The assist page at 0x22000, by its MSR (40000073h).
  m.load('b973000040 b801200200 31d2 0f30', Kernel.CODE);
  m.run();
  m.load(PROGRAM, Kernel.CODE);
  m.prepare(0, { flags: 0x200, registers: { [Slot.R12]: ROUNDS, [Slot.R13]: seed } });
  return m;
};

/** Everything that a guest could read, as one text; undefined while it is between taking the marker back and its EOI. */
const visible = (m: KernelMachine): string | undefined => {
  const rip = Number(m.slot(Slot.RIP));
  if (rip > BETWEEN[0] && rip < BETWEEN[1]) return undefined;
  const { vp } = m;
  const { i32 } = vp.views;
  const words = (at: number): string => Array.from({ length: 8 }, (_, word) => i32[(at >>> 2) + word] >>> 0).join();
  const requested = Array.from({ length: 8 }, (_, word) => (i32[(vp.irr >>> 2) + word] | i32[(vp.newIrr >>> 2) + word]) >>> 0).join();
  const inService = highestVector(i32, vp.isr);
  const registers = Array.from({ length: 16 }, (_, slot) => m.slot(slot)).join();
  return `rip ${rip.toString(16)} isr ${words(vp.isr)} irr ${requested} tpr ${vp.apicTpr} highest ${inService} state ${vp.state} registers ${registers}`;
};

const counter = ({ vp }: KernelMachine, name: keyof typeof vpCounterIndex): number =>
  vp.views.u32[(vp.counters >>> 2) + vpCounterIndex[name]];

for (const tiers of ['cold', 'hot'] as const)
  test(`a guest sees the same IRR, ISR, PPR and time at each exit under every EOI policy (${tiers})`, (t) => {
    let compared = 0;
    let nested = 0;
    for (const seed of [1, 77, 123_456]) {
      const machines = POLICIES.map((policy) => machineWith(policy, tiers, seed));
      const clocks = machines.map(() => 0);
      let target = 0;
      for (let slice = 0; machines.some(({ vp }) => vp.state !== VpState.HALTED) && slice < 20_000; slice++) {
        target += 5 + ((slice * 7919) % 61);
        for (const [i, m] of machines.entries()) if (clocks[i] < target) clocks[i] += m.guest.run(0, clocks[i], target - clocks[i]);
        const seen = machines.map(visible);
        // Compiled code looks at its budget less often where it has no intercept: then they stand at different instructions.
        if (seen.includes(undefined) || new Set(clocks).size > 1) continue;
        compared++;
        if (/isr .*[1-9].*,.*[1-9].* irr/.test(String(seen[0]))) nested++;
        for (const [i, text] of seen.entries())
          if (text !== seen[0]) return t.fail(`seed ${seed}, slice ${slice}, ${POLICIES[i]}:\n${text}\nexit:\n${seen[0]}`);
      }
      const [delivered, eois, lazy] = (['virtualInterrupts', 'apicEoiAccesses', 'lazyEois'] as const).map((name) =>
        machines.map((m) => counter(m, name)),
      );
      t.is(new Set(clocks).size, 1, `each took as long: ${clocks}`);
      t.is(lazy[0], 0);
      t.true(delivered[0] > ROUNDS / 2, `${delivered[0]} interrupts`);
      t.deepEqual(eois[0], delivered[0], 'exit: an intercept each');
      for (const i of [1, 2]) {
        t.is(eois[i] + lazy[i], delivered[i]);
        t.true(lazy[i] > delivered[i] / 10, `${POLICIES[i]}: ${lazy[i]} lazy of ${delivered[i]}`);
      }
    }
    t.true(compared > 1000 && nested > 50, `${compared} exits compared, ${nested} of them nested`);
  });
