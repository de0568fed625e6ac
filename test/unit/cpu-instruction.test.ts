// The remaining slow instructions: BCD, rotations through carry, wide division, compare-and-exchange, stack frames, ports, system registers, #UD.
import test from 'ava';
import fc from 'fast-check';
import { readArithmeticFlags, setRflags, writeArithmeticFlags } from '../../daemon/machine/cpu/flags.js';
import { sysHelpers } from '../../daemon/machine/cpu/sys-helpers.js';
import { leaveGeneralDetect } from '../../daemon/machine/debug-unit.js';
import { SysOp, type Width } from '../../daemon/translate/micro-op.js';
import { Slot, vpCounterIndex } from '../../shared/layout/vp.js';
import { longMode, protectedMode, realMode, type TestProcessor, TSS } from './cpu-processor.js';

test('every SysOp has a helper', (t) => {
  const absent = sysHelpers[255];
  for (const [name, op] of Object.entries(SysOp)) t.not(sysHelpers[op], absent, name);
});

// [instruction, AX before, flags before (CF 1, AF 10h), AX after, flags after]: the examples of SDM 2A and the corners beside them.
const BCD: readonly (readonly [keyof typeof SysOp, number, number, number, number])[] = [
  ['DAA', 0x00ae, 0x00, 0x0014, 0x15],
  ['DAA', 0x002e, 0x00, 0x0034, 0x10],
  ['DAA', 0x0099, 0x00, 0x0099, 0x84],
  ['DAA', 0x009a, 0x00, 0x0000, 0x55],
  ['DAA', 0x00fa, 0x00, 0x0060, 0x15],
  ['DAA', 0x0000, 0x01, 0x0060, 0x05],
  ['DAA', 0x0000, 0x11, 0x0066, 0x15],
  ['DAA', 0x1279, 0x10, 0x127f, 0x10],
  ['DAS', 0x00ee, 0x00, 0x0088, 0x95],
  ['DAS', 0x0000, 0x00, 0x0000, 0x44],
  ['DAS', 0x0003, 0x10, 0x00fd, 0x91],
  ['DAS', 0x0000, 0x01, 0x00a0, 0x85],
  ['DAS', 0x009a, 0x00, 0x0034, 0x11],
  ['AAA', 0x000a, 0x00, 0x0100, 0x55],
  ['AAA', 0x00fa, 0x00, 0x0200, 0x55],
  ['AAA', 0x0105, 0x00, 0x0105, 0x04],
  ['AAA', 0x0105, 0x10, 0x020b, 0x11],
  ['AAS', 0x020a, 0x00, 0x0104, 0x11],
  ['AAS', 0x0000, 0x10, 0xfe0a, 0x15],
  ['AAS', 0x0105, 0x00, 0x0105, 0x04],
  ['AAM', 0x0049, 0x11, 0x0703, 0x04],
  ['AAD', 0x0703, 0x11, 0x0049, 0x00],
];
test('BCD instructions by table', (t) => {
  for (const [name, before, flags, after, flagsAfter] of BCD) {
    const p = protectedMode();
    p.set(Slot.RAX, 0xabcd_0000 + before);
    p.set(Slot.ARG1, 10);
    writeArithmeticFlags(p.vp, flags);
    t.is(p.run(SysOp[name]), 0);
    t.is(p.slot(Slot.RAX), BigInt(0xabcd_0000 + after), `${name} ${before.toString(16)}`);
    t.is(readArithmeticFlags(p.vp), flagsAfter, `${name} ${before.toString(16)} flags`);
  }
  t.is(longMode().run(SysOp.DAA), '#6');
  const p = protectedMode();
  p.set(Slot.ARG1, 0);
  t.is(p.run(SysOp.AAM), '#0');
});

test('rotations through carry are turns of a ring of n + 1 bits', (t) => {
  const p = longMode();
  fc.assert(
    fc.property(
      fc.constantFrom(0, 1, 2, 3) as fc.Arbitrary<Width>,
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.nat(255),
      fc.nat(63),
      fc.boolean(),
      (width, full, count, flagBits, left) => {
        const bits = 8 << width;
        const value = BigInt.asUintN(bits, full);
        const flags = [1, 4, 0x10, 0x40, 0x80, 0x800].reduce((f, bit, i) => f | ((flagBits >> i) & 1 ? bit : 0), 0);
        writeArithmeticFlags(p.vp, flags);
        p.set(Slot.ARG1, value);
        p.set(Slot.ARG2, count);
        p.run(left ? SysOp.RCL : SysOp.RCR, { width });
        const masked = count & (bits === 64 ? 63 : 31);
        const ring = BigInt(bits + 1);
        const by = BigInt(masked % (bits + 1));
        const whole = (BigInt(flags & 1) << BigInt(bits)) | value;
        const turned = BigInt.asUintN(bits + 1, left ? (whole << by) | (whole >> (ring - by)) : (whole >> by) | (whole << (ring - by)));
        const result = BigInt.asUintN(bits, turned);
        if (p.slot(Slot.ARG1) !== result) return false;
        const now = readArithmeticFlags(p.vp);
        if (by === 0n) return now === flags;
        if ((now & 0xd4) !== (flags & 0xd4) || BigInt(now & 1) !== turned >> BigInt(bits)) return false;
        if (masked !== 1) return true;
        const top = Number(result >> BigInt(bits - 2));
        return now >> 11 === (left ? (top >> 1) ^ (now & 1) : (top >> 1) ^ (top & 1));
      },
    ),
    { numRuns: 4000 },
  );
  t.pass();
});

test('128-bit division: exact quotients, #DE for zero and overflow, nothing changed by a fault', (t) => {
  const p = longMode();
  const divide = (op: number, high: bigint, low: bigint, by: bigint): number | string => {
    p.set(Slot.RDX, high);
    p.set(Slot.RAX, low);
    p.set(Slot.ARG1, by);
    return p.run(op, { width: 3 });
  };
  t.is(divide(SysOp.DIV64, 1n, 5n, 16n), 0);
  t.deepEqual([p.slot(Slot.RAX), p.slot(Slot.RDX)], [1n << 60n, 5n]);
  t.is(divide(SysOp.DIV64, 16n, 5n, 16n), '#0');
  t.deepEqual([p.slot(Slot.RAX), p.slot(Slot.RDX)], [5n, 16n]);
  t.is(divide(SysOp.DIV64, 0n, 5n, 0n), '#0');
  t.is(divide(SysOp.IDIV64, -1n, -7n, 2n), 0);
  t.deepEqual([BigInt.asIntN(64, p.slot(Slot.RAX)), BigInt.asIntN(64, p.slot(Slot.RDX))], [-3n, -1n]);
  t.is(divide(SysOp.IDIV64, -1n, -(1n << 63n), -1n), '#0', 'the one quotient that does not fit');
  t.is(divide(SysOp.IDIV64, -1n, -(1n << 63n), 1n), 0);
});

test('PUSHA and POPA; a fault leaves everything', (t) => {
  const p = protectedMode();
  for (let i = 0; i < 8; i++) if (i !== 4) p.set(i, 0x1000 + i);
  t.is(p.run(SysOp.PUSHA), 0);
  t.is(p.rsp, 0x5fe0n);
  t.deepEqual(p.stack(0x5fe0, 8), [0x1007, 0x1006, 0x1005, 0x6000, 0x1003, 0x1002, 0x1001, 0x1000]);
  for (let i = 0; i < 8; i++) if (i !== 4) p.set(i, 0);
  t.is(p.run(SysOp.POPA), 0);
  t.is(p.rsp, 0x6000n);
  t.is(p.slot(Slot.RDI), 0x1007n);
  p.memory.absent.add(5);
  t.is(p.run(SysOp.PUSHA), '#14(2)');
  t.is(p.rsp, 0x6000n);
  p.memory.absent.clear();
  p.memory.absent.add(6);
  p.set(Slot.RSP, 0x5ff0);
  t.is(p.run(SysOp.POPA), '#14(0)');
  t.is(p.slot(Slot.RDI), 0x1007n);
});

test('ENTER copies the display', (t) => {
  const p = protectedMode();
  p.set(Slot.RBP, 0x7000);
  p.memory.write32(0x6ffc, 0xaa);
  p.memory.write32(0x6ff8, 0xbb);
  p.set(Slot.ARG1, 0x10);
  p.set(Slot.ARG2, 3);
  t.is(p.run(SysOp.ENTER), 0);
  t.is(p.slot(Slot.RBP), 0x5ffcn);
  t.is(p.rsp, 0x5ff0n - 0x10n);
  t.deepEqual(p.stack(0x5ff0, 4), [0x5ffc, 0xbb, 0xaa, 0x7000]);
});

test('ENTER in 64-bit code keeps all bits of RBP and of the display', (t) => {
  const p = longMode();
  p.set(Slot.RBP, 0x7000);
  p.memory.write64(0x6ff8, 0xfedc_ba98_7654_3211n);
  p.set(Slot.ARG1, 0);
  p.set(Slot.ARG2, 2);
  t.is(p.run(SysOp.ENTER, { width: 3 }), 0);
  t.is(p.memory.read64(0x5ff0), 0xfedc_ba98_7654_3211n);
  p.set(Slot.RBP, 0xfedc_ba98_7654_3213n);
  p.set(Slot.ARG2, 0);
  t.is(p.run(SysOp.ENTER, { width: 3 }), 0);
  t.is(p.memory.read64(Number(p.rsp)), 0xfedc_ba98_7654_3213n);
});

test('BOUND and INTO', (t) => {
  const p = protectedMode();
  p.memory.write32(0x9000, 0xffff_fffe);
  p.memory.write32(0x9004, 5);
  p.set(Slot.ARG0, 0x9000);
  p.set(Slot.RBX, 0xffff_fffe);
  t.is(p.run(SysOp.BOUND, { a: 3 }), 0);
  p.set(Slot.RBX, 6);
  t.is(p.run(SysOp.BOUND, { a: 3 }), '#5');
  t.is(p.run(SysOp.INTO), 0);
});

const userWithBitmap = (): TestProcessor => {
  const p = protectedMode(3);
  p.memory.write16(TSS + 102, 0x68);
  for (let i = 0; i < 0x2000; i++) p.memory.write8(TSS + 0x68 + i, 0xff);
  return p;
};
test('ports at level 3 need IOPL or clear bits in the bitmap', (t) => {
  const p = userWithBitmap();
  const access = (port: number, width: Width): number | string => {
    p.set(Slot.ARG1, port);
    return p.run(SysOp.IN, { width });
  };
  t.is(access(0x3f8, 0), '#13(0)');
  p.memory.write8(TSS + 0x68 + 0x7f, 0xfe);
  t.is(access(0x3f8, 0), 0);
  t.is(access(0x3f8, 1), '#13(0)', 'the second byte is not allowed');
  p.memory.write8(TSS + 0x68 + 0x7f, 0x7f);
  p.memory.write8(TSS + 0x68 + 0x80, 0xfe);
  t.is(access(0x3ff, 1), 0, 'across bitmap bytes');
  p.vp.trLimit = 0x68 + 0x7f;
  t.is(access(0x3ff, 0), '#13(0)', 'the second byte of the bitmap is beyond the limit');
  setRflags(p.vp, 0x3202);
  t.is(access(0x3ff, 0), 0, 'IOPL 3');
  p.vp.trAccess = 0x83;
  setRflags(p.vp, 0x202);
  t.is(access(0x3f8, 0), '#13(0)', '16-bit TSS');
});

test('IN writes partial registers, OUT sends the accumulator', (t) => {
  const p = longMode();
  p.intercepts.ports.set(0x60, [0x12, 0x3456, 0x789a_bcde]);
  p.set(Slot.RAX, -1n);
  p.set(Slot.ARG1, 0x60);
  p.run(SysOp.IN, { width: 0 });
  t.is(p.slot(Slot.RAX), 0xffff_ffff_ffff_ff12n);
  p.run(SysOp.IN, { width: 1 });
  t.is(p.slot(Slot.RAX), 0xffff_ffff_ffff_3456n);
  p.run(SysOp.IN, { width: 2 });
  t.is(p.slot(Slot.RAX), 0x789a_bcden);
  p.run(SysOp.OUT, { width: 1 });
  t.deepEqual(p.intercepts.calls, ['out2 60 bcde']);
});

test('control and debug registers: #UD, #GP, and what is stored', (t) => {
  const p = longMode();
  for (const cr of [1, 5, 7, 9, 15]) t.is(p.run(SysOp.MOV_TO_CR, { a: cr, b: 0 }), '#6');
  t.is(protectedMode().run(SysOp.MOV_FROM_CR, { a: 8, b: 0 }), '#6', 'CR8 is of 64-bit mode');
  t.is(longMode(3).run(SysOp.MOV_FROM_CR, { a: 0, b: 0 }), '#13(0)');
  p.set(Slot.RBX, 0xffff_8000_1234_5000n);
  t.is(p.run(SysOp.MOV_TO_CR, { a: 2, b: 3 }), 1);
  t.is(p.vp.cr2, 0xffff_8000_1234_5000n);
  t.is(p.run(SysOp.MOV_FROM_CR, { a: 2, b: 1 }), 0);
  t.is(p.slot(Slot.RCX), 0xffff_8000_1234_5000n);
  p.set(Slot.RBX, 0x7000);
  t.is(p.run(SysOp.MOV_TO_CR, { a: 3, b: 3 }), 1);
  t.is(p.rip, 0x8004n, 'writes of control registers leave the block');
  t.deepEqual(p.intercepts.calls, ['writeCr 3 7000']);
  p.set(Slot.RBX, 0);
  t.is(p.run(SysOp.MOV_TO_DR, { a: 6, b: 3 }), 1);
  t.is(p.run(SysOp.MOV_FROM_DR, { a: 4, b: 1 }), 0);
  t.is(p.slot(Slot.RCX), 0xffff_0ff0n, 'DR4 is DR6 while CR4.DE is clear');
  p.vp.cr4 |= 8;
  t.is(p.run(SysOp.MOV_FROM_DR, { a: 4, b: 1 }), '#6');
  p.set(Slot.RBX, 1n << 32n);
  t.is(p.run(SysOp.MOV_TO_DR, { a: 7, b: 3 }), '#13(0)');
  p.set(Slot.RBX, 0x2000);
  t.is(p.run(SysOp.MOV_TO_DR, { a: 7, b: 3 }), 1);
  t.is(p.run(SysOp.MOV_FROM_DR, { a: 0, b: 1 }), '#1', 'general detect');
  leaveGeneralDetect(p.vp);
  t.is(p.run(SysOp.MOV_FROM_DR, { a: 6, b: 1 }), 0);
  t.is(p.slot(Slot.RCX), 0xffff_2ff0n);
});

test('LMSW sets PE and cannot clear it', (t) => {
  const p = realMode();
  p.vp.cr0 = 0x10;
  p.set(Slot.ARG1, 0x1_000f);
  t.is(p.run(SysOp.LMSW), 1);
  p.set(Slot.ARG1, 0);
  t.is(p.run(SysOp.LMSW), 1);
  t.deepEqual(p.intercepts.calls, ['writeCr 0 1f', 'writeCr 0 11']);
});

test('RDTSC obeys CR4.TSD; RDMSR, WRMSR, HLT, INVLPG and WBINVD are of level 0', (t) => {
  const user = protectedMode(3);
  t.is(user.run(SysOp.RDTSC), 0);
  t.is(user.slot(Slot.RAX), 0x9abc_def0n);
  t.is(user.slot(Slot.RDX), 0x1234_5678n);
  user.vp.cr4 = 4;
  t.is(user.run(SysOp.RDTSC), '#13(0)');
  for (const op of [SysOp.RDMSR, SysOp.WRMSR, SysOp.HLT, SysOp.INVLPG, SysOp.WBINVD, SysOp.CLTS, SysOp.LMSW, SysOp.LGDT])
    t.is(user.run(op), '#13(0)');
  const p = protectedMode();
  t.is(p.run(SysOp.HLT), 1);
  t.is(p.rip, 0x8002n, 'RIP is behind HLT when the VP halts');
  p.set(Slot.RCX, 0xc000_0080);
  p.set(Slot.RDX, 1);
  p.set(Slot.RAX, 0xffff_ffff);
  t.is(p.run(SysOp.WRMSR), 1);
  t.deepEqual(p.intercepts.calls, ['halt', 'wrmsr c0000080 1ffffffff']);
});

test('CPUID fills four registers', (t) => {
  const p = longMode();
  p.set(Slot.RAX, 7);
  p.set(Slot.RCX, 2);
  t.is(p.run(SysOp.CPUID), 0);
  t.deepEqual(
    [0, 3, 1, 2].map((r) => p.slot(r)),
    [7n, 2n, 3n, 0xffff_ffffn],
  );
});

test('unknown instructions are counted by mnemonic, undefined ones are not; both are #UD', (t) => {
  const p = protectedMode();
  const ud = (mnemonic: number): void => {
    p.set(Slot.ARG0, mnemonic);
    t.is(p.run(SysOp.UD), '#6');
  };
  ud(0);
  ud(100);
  ud(100);
  ud(132);
  const { u32 } = p.views;
  const at = p.vp.unknownOps >>> 2;
  const entries: [number, number][] = [];
  for (let i = 0; i < 32; i++) if (u32[at + i * 2] !== 0) entries.push([u32[at + i * 2] - 1, u32[at + i * 2 + 1]]);
  t.deepEqual(entries, [
    [100, 2],
    [132, 1],
  ]);
  t.is(u32[(p.vp.counters >>> 2) + vpCounterIndex.unknownInstructions], 3);
  for (let i = 1000; i < 1100; i++) ud(i);
  t.is(u32[(p.vp.counters >>> 2) + vpCounterIndex.unknownInstructions], 103, 'a full table still counts');
});
