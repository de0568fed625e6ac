// A partition whose guest is hostile: random system state, random tables, random bytes and instructions at level 0 in every mode.
// Why: guests are the threat (THREATS): whatever they do may end their partition, and nothing else.
import { Guest } from '../../daemon/hypervisor/guest.js';
import { writeProcessor } from '../../shared/cpu/partition-processor.js';
import { parseProcessor } from '../../shared/cpu/processor-choice.js';
import { machineMemorySize } from '../../shared/layout/machine.js';
import { ExitCause, PARTITION_MAGIC, PartitionHeader, PartitionMap, PartitionState, vpBlockAt } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { Slot, VpBlock, VpState } from '../../shared/layout/vp.js';
import { powerUpVp } from '../../shared/layout/vp-reset.js';
import { Chance, registerValue } from '../vectors/live/chance.js';
import { encode } from '../vectors/live/encode.js';
import { anyForms } from '../vectors/live/forms.js';
import { BITS, type Bits } from '../vectors/live/layout.js';
import { TEST_HOT_RUNS } from './hot-runs.js';
import { NO_DEVICES } from './no-devices.js';

const RAM = 2 << 20;
const CODE = 0x1_0000;
const CODE_BYTES = 0x4000;
const TABLES = 0x4000;
const GDT = 0x8000;
const IDT = 0x9000;
const STACK = 0x3_0000;
/** Host time that one run of some thousand cycles may take at the very most: page walks, deliveries and devices included. */
export const RUN_MS_MAX = 4000;
const RUN_CYCLES = 20_000;

/** What became of the guest. */
export interface HostileEnd {
  readonly what: string;
  /** An error of hvd's own, '' none. */
  readonly broken: string;
  /** The longest that one run took on the host, in milliseconds. */
  readonly longestMs: number;
}

const CR0 = [0x10, 0x11, 0x31, 0x8001_0033, 0x8000_0011, 0x8005_0033, 0x6000_0010, 0x8000_0001];

/** Instructions of any form in the mode, with random bytes among them. */
const fillCode = (chance: Chance, bits: Bits, u8: Uint8Array, at: number): void => {
  const forms = anyForms(bits);
  for (let i = 0; i < CODE_BYTES; ) {
    const bytes = chance.one(12)
      ? [chance.below(256), chance.below(256), chance.below(256)]
      : encode(chance, chance.pick(forms), bits).code;
    for (const byte of bytes) if (i < CODE_BYTES) u8[at + i++] = byte;
  }
};

/** Page-table entries that mostly lead somewhere, with odd bits. */
const entry = (chance: Chance): bigint => {
  const frame = BigInt(chance.below(RAM / 4096 + (chance.one(8) ? 64 : 0)) * 4096);
  let bits = BigInt(chance.one(10) ? chance.below(4096) : 0x67);
  if (chance.one(12)) bits |= 0x80n;
  if (chance.one(20)) bits |= 1n << 63n;
  if (chance.one(30)) bits |= chance.u64() << 12n;
  return frame | bits;
};

const descriptor = (chance: Chance): bigint => {
  const kinds = [
    0x00af_9b00_0000_ffffn,
    0x00cf_9b00_0000_ffffn,
    0x00cf_9300_0000_ffffn,
    0x0000_9b00_0000_ffffn,
    0x0000_9300_0000_ffffn,
    0x0000_8900_8000_0067n,
    0x0000_8c00_0008_0000n,
    0x00cf_fb00_0000_ffffn,
    0x00cf_f300_0000_ffffn,
  ];
  const value = chance.one(8) ? chance.u64() : chance.pick(kinds);
  return chance.one(10) ? value ^ (1n << BigInt(chance.below(64))) : value;
};

const build = (
  seed: number,
  tiers: 'cold' | 'both' | 'hot',
): { readonly guest: Guest; readonly vp: VpBlock; readonly header: PartitionHeader } => {
  const chance = new Chance(seed, 0x5e);
  const pages = (PartitionMap.RAM + RAM) / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const views = viewsOf(memory.buffer);
  const { u8, u64 } = views;
  const header = new PartitionHeader(views, PartitionMap.HEADER);
  Object.assign(header, { magic: PARTITION_MAGIC, vpCount: 1, lpCount: 1, nodeCount: 1, ramSize: RAM, state: PartitionState.RUNNING });
  writeProcessor(views, parseProcessor(chance.one(3) ? 'pentium' : 'max'));
  const vp = new VpBlock(views, vpBlockAt(0));
  powerUpVp(vp, 0);
  vp.lp = vp.homeLp = 0;
  const host = (gpa: number): number => PartitionMap.RAM + gpa;
  const bits = chance.pick(BITS);
  for (let i = 0; i < RAM; i += 8) if (chance.one(16)) u64[host(i) >>> 3] = chance.u64();
  fillCode(chance, bits, u8, host(CODE));
  for (let i = 0; i < 0x4000; i += 8) u64[host(TABLES + i) >>> 3] = entry(chance);
  for (let i = 0; i < 0x200; i += 8) u64[host(GDT + i) >>> 3] = descriptor(chance);
  // Code and data to go on with after most exceptions: a guest that triple-faults at once does little harm.
  if (!chance.one(8)) {
    u64[host(GDT + 8) >>> 3] = bits === 64 ? 0x00af_9b00_0000_ffffn : bits === 32 ? 0x00cf_9b00_0000_ffffn : 0x0000_9b01_0000_ffffn;
    u64[host(GDT + 16) >>> 3] = bits === 16 ? 0x0000_9300_0000_ffffn : 0x00cf_9300_0000_ffffn;
  }
  for (let v = 0; v < 256; v++) {
    const handler = BigInt(CODE + chance.below(CODE_BYTES));
    const access = chance.one(30) ? BigInt(chance.below(256)) : chance.pick([0x8en, 0x8fn, 0x85n, 0xeen]);
    const gate =
      (handler & 0xffffn) | (BigInt(chance.one(10) ? 8 * chance.below(8) : 8) << 16n) | (access << 40n) | ((handler >> 16n) << 48n);
    u64[host(IDT + v * (bits === 64 ? 16 : 8)) >>> 3] = chance.one(60) ? chance.u64() : gate;
  }
  const slots = vp.base >>> 3;
  const identity = !chance.one(3);
  if (identity && bits === 64) {
    u64[host(TABLES) >>> 3] = BigInt(TABLES + 0x1000) | 7n;
    u64[host(TABLES + 0x1000) >>> 3] = BigInt(TABLES + 0x2000) | 7n;
    u64[host(TABLES + 0x2000) >>> 3] = 0x87n;
  }
  Object.assign(vp, {
    cr0:
      bits === 16
        ? chance.pick([0x10, 0x10, 0x11])
        : bits === 64
          ? 0x8005_0033
          : chance.pick(CR0.filter((v) => (v & 1) !== 0 && (identity ? v < 0x8000_0000 : true))),
    cr4: bits === 64 ? 0x6f0 | (chance.one(4) ? 0x4_0000 : 0) : chance.pick([0, 0x10, 0x20, 0x6f8, 0x620]),
    cr3: BigInt(TABLES),
    efer: bits === 64 ? 0xd01 : chance.pick([0, 0, 1, 0x100]),
    cpl: bits === 16 ? 0 : chance.one(6) ? 3 : 0,
    gdtrBase: BigInt(GDT),
    gdtrLimit: chance.one(6) ? chance.below(0x200) : 0x1ff,
    idtrBase: BigInt(bits === 16 && chance.one(2) ? 0 : IDT),
    idtrLimit: chance.one(6) ? chance.below(0x1000) : 0xfff,
    trSelector: 0x28,
    trBase: BigInt(0xa000),
    trLimit: 0x67,
    trAccess: 0x8b,
    ldtrAccess: chance.one(2) ? 0x1_0000 : 0x82,
    ldtrBase: BigInt(GDT),
    ldtrLimit: 0xff,
    interruptShadow: chance.below(2),
    xcr0: chance.one(2) ? 7 : 1,
    state: VpState.READY,
  });
  vp.csSelector = bits === 16 ? CODE >>> 4 : 8;
  vp.csAccess = bits === 64 ? 0xa09b : bits === 32 ? 0xc09b : 0x009b;
  vp.csLimit = bits === 16 ? 0xffff : 0xffff_ffff;
  for (const s of ['ss', 'ds', 'es', 'fs', 'gs'] as const) {
    vp[`${s}Selector`] = 0x10;
    vp[`${s}Access`] = bits === 16 ? 0x0093 : 0xc093;
    vp[`${s}Limit`] = bits === 16 ? 0xffff : 0xffff_ffff;
  }
  for (let i = 0; i < 6; i++) u64[slots + Slot.ES_BASE + i] = bits === 16 && i === 1 ? BigInt(CODE) : 0n;
  for (let i = 0; i < 16; i++) {
    const near = BigInt(chance.below(RAM));
    const value = chance.one(2) ? near : registerValue(chance);
    u64[slots + i] = bits === 64 ? value : i < 8 ? value & 0xffff_ffffn : 0n;
  }
  u64[slots + Slot.RSP] = BigInt(STACK);
  u64[slots + Slot.RIP] = bits === 16 ? 0n : BigInt(CODE);
  u64[slots + Slot.FLAG_RESULT] = 1n;
  u64[slots + Slot.FLAG_AUX] = 0n;
  u64[slots + Slot.FLAG_SYSTEM] = BigInt(chance.pick([0x2, 0x202, 0x102, 0x3202, 0x2_3202]));
  const guest = new Guest({
    lp: 0,
    machine: viewsOf(new SharedArrayBuffer(machineMemorySize(1))),
    slot: 0,
    memory,
    name: 'hostile',
    frequencyHz: 1_000_000_000,
    realtime: false,
    hostCycles: () => 0,
    isWanted: () => false,
    costs: {},
    tiers,
    hotRuns: TEST_HOT_RUNS,
    devices: NO_DEVICES,
    withPartner: () => undefined,
    observe: undefined,
    signal: () => undefined,
    event: () => undefined,
  });
  return { guest, vp, header };
};

/** Runs the guest of the seed until it ends or stops, or for so many runs. */
export const hostileGuest = (seed: number, runs: number): HostileEnd => {
  let longestMs = 0;
  // Where all is compiled before it runs, as no product does, a guest that changes its code all the time takes as long as that does.
  const tiers = (['cold', 'both', 'cold', 'both', 'hot'] as const)[seed % 5];
  try {
    const { guest, vp, header } = build(seed, tiers);
    let clock = 0;
    for (let i = 0; i < (tiers === 'hot' ? 1 : runs) && header.state === PartitionState.RUNNING; i++) {
      guest.advance(clock);
      if (!guest.runnable(0)) {
        const due = guest.deadline();
        if (due === Number.POSITIVE_INFINITY) break;
        clock = Math.max(clock + 1, due);
        continue;
      }
      const began = performance.now();
      clock += guest.run(0, clock, RUN_CYCLES);
      if (tiers !== 'hot') longestMs = Math.max(longestMs, performance.now() - began);
    }
    const broken = header.exitCause === ExitCause.BROKEN_INVARIANT ? `broken invariant: ${reasonOf(header)}` : '';
    const what =
      header.state === PartitionState.RUNNING
        ? vp.state === VpState.READY
          ? 'running'
          : `VP state ${vp.state}`
        : `cause ${header.exitCause}`;
    return { what, broken, longestMs };
  } catch (error) {
    return { what: 'threw', broken: String((error as Error).stack), longestMs };
  }
};

const reasonOf = (header: PartitionHeader): string => {
  const bytes = header.views.u8.slice(header.reason, header.reason + 200);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? bytes.length : end));
};
