// Intercepts that shortcuts deal with (daemon/shortcuts: the local APIC's page, quiet ports, MOV CR3, page faults that are fills, INVLPG), through the whole hypervisor: guests, counters and clocks must not be able
// to tell. The same program runs once with shortcuts and once with its instructions counted, which takes none; and each condition that forbids one is tried alone.
import test from 'ava';
import { type Shortcuts, shortcutsOf } from '../../daemon/machine/shortcuts.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { packSys, SysOp } from '../../daemon/translate/micro-op.js';
import { ApicRegister } from '../../shared/abi/apic.js';
import { DeviceMap, UartLayout } from '../../shared/layout/devices.js';
import { LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import { ByteQueue } from '../../shared/layout/ring.js';
import { Slot, VP_COUNTERS, type VpCounter, VpLayout, vpCounterIndex } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine, type RunOptions } from '../rig/kernel-machine.js';

const COSTS = { interceptRoundTrip: 1000, sptFill: 300, mmio: 70, portIo: 11, tlbWalkLevel: 3, tableSweep: 17 };
const APIC_PAGE = 0x1f_0000;
const OTHER_ROOTS = [0x5000, 0x6000];
const APIC = 0xfee0_0000n;
const le32 = (n: number): string => Buffer.from(Uint32Array.of(n).buffer).toString('hex');
/** mov eax, [rdi + offset]; mov [rsi + offset], eax. */
const read = (offset: number): string => `8b87${le32(offset)}8986${le32(offset)}`;
/** mov dword [rdi + offset], value. */
const write = (offset: number, value: number): string => `c787${le32(offset)}${le32(value)}`;
/** Runs the body r8d times. */
const loop = (body: string): string => `${body}41ffc80f85${le32(-(body.length / 2 + 9))}`;
/** The byte at port 80h and the line status, there and back; in al, 80h; in al, dx; out 80h, al. CPUID of leaf 7. */
const PORTS = 'e48066bafd03ec8886000800000401e680b80700000031c90fa2899e10080000';

/** mov edi, 40000h: pages that nothing else uses. */
const PAGES_FROM = 'bf00000400';
const NEXT_PAGE = '4881c700100000';
/** mov eax, [rdi]; mov [rdi], r8d; invlpg [rdi]; mov [rdi + 8], rax; movups xmm0, [rdi]. */
const TOUCH = '8b074489070f01384889470' + '80f1007';
/** mov rcx, cr3; mov cr3, rcx. */
const RELOAD = '0f20d90f22d9';
/** and byte [4200h], ~A, of the page at 40000h; invlpg [40000h]; or byte [40000h], 1. */
const CLEAR_A = '8024250042' + '0000df0f013c2500000400800c250000040001';

type Setup = (machine: KernelMachine) => void;
const machineOf = (tiers: 'cold' | 'hot', watched: boolean): KernelMachine => {
  const observe = { memory: new SharedArrayBuffer(8), count: true, stackPeriod: 0, trace: undefined };
  const machine = new KernelMachine(tiers, 'max', 1, { costs: COSTS, observe: watched ? observe : undefined });
  machine.pte = { page: APIC_PAGE, value: APIC | 3n };
  return machine;
};
const counter = ({ views, vp }: KernelMachine, name: VpCounter): number => views.u32[(vp.counters >>> 2) + vpCounterIndex[name]]!;
const registers = (times: number): RunOptions => ({ registers: { [Slot.RDI]: APIC_PAGE, [Slot.RSI]: Kernel.DATA, [Slot.R8]: times } });
/** All that the guest, its counters and the machine's say of a run. */
const account = (machine: KernelMachine, code: string, setup: Setup, cr4: number): unknown => {
  machine.load(code);
  setup(machine);
  const stop = machine.run({ ...registers(40), cr4 });
  const { views, vp } = machine;
  const lp = lpBlockAt(0);
  return {
    registers: stop.registers,
    data: Buffer.from(views.u8.slice(machine.host(Kernel.DATA), machine.host(Kernel.DATA) + 4096)).toString('hex'),
    apic: Buffer.from(views.u8.slice(vp.base + VpLayout.at.apicId, vp.base + VpLayout.at.requests)).toString('hex'),
    counters: VP_COUNTERS.filter((name) => name !== 'translations' && name !== 'compilations').map((name) => [
      name,
      counter(machine, name),
    ]),
    intercepts: [...machine.machine.u32.slice((lp + LpLayout.at.intercepts) >>> 2, (lp + LpLayout.at.intercepts + 128) >>> 2)],
    // Walks are counted at other moments.
    vtlb: Object.entries(vtlbCounters(views)).filter(([name]) => name !== 'walks'),
    cycles: vp.runCyclesNum,
    instructions: vp.instructionsNum,
  };
};

/** mov eax, value; mov cr3, rax; inc dword [rsi + 0x800 + 4n]: in each space another. */
const enter = (cr3: number, n: number): string => `b8${le32(cr3)}0f22d8ff86${le32(0x800 + 4 * n)}`;
/** The same without a flush: mov rax, 1 << 63 | value. */
const enterUnflushed = (cr3: number, n: number): string => `48b8${le32(cr3)}000000800f22d8ff86${le32(0x800 + 4 * n)}`;
const PCIDE = 1 << 17;
/** Two more tables of level 4, that lead where the first one does. */
const spaces: Setup = (machine) => {
  machine.policy('vtlb.tags', '8');
  machine.policy('vtlb.untracked', '16');
  for (const root of OTHER_ROOTS)
    machine.views.u8.copyWithin(machine.host(root), machine.host(Kernel.PML4), machine.host(Kernel.PML4) + 4096);
};
const THREE = [...OTHER_ROOTS, Kernel.PML4];
/** mov dword [the page table's entry of 1e0000h], frame | 3; inc dword [1e0000h]. */
const remap = (frame: number): string => `c70425${le32(Kernel.PAGE_TABLE + 0x1e0 * 8)}${le32(frame | 3)}ff0425${le32(0x1e_0000)}`;

const PROGRAMS: readonly (readonly [name: string, code: string, setup: Setup, cr4?: number])[] = [
  ['address spaces by turns', loop(THREE.map(enter).join('')), spaces],
  ['the same address space', loop(THREE.map((root, n) => enter(root, n).repeat(3)).join('')), spaces],
  [
    'address spaces whose tables are edited',
    loop(THREE.map((root, n) => `${enter(root, n)}${remap(0x18_0000 + n * 4096)}`).join('')),
    spaces,
  ],
  [
    'address spaces with PCIDs, flushed and not',
    loop(THREE.map((root, n) => enter(root + n + 1, n) + enterUnflushed(root + n + 1, n) + enterUnflushed(root, n)).join('')),
    spaces,
    PCIDE,
  ],
  ['every register of the page read', loop(Array.from({ length: 64 }, (_, n) => read(n * 16)).join('')), () => undefined],
  ['TPR and EOI', loop(`${write(0x80, 0xabcd_ef51)}${read(0x80)}${write(0xb0, 0)}${read(0x80)}${write(0x80, 0)}`), () => undefined],
  [
    'EOI of what is in service',
    loop(`${write(0xb0, 0)}${read(0x100)}${read(0x110)}${read(0x170)}`),
    ({ views, vp }) => views.u32.set([0x8000_0001, 0x0001_8000, 0, 0, 0, 0, 0, 0x8000_0001], vp.isr >>> 2),
  ],
  [
    'EOI of what the I/O APIC waits for, something being requested',
    loop(`${write(0xb0, 0)}${write(0x80, 0x20)}`),
    ({ views, vp }) => {
      views.u32.set([0, 0x0001_8000], vp.isr >>> 2);
      views.u32.set([0, 0x0000_8000], vp.tmr >>> 2);
      views.u32[(vp.irr >>> 2) + 1] = 2;
    },
  ],
  ['ports and CPUID', loop(PORTS), () => undefined],
  ['pages touched and invalidated', `${PAGES_FROM}${loop(TOUCH + NEXT_PAGE)}`, () => undefined],
  ['pages touched between flushes', `${PAGES_FROM}${loop(`${TOUCH}${RELOAD}${TOUCH}${NEXT_PAGE}${RELOAD}`)}`, () => undefined],
  ['an accessed bit that is cleared', `${PAGES_FROM}${loop(CLEAR_A + RELOAD + TOUCH)}`, () => undefined],
  ['everything by turns', loop(`${read(0x30)}${PORTS}${write(0xb0, 0)}${write(0x310, 0x0500_0000)}${read(0x310)}`), () => undefined],
];
for (const tiers of ['cold', 'hot'] as const)
  for (const [name, code, setup, cr4 = 0] of PROGRAMS)
    test(`${tiers}: ${name}: the same with and without shortcuts`, (t) => {
      t.deepEqual(account(machineOf(tiers, false), code, setup, cr4), account(machineOf(tiers, true), code, setup, cr4));
    });

for (const tiers of ['cold', 'hot'] as const)
  for (const watched of [false, true])
    test(`${tiers}, ${watched ? 'without' : 'with'} shortcuts: a store to a device is one page-fault intercept`, (t) => {
      const machine = machineOf(tiers, watched);
      // The page is met, then one store more.
      const cost = [1, 2].map((stores) => {
        machine.load(write(0x310, 0).repeat(stores) + write(0xb0, 0).repeat(stores));
        const before = [counter(machine, 'pageFaultIntercepts'), machine.vp.runCyclesNum];
        machine.run(registers(0));
        return [counter(machine, 'pageFaultIntercepts') - before[0]!, machine.vp.runCyclesNum - before[1]!];
      });
      machine.load(write(0x310, 0).repeat(3) + write(0xb0, 0).repeat(3));
      const before = [counter(machine, 'pageFaultIntercepts'), machine.vp.runCyclesNum];
      machine.run(registers(0));
      const third = [counter(machine, 'pageFaultIntercepts') - before[0]!, machine.vp.runCyclesNum - before[1]!];
      t.is(third[0]! - cost[1]![0]!, 2);
      t.is(third[1]! - cost[1]![1]!, 2 * (1 + 2 * COSTS.interceptRoundTrip + COSTS.sptFill + COSTS.mmio));
    });

const NOT_TAKEN = 99;
/** A machine whose device TLB knows the page from reads (and writes), and the shortcuts on it. */
const warm = (code: string): { machine: KernelMachine; short: Shortcuts } => {
  const machine = machineOf('cold', false);
  machine.load(code);
  machine.run(registers(0));
  const none = (): number => NOT_TAKEN;
  const short = shortcutsOf(machine.memory, { sysSlow: none, loadSlow: none, storeSlow: none, portRead: none, portWrite: () => undefined });
  short.attach(machine.vp.base, lpContextAt(0));
  return { machine, short };
};
const W32 = 2;
const IN_BYTE = packSys({ op: SysOp.IN, length: 1, width: 0, addressWidth: 2 });

test('the page is known by its translation alone: privilege, writes, alignment, width, and what the APIC is now', (t) => {
  const { machine, short } = warm(read(0x30));
  const { vp } = machine;
  const version = APIC_PAGE + ApicRegister.VERSION;
  t.is(short.loadMissed(version, W32), 0);
  t.is(Number(machine.slot(Slot.SCRATCH)), 0x6_0014);
  for (const [gva, info] of [
    [version + 4, W32],
    [version, 1],
    [version, W32 | 16],
    [APIC_PAGE + 0x390, W32],
    [APIC_PAGE + 0x280, W32],
  ] as const)
    t.is(short.loadMissed(gva, info), NOT_TAKEN, `${gva.toString(16)} ${info}`);
  t.is(short.loadMissed(version + 4096, W32), 0);
  t.is(Number(machine.slot(Slot.SCRATCH)), 0, 'the page behind it is memory');
  t.is(short.storeMissed(APIC_PAGE + ApicRegister.EOI, W32), NOT_TAKEN, 'no write has set D');
  vp.cpl = 3;
  t.is(short.loadMissed(version, W32), NOT_TAKEN, "the translation is the supervisor's");
  vp.cpl = 0;
  for (const base of [0xfee0_0100n, 0xfee0_0d00n, 0xfee0_1900n, 0x1_fee0_0900n]) {
    vp.apicBase = base;
    t.is(short.loadMissed(version, W32), NOT_TAKEN, base.toString(16));
  }
  vp.apicBase = 0xfee0_0900n;
  t.is(short.loadMissed(version, W32), 0);
  machine.load('0f20d80f22d8');
  machine.run();
  t.is(short.loadMissed(version, W32), NOT_TAKEN, 'MOV CR3 has flushed');
});

test('a page moved below the others is accounted as any device, and not short', (t) => {
  const { machine, short } = warm(read(0x30));
  machine.pte = { page: APIC_PAGE + 0x1000, value: 0xfed0_0003n };
  machine.vp.apicBase = 0xfed0_0900n;
  machine.load(read(0x1030));
  machine.run(registers(0));
  t.is(machine.views.u32[(machine.host(Kernel.DATA) + 0x1030) >>> 2], 0x6_0014);
  t.is(short.loadMissed(APIC_PAGE + 0x1030, W32), NOT_TAKEN);
});

test('a write that may let an interrupt through, or that others hear of, is not short', (t) => {
  const { machine, short } = warm(write(0xb0, 0));
  const { vp, views } = machine;
  const eoi = APIC_PAGE + ApicRegister.EOI;
  t.is(short.storeMissed(eoi, W32), 0);
  t.is(short.storeMissed(eoi, 1), NOT_TAKEN);
  for (const register of [ApicRegister.ICR_LOW, ApicRegister.SVR, ApicRegister.LVT_TIMER, ApicRegister.TIMER_INITIAL])
    t.is(short.storeMissed(APIC_PAGE + register, W32), NOT_TAKEN);
  for (let word = 0; word < 8; word++) {
    views.u32[(vp.irr >>> 2) + word] = 0x10;
    t.is(short.storeMissed(eoi, W32), NOT_TAKEN);
    t.is(short.storeMissed(APIC_PAGE + ApicRegister.TPR, W32), NOT_TAKEN);
    views.u32[(vp.irr >>> 2) + word] = 0;
  }
  views.u32.set([0, 0x11], vp.isr >>> 2);
  views.u32.set([0, 0x10], vp.tmr >>> 2);
  t.is(short.storeMissed(eoi, W32), NOT_TAKEN, 'the highest one is level-triggered');
  t.deepEqual([...views.u32.slice(vp.isr >>> 2, (vp.isr >>> 2) + 2)], [0, 0x11]);
});

test('the line status is asked of the UART while it has anything to say', (t) => {
  const { machine, short } = warm('66bafd03ec');
  const { views, vp } = machine;
  views.u64[(vp.base >>> 3) + Slot.ARG1] = 0x3fdn;
  const status = (): number => {
    views.u64[(vp.base >>> 3) + Slot.RAX] = 0n;
    short.sys(IN_BYTE);
    return Number(machine.slot(Slot.RAX));
  };
  t.is(status(), 0x60);
  for (const field of ['fifoCount', 'lineErrors'] as const) {
    const at = DeviceMap.UART + UartLayout.at[field];
    views.u8[at] = 1;
    t.is(status(), NOT_TAKEN, field);
    views.u8[at] = 0;
  }
  new ByteQueue(views, DeviceMap.CONSOLE_IN, 0x1000).push(65);
  t.is(status(), NOT_TAKEN, 'a byte waits in the console');
});
