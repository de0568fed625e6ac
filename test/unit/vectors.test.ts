// Every committed vector of a real processor, in both tiers: the cold micro-op machine and compiled units must agree with silicon, and so with each other.
import test, { type ExecutionContext } from 'ava';
import { Left } from '../../daemon/machine/guest-exits.js';
import { Slot } from '../../shared/layout/vp.js';
import { bareProcessor, takeEvent, toUser, userMode } from '../rig/bare-processor.js';
import {
  CODE_ENTRY,
  CODE_FILL,
  CODE_PAGE,
  COMPARED_FLAGS,
  DATA_PAGE,
  fillDataPage,
  fillExpectedPage,
  loadVectors,
  READ_ONLY_FILL,
  READ_ONLY_PAGE,
  SEGMENT_BASE,
  type Vector,
  type VectorMode,
  vectorName,
} from '../vectors/load.js';

const SYSTEM = 0x8000;
const CODE = 0x1000;
const DATA = 0x2000;
const READ_ONLY = 0x3000;
/** Families whose instructions this processor does not have: they raise #UD here. */
const ABSENT = new Set(['popcnt', 'tzcnt', 'lzcnt', 'movbe']);
const SHOWN_MAX = 25;
/**
 * A protection violation (P in the error code) at a page that is not of the set-up: the capturing system had something mapped there, at the very top of
 * user space. The rule "every other page is not present" does not hold for it, so it says nothing about the processor.
 */
const capturedElsewhere = (v: Vector): boolean => {
  const e = v.expected.exception;
  return e !== null && e.vector === 14 && (e.error & 1) !== 0 && (e.address < DATA_PAGE || e.address >= READ_ONLY_PAGE + 4096);
};

const LEFT_OUT_MAX = 1;

/** What is wrong after running the vector, or null. */
const run = (machine: ReturnType<typeof bareProcessor>, v: Vector): string | null => {
  const { views, vp, processor } = machine;
  const slots = vp.base >>> 3;
  const code = views.u8.subarray(machine.host(CODE), machine.host(CODE) + 4096);
  const data = views.u8.subarray(machine.host(DATA), machine.host(DATA) + 4096);
  code.fill(CODE_FILL);
  code.set(v.code, CODE_ENTRY - CODE_PAGE);
  fillDataPage(v, data);
  processor.code.dropAll();
  machine.tlb.flushAll();
  toUser(machine, v.mode);
  for (let i = 0; i < 16; i++) views.u64[slots + i] = v.initial.registers[i];
  views.u64[slots + Slot.RIP] = BigInt(CODE_ENTRY);
  views.u64[slots + (v.mode === 64 ? Slot.GS_BASE : Slot.FS_BASE)] = BigInt(SEGMENT_BASE);
  const f = v.initial.flags;
  views.u64[slots + Slot.FLAG_SYSTEM] = BigInt((f & ~0x8d5) | 0x202);
  const zero = f & 0x40;
  views.u64[slots + Slot.FLAG_RESULT] = zero ? 0n : 1n;
  views.u64[slots + Slot.FLAG_AUX] = BigInt((f & 0x895) ^ (zero ? 4 : 0));
  machine.halted = machine.shutDown = false;
  processor.modeChanged();
  for (let i = 0; i < 200 && !machine.halted; i++) {
    if (machine.shutDown) return 'shut down';
    if (processor.run(100_000) === Left.BUDGET && processor.context.budget >= 0) processor.takeKick();
  }
  if (!machine.halted) return 'never ended';
  const event = takeEvent(machine, v.mode, SYSTEM);
  const expected = v.expected;
  const vector = expected.exception?.vector ?? 3;
  if (event.vector !== vector) return `vector ${event.vector} instead of ${vector} at ${event.rip.toString(16)}`;
  const rip = expected.exception ? event.rip : event.rip - 1n;
  if (rip !== expected.rip) return `RIP ${rip.toString(16)} instead of ${expected.rip.toString(16)}`;
  if (expected.exception && event.error !== expected.exception.error)
    return `error code ${event.error} instead of ${expected.exception.error}`;
  if (vector === 14 && vp.cr2 !== expected.exception!.address)
    return `CR2 ${vp.cr2.toString(16)} instead of ${expected.exception!.address.toString(16)}`;
  for (let i = 0; i < 16; i++) {
    const got = i === Slot.RSP ? event.rsp : views.u64[slots + i];
    if (got !== expected.registers[i]) return `register ${i}: ${got.toString(16)} instead of ${expected.registers[i].toString(16)}`;
  }
  const mask = COMPARED_FLAGS & ~expected.undefinedFlags;
  const flags = Number(event.flags) & mask;
  if (flags !== (expected.flags & mask)) return `flags ${flags.toString(16)} instead of ${(expected.flags & mask).toString(16)}`;
  const wanted = new Uint8Array(4096);
  fillExpectedPage(v, wanted);
  for (let i = 0; i < 4096; i++)
    if (data[i] !== wanted[i]) return `memory at ${(DATA_PAGE + i).toString(16)}: ${data[i]} instead of ${wanted[i]}`;
  return null;
};

const suite = (t: ExecutionContext, mode: VectorMode, tiers: 'cold' | 'hot'): void => {
  const machine = bareProcessor(0x10000, { tiers });
  machine.pages.set(CODE_PAGE / 4096, { gfn: CODE / 4096, writable: false, user: true });
  machine.pages.set(DATA_PAGE / 4096, { gfn: DATA / 4096, writable: true, user: true });
  machine.pages.set(READ_ONLY_PAGE / 4096, { gfn: READ_ONLY / 4096, writable: false, user: true });
  machine.views.u8.fill(READ_ONLY_FILL, machine.host(READ_ONLY), machine.host(READ_ONLY) + 4096);
  userMode(machine, mode, SYSTEM);
  const failures: string[] = [];
  const families = new Map<string, number>();
  let ran = 0;
  let leftOut = 0;
  for (const v of loadVectors(mode)) {
    if (ABSENT.has(v.family)) continue;
    if (capturedElsewhere(v)) {
      leftOut++;
      continue;
    }
    ran++;
    const wrong = run(machine, v);
    if (wrong === null) continue;
    families.set(v.family, (families.get(v.family) ?? 0) + 1);
    if (failures.length < SHOWN_MAX) failures.push(`${vectorName(v)}: ${wrong}`);
  }
  t.true(ran > 3000, `only ${ran} vectors ran`);
  t.true(machine.busLocks >= 20, `only ${machine.busLocks} locked instructions needed the bus`);
  t.true(leftOut <= LEFT_OUT_MAX, `${leftOut} vectors left out`);
  t.is(machine.processor.code.refused, 0, 'V8 refused a unit');
  if (tiers === 'hot') t.true(machine.processor.code.compilations > 3000, 'hot runs compile');
  t.deepEqual(failures, [], JSON.stringify(Object.fromEntries(families)));
};

for (const mode of [64, 32] as const) {
  for (const tiers of ['cold', 'hot'] as const) {
    test(`${mode}-bit instructions do in the ${tiers} tier what a real processor does`, (t) => {
      t.timeout(300_000);
      suite(t, mode, tiers);
    });
  }
}
