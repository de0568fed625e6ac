// From where a hypercall may be made: #UD in real mode, in virtual-8086 mode, at every level but 0 and while the hypercall page is not enabled (TLFS 3.5, 3.13).
// The fault is the instruction's own: RIP stands before it, registers are as they were, and no call has been made or counted.
import test from 'ava';
import { HvCall, HvStatus } from '../../shared/abi/hyperv.js';
import { powerUpSynic } from '../../shared/layout/synic.js';
import { Slot, VpState, vpCounterIndex } from '../../shared/layout/vp.js';
import { control, HypercallPages, HypervGuest, OS_ID, TIERS } from '../rig/hyperv-guest.js';
import { Kernel, type Stop } from '../rig/kernel-machine.js';

const UD = 6;
const GP = 13;
const GUEST_OS_ID = 0x4000_0000;
const HYPERCALL = 0x4000_0001;
const INSTRUCTIONS = [
  ['VMCALL', '0f01c1'],
  ['VMMCALL', '0f01d9'],
] as const;
const CALL = control(HvCall.NOTIFY_LONG_SPIN_WAIT, { fast: true });
const REGISTERS = { [Slot.RAX]: 0x7777, [Slot.RCX]: CALL, [Slot.RDX]: 1, [Slot.RBX]: HypercallPages.CODE };
const RFLAGS_VM = 1 << 17;
const IOPL3 = 3 << 12;

const callsOf = ({ machine: { vp } }: HypervGuest): number => vp.views.u32[(vp.counters >>> 2) + vpCounterIndex.hypercalls];

/** Everything but the exception that a call leaves; RAX is the status where there was none. */
const tryCall = (g: HypervGuest, code: string, level: 0 | 3 = 0): { stop: Stop; counted: number } => {
  const before = callsOf(g);
  const at = level === 3 ? Kernel.USER_CODE : Kernel.CODE;
  g.machine.load(code, at);
  const stop = g.machine.run({ level, registers: REGISTERS });
  return { stop, counted: callsOf(g) - before };
};

/** An IDT for the modes without 64-bit code, and a stack for them. */
const IDT = 0xe000;
const HANDLER = 0xf000;
const SEGMENTS = ['es', 'ss', 'ds', 'fs', 'gs'] as const;

/** Runs code at Kernel.CODE in a mode whose interrupts come by tables of its own. Where it stopped, and CS. */
const inLegacyMode = (
  g: HypervGuest,
  mode: 'real' | 'v86',
  code: string,
  { vector = UD, registers = REGISTERS }: { vector?: number; registers?: Readonly<Record<number, bigint | number>> } = {},
): { rip: bigint; frame: number[]; rax: bigint; counted: number } => {
  const { machine } = g;
  const { views, vp } = machine;
  const before = callsOf(g);
  machine.load(code);
  machine.load('', HANDLER);
  machine.prepare(0, { registers: { ...registers, [Slot.RSP]: 0x1000 } });
  const selector = Kernel.CODE >>> 4;
  const isReal = mode === 'real';
  Object.assign(vp, {
    cr0: isReal ? 0x10 : 0x11,
    cr4: 0,
    efer: 0,
    cpl: isReal ? 0 : 3,
    idtrBase: BigInt(IDT),
    idtrLimit: isReal ? 0x3ff : 0x7ff,
  });
  Object.assign(vp, { csSelector: selector, csAccess: isReal ? 0x9b : 0xf3, csLimit: 0xffff });
  const slots = vp.base >>> 3;
  for (const [segment] of SEGMENTS.entries()) {
    const name = SEGMENTS[segment];
    Object.assign(vp, { [`${name}Selector`]: selector, [`${name}Access`]: isReal ? 0x93 : 0xf3, [`${name}Limit`]: 0xffff });
  }
  views.u64.fill(BigInt(Kernel.CODE), slots + Slot.ES_BASE, slots + Slot.ES_BASE + 6);
  views.u64[slots + Slot.RIP] = 0n;
  if (isReal) views.u32[machine.host(IDT + vector * 4) >>> 2] = HANDLER;
  else {
    views.u64[slots + Slot.FLAG_SYSTEM] = BigInt(RFLAGS_VM | IOPL3 | 2);
    // 32-bit code in the GDT's last entry, a gate to it, and the stack of level 0.
    views.u64[machine.host(Kernel.GDT + 0x30) >>> 3] = 0x00cf_9b00_0000_ffffn;
    views.u64[machine.host(IDT + vector * 8) >>> 3] = (0x8en << 40n) | (0x30n << 16n) | BigInt(HANDLER);
    views.u32.set([Kernel.STACK_TOP, 0x10], machine.host(Kernel.TSS + 4) >>> 2);
  }
  machine.go();
  const stack = Number(machine.slot(Slot.RSP));
  const frame = isReal
    ? [...views.u16.subarray(machine.host(Kernel.CODE + stack) >>> 1, (machine.host(Kernel.CODE + stack) >>> 1) + 2)]
    : [...views.u32.subarray(machine.host(stack) >>> 2, (machine.host(stack) >>> 2) + 2)];
  return {
    rip: vp.state === VpState.HALTED ? machine.slot(Slot.RIP) : -1n,
    frame,
    rax: machine.slot(Slot.RAX),
    counted: callsOf(g) - before,
  };
};

for (const tiers of TIERS)
  for (const [name, code] of INSTRUCTIONS) {
    test(`${tiers}: ${name} at level 0 with the page enabled is a call; at level 3 it is #UD`, (t) => {
      const g = new HypervGuest(tiers).enable();
      const allowed = tryCall(g, code);
      t.is(allowed.stop.vector, -1);
      t.is(allowed.stop.registers[Slot.RAX], BigInt(HvStatus.SUCCESS));
      t.is(allowed.counted, 1);
      const refused = tryCall(g, code, 3);
      t.deepEqual([refused.stop.vector, refused.stop.rip], [UD, Kernel.USER_CODE]);
      t.is(refused.stop.registers[Slot.RAX], 0x7777n);
      t.is(refused.counted, 0);
    });

    test(`${tiers}: ${name} in real mode and in virtual-8086 mode is #UD`, (t) => {
      for (const mode of ['real', 'v86'] as const) {
        const { rip, frame, rax, counted } = inLegacyMode(new HypervGuest(tiers).enable(), mode, code);
        t.is(rip, BigInt(HANDLER + 1), mode);
        t.deepEqual(frame, [0, Kernel.CODE >>> 4], `${mode}: CS:IP of the instruction`);
        t.deepEqual([rax, counted], [0x7777n, 0], mode);
      }
    });

    test(`${tiers}: ${name} while hypercalls are disabled is #UD`, (t) => {
      const page = BigInt(HypercallPages.CODE);
      const cases: readonly (readonly [string, string, readonly (readonly [number, bigint])[], boolean])[] = [
        ['no interface', 'off', [], false],
        ['no such registers', 'all,-hypercall-msrs', [], false],
        ['after a reset', 'all', [], false],
        ['a page without an identity', 'all', [[HYPERCALL, page | 1n]], false],
        ['an identity without a page', 'all', [[GUEST_OS_ID, OS_ID]], false],
        [
          'a page that is not enabled',
          'all',
          [
            [GUEST_OS_ID, OS_ID],
            [HYPERCALL, page],
          ],
          false,
        ],
        [
          'enabled',
          'all',
          [
            [GUEST_OS_ID, OS_ID],
            [HYPERCALL, page | 1n],
          ],
          true,
        ],
        [
          'the page disabled',
          'all',
          [
            [GUEST_OS_ID, OS_ID],
            [HYPERCALL, page | 1n],
            [HYPERCALL, page],
          ],
          false,
        ],
        [
          'the identity taken back',
          'all',
          [
            [GUEST_OS_ID, OS_ID],
            [HYPERCALL, page | 1n],
            [GUEST_OS_ID, 0n],
          ],
          false,
        ],
        [
          'given again, without the page',
          'all',
          [
            [GUEST_OS_ID, OS_ID],
            [HYPERCALL, page | 1n],
            [GUEST_OS_ID, 0n],
            [GUEST_OS_ID, OS_ID],
          ],
          false,
        ],
        [
          'taken back, the page being locked',
          'all',
          [
            [GUEST_OS_ID, OS_ID],
            [HYPERCALL, page | 3n],
            [GUEST_OS_ID, 0n],
          ],
          true,
        ],
      ];
      for (const [what, hv, writes, isCall] of cases) {
        const g = new HypervGuest(tiers, hv);
        for (const [register, value] of writes) g.write(register, value);
        const { stop, counted } = tryCall(g, code);
        if (isCall) t.deepEqual([stop.vector, stop.registers[Slot.RAX], counted], [-1, 0n, 1], what);
        else t.deepEqual([stop.vector, stop.rip, stop.registers[Slot.RAX], counted], [UD, Kernel.CODE, 0x7777n, 0], what);
      }
    });
  }

test('level 1 may not, nor 32-bit code at level 3', (t) => {
  for (const access of [0x00af_bb00_0000_ffffn, 0x00cf_fb00_0000_ffffn]) {
    const g = new HypervGuest('cold').enable();
    const { machine } = g;
    const level = Number((access >> 45n) & 3n);
    machine.load('0f01c1', Kernel.USER_CODE);
    machine.prepare(0, { level: 3, registers: REGISTERS });
    const data = level === 1 ? 0xc0b3 : 0xc0f3;
    const is64 = ((access >> 53n) & 1n) !== 0n;
    Object.assign(machine.vp, { cpl: level, csSelector: 0x20 | level, csAccess: Number((access >> 40n) & 0xf0ffn) });
    for (const name of SEGMENTS) Object.assign(machine.vp, { [`${name}Selector`]: 0x18 | level, [`${name}Access`]: data });
    machine.go();
    t.is(machine.slot(Slot.RIP), BigInt(Kernel.HANDLERS + UD + 1), is64 ? 'level 1' : '32-bit');
    t.is(machine.slot(Slot.RAX), 0x7777n);
  }
});

const RDMSR = '0f32';
const WRMSR = '0f30';
const SINT2 = 0x4000_0092;
const EOI = 0x4000_0070;
const VP_INDEX = 0x4000_0002;
const NO_SUCH = 0x4000_0119;
const withSynic = (tiers: (typeof TIERS)[number]): HypervGuest => {
  const g = new HypervGuest(tiers);
  powerUpSynic(g.machine.views);
  return g;
};

test('registers of the interface are in real mode what they are in any other; virtual-8086 mode and level 3 may not', (t) => {
  const value = (msr: number, low: number, high = 0): Record<number, number> => ({ [Slot.RCX]: msr, [Slot.RAX]: low, [Slot.RDX]: high });
  const cases: readonly (readonly [string, Record<number, number>, boolean, number?])[] = [
    [RDMSR, value(SINT2, 1), true, 0x1_0000],
    [RDMSR, value(VP_INDEX, 1), true, 0],
    [WRMSR, value(SINT2, 0x40), true, 0x40],
    [WRMSR, value(EOI, 0), true, 0],
    [WRMSR, value(SINT2, 0x05), false],
    [WRMSR, value(EOI, 0, 1), false],
    [RDMSR, value(EOI, 1), false],
    [WRMSR, value(VP_INDEX, 0), false],
    [RDMSR, value(NO_SUCH, 1), false],
  ];
  for (const tiers of TIERS)
    for (const [code, registers, isAllowed, rax] of cases) {
      const what = `${tiers}: ${code} ${Object.values(registers).map((word) => word.toString(16))}`;
      const { rip, frame, rax: after } = inLegacyMode(withSynic(tiers), 'real', code, { vector: GP, registers });
      // The HLT behind the instruction, or the handler's.
      t.is(rip, isAllowed ? 3n : BigInt(HANDLER + 1), what);
      if (isAllowed) t.is(after, BigInt(rax ?? 0), what);
      else t.deepEqual(frame, [0, Kernel.CODE >>> 4], what);
      const v86 = inLegacyMode(withSynic(tiers), 'v86', code, { vector: GP, registers });
      t.is(v86.rip, BigInt(HANDLER + 1), `v86, ${what}`);
      // Error code 0, then IP.
      t.deepEqual(v86.frame, [0, 0], `v86, ${what}`);
      const g = withSynic(tiers);
      g.machine.load(code, Kernel.USER_CODE);
      t.is(g.machine.run({ level: 3, registers }).vector, GP, `level 3, ${what}`);
    }
});
