// Faults of programs that change modes in a wrong order: one row each, in guests of both kinds and on the LP that runs the hypervisor's own code.
// Oracle: SDM 3A 2.5, 4.1.1, 4.1.2, 4.4.1, 4.10.1, 10.8.5; SDM 2B MOV to control registers, WRMSR. QEMU's translator is none: it lets half of these pass.
import test from 'ava';
import { Cr0, Cr4, Efer } from '../../shared/abi/registers.js';
import { HostMap, HostPage, HostSelector, hostPageAt } from '../../shared/layout/host-memory.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { Slot, VpState } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';
import { worldRig } from '../rig/world-rig.js';

/** Guest physical and linear: an IDT of 8-byte gates; page directory pointers of PAE paging; page tables without the code. */
const IDT32 = 0xe000;
const PDPT = 0xf000;
const OTHER_DIRECTORY = 0x5000;
const OTHER_TABLE = 0x6000;
/** 32-bit code in the GDT's last entry. */
const CODE32 = 0x30;

const le32 = (n: number): string => Buffer.from(Uint32Array.of(n >>> 0).buffer).toString('hex');
const load = (value: number): string => `b8${le32(value)}`;
// MOV of EAX to a control register, of an immediate by way of it; EFER by bits that are set and cleared.
const toCr = (cr: number, value: number): string => `${load(value)}0f22${(0xc0 + cr * 8).toString(16)}`;
const change = (cr: number, bits: number): string =>
  `0f20${(0xc0 + cr * 8).toString(16)}35${le32(bits)}0f22${(0xc0 + cr * 8).toString(16)}`;
const efer = (bits: number): string => `b9800000c00f3235${le32(bits)}0f30`;
const PG_OFF = change(0, Cr0.PG);
const PG_ON = PG_OFF;

interface Row {
  readonly name: string;
  /** 64-bit code at level 0; compatibility mode at level 0; 32-bit protected mode without paging, on an IDT of 8-byte gates. */
  readonly from: 'long' | 'compat' | 'protected';
  readonly code: string;
  /** Vector and error code; -1: none comes. `shutdown`: the processor stops. */
  readonly fault: readonly [vector: number, error?: number] | 'shutdown';
  readonly set?: (machine: KernelMachine) => void;
  /** Where the fault is, when not at the last instruction of `code`. */
  readonly at?: number;
  readonly seen?: (machine: KernelMachine) => unknown;
  readonly wanted?: unknown;
}

const GP = [13, 0] as const;
const NONE = [-1] as const;
/** PAE paging on, its pointers good. */
const pdptes = (machine: KernelMachine, first = BigInt(0x3000 | 1), second = 0n): void => {
  const at = machine.host(PDPT) >>> 3;
  machine.views.u64.set([first, second, 0n, 0n], at);
};
const PAE_ON = `${toCr(4, Cr4.PAE)}${toCr(3, PDPT)}${PG_ON}`;

const ROWS: readonly Row[] = [
  { name: 'clear CR0.PG in 64-bit mode', from: 'long', code: PG_OFF, fault: GP },
  { name: 'clear CR0.PE while PG is set', from: 'long', code: change(0, Cr0.PE), fault: GP },
  { name: 'clear CR0.PE and PG at once in 64-bit mode', from: 'long', code: change(0, Cr0.PE | Cr0.PG), fault: GP },
  { name: 'CR0.NW without CD', from: 'long', code: change(0, Cr0.NW), fault: GP },
  { name: 'CR0 bits 63:32', from: 'long', code: '0f20c0 48b90000000001000000 4809c8 0f22c0', fault: GP },
  { name: 'CR0 bits that are reserved below 32 are ignored', from: 'long', code: change(0, 0x80), fault: NONE },
  { name: 'clear CR4.PAE in IA-32e mode', from: 'long', code: change(4, Cr4.PAE), fault: GP },
  { name: 'clear CR4.PAE in compatibility mode', from: 'compat', code: change(4, Cr4.PAE), fault: GP },
  { name: 'CR4.LA57 in IA-32e mode', from: 'long', code: change(4, Cr4.LA57), fault: GP },
  { name: 'CR4 bit 15, which is reserved', from: 'long', code: change(4, 0x8000), fault: GP },
  { name: 'CR4 bits 63:32', from: 'long', code: '0f20e0 48b90000000001000000 4809c8 0f22e0', fault: GP },
  { name: 'EFER.LME cleared while paging', from: 'long', code: efer(Efer.LME), fault: GP },
  { name: 'EFER.LME set while paging', from: 'protected', set: pdptes, code: `${PAE_ON}${efer(Efer.LME)}`, fault: GP },
  { name: 'EFER bit 1, which is reserved', from: 'long', code: efer(2), fault: GP },
  { name: 'EFER bits 63:32', from: 'long', code: 'b9800000c0 0f32 ffc2 0f30', fault: GP },
  {
    name: 'EFER.LMA written: ignored',
    from: 'long',
    code: efer(Efer.LMA),
    fault: NONE,
    seen: ({ vp }) => vp.efer & Efer.LMA,
    wanted: Efer.LMA,
  },
  { name: 'CR3 beyond the physical address width', from: 'long', code: '48b80000000000000020 0f22d8', fault: GP },
  { name: 'CR4.PCIDE with bits 11:0 of CR3', from: 'long', code: `${change(3, 0x18)}${change(4, Cr4.PCIDE)}`, fault: GP },
  { name: 'CR4.PCIDE outside IA-32e mode', from: 'protected', code: change(4, Cr4.PCIDE), fault: GP },
  {
    name: 'clear CR0.PG with CR4.PCIDE',
    from: 'compat',
    set: ({ vp }) => {
      vp.cr4 |= Cr4.PCIDE;
    },
    code: PG_OFF,
    fault: GP,
  },
  {
    name: 'clear CR0.PG in compatibility mode: LMA falls',
    from: 'compat',
    code: PG_OFF,
    fault: NONE,
    seen: ({ vp }) => vp.efer & (Efer.LME | Efer.LMA),
    wanted: Efer.LME,
  },
  { name: 'set CR0.PG without PE', from: 'protected', code: toCr(0, Cr0.PG | 0x10), fault: GP },
  {
    name: 'set CR0.PG with LME, without PAE',
    from: 'protected',
    code: `${toCr(4, 0)}${efer(Efer.LME)}${toCr(3, Kernel.PML4)}${PG_ON}`,
    fault: GP,
  },
  {
    name: 'set CR0.PG with LME while CS.L is set',
    from: 'protected',
    // Outside IA-32e mode a 64-bit descriptor is one of 16-bit code.
    code: `${toCr(4, Cr4.PAE)}${efer(Efer.LME)}${toCr(3, Kernel.PML4)}0f20c00d00000080 ea${le32(Kernel.CODE + 0x100)}0800`,
    set: (machine) => machine.load('0f22c0', Kernel.CODE + 0x100),
    at: Kernel.CODE + 0x100,
    fault: GP,
  },
  {
    name: 'set CR0.PG with LME while TR has a 16-bit task state segment',
    from: 'protected',
    code: `${toCr(4, Cr4.PAE)}${efer(Efer.LME)}${toCr(3, Kernel.PML4)}b8280000000f00d8${PG_ON}`,
    set: (machine) => {
      machine.views.u8[machine.host(Kernel.GDT + 0x28 + 5)] = 0x81;
    },
    fault: GP,
  },
  {
    name: 'set CR0.PG with LME and PAE: LMA rises',
    from: 'protected',
    code: `${toCr(4, Cr4.PAE)}${efer(Efer.LME)}${toCr(3, Kernel.PML4)}${PG_ON}`,
    fault: NONE,
    seen: ({ vp }) => vp.efer & (Efer.LME | Efer.LMA),
    wanted: Efer.LME | Efer.LMA,
  },
  {
    name: 'PDPTEs with a reserved bit at MOV CR0',
    from: 'protected',
    set: (m) => pdptes(m, 0x3001n, 3n),
    code: PAE_ON,
    fault: GP,
    seen: ({ vp }) => vp.cr0 >>> 31,
    wanted: 0,
  },
  {
    name: 'PDPTEs with an address bit that there is not at MOV CR0',
    from: 'protected',
    set: (m) => pdptes(m, 0x3001n, 0x0010_0000_0000_0001n),
    code: PAE_ON,
    fault: GP,
  },
  {
    name: 'PDPTEs that are not present may hold anything',
    from: 'protected',
    set: (m) => pdptes(m, 0x3001n, 0xffff_ffff_ffff_fffen),
    code: PAE_ON,
    fault: NONE,
    seen: ({ vp }) => vp.cr0 >>> 31,
    wanted: 1,
  },
  {
    name: 'PDPTEs with a reserved bit at MOV CR3',
    from: 'protected',
    set: pdptes,
    code: `${PAE_ON}c705${le32(PDPT + 8)}e7010000${toCr(3, PDPT)}`,
    fault: GP,
    seen: ({ vp }) => vp.cr3Lo,
    wanted: PDPT,
  },
  {
    name: 'PDPTEs with a reserved bit at MOV CR4 that toggles PGE',
    from: 'protected',
    set: pdptes,
    code: `${PAE_ON}c705${le32(PDPT + 8)}e7010000${change(4, Cr4.PGE)}`,
    fault: GP,
    seen: ({ vp }) => vp.cr4,
    wanted: Cr4.PAE,
  },
  {
    name: 'PDPTEs are not looked at by MOV CR4 that toggles TSD',
    from: 'protected',
    set: pdptes,
    code: `${PAE_ON}c705${le32(PDPT + 8)}e7010000${change(4, Cr4.TSD)}`,
    fault: NONE,
  },
  {
    name: 'the next instruction is not identity mapped: #PF of a fetch, through an IDT that is mapped',
    from: 'protected',
    set: (m) => elsewhere(m, true),
    code: `${toCr(4, Cr4.PAE)}${toCr(3, PDPT)}${PG_ON}90`,
    fault: [14, 0],
    seen: ({ vp }) => vp.cr2Lo >= Kernel.CODE && vp.cr2Lo < Kernel.CODE + 0x40,
    wanted: true,
  },
  {
    name: 'the next instruction is not identity mapped, nor is the IDT',
    from: 'protected',
    set: (m) => elsewhere(m, false),
    code: `${toCr(4, Cr4.PAE)}${toCr(3, PDPT)}${PG_ON}90`,
    fault: 'shutdown',
  },
  {
    name: 'an interrupt between PG off and LIDT: a gate of 16 bytes read as two of 8, the first half',
    from: 'compat',
    code: `${PG_OFF}cd20`,
    fault: [0x10],
  },
  {
    name: 'an interrupt there whose gate is a second half, and #GP, #DF likewise',
    from: 'compat',
    code: `${PG_OFF}cd21`,
    set: noGate4,
    fault: 'shutdown',
  },
  {
    name: 'an external interrupt there',
    from: 'compat',
    code: `${PG_OFF}fb9090`,
    set: (machine) => {
      noGate4(machine);
      machine.vp.apicSvr = 0x1ff;
      machine.views.u32[(machine.vp.irr >>> 2) + 1] = 2;
    },
    fault: 'shutdown',
  },
];

/** PAE tables that map what the processor needs, and not the code; `idt`: the interrupt table, too. */
function elsewhere(machine: KernelMachine, idt: boolean): void {
  pdptes(machine, BigInt(OTHER_DIRECTORY | 1));
  const { u64 } = machine.views;
  const put = (gpa: number, value: number): void => {
    u64[machine.host(gpa) >>> 3] = BigInt(value);
  };
  put(OTHER_DIRECTORY, OTHER_TABLE | 3);
  for (const page of [Kernel.GDT, Kernel.HANDLERS, Kernel.STACK_TOP - 0x1000, ...(idt ? [IDT32] : [])])
    put(OTHER_TABLE + (page >>> 12) * 8, page | 3);
}
/** Vector 8's gate is the first half of the fourth one. */
function noGate4(machine: KernelMachine): void {
  machine.views.u64[machine.host(Kernel.IDT + 4 * 16) >>> 3] = 0n;
}

const start = (machine: KernelMachine, { from, set, code }: Row): void => {
  const { views, vp } = machine;
  machine.load(code.replaceAll(' ', ''));
  views.u64[machine.host(Kernel.GDT + CODE32) >>> 3] = 0x00cf_9b00_0000_ffffn;
  for (let vector = 0; vector < 256; vector++) {
    const handler = BigInt(Kernel.HANDLERS + vector);
    views.u64[(machine.host(IDT32) >>> 3) + vector] =
      (handler & 0xffffn) | (BigInt(CODE32) << 16n) | (0x8en << 40n) | ((handler >> 16n) << 48n);
  }
  machine.prepare(0);
  if (from !== 'long') Object.assign(vp, { csSelector: CODE32, csAccess: 0xc09b });
  if (from === 'protected') Object.assign(vp, { cr0: 0x11, cr4: 0, cr3: 0n, efer: 0, idtrBase: BigInt(IDT32), idtrLimit: 0x7ff });
  set?.(machine);
};

/** What came: the vector whose handler it halted in, the error code of #GP and #PF; -1: the program's own HLT. */
const outcome = (machine: KernelMachine): Row['fault'] => {
  const { vp, views } = machine;
  if (vp.state !== VpState.HALTED) return 'shutdown';
  const vector = Number(machine.slot(Slot.RIP)) - 1 - Kernel.HANDLERS;
  if (vector < 0 || vector > 255) return NONE;
  return vector === 13 || vector === 14 ? [vector, views.u32[machine.host(Number(machine.slot(Slot.RSP))) >>> 2]] : [vector];
};
/** RIP that #GP has pushed. */
const faultedAt = (machine: KernelMachine, bytes: number): number =>
  machine.views.u32[(machine.host(Number(machine.slot(Slot.RSP))) + bytes) >>> 2];
/** Where the last instruction begins: WRMSR, or MOV to a control register. */
const last = (at: number, code: string): number => at + code.length / 2 - (code.endsWith('0f30') ? 2 : 3);

for (const setting of ['direct', 'page'])
  for (const tiers of ['cold', 'hot'] as const)
    for (const row of ROWS)
      test(`guest, ${setting}, ${tiers}: ${row.name}`, (t) => {
        const machine = new KernelMachine(tiers, 'max', 1, { worlds: true });
        machine.policy('world.switch', setting);
        start(machine, row);
        machine.go();
        t.deepEqual(outcome(machine), row.fault);
        const code = row.code.replaceAll(' ', '');
        if (row.fault === GP) t.is(faultedAt(machine, row.from === 'protected' ? 4 : 8), row.at ?? last(Kernel.CODE, code));
        if (row.seen !== undefined) t.deepEqual(row.seen(machine), row.wanted);
        t.is((machine.vp.efer & Efer.LMA) !== 0, (machine.vp.efer & Efer.LME) !== 0 && (machine.vp.cr0 & Cr0.PG) !== 0);
      });

/** All that a guest's program could tell afterwards, its time included. */
const whole = (machine: KernelMachine): readonly unknown[] => {
  const { vp, views, clock } = machine;
  const registers = Array.from({ length: Slot.GS_BASE + 1 }, (_, slot) => machine.slot(slot));
  const control = [
    vp.cr0,
    vp.cr2,
    vp.cr3,
    vp.cr4,
    vp.efer,
    vp.cpl,
    vp.csSelector,
    vp.csAccess,
    vp.trSelector,
    vp.trAccess,
    vp.idtrBase,
    vp.gdtrBase,
  ];
  const memory = Buffer.from(views.u8.slice(machine.host(0), machine.host(0x4_0000))).toString('base64');
  return [registers, control, [...views.u32.slice(vp.pdpte >>> 2, (vp.pdpte >>> 2) + 8)], memory, vp.instructions, clock, vp.state];
};
test('none of them can tell the switch page from the flag alone', (t) => {
  for (const row of ROWS) {
    const [direct, page] = ['direct', 'page'].map((setting) => {
      const machine = new KernelMachine('both', 'max', 1, { worlds: true });
      machine.policy('world.switch', setting);
      start(machine, row);
      machine.go();
      return machine;
    });
    t.deepEqual(whole(page!), whole(direct!), row.name);
    if (row.from === 'protected') t.true(page!.lp.superModeSwitches > 0, row.name);
  }
});

/** On the switch page, behind its code. */
const HOST_CODE = HostMap.SWITCH_PAGE + 0x800;
const VMMCALL = '0f01d9';
for (const tiers of ['cold', 'hot'] as const)
  for (const row of ROWS) {
    if (row.from === 'protected' || row.set !== undefined || row.fault === 'shutdown' || row.fault[0] === 0x10) continue;
    const { fault } = row;
    test(`the hypervisor's own code, ${tiers}: ${row.name}`, (t) => {
      const { world, views, own } = worldRig(tiers);
      const stack = PartitionMap.RAM + hostPageAt(0, HostPage.STACK);
      const { host } = world;
      const { vp } = host;
      const code = row.code.replaceAll(' ', '');
      views.u8.set(Buffer.from(code + VMMCALL, 'hex'), PartitionMap.RAM + HOST_CODE);
      if (row.from === 'compat') Object.assign(vp, { csSelector: HostSelector.CODE32, csAccess: 0xc09b });
      host.processor.modeChanged();
      views.u64[(vp.base >>> 3) + Slot.RIP] = BigInt(HOST_CODE);
      host.go();
      const rip = views.u32[(vp.base >>> 2) + Slot.RIP * 2];
      if (fault[0] < 0) t.is(rip, HOST_CODE + code.length / 2 + VMMCALL.length / 2);
      else {
        // Its handler has the vector; below what it and the stub have pushed stand the error code and RIP.
        t.is(own.handed, fault[0]);
        const sp = views.u32[(vp.base >>> 2) + Slot.RSP * 2];
        const frame = stack + (sp - (HostMap.STACK_TOP - 0x1000)) + 16;
        t.deepEqual([views.u32[frame >>> 2], views.u32[(frame + 8) >>> 2]], [fault[1], last(HOST_CODE, code)]);
      }
    });
  }
