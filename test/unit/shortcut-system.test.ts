// Kernels' instructions that nobody intercepts, and mode registers where no hypervisor is beneath (daemon/shortcuts/system, root), against the slow half.
import test from 'ava';

import { sysHelpers } from '../../daemon/machine/cpu/sys-helpers.js';
import { SysResult } from '../../daemon/translate/emit/frame.js';
import { packSys, SysOp } from '../../daemon/translate/micro-op.js';
import { Rflags } from '../../shared/abi/registers.js';
import { KICKED, LpContextLayout, Shortcut } from '../../shared/layout/lp-context.js';
import { Slot } from '../../shared/layout/vp.js';
import { System } from '../rig/bare-processor.js';
import { compare, prepare, random, rigOf, type ShortcutRig, tableAt } from '../rig/shortcut-states.js';

const CASES = 3000;
type Random = (n: number) => number;

/** What the instruction's operands are, on top of a state that lets it go the usual way most times. */
const operands = (rig: ShortcutRig, pick: Random): void => {
  const { machine, bits } = rig;
  const { vp, views } = machine;
  const rarely = (): boolean => pick(24) === 0;
  const slot = (n: number, value: bigint): void => {
    views.u64[(vp.base >>> 3) + n] = value;
  };
  if (pick(3) !== 0) vp.cpl = 0;
  // Shortcuts are off while single steps are due, and virtual-8086 mode is of level 3.
  const flags = (vp.base >>> 2) + Slot.FLAG_SYSTEM * 2;
  views.u32[flags] &= ~(Rflags.TF | (vp.cpl === 3 ? 0 : Rflags.VM));
  vp.cr4 |= (rarely() ? 0 : 0x1_0000) | (rarely() ? 0x20_0000 : 0);
  // A task state segment in the GDT's fifth and sixth entry.
  const gdt = tableAt(rig, System.GDT) >>> 2;
  vp.gdtrLimit = rarely() ? pick(0x40) : 0x37;
  views.u32[gdt + 10] = 0x2000_0067;
  views.u32[gdt + 11] = (rarely() ? pick(0x10000) << 8 : 0x8900) | 0x7000_0000;
  views.u32[gdt + 12] = rarely() ? pick(0x1_0000_0000) : pick(0x100);
  views.u32[gdt + 13] = 0;
  slot(Slot.ARG1, BigInt(rarely() ? pick(0x40) : 0x28));
  // LGDT's and LIDT's operand, POPF's image, a base.
  const at = System.STACK + pick(64) + (rarely() ? 4086 + pick(10) : 0);
  slot(Slot.ARG0, BigInt(at));
  const host = tableAt(rig, System.STACK) + (at - System.STACK);
  if ((at & 4095) < 4080) {
    views.data.setUint16(host, pick(0x10000), true);
    views.data.setUint32(host + 2, pick(0x1_0000_0000), true);
    views.data.setUint32(host + 6, rarely() ? pick(0x1_0000_0000) : pick(2) * -1, true);
  }
  const { sp, image } = { sp: tableAt(rig, System.STACK) + 0x800, image: pick(0x20_0000) & (rarely() ? -1 : ~Rflags.TF) };
  if (pick(4) !== 0) {
    slot(Slot.RSP, BigInt(System.STACK + 0x800));
    views.u32[sp >>> 2] = image ^ (rarely() ? 0 : image & Rflags.AC);
    views.u32[(sp >>> 2) + 1] = 0;
  }
  slot(Slot.RBX, rarely() ? 1n << BigInt(40 + pick(24)) : BigInt(pick(2)) * 0xffff_8000_0000_0000n + BigInt(pick(0x1000)));
  for (let dr = 0; dr < 8; dr++) views.u64[(vp.dr >>> 3) + dr] = BigInt(dr === 7 ? 0x400 | (rarely() ? 0x2000 : 0) : pick(0x1_0000_0000));
  vp.cr2 = BigInt(pick(0x1_0000_0000)) << 8n;
  vp.cr2Hi = bits === 64 ? vp.cr2Hi : 0;
};

const FORMS: readonly (readonly [string, number, Readonly<Record<string, number>>?])[] = [
  ['CLI', SysOp.CLI],
  ['PUSHF', SysOp.PUSHF],
  ['POPF', SysOp.POPF],
  ['RDFSBASE', SysOp.READ_BASE, { a: 4, b: Slot.RBX }],
  ['WRGSBASE', SysOp.WRITE_BASE, { a: 5, b: Slot.RBX }],
  ['WRFSBASE of 32 bits', SysOp.WRITE_BASE, { a: 4, b: Slot.RBX, width: 2 }],
  ['LGDT', SysOp.LGDT],
  ['LGDT of 16 bits', SysOp.LGDT, { width: 1 }],
  ['LIDT', SysOp.LIDT],
  ['LTR', SysOp.LTR],
  ['MOV from CR2', SysOp.MOV_FROM_CR, { a: 2, b: Slot.RBX }],
  ['MOV from DR6', SysOp.MOV_FROM_DR, { a: 6, b: Slot.RBX }],
  ['MOV from DR4', SysOp.MOV_FROM_DR, { a: 4, b: Slot.RBX }],
];
/** Always the slow half's. */
const LEFT = new Set(['MOV from DR4']);

for (const bits of [32, 64] as const)
  for (const [name, op, more] of FORMS)
    test(`${bits} bits: ${name} is what the slow half makes of it`, (t) => {
      const rig = rigOf(bits);
      const descriptor = packSys({ op, length: 2, width: bits === 64 ? 3 : 2, addressWidth: 2, ...more } as Parameters<typeof packSys>[0]);
      let taken = 0;
      for (let n = 0; n < CASES; n++) {
        const pick = random(op * 1000 + n * 7919);
        prepare(rig, pick);
        operands(rig, pick);
        rig.machine.processor.debug.arm(rig.machine.vp);
        rig.machine.processor.modeChanged();
        const go = (): number => rig.short.sys(descriptor);
        if (compare(t, rig, `case ${n}`, go, () => sysHelpers[op]!(rig.machine.processor, descriptor))) taken++;
      }
      const is64Only = op === SysOp.READ_BASE || op === SysOp.WRITE_BASE;
      if (LEFT.has(name) || (bits === 32 && is64Only)) t.is(taken, 0);
      else t.true(taken > CASES / 12, String(taken));
    });

test('after each of them the block ends where somebody has asked for a look', (t) => {
  const rig = rigOf(64);
  const { vp, views, processor } = rig.machine;
  vp.cpl = 0;
  processor.context.shortcuts = Shortcut.OWN | Shortcut.INTERCEPTS;
  Atomics.store(views.i32, (processor.context.base + LpContextLayout.at.kick) >>> 2, KICKED);
  views.u64[(vp.base >>> 3) + Slot.RIP] = 0x1000n;
  t.is(rig.short.sys(packSys({ op: SysOp.CLI, length: 1, width: 3, addressWidth: 3 })), SysResult.LEAVE);
  t.is(views.u64[(vp.base >>> 3) + Slot.RIP], 0x1001n);
});
