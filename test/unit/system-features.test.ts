// SMEP, SMAP, UMIP, PCID, FSGSBASE, RDPID, RDPMC and CLFLUSH in 64-bit code, both tiers, through the whole hypervisor; each on, off, and absent from the model.
import test from 'ava';
import { Cr4, Rflags } from '../../shared/abi/registers.js';
import { PageFlag, PartitionMap } from '../../shared/layout/partition.js';
import { Slot } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine, type RunOptions } from '../rig/kernel-machine.js';

const { RAX, RBX, RCX, RDX, RBP, RSI, RDI } = Slot;
const UD = 6;
const GP = 13;
const PF = 14;
const NON_CANONICAL = 0x8000_0000_0000n;

type Row = readonly [name: string, code: string, options: RunOptions, vector: number, error?: number];

const AT_USER = { [RDI]: Kernel.USER_DATA };
const AT_DATA = { [RDI]: Kernel.DATA };
const USER: RunOptions = { level: 3, registers: AT_USER };
const SMAP: RunOptions = { cr4: Cr4.SMAP, registers: AT_USER };
const PCID: RunOptions = { cr4: Cr4.PCIDE, registers: AT_DATA };
const READ_USER = '8b07';
const STAC = '0f01cb';
const CLAC = '0f01ca';
const INVPCID = '660f388207';

const ROWS: readonly Row[] = [
  // SDM 3A 4.6.1: supervisor fetches and accesses of user pages.
  ['fetch from a user page', '48c7c000000300ffe0', {}, -1],
  ['SMEP: fetch from a user page', '48c7c000000300ffe0', { cr4: Cr4.SMEP }, PF, 0x11],
  ['read of a user page', READ_USER, { registers: AT_USER }, -1],
  ['SMAP: read of a user page', READ_USER, SMAP, PF, 1],
  ['SMAP: write of a user page', '8907', SMAP, PF, 3],
  ['SMAP: read with AC', READ_USER, { ...SMAP, flags: Rflags.AC }, -1],
  ['SMAP: STAC opens', STAC + READ_USER + CLAC, SMAP, -1],
  ['SMAP: CLAC closes', STAC + READ_USER + CLAC + READ_USER, SMAP, PF, 1],
  ['a descriptor in a user page', '8ed8', { ldt: Kernel.USER_DATA + 0x800, registers: { [RAX]: 0x14 } }, -1],
  [
    'SMAP: descriptor in a user page',
    '8ed8',
    { cr4: Cr4.SMAP, flags: Rflags.AC, ldt: Kernel.USER_DATA + 0x800, registers: { [RAX]: 0x14 } },
    PF,
    1,
  ],
  ['SMAP says nothing of user accesses', READ_USER, { ...USER, cr4: Cr4.SMAP }, 13],
  // SDM 2B STAC, CLAC: level 0 only; CR4.SMAP does not matter.
  ['STAC without CR4.SMAP', STAC, {}, -1],
  ['STAC at level 3', STAC, USER, UD],
  ['CLAC at level 3', CLAC, USER, UD],
  ['LOCK STAC', 'f00f01cb', {}, UD],
  // SDM 3A 2.5, UMIP.
  ...(['0f0107', '0f010f', '0f00c0', '0f00c8', '0f01e0', '0f0127'] as const).flatMap((code): Row[] => [
    [`UMIP: ${code} at level 3`, code, { ...USER, cr4: Cr4.UMIP }, GP, 0],
    [`${code} at level 3`, `${code}cc`, USER, 3],
    [`UMIP: ${code} at level 0`, code, { cr4: Cr4.UMIP, registers: AT_DATA }, -1],
  ]),
  // SDM 2B RDFSBASE, WRFSBASE.
  ['WRFSBASE', 'f3480faed0', { cr4: Cr4.FSGSBASE, registers: { [RAX]: 5 } }, -1],
  ['WRFSBASE, not canonical', 'f3480faed0', { cr4: Cr4.FSGSBASE, registers: { [RAX]: NON_CANONICAL } }, GP, 0],
  ['WRFSBASE without CR4.FSGSBASE', 'f3480faed0', {}, UD],
  ['RDGSBASE without CR4.FSGSBASE', 'f3480faec8', {}, UD],
  ['RDGSBASE at level 3', 'f3480faec8cc', { ...USER, cr4: Cr4.FSGSBASE }, 3],
  // SDM 2B RDPMC: two counters; CR4.PCE opens them to all levels.
  ['RDPMC 0', '0f33', {}, -1],
  ['RDPMC 2', '0f33', { registers: { [RCX]: 2 } }, GP, 0],
  ['RDPMC at level 3', '0f33', USER, GP, 0],
  ['RDPMC at level 3 with CR4.PCE', '0f33cc', { ...USER, cr4: Cr4.PCE }, 3],
  // SDM 2A CLFLUSH: as a read of a byte.
  ...(['0fae3f', '660fae3f', '660fae37'] as const).flatMap((code): Row[] => [
    [code, `${code}cc`, USER, 3],
    [`${code} of nothing`, code, { level: 3, registers: { [RDI]: 0x20_0000 } }, PF, 4],
    [`${code} of a supervisor page`, code, { level: 3, registers: AT_DATA }, PF, 5],
    [`${code}, not canonical`, code, { level: 3, registers: { [RDI]: NON_CANONICAL } }, GP, 0],
  ]),
  // SDM 3A 4.10.1, 2B MOV: PCIDs.
  ['CR3 with bit 63, without PCIDs', '0f22d8', { registers: { [RAX]: (1n << 63n) | 0x1000n } }, GP, 0],
  ['CR3 with bit 63', '0f22d8', { ...PCID, registers: { [RAX]: (1n << 63n) | 0x1005n } }, -1],
  ['CR3 beyond the physical addresses', '0f22d8', { ...PCID, registers: { [RAX]: (1n << 40n) | 0x1000n } }, GP, 0],
  ['PCIDE with a PCID in CR3', '0f22d80f22e1', { registers: { [RAX]: 0x1018, [RCX]: 0x2_0620 } }, GP, 0],
  ['PCIDE', '0f22e1', { registers: { [RCX]: 0x2_0620 } }, -1],
  ['clearing PG with PCIDE', '0f22c0', { ...PCID, registers: { [RAX]: 0x11 } }, GP, 0],
  // SDM 2A INVPCID. The operand at DATA is zero, at DATA + 32 has a reserved bit, at DATA + 64 PCID 5, at DATA + 96 a bad address.
  ...[0, 1, 2, 3].map((type): Row => [`INVPCID ${type}`, INVPCID, { registers: { ...AT_DATA, [RAX]: type } }, -1]),
  ['INVPCID 4', INVPCID, { registers: { ...AT_DATA, [RAX]: 4 } }, GP, 0],
  ['INVPCID with a reserved bit', INVPCID, { registers: { [RDI]: Kernel.DATA + 32, [RAX]: 2 } }, GP, 0],
  ['INVPCID of a PCID without CR4.PCIDE', INVPCID, { registers: { [RDI]: Kernel.DATA + 64, [RAX]: 1 } }, GP, 0],
  ['INVPCID of a PCID', INVPCID, { ...PCID, registers: { [RDI]: Kernel.DATA + 64, [RAX]: 1 } }, -1],
  ['INVPCID of an address that is not canonical', INVPCID, { registers: { [RDI]: Kernel.DATA + 96, [RAX]: 0 } }, GP, 0],
  ['INVPCID 1 does not look at the address', INVPCID, { registers: { [RDI]: Kernel.DATA + 96, [RAX]: 1 } }, -1],
  ['INVPCID at level 3', INVPCID, USER, GP, 0],
];

for (const tiers of ['cold', 'hot'] as const) {
  test.serial(`system features by table (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    const { u64 } = machine.views;
    u64[machine.host(Kernel.USER_DATA + 0x810) >>> 3] = 0x00cf_9300_0000_ffffn;
    const operands = machine.host(Kernel.DATA + 0x100) >>> 3;
    for (let i = 0; i < 16; i++) u64[operands + i] = 0n;
    u64[operands + 4] = 1n << 12n;
    u64[operands + 8] = 5n;
    u64[operands + 13] = NON_CANONICAL;
    for (const [name, code, options, vector, error = 0] of ROWS) {
      const at = options.level === 3 ? Kernel.USER_CODE : Kernel.CODE;
      const registers = { ...options.registers };
      if (code === INVPCID && options.level !== 3) registers[RDI] = Number(registers[RDI]) + 0x100;
      machine.load(name.startsWith('fetch') || name.startsWith('SMEP') ? '' : code, Kernel.USER_CODE);
      machine.load(code, at);
      const stop = machine.run({ ...options, registers });
      t.deepEqual([stop.vector, stop.error], [vector, error], `${name} (${code})`);
    }
  });

  test.serial(`what they read and write (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    machine.load('f3480faed0f3480faec3f30faed9f30faeca');
    const bases = machine.run({
      cr4: Cr4.FSGSBASE,
      registers: { [RAX]: 0xffff_8000_0000_0010n, [RCX]: 0xffff_ffff_8765_4321n, [RDX]: -1 },
    });
    t.is(bases.registers[RBX], 0xffff_8000_0000_0010n);
    t.is(machine.slot(Slot.GS_BASE), 0x8765_4321n, 'WRGSBASE of 32 bits clears the rest');
    t.is(bases.registers[RDX], 0x8765_4321n, 'and so does RDGSBASE');
    machine.vp.tscAux = 0x1234n;
    machine.load('f30fc7f8');
    t.is(machine.run({ registers: { [RAX]: -1 } }).registers[RAX], 0x1234n, 'RDPID');
    machine.load('0f22d80f20db');
    const cr3 = machine.run({ cr4: Cr4.PCIDE, registers: { [RAX]: (1n << 63n) | 0x1005n } });
    t.is(cr3.registers[RBX], 0x1005n, 'bit 63 is not kept');
  });

  test.serial(`DAZ of MXCSR comes with SSE2 (${tiers})`, (t) => {
    for (const [cpu, mask, vector] of [
      ['max', 0xffff, -1],
      ['max,-sse2', 0xffbf, GP],
    ] as const) {
      const machine = new KernelMachine(tiers, cpu);
      machine.load('0fae07'); // fxsave [rdi]
      machine.run({ registers: AT_DATA });
      t.is(machine.views.u32[machine.host(Kernel.DATA + 28) >>> 2], mask, cpu);
      for (const code of ['0fae17', '0fae0f']) {
        machine.load(code); // ldmxcsr [rdi]; fxrstor [rdi]
        machine.views.u32[machine.host(Kernel.DATA + (code === '0fae17' ? 0 : 24)) >>> 2] = 0x1fc0;
        t.is(machine.run({ registers: AT_DATA }).vector, vector, `${cpu}: ${code}`);
      }
    }
  });

  // Who translates code of the page meanwhile must find that a store may be under way (FlushHandshake.watchCode).
  test.serial(`stores to user pages under SMAP, which the TLB does not hold, have the right to write (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    const { i32 } = machine.views;
    const flags = (PartitionMap.PAGE_FLAGS >>> 2) + (Kernel.USER_DATA >>> 12);
    for (const [name, rights, cr0] of [
      ['writable', 7n, 0x8001_0033],
      ['read-only, with CR0.WP = 0', 5n, 0x8000_0033],
    ] as const) {
      machine.pte = { page: Kernel.USER_DATA, value: BigInt(Kernel.USER_DATA) | rights };
      machine.load('0f01390f01cb8807'); // invlpg [rcx]; stac; mov [rdi], al
      Atomics.and(i32, flags, ~PageFlag.TLB_WRITE);
      t.is(machine.run({ ...SMAP, cr0, registers: { [RDI]: Kernel.USER_DATA, [RCX]: Kernel.USER_DATA } }).vector, -1, name);
      t.is(i32[flags] & PageFlag.TLB_WRITE, PageFlag.TLB_WRITE, name);
    }
  });

  test.serial(`INVPCID and MOV CR3 take translations back (${tiers})`, (t) => {
    const code = { invpcid: '488b1e488911660f388207488b2e', cr3: '488b1e4889110f22d8488b2e' };
    const machine = new KernelMachine(tiers);
    const { u64 } = machine.views;
    u64[machine.host(Kernel.DATA + 0x7000) >>> 3] = 1n;
    u64[machine.host(Kernel.DATA + 0x8000) >>> 3] = 2n;
    let page = Kernel.DATA + 0x1000;
    const remapped = (how: keyof typeof code, rax: bigint, global: boolean): readonly bigint[] => {
      machine.load(code[how]);
      page += 0x1000;
      const flags = global ? 0x103n : 3n;
      machine.pte = { page, value: BigInt(Kernel.DATA + 0x7000) | flags };
      const stop = machine.run({
        cr4: Cr4.PCIDE | Cr4.PGE,
        registers: {
          [RSI]: page,
          [RCX]: Kernel.PAGE_TABLE + (page >>> 12) * 8,
          [RDX]: BigInt(Kernel.DATA + 0x8000) | flags,
          [RDI]: Kernel.DATA + 0x800,
          [RAX]: rax,
        },
      });
      return [stop.registers[RBX], stop.registers[RBP]];
    };
    u64[machine.host(Kernel.DATA + 0x808) >>> 3] = BigInt(page + 0x1000);
    t.deepEqual(remapped('invpcid', 0n, true), [1n, 2n], 'one address, global or not');
    t.deepEqual(remapped('invpcid', 1n, false), [1n, 2n], 'one context');
    t.deepEqual(remapped('invpcid', 2n, true), [1n, 2n], 'all');
    t.deepEqual(remapped('invpcid', 3n, false), [1n, 2n], 'all that is not global');
    t.deepEqual(remapped('cr3', 0x1000n, false), [1n, 2n], 'MOV CR3');
  });

  test.serial(`a model without them raises #UD or #GP (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers, 'max,-smap,-smep,-umip,-pcid,-fsgsbase,-rdpid,-clflush,-rdpmc');
    for (const code of [STAC, CLAC, INVPCID, 'f3480faed0', 'f3480faec8', 'f30fc7f8', '0fae3f', '660fae3f', '660fae37', '0f33']) {
      machine.load(code);
      t.is(machine.run({ registers: AT_DATA }).vector, UD, code);
    }
    for (const bit of [Cr4.SMAP, Cr4.SMEP, Cr4.UMIP, Cr4.PCIDE, Cr4.FSGSBASE, Cr4.PCE]) {
      machine.load('0f22e1');
      t.is(machine.run({ registers: { [RCX]: 0x620 | bit } }).vector, GP, `CR4 ${bit.toString(16)}`);
    }
  });
}
