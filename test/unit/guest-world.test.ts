// A partition whose VP needs legacy super-mode (policy world.switch): every entry and every intercept goes by the switch page, and the guest cannot tell.
import test from 'ava';
import { SuperMode } from '../../shared/layout/machine.js';
import { SUPER_MODE_CHOICES } from '../../shared/layout/partition.js';
import { Slot, VpState } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

const { RBX, RCX, RDX, RSI, RDI } = Slot;
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;

/** 32-bit protected mode without paging at the kernel's code. */
const protectedMode = (machine: KernelMachine): void => {
  machine.prepare(0, { registers: { [RDI]: Kernel.DATA, [RSI]: 7 } });
  const { vp } = machine;
  Object.assign(vp, { cr0: 0x11, cr4: 0, cr3: 0n, efer: 0, csAccess: FLAT_CODE });
  for (const s of ['ss', 'ds', 'es', 'fs', 'gs'] as const) vp[`${s}Access`] = FLAT_DATA;
};
/** What the program leaves: registers, memory, control registers. */
const outcome = (machine: KernelMachine): unknown => ({
  registers: Array.from({ length: 17 }, (_, slot) => machine.slot(slot)),
  memory: Buffer.from(machine.views.u8.slice(machine.host(Kernel.DATA), machine.host(Kernel.DATA) + 256)).toString('hex'),
  control: [machine.vp.cr0, machine.vp.cr3, machine.vp.cr4, machine.vp.efer, machine.vp.state],
  instructions: machine.vp.instructions,
  intercepts: machine.lp.intercepts,
  clock: machine.clock,
});

/**
 * CPUID, RDMSR of the APIC base, PCI configuration port, INVLPG, a device's memory, 200 additions, RDTSC into memory, and 0x80 to port 80h.
 */
const PROGRAM = [
  '31c0 0fa2 8907', // xor eax, eax; cpuid; mov [edi], eax
  'b91b000000 0f32 894704', // mov ecx, 1Bh; rdmsr; mov [edi+4], eax
  'e680 e480 884708', // out 80h, al; in al, 80h; mov [edi+8], al
  '0f0137', // invlpg [edi]
  '8b0d3000e0fe 894f0c', // mov ecx, [FEE00030h]; mov [edi+12], ecx
  'b9c8000000 01f0 49 75fb', // mov ecx, 200; add eax, esi; dec ecx; jnz
  '894710 0f31 894714', // mov [edi+16], eax; rdtsc; mov [edi+20], eax
].join('');

for (const tiers of ['cold', 'hot'] as const) {
  test(`by the page and by the flag alone a guest runs the same, time and all (${tiers})`, (t) => {
    const run = (setting: string): KernelMachine => {
      const machine = new KernelMachine(tiers, 'max', 1, { worlds: true });
      machine.policy('world.switch', setting);
      machine.load(PROGRAM);
      protectedMode(machine);
      machine.go();
      return machine;
    };
    const direct = run('direct');
    const page = run('page');
    t.is(direct.lp.superModeSwitches, 0);
    t.deepEqual(outcome(page), outcome(direct));
    t.not(page.slot(RBX), 0n);
    // One for the run itself, and one for each intercept at least.
    t.true(page.lp.superModeSwitches > 5, String(page.lp.superModeSwitches));
    t.is(page.lp.superMode, SuperMode.LONG);
  });

  test(`a 64-bit guest never comes to the page, legacy ones that go long do not any more (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers, 'max', 1, { worlds: true });
    machine.policy('world.switch', 'page');
    machine.load('31c0 0fa2 e680 0f31');
    t.is(machine.run().vector, -1);
    t.is(machine.lp.superModeSwitches, 0);

    // mov eax, 620h; mov cr4, eax; mov eax, 1000h; mov cr3, eax; EFER.LME; mov eax, 80010033h; mov cr0, eax; jmp 8:64-bit; 100 x CPUID.
    const code64 = Kernel.CODE + 0x100;
    machine.load(
      `b820060000 0f22e0 b800100000 0f22d8 b9800000c0 0f32 0d00010000 0f30 b833000180 0f22c0 ea${Buffer.from(Uint32Array.of(code64).buffer).toString('hex')}0800`,
    );
    machine.load('be64000000 31c0 0fa2 ffce 75f8', code64);
    protectedMode(machine);
    machine.go();
    t.is(machine.slot(RSI), 0n);
    t.is(machine.vp.efer & 0x500, 0x500);
    // CR4, CR3, RDMSR, WRMSR, CR0 and the entry itself; none of the CPUIDs.
    t.true(machine.lp.superModeSwitches >= 6 && machine.lp.superModeSwitches < 20, String(machine.lp.superModeSwitches));
  });

  test(`super-mode long is for guests that boot through legacy code (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers, 'max', 1, { worlds: true });
    machine.policy('world.switch', 'page');
    machine.header.superMode = 1;
    machine.load(PROGRAM);
    protectedMode(machine);
    machine.go();
    t.is(machine.lp.superModeSwitches, 0);
    t.deepEqual([machine.slot(RCX), machine.slot(RDX)], [0n, 0n]);
  });
}

test('what the page costs is charged to the guest that needs it', (t) => {
  const clock = (costs: Readonly<Record<string, number>>): number => {
    const machine = new KernelMachine('both', 'max', 1, { worlds: true, costs });
    machine.policy('world.switch', 'page');
    machine.load('e680');
    protectedMode(machine);
    machine.go();
    // The entry, the fetch of the code's page, OUT, HLT.
    t.is(machine.lp.superModeSwitches, 4);
    return machine.clock;
  };
  t.is(clock({ modeWrite: 100 }) - clock({}), 4 * 800);
  t.true(clock({ modeWrite: 100, switchInstruction: 1 }) - clock({}) > 4 * 890);
});

/** All that a partition has of its course so far, as text. */
const stateOf = (machine: KernelMachine): string => {
  const { views, vp } = machine;
  const registers = Array.from({ length: 32 }, (_, slot) => String(machine.slot(slot)));
  const memory = Buffer.from(views.u8.slice(machine.host(Kernel.DATA), machine.host(Kernel.DATA) + 1024)).toString('hex');
  const rest = [vp.cr0, vp.cr4, vp.efer, vp.instructions, vp.runCycles, vp.mxcsr, machine.slot(Slot.FS_BASE)].map(String);
  const counters = views.u32.slice(vp.counters >>> 2, (vp.counters >>> 2) + 64).join();
  return [registers.join(), memory, rest.join(), counters].join(' ');
};

/** 32-bit code in the GDT's last entry, and 64-bit code to come back to. */
const CODE32 = 0x30;
const le32 = (n: number): string => Buffer.from(Uint32Array.of(n).buffer).toString('hex');
const COMPAT = Kernel.CODE + 0x100;
const BACK = Kernel.CODE + 0x200;

for (const tiers of ['cold', 'hot'] as const) {
  test(`a guest that leaves IA-32e mode needs the page until it is back (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers, 'max', 1, { worlds: true });
    machine.policy('world.switch', 'page');
    machine.views.u64[machine.host(Kernel.GDT + CODE32) >>> 3] = 0x00cf_9b00_0000_ffffn;
    const cpuids = 'be32000000 31c0 0fa2 4e 75f9';
    // 50 x CPUID; far return to compatibility mode.
    machine.load(`be32000000 31c0 0fa2 ffce 75f8 6a${CODE32.toString(16)} 68${le32(COMPAT)} 48cb`);
    // Paging off; 50 x CPUID; paging on; far jump to 64-bit code; 50 x CPUID.
    machine.load(`0f20c0 0fbaf01f 0f22c0 ${cpuids} 0f20c0 0fbae81f 0f22c0 ea${le32(BACK)}0800`, COMPAT);
    machine.load('be32000000 31c0 0fa2 ffce 75f8', BACK);
    machine.run();
    t.is(machine.slot(RSI), 0n);
    t.is(machine.vp.efer & 0x500, 0x500);
    // The CPUIDs in legacy mode, and MOV to CR0 on either side.
    t.true(machine.lp.superModeSwitches >= 50 && machine.lp.superModeSwitches < 56, String(machine.lp.superModeSwitches));
    t.is(machine.lp.superMode, SuperMode.LONG);
  });

  test(`super-mode legacy is for processors without long mode (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers, 'max,-lm', 1, { worlds: true });
    machine.policy('world.switch', 'page');
    machine.header.superMode = SUPER_MODE_CHOICES.indexOf('legacy');
    // CPUID 80000001: no LM; MOV CR4 of PAE; EFER.LME, which is reserved.
    machine.load('b801000080 0fa2 8917 b9800000c0 31d2 b800010000 0f30');
    protectedMode(machine);
    Object.assign(machine.vp, { idtrLimit: 0 });
    machine.go();
    t.is(machine.views.u32[machine.host(Kernel.DATA) >>> 2]! & (1 << 29), 0);
    // #GP finds no handler.
    t.is(machine.vp.state, VpState.STOPPED);
    t.true(machine.lp.superModeSwitches > 0);
  });

  test(`what a 64-bit partition does is the same whatever legacy slices come between its own (${tiers})`, (t) => {
    /** The trace of the 64-bit partition: its state after each of its slots, and its memory. */
    const trace = (setting: 'direct' | 'page' | 'alone'): { readonly slots: string[]; readonly switches: number } => {
      const long = new KernelMachine(tiers, 'max', 1, { worlds: true });
      long.policy('world.switch', setting === 'page' ? 'page' : 'direct');
      // For ever: RDTSC and CPUID into a ring of 256 dwords, a port, 30 additions, FS base, an x87 and an SSE operation.
      long.load(
        '31f6 0f31 890cb7 8904b7 ffc6 31c0 0fa2 8914b7 ffc6 81e6ff000000 e680 b91e000000 01c8 e2fc f3480faec8 48ffc0 f3480faed0 dbe3 d9e8 0f57c0 660fefc9 ebc2',
      );
      const legacy = new KernelMachine(tiers, 'max', 1, { beside: long });
      legacy.load('31c0 0fa2 8907 e680 f3aa bf00000200 b940000000 ebea');
      protectedMode(legacy);
      long.prepare(0, { registers: { [RDI]: Kernel.DATA }, cr4: 0x1_0000 });
      const slots: string[] = [];
      for (let slot = 0; slot < 40; slot++) {
        long.guest.run(0, slot * 20_000, 10_000);
        slots.push(stateOf(long));
        if (setting !== 'alone') legacy.guest.run(0, slot * 20_000 + 10_000, 10_000);
      }
      t.true(long.vp.instructions > 10_000n, String(long.vp.instructions));
      return { slots, switches: long.lp.superModeSwitches };
    };
    const alone = trace('alone');
    const direct = trace('direct');
    const page = trace('page');
    t.deepEqual(direct.slots, alone.slots);
    t.deepEqual(page.slots, alone.slots);
    t.deepEqual([alone.switches, direct.switches], [0, 0]);
    t.true(page.switches > 40, String(page.switches));
  });
}
