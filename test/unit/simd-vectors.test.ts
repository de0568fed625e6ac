// Every committed SIMD vector of a real processor, in both tiers: registers, memory, flags, MXCSR and exceptions, bit for bit.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { TRANSLATED } from '../../daemon/translate/families/family-table.js';
import { Slot, VectorSlot, VpLayout } from '../../shared/layout/vp.js';
import { type BareProcessor, bareProcessor, takeEvent, toUser, userMode } from '../rig/bare-processor.js';
import { CODE_ENTRY, CODE_FILL, CODE_PAGE, DATA_PAGE } from '../vectors/load.js';
import { decodeSimdVectors, NO_EXCEPTION, type SimdResult, type SimdVector } from '../vectors/simd/format.js';
import { MEMORY_ADDRESS, type Suite } from '../vectors/simd/forms.js';
import { caseInput } from '../vectors/simd/generate.js';
import { MEMORY_BYTES, type SimdInput } from '../vectors/simd/inputs.js';

const SYSTEM = 0x8000;
const CODE = 0x1000;
const DATA = 0x2000;
const CR4 = 0x4_0620; // OSXSAVE, OSXMMEXCPT, OSFXSR, PAE
const STATUS_FLAGS = 0x8d5;
const SHOWN_MAX = 25;

const load = (suite: Suite, mode: 32 | 64): SimdVector[] => {
  const here = fileURLToPath(import.meta.url);
  const root = here.slice(0, here.lastIndexOf('/test/unit/')).replace(/\/dist$/, '');
  return decodeSimdVectors(readFileSync(`${root}/test/vectors/data/simd-${suite}-${mode}.bin.gz`));
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const enter = (machine: BareProcessor, mode: 32 | 64, input: SimdInput): void => {
  const { views, vp, processor } = machine;
  const slots = vp.base >>> 3;
  toUser(machine, mode);
  views.u64.set(input.registers, slots);
  views.u64[slots + Slot.RIP] = BigInt(CODE_ENTRY);
  const zero = input.flags & 0x40;
  views.u64[slots + Slot.FLAG_RESULT] = zero ? 0n : 1n;
  views.u64[slots + Slot.FLAG_AUX] = BigInt(input.flags ^ (zero ? 4 : 0));
  for (let n = 0; n < 16; n++) {
    views.u8.set(input.ymm.subarray(n * 32, n * 32 + 16), vectorAt(machine, VectorSlot.XMM + n));
    views.u8.set(input.ymm.subarray(n * 32 + 16, n * 32 + 32), vectorAt(machine, VectorSlot.YMM_HIGH + n));
  }
  views.u8.set(input.memory, machine.host(DATA) + MEMORY_ADDRESS - DATA_PAGE);
  // As the vectors were made: all registers in use, their upper parts all ones.
  for (let n = 0; n < 8; n++) {
    views.u64[(vp.fpuRegisters + n * 16 + 8) >>> 3] = 0xffffn;
    views.u8.set(input.mm.subarray(n * 8, n * 8 + 8), vp.fpuRegisters + n * 16);
  }
  vp.fpuControl = 0x37f;
  vp.fpuStatus = vp.fpuTop = 0;
  vp.fpuValid = 0xff;
  vp.mxcsr = input.mxcsr;
  machine.halted = machine.shutDown = false;
  processor.modeChanged();
};
const vectorAt = (machine: BareProcessor, slot: number): number => machine.vp.base + VpLayout.at.vectors + slot * 16;

/** What is wrong with the state after the run, or null. */
const compare = (machine: BareProcessor, mode: 32 | 64, v: SimdVector, expected: SimdResult): string | null => {
  const { views, vp } = machine;
  const event = takeEvent(machine, mode, SYSTEM);
  const wanted = expected.exception === NO_EXCEPTION ? 3 : expected.exception;
  if (event.vector !== wanted) return `vector ${event.vector} instead of ${wanted}`;
  for (let n = 0; n < 16; n++) {
    for (const [slot, at] of [
      [VectorSlot.XMM, 0],
      [VectorSlot.YMM_HIGH, 16],
    ] as const) {
      const got = views.u8.subarray(vectorAt(machine, slot + n), vectorAt(machine, slot + n) + 16);
      const right = expected.ymm.subarray(n * 32 + at, n * 32 + at + 16);
      if (Buffer.compare(got, right) !== 0) return `ymm${n}${at === 0 ? ' low' : ' high'}: ${hex(got)} instead of ${hex(right)}`;
    }
    const got = n === Slot.RSP ? event.rsp : views.u64[(vp.base >>> 3) + n];
    if (got !== expected.registers[n]) return `register ${n}: ${got.toString(16)} instead of ${expected.registers[n].toString(16)}`;
  }
  const mask = STATUS_FLAGS & ~(wanted === 3 ? v.undefinedFlags : 0);
  if ((Number(event.flags) & mask) !== (expected.flags & mask))
    return `flags ${event.flags.toString(16)} instead of ${expected.flags.toString(16)}`;
  if (vp.mxcsr !== expected.mxcsr) return `MXCSR ${vp.mxcsr.toString(16)} instead of ${expected.mxcsr.toString(16)}`;
  for (let n = 0; n < 8; n++) {
    const got = views.u8.subarray(vp.fpuRegisters + n * 16, vp.fpuRegisters + n * 16 + 8);
    const right = expected.mm.subarray(n * 8, n * 8 + 8);
    if (Buffer.compare(got, right) !== 0) return `mm${n}: ${hex(got)} instead of ${hex(right)}`;
  }
  const at = machine.host(DATA) + MEMORY_ADDRESS - DATA_PAGE;
  const memory = views.u8.subarray(at, at + MEMORY_BYTES);
  if (Buffer.compare(memory, expected.memory) !== 0) return `memory ${hex(memory)} instead of ${hex(expected.memory)}`;
  return null;
};

const runSuite = (t: ExecutionContext, suite: Suite, least: number, mode: 32 | 64, tiers: 'cold' | 'hot'): void => {
  const machine = bareProcessor(0x10000, { tiers });
  const { processor, views } = machine;
  machine.pages.set(CODE_PAGE / 4096, { gfn: CODE / 4096, writable: false, user: true });
  machine.pages.set(DATA_PAGE / 4096, { gfn: DATA / 4096, writable: true, user: true });
  userMode(machine, mode, SYSTEM);
  machine.vp.cr4 = CR4;
  machine.vp.xcr0 = 7;
  const code = views.u8.subarray(machine.host(CODE), machine.host(CODE) + 4096);
  const failures: string[] = [];
  const wrongNames = new Map<string, number>();
  const translated = new Set(TRANSLATED);
  let ran = 0;
  const only = process.env.HVD_SIMD_ONLY;
  for (const v of load(suite, mode)) {
    // Extensions arrive one after the other: what is not translated raises #UD and is not in CPUID.
    if (!translated.has(v.name) || (only !== undefined && !new RegExp(only, 'i').test(v.name))) continue;
    ran++;
    code.fill(CODE_FILL);
    code.set(v.code, CODE_ENTRY - CODE_PAGE);
    processor.code.dropAll();
    machine.tlb.flushAll();
    for (const [k, result] of v.results.entries()) {
      const input = caseInput(v, mode, v.seed + k);
      enter(machine, mode, input);
      for (let i = 0; i < 100 && !machine.halted && !machine.shutDown; i++) processor.run(100_000);
      const wrong = machine.halted ? compare(machine, mode, v, result(input)) : 'never ended';
      if (wrong === null) continue;
      wrongNames.set(v.name, (wrongNames.get(v.name) ?? 0) + 1);
      if (failures.length < SHOWN_MAX && wrongNames.get(v.name) === 1)
        failures.push(`${v.name} ${hex(v.code)} input ${v.seed + k}: ${wrong}`);
    }
  }
  t.true(ran >= least || only !== undefined, `only ${ran} instructions ran`);
  t.is(processor.code.refused, 0, 'V8 refused a unit');
  t.deepEqual(failures, [], JSON.stringify(Object.fromEntries(wrongNames)));
};

/** How many instructions of a suite there are at least. */
const SUITES = [
  ['sse', 1000],
  ['avx', 2500],
  ['mmx', 250],
  ['general', 60],
] as const;
for (const [suite, least] of SUITES) {
  for (const mode of [64, 32] as const) {
    for (const tiers of ['cold', 'hot'] as const) {
      test(`${mode}-bit ${suite} instructions do in the ${tiers} tier what a real processor does`, (t) => {
        t.timeout(300_000);
        runSuite(t, suite, least, mode, tiers);
      });
    }
  }
}
