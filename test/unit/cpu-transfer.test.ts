// Far jumps, calls and returns, call gates, task switches, and the fixed-segment system calls.
import test from 'ava';
import { deliver } from '../../daemon/machine/cpu/deliver.js';
import { rflags, setRflags } from '../../daemon/machine/cpu/flags.js';
import { SysOp } from '../../daemon/translate/micro-op.js';
import { EventKind, Slot } from '../../shared/layout/vp.js';
import {
  descriptor,
  GDT,
  gate,
  gate64,
  gdtEntry,
  idtGate,
  longMode,
  protectedMode,
  put,
  realMode,
  Sel,
  type TestProcessor,
  TSS,
} from './cpu-processor.js';

const far = (p: TestProcessor, op: number, selector: number, offset: number, width: 1 | 2 | 3 = 2): number | string => {
  p.set(Slot.ARG1, offset);
  p.set(Slot.ARG2, selector);
  return p.run(op, { width });
};

test('real mode: far CALL and RET', (t) => {
  const p = realMode();
  t.is(far(p, SysOp.FAR_CALL, 0x400, 0x12, 1), 1);
  t.is(p.slot(Slot.CS_BASE), 0x4000n);
  t.is(p.rip, 0x12n);
  t.deepEqual(p.stack(0x20fc, 2, 2), [0x42, 0x100]);
  p.set(Slot.ARG1, 6);
  t.is(p.run(SysOp.FAR_RET, { width: 1 }), 1);
  t.is(p.rip, 0x42n);
  t.is(p.vp.csSelector, 0x100);
  t.is(p.rsp, 0x106n);
  t.is(far(p, SysOp.FAR_JMP, 0x400, 0x1_0000), '#13(0)', 'beyond the limit');
});

test('far JMP to code segments: privilege rules', (t) => {
  const p = protectedMode();
  t.is(far(p, SysOp.FAR_JMP, 0, 0), '#13(0)');
  t.is(far(p, SysOp.FAR_JMP, 0x1f0, 0), '#13(1f0)');
  t.is(far(p, SysOp.FAR_JMP, Sel.DATA0, 0), '#13(10)');
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE3, 0), '#13(18)');
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE0 | 3, 0), '#13(8)');
  gdtEntry(p, Sel.ABSENT, descriptor(0, 0xfffff, 0xc01a));
  t.is(far(p, SysOp.FAR_JMP, Sel.ABSENT, 0), '#11(68)');
  gdtEntry(p, Sel.CODE1, descriptor(0x100, 0xfff, 0x409a));
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE1, 0x1000), '#13(0)');
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE1, 0xfff), 1);
  t.is(p.slot(Slot.CS_BASE), 0x100n);
  t.is(p.memory.read8(GDT + Sel.CODE1 + 5), 0x9b, 'accessed bit set');
  const q = protectedMode(3);
  t.is(far(q, SysOp.FAR_JMP, Sel.CONFORMING, 0x9000), 1);
  t.is(q.vp.csSelector, Sel.CONFORMING | 3, 'CPL stays in conforming code');
  t.is(q.vp.cpl, 3);
});

test('call gate to level 0 copies parameters; RETF n releases them on both stacks', (t) => {
  const p = protectedMode(3);
  gdtEntry(p, Sel.GATE, gate(Sel.CODE0, 0x9000, 0xec, 2));
  put(p, 0x6000, [0x11, 0x22, 0x33]);
  t.is(far(p, SysOp.FAR_CALL, Sel.GATE | 3, 0xdead), 1);
  t.is(p.rip, 0x9000n);
  t.is(p.vp.cpl, 0);
  t.deepEqual(p.stack(Number(p.rsp), 6), [0x8002, Sel.CODE3, 0x11, 0x22, 0x6000, Sel.DATA3]);
  t.is(p.rsp, 0x5000n - 24n);
  p.set(Slot.ARG1, 8);
  t.is(p.run(SysOp.FAR_RET), 1);
  t.is(p.vp.cpl, 3);
  t.is(p.rip, 0x8002n);
  t.is(p.rsp, 0x6008n);
  t.is(p.vp.ssSelector, Sel.DATA3);
});

test('call gate faults', (t) => {
  const p = protectedMode(3);
  gdtEntry(p, Sel.GATE, gate(Sel.CODE0, 0x9000, 0x8c));
  t.is(far(p, SysOp.FAR_CALL, Sel.GATE, 0), '#13(88)', 'gate DPL');
  gdtEntry(p, Sel.GATE, gate(Sel.CODE0, 0x9000, 0x6c));
  t.is(far(p, SysOp.FAR_CALL, Sel.GATE, 0), '#11(88)', 'absent');
  gdtEntry(p, Sel.GATE, gate(0, 0x9000, 0xec));
  t.is(far(p, SysOp.FAR_CALL, Sel.GATE, 0), '#13(0)');
  gdtEntry(p, Sel.GATE, gate(Sel.DATA0, 0x9000, 0xec));
  t.is(far(p, SysOp.FAR_CALL, Sel.GATE, 0), '#13(10)');
  gdtEntry(p, Sel.GATE, gate(Sel.CODE0, 0x9000, 0xec));
  t.is(far(p, SysOp.FAR_JMP, Sel.GATE, 0), '#13(8)', 'JMP does not change level');
  t.is(far(p, SysOp.FAR_JMP, Sel.LDT, 0), '#13(38)', 'not a gate');
  p.memory.write32(TSS + 8, Sel.DATA3);
  t.is(far(p, SysOp.FAR_CALL, Sel.GATE, 0), '#10(20)');
  t.is(p.rsp, 0x6000n);
  t.is(p.vp.cpl, 3);
});

test('64-bit call gate: quadwords, no parameters, null SS', (t) => {
  const p = longMode(3);
  gdtEntry(p, Sel.GATE, gate64(Sel.CODE64, 0x9000, 0xec));
  t.is(far(p, SysOp.FAR_CALL, Sel.GATE | 3, 0), 1);
  t.is(p.rip, 0x9000n);
  t.is(p.rsp, 0x5008n - 32n);
  t.deepEqual(p.stack(0x5008 - 32, 4, 8), [0x8002, Sel.CODE64_3, 0x6000, Sel.DATA3]);
  t.is(p.vp.ssSelector, 0);
  p.set(Slot.ARG1, 0);
  t.is(p.run(SysOp.FAR_RET, { width: 3 }), 1);
  t.is(p.vp.cpl, 3);
  t.is(p.rsp, 0x6000n);
});

test('far JMP between compatibility and 64-bit code', (t) => {
  const p = longMode();
  p.set(Slot.RAX, -1n);
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE0, 0x9000), 1);
  t.is(p.vp.csAccess & 0x6000, 0x4000);
  t.is(p.slot(Slot.RAX), 0xffff_ffffn);
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE64, 0xa000), 1);
  t.is(p.vp.csAccess & 0x6000, 0x2000);
  gdtEntry(p, Sel.CODE1, descriptor(0, 0xfffff, 0xe09a));
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE1, 0), '#13(98)', 'L and D');
  t.is(far(p, SysOp.FAR_JMP, Sel.TSS, 0), '#13(28)', 'no task switches in IA-32e mode');
});

const TSS2 = 0x3800;
const withSecondTask = (): TestProcessor => {
  const p = protectedMode();
  gdtEntry(p, Sel.CODE64, descriptor(TSS2, 0x67, 0x89));
  p.memory.write32(TSS2 + 0x20, 0x9000);
  p.memory.write32(TSS2 + 0x24, 0x202);
  for (let i = 0; i < 8; i++) p.memory.write32(TSS2 + 0x28 + i * 4, 0x100 + i);
  p.memory.write32(TSS2 + 0x38, 0x7000);
  [Sel.DATA0, Sel.CODE0, Sel.DATA0, Sel.DATA0, 0, 0].forEach((s, i) => {
    p.memory.write32(TSS2 + 0x48 + i * 4, s);
  });
  return p;
};

test('task switch by CALL nests: link, NT and busy bits; IRET returns', (t) => {
  const p = withSecondTask();
  p.set(Slot.RBX, 0x77);
  gdtEntry(p, Sel.TSS, descriptor(TSS, 0x20ff, 0x8b));
  t.is(far(p, SysOp.FAR_CALL, Sel.CODE64, 0), 1);
  t.is(p.rip, 0x9000n);
  t.is(p.rsp, 0x7000n);
  t.is(p.slot(Slot.RBX), 0x103n);
  t.is(rflags(p.vp), 0x4202);
  t.is(p.vp.trSelector, Sel.CODE64);
  t.is(p.memory.read16(TSS2), Sel.TSS);
  t.is(p.memory.read32(TSS + 0x20), 0x8002);
  t.is(p.memory.read8(GDT + Sel.CODE64 + 5), 0x8b);
  t.is(p.vp.cr0 & 8, 8);
  t.is(p.vp.fsSelector, 0);
  t.is(p.run(SysOp.IRET), 1);
  t.is(p.rip, 0x8002n);
  t.is(p.slot(Slot.RBX), 0x77n);
  t.is(p.vp.trSelector, Sel.TSS);
  t.is(p.memory.read8(GDT + Sel.CODE64 + 5), 0x89, 'no longer busy');
  t.is(p.memory.read8(GDT + Sel.TSS + 5), 0x8b);
  t.is(rflags(p.vp), 0x202);
});

test('task switch by JMP frees the old task and refuses a busy one', (t) => {
  const p = withSecondTask();
  gdtEntry(p, Sel.TSS, descriptor(TSS, 0x20ff, 0x8b));
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE64, 0), 1);
  t.is(p.memory.read8(GDT + Sel.TSS + 5), 0x89);
  t.is(rflags(p.vp), 0x202);
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE64, 0), '#13(48)');
});

test('the T bit of the new task reports a trap (BT), that of the old one and a clear one nothing', (t) => {
  for (const [old, now, bits] of [
    [0, 1, 0x8000],
    [1, 0, 0],
  ] as const) {
    const p = withSecondTask();
    gdtEntry(p, Sel.TSS, descriptor(TSS, 0x20ff, 0x8b));
    p.memory.write16(TSS + 0x64, old);
    p.memory.write16(TSS2 + 0x64, now);
    t.is(far(p, SysOp.FAR_JMP, Sel.CODE64, 0), 1);
    t.is(p.debug.takeDue(), bits);
    t.is(p.rip, 0x9000n, 'before its first instruction');
  }
});

test('an exception through a task gate pushes its error code on the new stack', (t) => {
  const p = withSecondTask();
  idtGate(p, 8, gate(Sel.CODE64, 0, 0x85));
  deliver(p, EventKind.EXCEPTION, 8, 0, 0x8000);
  t.is(p.rip, 0x9000n);
  t.is(p.rsp, 0x6ffcn);
  t.is(p.memory.read32(0x6ffc), 0);
  t.is(p.memory.read32(TSS + 0x20), 0x8000);
});

test('task switch faults: small TSS before, bad segments after the switch', (t) => {
  const p = withSecondTask();
  gdtEntry(p, Sel.CODE64, descriptor(TSS2, 0x66, 0x89));
  t.is(far(p, SysOp.FAR_CALL, Sel.CODE64, 0), '#10(48)');
  t.is(p.rip, 0x8000n);
  const q = withSecondTask();
  q.memory.write32(TSS2 + 0x50, Sel.DATA3);
  t.is(far(q, SysOp.FAR_CALL, Sel.CODE64, 0), '#10(20)');
  t.is(q.rip, 0x9000n, 'the fault belongs to the new task');
});

test('16-bit TSS: words, upper register halves all ones', (t) => {
  const p = protectedMode();
  gdtEntry(p, Sel.CODE64, descriptor(TSS2, 0x2b, 0x81));
  p.memory.write16(TSS2 + 0x0e, 0x9000);
  p.memory.write16(TSS2 + 0x10, 0x202);
  p.memory.write16(TSS2 + 0x12, 0x1234);
  [Sel.DATA0, Sel.CODE0, Sel.DATA0, Sel.DATA0].forEach((s, i) => {
    p.memory.write16(TSS2 + 0x22 + i * 2, s);
  });
  t.is(far(p, SysOp.FAR_JMP, Sel.CODE64, 0), 1);
  t.is(p.rip, 0x9000n);
  t.is(p.slot(Slot.RAX), 0xffff_1234n);
});

test('SYSCALL and SYSRET: registers, flags and fixed segments', (t) => {
  const p = longMode(3);
  p.vp.star = (0x0013_0008n << 32n) | 0n;
  p.vp.lstar = 0xffff_8000_0000_1000n;
  p.vp.sfmask = 0x4_7700n;
  setRflags(p.vp, 0x4_0ad7);
  t.is(p.run(SysOp.SYSCALL), 1);
  t.is(p.rip, 0xffff_8000_0000_1000n);
  t.is(p.slot(Slot.RCX), 0x8002n);
  t.is(p.slot(11), 0x4_0ad7n);
  t.is(rflags(p.vp), 0x8d7);
  t.deepEqual([p.vp.csSelector, p.vp.ssSelector, p.vp.cpl], [8, 16, 0]);
  t.is(p.vp.csAccess, 0xa09b);
  t.is(p.run(SysOp.SYSRET, { width: 3 }), 1);
  t.is(p.rip, 0x8002n);
  t.deepEqual([p.vp.csSelector, p.vp.ssSelector, p.vp.cpl], [0x23, 0x1b, 3]);
  t.is(p.vp.csAccess, 0xa0fb);
  t.is(rflags(p.vp), 0x4_0ad7);
  t.is(p.run(SysOp.SYSRET, { width: 3 }), '#13(0)', 'level 0 only');
});

test('SYSRET with 32-bit operands goes to compatibility mode; a non-canonical RCX is #GP', (t) => {
  const p = longMode();
  p.vp.star = 0x0013_0008_0000_0000n;
  p.set(Slot.RCX, 0x1_0000_9000n);
  p.set(11, 0x202);
  t.is(p.run(SysOp.SYSRET, { width: 2 }), 1);
  t.is(p.rip, 0x9000n);
  t.is(p.vp.csSelector, 0x13);
  t.is(p.vp.csAccess, 0xc0fb);
  const q = longMode();
  q.set(Slot.RCX, 1n << 47n);
  t.is(q.run(SysOp.SYSRET, { width: 3 }), '#13(0)');
});

test('SYSCALL is #UD outside 64-bit mode and without EFER.SCE', (t) => {
  t.is(protectedMode(3).run(SysOp.SYSCALL), '#6');
  const p = longMode(3);
  p.vp.efer &= ~1;
  t.is(p.run(SysOp.SYSCALL), '#6');
});

test('SYSENTER and SYSEXIT, 32-bit', (t) => {
  const p = protectedMode(3);
  t.is(p.run(SysOp.SYSENTER), '#13(0)', 'SYSENTER_CS is null');
  p.vp.sysenterCs = 8n;
  p.vp.sysenterEsp = 0x5000n;
  p.vp.sysenterEip = 0x9000n;
  t.is(p.run(SysOp.SYSENTER), 1);
  t.deepEqual([p.rip, p.rsp, p.vp.cpl, p.vp.csSelector, p.vp.ssSelector], [0x9000n, 0x5000n, 0, 8, 16]);
  t.is(rflags(p.vp) & 0x200, 0);
  p.set(Slot.RDX, 0x8002);
  p.set(Slot.RCX, 0x6000);
  t.is(p.run(SysOp.SYSEXIT), 1);
  t.deepEqual([p.rip, p.rsp, p.vp.cpl, p.vp.csSelector, p.vp.ssSelector], [0x8002n, 0x6000n, 3, 0x1b, 0x23]);
});

test('SWAPGS exchanges all 64 bits', (t) => {
  const p = longMode();
  p.set(Slot.GS_BASE, 0xffff_8880_0000_1000n);
  p.vp.kernelGsBase = 0x7fff_1234_5678n;
  t.is(p.run(SysOp.SWAPGS), 0);
  t.is(p.slot(Slot.GS_BASE), 0x7fff_1234_5678n);
  t.is(p.vp.kernelGsBase, 0xffff_8880_0000_1000n);
  t.is(longMode(3).run(SysOp.SWAPGS), '#13(0)');
});

test('SYSENTER and SYSEXIT in IA-32e mode: 64-bit targets, canonical checks, 32-bit return', (t) => {
  const p = longMode(3);
  p.vp.sysenterCs = 8n;
  p.vp.sysenterEsp = 0xffff_8000_0000_2000n;
  p.vp.sysenterEip = 0xffff_8000_0000_1000n;
  t.is(p.run(SysOp.SYSENTER), 1);
  t.deepEqual([p.rip, p.rsp, p.vp.csAccess], [0xffff_8000_0000_1000n, 0xffff_8000_0000_2000n, 0xa09b]);
  p.set(Slot.RDX, 0x7fff_0000_8002n);
  p.set(Slot.RCX, 1n << 47n);
  t.is(p.run(SysOp.SYSEXIT, { width: 3 }), '#13(0)');
  p.set(Slot.RCX, 0x7fff_0000_6000n);
  p.set(Slot.RBX, 0x5_0000_0001n);
  t.is(p.run(SysOp.SYSEXIT, { width: 3 }), 1);
  t.deepEqual(
    [p.rip, p.rsp, p.vp.csSelector, p.vp.ssSelector, p.slot(Slot.RBX)],
    [0x7fff_0000_8002n, 0x7fff_0000_6000n, 0x2b, 0x33, 0x5_0000_0001n],
  );
  p.run(SysOp.SYSENTER);
  p.set(Slot.RDX, 0x8002);
  p.set(Slot.RCX, 0x6000);
  t.is(p.run(SysOp.SYSEXIT), 1);
  t.deepEqual([p.rip, p.vp.csSelector, p.vp.csAccess, p.slot(Slot.RBX)], [0x8002n, 0x1b, 0xc0fb, 1n]);
});

test('a call gate to the same level pushes on the current stack, also into conforming code', (t) => {
  for (const [level, code] of [
    [0, Sel.CODE0],
    [3, Sel.CONFORMING],
  ] as const) {
    const p = protectedMode(level);
    gdtEntry(p, Sel.GATE, gate(code, 0x9000, 0xec));
    t.is(far(p, SysOp.FAR_CALL, Sel.GATE | level, 0), 1);
    t.is(p.vp.cpl, level);
    t.deepEqual(p.stack(0x5ff8, 2), [0x8002, level === 0 ? Sel.CODE0 : Sel.CODE3]);
    t.is(p.rsp, 0x5ff8n);
  }
});
