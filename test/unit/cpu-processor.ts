// A processor for tests of the slow half: one VP over flat memory without paging, intercepts that record what they are asked.
// Why: gates, task switches and string instructions are tested without translator, TLB or hypervisor.
import { applyMode, CodeModes } from '../../daemon/machine/cpu/code-mode.js';
import { setRflags } from '../../daemon/machine/cpu/flags.js';
import { setSegment } from '../../daemon/machine/cpu/segment.js';
import { setRip, setSlotNumber } from '../../daemon/machine/cpu/slots.js';
import { sysHelpers } from '../../daemon/machine/cpu/sys-helpers.js';
import { DebugUnit } from '../../daemon/machine/debug-unit.js';
import { GuestFault, type Intercepts, type LinearMemory, type Processor } from '../../daemon/machine/processor.js';
import { packSys, type SysDescriptor } from '../../daemon/translate/micro-op.js';
import { type FeatureSet, IMPLEMENTED } from '../../shared/cpu/feature-set.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { Slot, VpBlock } from '../../shared/layout/vp.js';

const VP_AT = 0x2000;
/** Linear address 0 is here in the buffer. */
const RAM_AT = 0x10000;
export const RAM_BYTES = 0x40000;

/** Flat memory: linear address = physical address, modulo RAM. Pages may be made absent, read-only or supervisor-only. */
export class FlatMemory implements LinearMemory {
  readonly absent = new Set<number>();
  readonly readOnly = new Set<number>();
  readonly supervisorOnly = new Set<number>();
  /** Pages that bulk operations may not use, as MMIO and watched ones. */
  readonly slow = new Set<number>();
  /** Pages that stand for others. */
  readonly moved = new Map<number, number>();
  flushes = 0;
  readonly #views: Views;
  readonly #vp: VpBlock;
  readonly #fault: GuestFault;
  #forced = false;
  constructor(views: Views, vp: VpBlock, fault: GuestFault) {
    this.#views = views;
    this.#vp = vp;
    this.#fault = fault;
  }
  #at(gva: number, bytes: number, write: boolean): number {
    for (const address of [gva, gva + bytes - 1]) {
      const page = Math.floor(address / 4096);
      const user = this.#vp.cpl === 3 && !this.#forced;
      if (this.absent.has(page) || (write && this.readOnly.has(page)) || (user && this.supervisorOnly.has(page))) {
        this.#vp.cr2Num = address;
        throw this.#fault.set(14, (write ? 2 : 0) | (user ? 4 : 0) | (this.absent.has(page) ? 0 : 1));
      }
    }
    if (gva < 0 || gva + bytes > RAM_BYTES) throw new RangeError(`test memory: address ${gva.toString(16)}`);
    const to = this.moved.get(Math.floor(gva / 4096));
    return RAM_AT + (to === undefined ? gva : to * 4096 + (gva % 4096));
  }
  read8(a: number): number {
    return this.#views.data.getUint8(this.#at(a, 1, false));
  }
  read16(a: number): number {
    return this.#views.data.getUint16(this.#at(a, 2, false), true);
  }
  read32(a: number): number {
    return this.#views.data.getUint32(this.#at(a, 4, false), true);
  }
  read64(a: number): bigint {
    return this.#views.data.getBigUint64(this.#at(a, 8, false), true);
  }
  read64Number(a: number): number {
    return Number(BigInt.asIntN(64, this.read64(a)));
  }
  write8(a: number, v: number): void {
    this.#views.data.setUint8(this.#at(a, 1, true), v);
  }
  write16(a: number, v: number): void {
    this.#views.data.setUint16(this.#at(a, 2, true), v, true);
  }
  write32(a: number, v: number): void {
    this.#views.data.setUint32(this.#at(a, 4, true), v, true);
  }
  write64(a: number, v: bigint): void {
    this.#views.data.setBigUint64(this.#at(a, 8, true), v, true);
  }
  write64Number(a: number, v: number): void {
    this.write64(a, BigInt.asUintN(64, BigInt(v)));
  }
  supervisor(): number {
    const previous = this.#forced ? 1 : 0;
    this.#forced = true;
    return previous;
  }
  restore(previous: number): void {
    this.#forced = previous !== 0;
  }
  /** Whether a helper forgot to give supervisor privilege back. */
  get forced(): boolean {
    return this.#forced;
  }
  probeWrite(a: number, bytes: number): void {
    this.#at(a, bytes, true);
  }
  hostRead(a: number): number {
    const at = this.#at(a, 1, false);
    return this.slow.has(Math.floor(a / 4096)) ? -1 : at;
  }
  hostWrite(a: number): number {
    const at = this.#at(a, 1, true);
    return this.slow.has(Math.floor(a / 4096)) ? -1 : at;
  }
  hostTable(a: number): number {
    const previous = this.supervisor();
    try {
      return this.hostRead(a);
    } finally {
      this.restore(previous);
    }
  }
}

/** Records calls as text, answers from simple tables. */
export class RecordedIntercepts implements Intercepts {
  readonly calls: string[] = [];
  readonly ports = new Map<number, number[]>();
  readonly #vp: VpBlock;
  constructor(vp: VpBlock) {
    this.#vp = vp;
  }
  writeCr(cr: number, low: number, high: number): void {
    this.calls.push(`writeCr ${cr} ${(high * 2 ** 32 + low).toString(16)}`);
    if (cr === 0) this.#vp.cr0 = low;
    if (cr === 3) this.#vp.cr3Num = high * 2 ** 32 + low;
  }
  readCr(cr: number): number {
    return cr === 0 ? this.#vp.cr0 : cr === 3 ? this.#vp.cr3Num : this.#vp.cr4;
  }
  invlpg(gva: number): void {
    this.calls.push(`invlpg ${gva.toString(16)}`);
  }
  invpcid(): void {
    this.calls.push('invpcid');
  }
  ioRead(port: number): number {
    return this.ports.get(port)?.shift() ?? 0xff;
  }
  ioWrite(port: number, bytes: number, value: number): void {
    this.calls.push(`out${bytes} ${port.toString(16)} ${value.toString(16)}`);
  }
  readMsr(): bigint {
    return 0x1_0000_0002n;
  }
  writeMsr(index: number, value: bigint): void {
    this.calls.push(`wrmsr ${index.toString(16)} ${value.toString(16)}`);
  }
  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number] {
    return [leaf, subleaf, 3, 0xffff_ffff];
  }
  cpuidAnswered(): void {}
  shortened(): void {}
  halt(): void {
    this.calls.push('halt');
  }
  monitor(spa: number): void {
    this.calls.push(`monitor ${spa}`);
  }
  mwait(maskedToo: boolean): boolean {
    this.calls.push(`mwait ${maskedToo}`);
    return true;
  }
  pause(): void {
    this.calls.push('pause');
  }
  waiting(): void {
    this.calls.push('waiting');
  }
  hypercall(): boolean {
    this.calls.push('hypercall');
    return true;
  }
  tsc(): bigint {
    return 0x1234_5678_9abc_def0n;
  }
  floatError(): void {
    this.calls.push('floatError');
  }
  tripleFault(): void {
    this.calls.push('tripleFault');
  }
  wbinvd(): void {
    this.calls.push('wbinvd');
  }
}

export class TestProcessor implements Processor {
  readonly views: Views = viewsOf(new SharedArrayBuffer(RAM_AT + RAM_BYTES));
  readonly vp: VpBlock = new VpBlock(this.views, VP_AT);
  readonly fault: GuestFault = new GuestFault();
  readonly fill = (to: number, value: number, bytes: number): void => void this.views.u8.fill(value, to, to + bytes);
  readonly copy = (to: number, from: number, bytes: number): void => void this.views.u8.copyWithin(to, from, from + bytes);
  readonly memory: FlatMemory = new FlatMemory(this.views, this.vp, this.fault);
  features: FeatureSet = IMPLEMENTED;
  modes: CodeModes = new CodeModes(IMPLEMENTED);
  readonly debug: DebugUnit = new DebugUnit();
  readonly intercepts: RecordedIntercepts = new RecordedIntercepts(this.vp);
  readonly answers = { keep: (): void => {} };
  charged = 0;
  modeChanges = 0;
  charge(cycles: number): void {
    this.charged += cycles;
  }
  modeChanged(): void {
    this.modeChanges++;
    applyMode(this);
  }

  /** Runs one helper. A GuestFault comes back as `#vector(error)` text. */
  run(op: number, descriptor: Partial<SysDescriptor> = {}): number | string {
    try {
      return sysHelpers[op](this, packSys({ op, length: 2, width: 2, addressWidth: 2, ...descriptor }));
    } catch (caught) {
      if (caught !== this.fault) throw caught;
      return faultText(this.fault);
    }
  }
  slot(slot: number): bigint {
    return this.views.u64[(this.vp.base >>> 3) + slot];
  }
  set(slot: number, value: number | bigint): void {
    this.views.u64[(this.vp.base >>> 3) + slot] = BigInt.asUintN(64, BigInt(value));
  }
  get rip(): bigint {
    return this.slot(Slot.RIP);
  }
  get rsp(): bigint {
    return this.slot(Slot.RSP);
  }
  /** Doublewords (or other widths) on the stack from `at` up. */
  stack(at: number, count: number, bytes: 2 | 4 | 8 = 4): number[] {
    return Array.from({ length: count }, (_, i) =>
      bytes === 2 ? this.memory.read16(at + i * 2) : bytes === 4 ? this.memory.read32(at + i * 4) : this.memory.read64Number(at + i * 8),
    );
  }
}
export const faultText = (fault: GuestFault): string =>
  fault.error < 0 ? `#${fault.vector}` : `#${fault.vector}(${fault.error.toString(16)})`;

// --- set-ups ---------------------------------------------------------------------------------------------------------------------------

export const GDT = 0x1000;
export const LDT = 0x1800;
export const IDT = 0x2000;
export const TSS = 0x3000;
/** Selectors of `protectedMode`. */
export const Sel = {
  CODE0: 0x08,
  DATA0: 0x10,
  CODE3: 0x18 | 3,
  DATA3: 0x20 | 3,
  TSS: 0x28,
  LDT: 0x38,
  CODE64: 0x48,
  CODE64_3: 0x50 | 3,
  CONFORMING: 0x58,
  READ_ONLY: 0x60,
  ABSENT: 0x68,
  EXECUTE_ONLY: 0x70,
  STACK_ABSENT: 0x78,
  DATA16: 0x80,
  GATE: 0x88,
  CODE1: 0x98,
  DATA1: 0xa0,
  EXPAND_DOWN: 0xa8,
} as const;

/** A segment descriptor as two doublewords; `access` is bits 8..23 (SDM 3A figure 3-8). */
export const descriptor = (base: number, limit: number, access: number): [number, number] => [
  ((limit & 0xffff) | ((base & 0xffff) << 16)) >>> 0,
  (((base >>> 16) & 0xff) | ((access & 0xff) << 8) | (limit & 0xf_0000) | ((access & 0xf000) << 8) | (base & 0xff00_0000)) >>> 0,
];
export const gate = (selector: number, offset: number, access: number, parameters = 0): [number, number] => [
  ((offset & 0xffff) | (selector << 16)) >>> 0,
  ((offset & 0xffff_0000) | (access << 8) | parameters) >>> 0,
];
export const put = (p: TestProcessor, at: number, words: readonly number[]): void => {
  words.forEach((word, i) => {
    p.memory.write32(at + i * 4, word);
  });
};
export const gdtEntry = (p: TestProcessor, selector: number, words: readonly number[]): void => put(p, GDT + (selector & 0xfff8), words);
export const idtGate = (p: TestProcessor, vector: number, words: readonly number[]): void =>
  put(p, IDT + vector * (p.vp.efer & 0x400 ? 16 : 8), words);
export const gate64 = (selector: number, offset: number, access: number, ist = 0): number[] => [
  ((offset & 0xffff) | (selector << 16)) >>> 0,
  ((offset & 0xffff_0000) | (access << 8) | ist) >>> 0,
  Math.floor(offset / 4294967296) >>> 0,
  0,
];

const fillGdt = (p: TestProcessor): void => {
  gdtEntry(p, Sel.CODE0, descriptor(0, 0xfffff, 0xc09a));
  gdtEntry(p, Sel.DATA0, descriptor(0, 0xfffff, 0xc092));
  gdtEntry(p, Sel.CODE3, descriptor(0, 0xfffff, 0xc0fa));
  gdtEntry(p, Sel.DATA3, descriptor(0, 0xfffff, 0xc0f2));
  gdtEntry(p, Sel.TSS, [...descriptor(TSS, 0x20ff, 0x89), 0, 0]);
  gdtEntry(p, Sel.LDT, [...descriptor(LDT, 0xff, 0x82), 0, 0]);
  gdtEntry(p, Sel.CODE64, descriptor(0, 0xfffff, 0xa09a));
  gdtEntry(p, Sel.CODE64_3, descriptor(0, 0xfffff, 0xa0fa));
  gdtEntry(p, Sel.CONFORMING, descriptor(0, 0xfffff, 0xc09e));
  gdtEntry(p, Sel.READ_ONLY, descriptor(0, 0xfffff, 0xc0f0));
  gdtEntry(p, Sel.ABSENT, descriptor(0, 0xfffff, 0xc012));
  gdtEntry(p, Sel.EXECUTE_ONLY, descriptor(0, 0xfffff, 0xc098));
  gdtEntry(p, Sel.STACK_ABSENT, descriptor(0, 0xfffff, 0xc012));
  gdtEntry(p, Sel.DATA16, descriptor(0, 0xffff, 0x92));
  gdtEntry(p, Sel.CODE1, descriptor(0, 0xfffff, 0xc0ba));
  gdtEntry(p, Sel.DATA1, descriptor(0, 0xfffff, 0xc0b2));
  gdtEntry(p, Sel.EXPAND_DOWN, descriptor(0, 0x0fff, 0x4096));
  p.vp.gdtrBaseNum = GDT;
  p.vp.gdtrLimit = 0xff;
  p.vp.idtrBaseNum = IDT;
  p.vp.idtrLimit = 0x7ff;
};

/** 32-bit flat code at the level, RIP 8000h, ESP 6000h, TSS with SS0:ESP0 = DATA0:5000h and SS1:ESP1 = DATA1:4800h. */
export const protectedMode = (level: 0 | 3 = 0): TestProcessor => {
  const p = new TestProcessor();
  const { vp } = p;
  vp.cr0 = 1;
  fillGdt(p);
  p.memory.write32(TSS + 4, 0x5000);
  p.memory.write32(TSS + 8, Sel.DATA0);
  p.memory.write32(TSS + 12, 0x4800);
  p.memory.write32(TSS + 16, Sel.DATA1 | 1);
  vp.trSelector = Sel.TSS;
  vp.trBaseNum = TSS;
  vp.trLimit = 0x20ff;
  vp.trAccess = 0x8b;
  vp.ldtrAccess = 0x1_0000;
  vp.cpl = level;
  const dpl = level << 5;
  setSegment(vp, 1, level === 0 ? Sel.CODE0 : Sel.CODE3, 0, 0xffff_ffff, 0xc09b | dpl);
  for (const segment of [0, 2, 3, 4, 5]) setSegment(vp, segment, level === 0 ? Sel.DATA0 : Sel.DATA3, 0, 0xffff_ffff, 0xc093 | dpl);
  setRip(vp, 0x8000);
  setSlotNumber(vp, Slot.RSP, 0x6000);
  setRflags(vp, 0x202);
  p.modeChanged();
  p.modeChanges = 0;
  return p;
};

/** 64-bit code at the level; TSS with RSP0 = 5008h (misaligned on purpose) and IST1 = 7000h. */
export const longMode = (level: 0 | 3 = 0): TestProcessor => {
  const p = protectedMode(level);
  const { vp } = p;
  vp.cr0 = 0x8000_0001;
  vp.cr4 = 0x20;
  vp.efer = 0xd01;
  p.memory.write64Number(TSS + 4, 0x5008);
  p.memory.write64Number(TSS + 0x24, 0x7000);
  setSegment(vp, 1, level === 0 ? Sel.CODE64 : Sel.CODE64_3, 0, 0xffff_ffff, 0xa09b | (level << 5));
  p.modeChanged();
  p.modeChanges = 0;
  return p;
};

/** Real mode: CS 0100h, SS:SP 0200h:0100h, data at 0300h, vector table at 0. */
export const realMode = (): TestProcessor => {
  const p = new TestProcessor();
  const { vp } = p;
  vp.idtrLimit = 0x3ff;
  setSegment(vp, 1, 0x100, 0x1000, 0xffff, 0x93);
  setSegment(vp, 2, 0x200, 0x2000, 0xffff, 0x93);
  for (const segment of [0, 3, 4, 5]) setSegment(vp, segment, 0x300, 0x3000, 0xffff, 0x93);
  vp.trAccess = 0x8b;
  vp.trLimit = 0xffff;
  vp.ldtrAccess = 0x82;
  setRip(vp, 0x40);
  setSlotNumber(vp, Slot.RSP, 0x100);
  setRflags(vp, 0x202);
  p.modeChanged();
  return p;
};
