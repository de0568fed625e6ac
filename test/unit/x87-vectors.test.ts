// x87 instructions in both tiers and in 64- and 32-bit code against what a real processor did: registers, tags, status, condition codes, memory, EFLAGS.
import test, { type ExecutionContext } from 'ava';
import { Left } from '../../daemon/machine/guest-exits.js';
import { Slot } from '../../shared/layout/vp.js';
import { type BareProcessor, bareProcessor, takeEvent, toUser, userMode } from '../rig/bare-processor.js';
import { loadX87Cases, type X87Case, type X87State } from '../vectors/load-x87.js';

const SYSTEM = 0x8000;
const CODE = 0x1000;
const DATA = 0x2000;
const CODE_PAGE = 0x0040_0000;
const DATA_PAGE = 0x1000_0000;
const INT3 = 0xcc;
const SHOWN_MAX = 25;
const C1 = 0x200;

const FLAGS = [1, 4, 0x40, 0x880];
const unpackFlags = (n: number): number => FLAGS.reduce((all, bit, i) => ((n & (1 << i)) !== 0 ? all | bit : all), 0);

const setState = ({ vp, views }: BareProcessor, s: X87State): void => {
  const top = (s.status >> 11) & 7;
  vp.fpuControl = s.control;
  vp.fpuTop = top;
  vp.fpuStatus = s.status & ~0x3800;
  vp.fpuValid = s.tags;
  s.registers.forEach((value, i) => {
    const at = (vp.fpuRegisters >>> 3) + ((top + i) & 7) * 2;
    views.u64[at] = BigInt.asUintN(64, value);
    views.u64[at + 1] = value >> 64n;
  });
  const slots = vp.base >>> 3;
  views.u64[slots + Slot.FPU_FAULT] = 0n;
  const flags = unpackFlags(s.flags);
  const zero = flags & 0x40;
  views.u64[slots + Slot.FLAG_RESULT] = zero ? 0n : 1n;
  views.u64[slots + Slot.FLAG_AUX] = BigInt((flags & 0x895) ^ (zero ? 4 : 0));
};

const hex = (n: bigint): string => n.toString(16).padStart(20, '0');
/** Distance in units of the last place; both of one sign. */
const distance = (a: bigint, b: bigint): bigint => (a > b ? a - b : b - a);
/** Significands of normal numbers run on from one exponent to the next but for bit 63. */
const ordinal = (v: bigint): bigint => ((v >> 64n) << 63n) + (v & 0x7fff_ffff_ffff_ffffn);

const differences = (machine: BareProcessor, c: X87Case, flags: number): string | null => {
  const { vp, views } = machine;
  const { after } = c;
  const status = vp.fpuStatus | (vp.fpuTop << 11);
  const ignored = c.transcendental ? C1 : 0;
  if ((status & ~ignored) !== (after.status & ~ignored)) return `status ${status.toString(16)}, not ${after.status.toString(16)}`;
  if (vp.fpuControl !== after.control) return `control ${vp.fpuControl.toString(16)}, not ${after.control.toString(16)}`;
  if (vp.fpuValid !== after.tags) return `tags ${vp.fpuValid.toString(16)}, not ${after.tags.toString(16)}`;
  for (let i = 0; i < 8; i++) {
    const at = (vp.fpuRegisters >>> 3) + ((vp.fpuTop + i) & 7) * 2;
    const value = views.u64[at] | (views.u64[at + 1] << 64n);
    const wanted = after.registers[i];
    if (value === wanted || (c.transcendental && distance(ordinal(value), ordinal(wanted)) <= 1n)) continue;
    return `ST${i} ${hex(value)}, not ${hex(wanted)}`;
  }
  const wantedFlags = unpackFlags(after.flags);
  if ((flags & 0x8c5) !== wantedFlags) return `flags ${flags.toString(16)}, not ${wantedFlags.toString(16)}`;
  const data = views.u8.subarray(machine.host(DATA), machine.host(DATA) + 16);
  for (let i = 0; i < 16; i++)
    if (data[i] !== after.memory[i]) return `memory ${Buffer.from(data).toString('hex')}, not ${Buffer.from(after.memory).toString('hex')}`;
  if (c.ax !== 0 && Number(views.u64[vp.base >>> 3] & 0xffffn) !== c.ax) return 'AX';
  return null;
};

const describe = (c: X87Case): string =>
  `${c.family} ${Buffer.from(c.code).toString('hex')} control ${c.before.control.toString(16)} status ${c.before.status.toString(16)} tags ${c.before.tags.toString(16)} ST0 ${hex(c.before.registers[0])} ST1 ${hex(c.before.registers[1])} memory ${Buffer.from(c.before.memory).toString('hex')}`;

const run = (machine: BareProcessor, c: X87Case, bits: 32 | 64): string | null => {
  const { views, vp, processor } = machine;
  const slots = vp.base >>> 3;
  views.u8.set(c.before.memory, machine.host(DATA));
  toUser(machine, bits);
  setState(machine, c.before);
  views.u64[slots + Slot.RAX] = BigInt(DATA_PAGE);
  views.u64[slots + Slot.RSP] = BigInt(DATA_PAGE + 0x800);
  views.u64[slots + Slot.RIP] = BigInt(CODE_PAGE);
  machine.halted = machine.shutDown = false;
  processor.modeChanged();
  for (let i = 0; i < 50 && !machine.halted; i++) {
    if (machine.shutDown) return 'shut down';
    if (processor.run(1000) === Left.BUDGET && processor.context.budget >= 0) processor.takeKick();
  }
  if (!machine.halted) return 'never ended';
  const event = takeEvent(machine, bits, SYSTEM);
  return event.vector === 3 ? differences(machine, c, Number(event.flags)) : `vector ${event.vector}`;
};

const suite = (t: ExecutionContext, bits: 32 | 64, tiers: 'cold' | 'hot'): void => {
  const machine = bareProcessor(0x10000, { tiers });
  machine.pages.set(CODE_PAGE / 4096, { gfn: CODE / 4096, writable: false, user: true });
  machine.pages.set(DATA_PAGE / 4096, { gfn: DATA / 4096, writable: true, user: true });
  userMode(machine, bits, SYSTEM);
  const failures: string[] = [];
  const families = new Map<string, number>();
  let ran = 0;
  let code = '';
  for (const c of loadX87Cases()) {
    const text = Buffer.from(c.code).toString('hex');
    if (text !== code) {
      code = text;
      const page = machine.views.u8.subarray(machine.host(CODE), machine.host(CODE) + 4096);
      page.fill(INT3);
      page.set(c.code);
      machine.processor.code.dropAll();
      machine.tlb.flushAll();
    }
    ran++;
    const wrong = run(machine, c, bits);
    if (wrong === null) continue;
    families.set(c.family, (families.get(c.family) ?? 0) + 1);
    if (failures.length < SHOWN_MAX) failures.push(`${describe(c)}: ${wrong}`);
  }
  t.true(ran > 5000, `only ${ran} vectors ran`);
  if (tiers === 'hot') t.true(machine.processor.code.compilations > 100, 'hot runs compile');
  t.deepEqual(failures, [], JSON.stringify(Object.fromEntries(families)));
};

for (const bits of [64, 32] as const) {
  for (const tiers of ['cold', 'hot'] as const) test(`x87 instructions in ${bits}-bit code, ${tiers} tier`, (t) => suite(t, bits, tiers));
}
