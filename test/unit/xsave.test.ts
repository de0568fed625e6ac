// XSAVE, XSAVEC, XRSTOR and XGETBV on a processor alone: what an area holds, what comes back from it, what is refused (SDM 1 chapter 13).
import test from 'ava';
import { Slot, VectorSlot, VpLayout } from '../../shared/layout/vp.js';
import { bareProcessor, takeEvent, toUser, userMode } from '../rig/bare-processor.js';

const CODE_PAGE = 0x40_0000;
const DATA_PAGE = 0x1000_0000;
const CODE = 0x1000;
const DATA = 0x2000;
const SYSTEM = 0x8000;
const CR4 = 0x4_0620;
const XSAVE64 = [0x48, 0x0f, 0xae, 0x27];
const XSAVEC64 = [0x48, 0x0f, 0xc7, 0x27];
const XRSTOR64 = [0x48, 0x0f, 0xae, 0x2f];
const XGETBV = [0x0f, 0x01, 0xd0];
const ALL = 7;
const HEADER = 512;
const YMM = 576;
const END = 832;

const machine = () => {
  const m = bareProcessor(0x10000);
  m.pages.set(CODE_PAGE / 4096, { gfn: CODE / 4096, writable: false, user: true });
  m.pages.set(DATA_PAGE / 4096, { gfn: DATA / 4096, writable: true, user: true });
  m.pages.set(DATA_PAGE / 4096 + 1, { gfn: DATA / 4096 + 1, writable: true, user: true });
  userMode(m, 64, SYSTEM);
  m.vp.cr4 = CR4;
  m.vp.xcr0 = ALL;
  m.vp.mxcsr = 0x1f80;
  m.vp.fpuControl = 0x37f;
  const { u8, u64 } = m.views;
  const slots = m.vp.base >>> 3;
  const area = u8.subarray(m.host(DATA), m.host(DATA) + 8192);
  const vector = (slot: number): Uint8Array => {
    const at = m.vp.base + VpLayout.at.vectors + slot * 16;
    return u8.subarray(at, at + 16);
  };
  /** Runs the instruction with RDI, EAX (components) and ECX set; the vector of the exception that ended it, 3 for none. */
  const run = (code: readonly number[], at = DATA_PAGE, components = ALL, ecx = 0): number => {
    u8.fill(0xcc, m.host(CODE), m.host(CODE) + 4096);
    u8.set(code, m.host(CODE));
    m.processor.code.dropAll();
    m.tlb.flushAll();
    toUser(m, 64);
    u64[slots + Slot.RDI] = BigInt(at);
    u64[slots + Slot.RAX] = BigInt(components);
    u64[slots + Slot.RDX] = 0n;
    u64[slots + Slot.RCX] = BigInt(ecx);
    u64[slots + Slot.RIP] = BigInt(CODE_PAGE);
    m.halted = false;
    m.processor.modeChanged();
    for (let i = 0; i < 20 && !m.halted; i++) m.processor.run(1000);
    return takeEvent(m, 64, SYSTEM).vector;
  };
  const header = (): DataView => new DataView(area.buffer, area.byteOffset + HEADER, 64);
  return { ...m, area, vector, run, header, rax: () => u64[slots + Slot.RAX] };
};
const fillVectors = (m: ReturnType<typeof machine>): void => {
  for (let n = 0; n < 16; n++) {
    m.vector(VectorSlot.XMM + n).fill(n + 1);
    m.vector(VectorSlot.YMM_HIGH + n).fill(0x80 + n);
  }
};

test('XSAVE and XRSTOR carry the components that are asked for', (t) => {
  const m = machine();
  fillVectors(m);
  m.vp.mxcsr = 0x1fa5;
  m.area.fill(0xee, 0, HEADER);
  t.is(m.run(XSAVE64), 3);
  t.is(m.header().getUint32(0, true), 6, 'x87 is as FNINIT leaves it');
  t.is(m.header().getUint32(12, true), 0);
  t.deepEqual([...m.area.subarray(160, 176)], new Array(16).fill(1));
  t.deepEqual([...m.area.subarray(YMM + 240, YMM + 256)], new Array(16).fill(0x8f));
  t.is(new DataView(m.area.buffer, m.area.byteOffset).getUint32(24, true), 0x1fa5);
  t.is(new DataView(m.area.buffer, m.area.byteOffset).getUint32(28, true), 0xffff);
  t.is(m.area[END], 0, 'nothing behind the area is touched');
  for (let slot = 0; slot < 32; slot++) m.vector(slot).fill(0x55);
  m.vp.mxcsr = 0x1f80;
  t.is(m.run(XRSTOR64, DATA_PAGE, 4), 3);
  t.deepEqual([...m.vector(VectorSlot.XMM)], new Array(16).fill(0x55), 'SSE was not asked for');
  t.deepEqual([...m.vector(VectorSlot.YMM_HIGH + 3)], new Array(16).fill(0x83));
  t.is(m.vp.mxcsr, 0x1fa5, 'MXCSR belongs to AVX as well');
  // A component that the area does not hold becomes initial.
  m.header().setUint32(0, 4, true);
  t.is(m.run(XRSTOR64, DATA_PAGE, 6), 3);
  t.deepEqual([...m.vector(VectorSlot.XMM + 5)], new Array(16).fill(0));
});

test('an area over two pages', (t) => {
  const m = machine();
  fillVectors(m);
  t.is(m.run(XSAVE64, DATA_PAGE + 4096 - 640), 3);
  t.deepEqual([...m.area.subarray(4096 - 640 + YMM + 112, 4096 - 640 + YMM + 128)], new Array(16).fill(0x87));
  for (let slot = 0; slot < 32; slot++) m.vector(slot).fill(0);
  t.is(m.run(XRSTOR64, DATA_PAGE + 4096 - 640), 3);
  t.deepEqual([...m.vector(VectorSlot.YMM_HIGH + 15)], new Array(16).fill(0x8f));
  m.pages.delete(DATA_PAGE / 4096 + 1);
  t.is(m.run(XSAVE64, DATA_PAGE + 4096 - 640), 14, 'the second page faults');
});

test('XSAVEC says what is in use and that its area is compacted', (t) => {
  const m = machine();
  t.is(m.run(XSAVEC64), 3);
  t.is(m.header().getUint32(0, true), 0);
  t.is(m.header().getUint32(8, true), ALL);
  t.is(m.header().getUint32(12, true), 0x8000_0000);
  m.vector(VectorSlot.YMM_HIGH + 2).fill(9);
  t.is(m.run(XSAVEC64), 3);
  t.is(m.header().getUint32(0, true), 4);
  m.vector(VectorSlot.YMM_HIGH + 2).fill(0);
  t.is(m.run(XRSTOR64), 3);
  t.is(m.vector(VectorSlot.YMM_HIGH + 2)[7], 9);
});

test('areas and states that are refused', (t) => {
  const m = machine();
  t.is(m.run(XSAVE64, DATA_PAGE + 16), 13, 'not a multiple of 64');
  t.is(m.run(XSAVE64), 3);
  m.header().setUint32(0, 8, true);
  t.is(m.run(XRSTOR64), 13, 'a component that XCR0 has not');
  m.header().setUint32(0, 3, true);
  m.header().setUint32(8, 1, true);
  t.is(m.run(XRSTOR64), 13, 'XCOMP_BV of a standard area');
  m.header().setUint32(8, 0, true);
  new DataView(m.area.buffer, m.area.byteOffset).setUint32(24, 0x1_1f80, true);
  t.is(m.run(XRSTOR64), 13, 'reserved bits of MXCSR');
  m.vp.cr0 |= 8;
  t.is(m.run(XSAVE64), 7);
  m.vp.cr4 &= ~0x4_0000;
  t.is(m.run(XSAVE64), 6);
  t.is(m.run(XGETBV), 6);
});

test('XGETBV tells XCR0, and what of it is in use', (t) => {
  const m = machine();
  t.is(m.run(XGETBV), 3);
  t.is(m.rax(), 7n);
  m.vector(VectorSlot.XMM + 1).fill(1);
  t.is(m.run(XGETBV, 0, 0, 1), 3);
  t.is(m.rax(), 2n);
  t.is(m.run(XGETBV, 0, 0, 2), 13);
});
