// String instructions: bulk runs against the element loop, restarts at faults, rounds, address sizes, direction.
import test from 'ava';
import fc from 'fast-check';
import { readArithmeticFlags, setRflags } from '../../daemon/machine/cpu/flags.js';
import { copyBackward, copyForward, fillForward } from '../../daemon/machine/cpu/host-runs.js';
import { setSegment } from '../../daemon/machine/cpu/segment.js';
import { REP_CHUNK } from '../../daemon/machine/cpu/string-operands.js';
import { SysOp, type Width } from '../../daemon/translate/micro-op.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { Slot } from '../../shared/layout/vp.js';
import { longMode, protectedMode, RAM_BYTES, realMode, type TestProcessor } from './cpu-processor.js';

const registers = (p: TestProcessor): bigint[] => [p.slot(Slot.RCX), p.slot(Slot.RSI), p.slot(Slot.RDI)];
const start = (p: TestProcessor, count: number | bigint, source: number, target: number): void => {
  p.set(Slot.RCX, count);
  p.set(Slot.RSI, source);
  p.set(Slot.RDI, target);
};
const widths = fc.constantFrom(0, 1, 2, 3) as fc.Arbitrary<Width>;

for (const down of [false, true])
  test(`copying ${down ? 'backward' : 'forward'} with any overlap equals the element loop`, (t) => {
    fc.assert(
      fc.property(widths, fc.nat(200), fc.nat(80), fc.nat(80), (width, elements, from, to) => {
        const fast = Uint8Array.from({ length: 4000 }, (_, i) => (i * 7) & 0xff);
        const slow = fast.slice();
        const base = down ? 1800 : 0;
        const copy = (target: number, source: number, bytes: number): void => void fast.copyWithin(target, source, source + bytes);
        (down ? copyBackward : copyForward)(copy, base + from, base + to, elements << width, width);
        for (let i = 0; i < elements; i++) {
          const at = base + (down ? -(i << width) : i << width);
          slow.set(slow.slice(at + from, at + from + (1 << width)), at + to);
        }
        return Buffer.compare(fast, slow) === 0;
      }),
      { numRuns: 2000 },
    );
    t.pass();
  });

test('REP MOVS in bulk, element by element and against a model leave the same memory and registers', (t) => {
  fc.assert(
    fc.property(
      widths,
      fc.nat(3000),
      fc.integer({ min: 0x9000, max: 0xb100 }),
      fc.integer({ min: 0x9000, max: 0xb100 }),
      fc.boolean(),
      (width, count, source, target, down) => {
        const outcome = (slow: boolean): string => {
          const p = protectedMode();
          for (let a = 0x2000; a < 0x12000; a++) p.views.u8[0x10000 + a] = (a * 31 + (a >> 8)) & 0xff;
          if (slow) for (let page = 0; page < RAM_BYTES / 4096; page++) p.memory.slow.add(page);
          if (down) setRflags(p.vp, 0x402);
          start(p, count, source, target);
          const result = p.run(SysOp.MOVS, { width, rep: true });
          return `${result} ${registers(p).join(' ')} ${Buffer.from(p.views.u8.slice(0x10000, 0x10000 + RAM_BYTES)).toString('latin1')}`;
        };
        return outcome(false) === outcome(true);
      },
    ),
    { numRuns: 60 },
  );
  t.pass();
});

test('REP STOS fills every width, and replicates the pattern', (t) => {
  for (const width of [0, 1, 2, 3] as const) {
    const p = longMode();
    p.set(Slot.RAX, 0x1122_3344_5566_7788n);
    start(p, 1000, 0, 0x8ffe);
    t.is(p.run(SysOp.STOS, { width, addressWidth: 3, rep: true }), 0);
    t.deepEqual(registers(p), [0n, 0n, BigInt(0x8ffe + (1000 << width))]);
    const bytes = [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11].slice(0, 1 << width);
    for (let i = 0; i < 1000 << width; i++) if (p.memory.read8(0x8ffe + i) !== bytes[i % bytes.length]) t.fail(`width ${width} byte ${i}`);
    t.is(p.memory.read8(0x8ffd), 0);
    t.is(p.memory.read8(0x8ffe + (1000 << width)), 0);
    t.true(p.charged > 0);
  }
  const zero = longMode();
  zero.memory.write64(0x9000, -1n & 0xffff_ffff_ffff_ffffn);
  start(zero, 1, 0, 0x9000);
  zero.run(SysOp.STOS, { width: 3, addressWidth: 3, rep: true });
  t.is(zero.memory.read64(0x9000), 0n);
});

test('a fault in the middle leaves registers at the faulting element, and the instruction restarts', (t) => {
  for (const slow of [false, true]) {
    const p = protectedMode();
    if (slow) for (let page = 0; page < RAM_BYTES / 4096; page++) p.memory.slow.add(page);
    for (let i = 0; i < 0x3000; i += 4) p.memory.write32(0x9000 + i, i);
    p.memory.absent.add(0x12);
    start(p, 0x800, 0x9000, 0x11000);
    t.is(p.run(SysOp.MOVS, { rep: true }), '#14(2)');
    t.deepEqual(registers(p), [0x400n, 0xa000n, 0x12000n]);
    t.is(p.rip, 0x8000n);
    p.memory.absent.clear();
    t.is(p.run(SysOp.MOVS, { rep: true }), 0);
    t.deepEqual(registers(p), [0n, 0xb000n, 0x13000n]);
    for (let i = 0; i < 0x2000; i += 4) if (p.memory.read32(0x11000 + i) !== i) t.fail(`at ${i}`);
  }
});

test('an element that crosses into an absent page writes nothing of itself', (t) => {
  const p = protectedMode();
  p.memory.absent.add(0x12);
  start(p, 2, 0x9000, 0x11ffa);
  p.memory.write32(0x9000, 0x1111_1111);
  p.memory.write32(0x9004, 0x2222_2222);
  t.is(p.run(SysOp.MOVS, { rep: true }), '#14(2)');
  t.deepEqual(registers(p), [1n, 0x9004n, 0x11ffen]);
});

test('long REPs come back after a round with RIP at the instruction', (t) => {
  const p = protectedMode();
  start(p, REP_CHUNK + 10, 0, 0x9000);
  p.set(Slot.RAX, 0x5a);
  t.is(p.run(SysOp.STOS, { width: 0, rep: true }), 1);
  t.is(p.rip, 0x8000n);
  t.is(p.slot(Slot.RCX), 10n);
  t.is(p.run(SysOp.STOS, { width: 0, rep: true }), 0);
  t.is(p.slot(Slot.RDI), BigInt(0x9000 + REP_CHUNK + 10));
});

test('a count of 2^63 is a count, and exact', (t) => {
  const p = longMode();
  p.memory.absent.add(0xa);
  start(p, 0x8000_0000_0000_0001n, 0, 0x9000);
  t.is(p.run(SysOp.STOS, { width: 0, addressWidth: 3, rep: true }), '#14(2)');
  t.is(p.slot(Slot.RCX), 0x8000_0000_0000_0001n - 0x1000n);
});

test('a count of zero touches nothing, not even flags', (t) => {
  const p = protectedMode();
  for (let page = 0; page < 16; page++) p.memory.absent.add(page);
  setRflags(p.vp, 0x8d7);
  start(p, 0, 0x9000, 0x9000);
  for (const op of [SysOp.MOVS, SysOp.STOS, SysOp.LODS, SysOp.CMPS, SysOp.SCAS]) t.is(p.run(op, { rep: true }), 0);
  t.is(readArithmeticFlags(p.vp), 0x8d5);
});

test('16-bit addresses wrap inside the segment and leave the upper halves', (t) => {
  const p = protectedMode();
  p.set(Slot.RAX, 0x41);
  start(p, 0x5555_0004, 0, 0x7777_fffe);
  t.is(p.run(SysOp.STOS, { width: 0, addressWidth: 1, rep: true }), 0);
  t.is(p.slot(Slot.RCX), 0x5555_0000n);
  t.is(p.slot(Slot.RDI), 0x7777_0002n);
  t.deepEqual(
    [0xfffe, 0xffff, 0, 1].map((a) => p.memory.read8(a)),
    [0x41, 0x41, 0x41, 0x41],
  );
});

test('real mode: an element across 64 KiB is #GP (source) and the segment base counts', (t) => {
  const p = realMode();
  p.memory.write8(0x3000 + 5, 0x99);
  start(p, 1, 5, 7);
  t.is(p.run(SysOp.MOVS, { width: 0, addressWidth: 1 }), 0);
  t.is(p.memory.read8(0x3007), 0x99);
  start(p, 1, 0xffff, 0);
  t.is(p.run(SysOp.MOVS, { width: 1, addressWidth: 1 }), '#13(0)');
  t.is(p.run(SysOp.MOVS, { width: 1, addressWidth: 1, segment: 2 }), '#12(0)', 'SS override');
});

test('segment limits stop a REP at the first element outside', (t) => {
  const p = protectedMode();
  setSegment(p.vp, 0, 0x80, 0x9000, 0x107, 0x4093);
  p.modeChanged();
  start(p, 100, 0, 0);
  t.is(p.run(SysOp.STOS, { rep: true }), '#13(0)');
  t.is(p.slot(Slot.RDI), 0x108n);
  t.is(p.slot(Slot.RCX), 34n);
});

test('64-bit: FS overrides have their base, DS and ES none', (t) => {
  const p = longMode();
  p.set(Slot.FS_BASE, 0x9000);
  p.set(Slot.DS_BASE, 0x500);
  p.memory.write64(0x9010, 0x1234_5678_9abc_def0n);
  start(p, 1, 0x10, 0xb000);
  t.is(p.run(SysOp.MOVS, { width: 3, addressWidth: 3, segment: 4 }), 0);
  t.is(p.memory.read64(0xb000), 0x1234_5678_9abc_def0n);
  t.deepEqual(registers(p), [1n, 0x18n, 0xb008n]);
});

test('LODS loads partial registers and repeats to the last element', (t) => {
  const p = longMode();
  p.set(Slot.RAX, -1n);
  p.memory.write64(0x9000, 0x0807_0605_0403_0201n);
  start(p, 0, 0x9000, 0);
  p.run(SysOp.LODS, { width: 0, addressWidth: 3 });
  t.is(p.slot(Slot.RAX), 0xffff_ffff_ffff_ff01n);
  p.run(SysOp.LODS, { width: 1, addressWidth: 3 });
  t.is(p.slot(Slot.RAX), 0xffff_ffff_ffff_0302n);
  p.run(SysOp.LODS, { width: 2, addressWidth: 3 });
  t.is(p.slot(Slot.RAX), 0x0706_0504n);
  start(p, 8, 0x9000, 0);
  p.run(SysOp.LODS, { width: 0, addressWidth: 3, rep: true });
  t.is(p.slot(Slot.RAX), 0x0706_0508n);
});

test('REPNE SCASB finds a byte across pages; registers stand behind it', (t) => {
  for (const slow of [false, true]) {
    const p = protectedMode();
    if (slow) for (let page = 0; page < 32; page++) p.memory.slow.add(page);
    p.memory.write8(0xb123, 0x7e);
    p.set(Slot.RAX, 0x7e);
    start(p, 0xffff_ffff, 0, 0x9000);
    t.is(p.run(SysOp.SCAS, { width: 0, repne: true }), 0);
    t.is(p.slot(Slot.RDI), 0xb124n);
    t.is(p.slot(Slot.RCX), 0xffff_ffffn - 0x2124n);
    t.is(readArithmeticFlags(p.vp), 0x44);
  }
});

test('REPE CMPS stops behind the first difference with its flags, in both ways and all widths', (t) => {
  for (const slow of [false, true]) {
    for (const width of [0, 1, 2, 3] as const) {
      const p = longMode();
      if (slow) for (let page = 0; page < 32; page++) p.memory.slow.add(page);
      const at = 700 << width;
      p.memory.write8(0x9004 + at, 1);
      p.memory.write8(0xc008 + at, 2);
      start(p, 1000, 0x9004, 0xc008);
      t.is(p.run(SysOp.CMPS, { width, addressWidth: 3, rep: true }), 0);
      t.deepEqual(registers(p), [299n, BigInt(0x9004 + at + (1 << width)), BigInt(0xc008 + at + (1 << width))]);
      t.is(readArithmeticFlags(p.vp), 0x95, '1 - 2: CF AF SF PF');
    }
  }
});

test('a fault in REPE CMPS leaves the flags of before', (t) => {
  const p = protectedMode();
  setRflags(p.vp, 0x803);
  p.memory.absent.add(0xd);
  start(p, 0x2000, 0x9000, 0xc000);
  t.is(p.run(SysOp.CMPS, { width: 0, rep: true }), '#14(0)');
  t.is(readArithmeticFlags(p.vp), 0x801);
  t.deepEqual(registers(p), [0x1000n, 0xa000n, 0xd000n]);
});

test('a single CMPS ignores the count and compares source with destination', (t) => {
  const p = protectedMode();
  start(p, 0, 0x9000, 0x9010);
  p.memory.write32(0x9000, 5);
  p.memory.write32(0x9010, 3);
  t.is(p.run(SysOp.CMPS), 0);
  t.is(readArithmeticFlags(p.vp), 0);
  t.deepEqual(registers(p), [0n, 0x9004n, 0x9014n]);
});

test('INS checks the destination before it takes data from the device', (t) => {
  const p = protectedMode();
  p.intercepts.ports.set(0x1f0, [0x1111, 0x2222, 0x3333]);
  p.memory.readOnly.add(0xa);
  p.set(Slot.RDX, 0x1f0);
  start(p, 3, 0, 0x9ffc);
  t.is(p.run(SysOp.INS, { width: 1, rep: true }), '#14(3)');
  t.deepEqual(registers(p), [1n, 0n, 0xa000n]);
  p.memory.readOnly.clear();
  t.is(p.run(SysOp.INS, { width: 1, rep: true }), 0);
  t.is(p.memory.read16(0xa000), 0x3333);
});

test('OUTS sends each element', (t) => {
  const p = protectedMode();
  p.set(Slot.RDX, 0x80);
  p.memory.write16(0x9000, 0x4241);
  start(p, 2, 0x9000, 0);
  t.is(p.run(SysOp.OUTS, { width: 0, rep: true }), 0);
  t.deepEqual(p.intercepts.calls, ['out1 80 41', 'out1 80 42']);
});

test('filling from any start, of any length and width, equals the element loop', (t) => {
  const views = viewsOf(new SharedArrayBuffer(512));
  const half = fc.oneof(fc.constantFrom(0, 0x1111_1111, 0x1212_1212, 0xffff_ffff), fc.integer({ min: 0, max: 0xffff_ffff }));
  fc.assert(
    fc.property(widths, fc.nat(40), fc.integer({ min: 1, max: 40 }), half, half, (width, to, elements, lo, hi) => {
      views.u8.fill(0xee);
      fillForward(
        {
          views,
          copy: (target, source, bytes) => void views.u8.copyWithin(target, source, source + bytes),
          fill: (target, value, bytes) => void views.u8.fill(value, target, target + bytes),
        },
        to,
        elements << width,
        width,
        width === 0 ? lo & 0xff : width === 1 ? lo & 0xffff : lo,
        hi,
      );
      const wide = (BigInt(hi) << 32n) | BigInt(lo);
      for (let i = 0; i < 512; i++) {
        const inside = i >= to && i < to + (elements << width);
        const wanted = inside ? Number((wide >> BigInt(8 * ((i - to) & ((1 << width) - 1)))) & 0xffn) : 0xee;
        if (views.u8[i] !== wanted) return false;
      }
      return true;
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

test('what is flushed while the second operand is looked up is not used for the first', (t) => {
  for (const op of [SysOp.MOVS, SysOp.CMPS]) {
    const p = protectedMode();
    const { memory } = p;
    const pages = p.views.u8.subarray(0x10000);
    pages.fill(1, 0x2000, 0x3000);
    pages.fill(2, 0x3000, 0x4000);
    pages.fill(1, 0x6000, 0x7000);
    // Another processor takes the page of the operand that was looked up first away, and has that acknowledged.
    const remap = (): void => {
      if (memory.moved.size > 0) return;
      memory.moved.set(op === SysOp.MOVS ? 2 : 6, 3);
      memory.flushes++;
    };
    const { hostRead, hostWrite } = memory;
    memory.hostWrite = (at) => {
      remap();
      return hostWrite.call(memory, at);
    };
    memory.hostRead = (at) => {
      if (op === SysOp.CMPS && at < 0x3000) remap();
      return hostRead.call(memory, at);
    };
    start(p, 100, 0x2000, 0x6000);
    p.run(op, { width: 0, rep: true });
    if (op === SysOp.MOVS) t.true(pages.subarray(0x6000, 0x6000 + 100).every((byte) => byte === 2));
    // The old page would have been equal throughout.
    else t.true(p.slot(Slot.RCX) > 0n);
  }
});
