// Each feature of the Hyper-V interface by itself, alone off and alone on: CPUID says so, the registers and calls that it gives are there, and all others are not.
// The numbers are the specification's (TLFS 2.4.4, 2.4.5, appendices A and C), written down once more: a wrong one in shared/abi is a failure here.
import test from 'ava';
import { HYPERV_FEATURES, type HypervFeatureName } from '../../shared/hyperv/features.js';
import { parseHyperv } from '../../shared/hyperv/hyperv-choice.js';
import { writePorts } from '../../shared/hyperv/partition-ports.js';
import { Slot, VectorSlot } from '../../shared/layout/vp.js';
import { control, HypercallPages, HypervGuest, OS_ID, TIERS, type Tier } from '../rig/hyperv-guest.js';

const UD = 6;
const GP = 13;
const Status = { SUCCESS: 0, INVALID_HYPERCALL_INPUT: 3, ACCESS_DENIED: 6, INVALID_CONNECTION_ID: 0x12 } as const;
const GUEST_OS_ID = 0x4000_0000;
const HYPERCALL = 0x4000_0001;
const EOI = 0x4000_0070;
const SINT4 = 0x4000_0094;
const STIMER0_CONFIG = 0x4000_00b0;
const PAGE = 0x8_0000;
const SINT = 4;
const VECTOR = 0x61;

type Has = (...features: HypervFeatureName[]) => boolean;
interface Row {
  /** Bits of leaves 40000003h and 40000004h. */
  readonly leaf3Eax?: number;
  readonly leaf3Ebx?: number;
  readonly leaf3Edx?: number;
  readonly leaf4Eax?: number;
  /** Registers that come with it. */
  readonly msrs?: readonly number[];
  /** What else there is by it, shown where the partition has these too. */
  readonly behaviour?: { readonly beside: readonly HypervFeatureName[]; readonly shows: (g: HypervGuest) => boolean };
}

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, n) => first + n);
const isRequested = ({ machine }: HypervGuest, vector: number): boolean =>
  [machine.vp.newIrr, machine.vp.irr].some((at) => ((machine.views.u32[(at >>> 2) + (vector >>> 5)] >>> (vector & 31)) & 1) !== 0);

/** What a feature gives. A feature without a row does not compile; one without anything in it is a hint only. */
const ROWS: Readonly<Record<HypervFeatureName, Row>> = {
  'vp-runtime': { leaf3Eax: 0, msrs: [0x4000_0010] },
  'time-ref-count': { leaf3Eax: 1, msrs: [0x4000_0020] },
  synic: {
    leaf3Eax: 2,
    msrs: [...range(0x4000_0080, 0x4000_0084), ...range(0x4000_0090, 0x4000_009f)],
    // Whoever can be answered may ask for a VMBus: a message of a type that it does not know.
    behaviour: { beside: ['post-messages'], shows: (g) => postTo(g, 1) === Status.SUCCESS },
  },
  'synthetic-timers': { leaf3Eax: 3, msrs: range(STIMER0_CONFIG, STIMER0_CONFIG + 7) },
  'apic-msrs': { leaf3Eax: 4, msrs: range(EOI, 0x4000_0073) },
  'hypercall-msrs': { leaf3Eax: 5, msrs: [GUEST_OS_ID, HYPERCALL] },
  'vp-index': { leaf3Eax: 6, msrs: [0x4000_0002] },
  reset: { leaf3Eax: 7, msrs: [0x4000_0003] },
  'ref-tsc': { leaf3Eax: 9, msrs: [0x4000_0021] },
  'guest-idle': { leaf3Eax: 10, leaf3Edx: 5, msrs: [0x4000_00f0] },
  'frequency-msrs': { leaf3Eax: 11, leaf3Edx: 8, msrs: [0x4000_0022, 0x4000_0023] },
  'tsc-invariant': { leaf3Eax: 15, msrs: [0x4000_0118] },
  'post-messages': { leaf3Ebx: 4 },
  'signal-events': { leaf3Ebx: 5 },
  'start-vp': { leaf3Ebx: 21 },
  'xmm-input': {
    leaf3Edx: 4,
    // Flags in R8, the mask of VPs in XMM0.
    behaviour: {
      beside: ['remote-flush'],
      shows: (g) => {
        g.machine.views.u64[(g.machine.vp.vectors + VectorSlot.XMM * 16) >>> 3] = 1n;
        return vmcall(g, control(0x0002, { fast: true }), 0, 0) === Status.SUCCESS;
      },
    },
  },
  'crash-msrs': { leaf3Edx: 10, msrs: range(0x4000_0100, 0x4000_0105) },
  'xmm-output': {
    leaf3Edx: 15,
    // The APIC ID in XMM0, the VP's index from XMM1 on.
    behaviour: {
      beside: ['start-vp'],
      shows: (g) => {
        g.machine.views.u64[(g.machine.vp.vectors + VectorSlot.XMM * 16) >>> 3] = 0n;
        return vmcall(g, control(0x009a, { fast: true, reps: 1 }), -1n, 0) === Status.SUCCESS;
      },
    },
  },
  'sint-polling': {
    leaf3Edx: 17,
    behaviour: {
      beside: ['post-messages'],
      shows: (g) => {
        g.write(0x4000_0080, 1n);
        g.write(0x4000_0083, BigInt(PAGE) | 1n);
        g.write(SINT4, BigInt(VECTOR) | (1n << 18n));
        return postTo(g, 1000) === Status.SUCCESS && !isRequested(g, VECTOR);
      },
    },
  },
  'hypercall-lock': {
    leaf3Edx: 18,
    behaviour: {
      beside: [],
      shows: (g) => {
        g.write(HYPERCALL, BigInt(HypercallPages.CODE) | 3n);
        return g.write(HYPERCALL, BigInt(HypercallPages.CODE) | 1n) === GP;
      },
    },
  },
  'direct-timers': {
    leaf3Edx: 19,
    behaviour: {
      beside: [],
      shows: (g) => {
        g.write(STIMER0_CONFIG + 1, 1n);
        g.write(STIMER0_CONFIG, (1n << 12n) | (BigInt(VECTOR) << 4n) | 1n);
        g.machine.go(true);
        return isRequested(g, VECTOR);
      },
    },
  },
  'switch-vas': { leaf4Eax: 0 },
  'local-flush': { leaf4Eax: 1 },
  'remote-flush': { leaf4Eax: 2 },
  'apic-msr-hint': { leaf4Eax: 3 },
  'relaxed-timing': { leaf4Eax: 5 },
  'deprecate-autoeoi': { leaf4Eax: 9 },
  'cluster-ipi': { leaf4Eax: 10 },
  'ex-processor-masks': { leaf4Eax: 11 },
};
const ROW_LIST = Object.entries(ROWS) as readonly (readonly [HypervFeatureName, Row])[];
const ALL_MSRS = ROW_LIST.flatMap(([, { msrs = [] }]) => msrs);
/** Beside those, of other features and of nobody. */
const NO_MSRS = [
  4, 0x0f, 0x11, 0x1f, 0x24, 0x6f, 0x74, 0x7f, 0x85, 0x8f, 0xa0, 0xaf, 0xb8, 0xef, 0xf1, 0xff, 0x106, 0x107, 0x108, 0x114, 0x115, 0x117,
  0x119,
].map((n) => 0x4000_0000 + n);

/** Calls by their codes, and who may make them. */
const CALLS: readonly (readonly [number, (has: Has) => boolean])[] = [
  [0x0001, (has) => has('switch-vas')],
  [0x0002, (has) => has('local-flush') || has('remote-flush')],
  [0x0003, (has) => has('local-flush') || has('remote-flush')],
  [0x0008, () => true],
  [0x000b, (has) => has('cluster-ipi')],
  [0x0013, (has) => (has('local-flush') || has('remote-flush')) && has('ex-processor-masks')],
  [0x0014, (has) => (has('local-flush') || has('remote-flush')) && has('ex-processor-masks')],
  [0x0015, (has) => has('cluster-ipi', 'ex-processor-masks')],
  [0x005c, (has) => has('post-messages')],
  [0x005d, (has) => has('signal-events')],
  [0x0099, (has) => has('start-vp')],
  [0x009a, (has) => has('start-vp')],
];
/** Of HvExtCallQueryCapabilities, of partitions that manage others, of nobody. */
const NO_CALLS = [0x0000, 0x0009, 0x000c, 0x0046, 0x0050, 0x007b, 0x007c, 0x8001, 0xffff];
const INVALID_HYPERCALL_CODE = 2;

/** The exception negated, or the status. */
const vmcall = (
  { machine }: HypervGuest,
  word: bigint,
  input: bigint | number = HypercallPages.INPUT,
  output: bigint | number = 0,
): number => {
  machine.load('0f01c1');
  const { vector, registers } = machine.run({ registers: { [Slot.RCX]: word, [Slot.RDX]: input, [Slot.R8]: output } });
  return vector === -1 ? Number(registers[Slot.RAX] & 0xffffn) : -vector;
};
const postTo = (g: HypervGuest, connection: number): number => {
  g.input(connection, 0, 1, 4, 0);
  return vmcall(g, control(0x005c));
};
/** EAX, EBX, ECX, EDX. */
const cpuid = ({ machine }: HypervGuest, leaf: number): number[] => {
  machine.load('0fa2');
  const { registers } = machine.run({ registers: { [Slot.RAX]: leaf } });
  return [Slot.RAX, Slot.RBX, Slot.RCX, Slot.RDX].map((slot) => Number(registers[slot]));
};

const guestWith = (hv: string, tiers: Tier): HypervGuest => {
  const g = new HypervGuest(tiers, hv);
  writePorts(g.machine.views, { ports: [{ id: 10, sint: SINT, vp: 0 }], connections: [{ id: 1000, port: 10 }] });
  g.machine.vp.apicSvr = 0x1ff;
  g.write(GUEST_OS_ID, OS_ID);
  g.write(HYPERCALL, BigInt(HypercallPages.CODE) | 1n);
  return g;
};

/** Every way in which what the guest finds is not what its features say. */
const differences = (hv: string, tiers: Tier): string[] => {
  const { features } = parseHyperv(hv);
  const has: Has = (...names) => names.every((name) => features.has(name));
  const g = guestWith(hv, tiers);
  const wrong: string[] = [];
  const expect = (what: string, seen: number, expected: number): void => {
    if (seen !== expected) wrong.push(`${hv}: ${what} is ${seen.toString(16)}, not ${expected.toString(16)}`);
  };
  const wordOf = (column: 'leaf3Eax' | 'leaf3Ebx' | 'leaf3Edx' | 'leaf4Eax'): number =>
    ROW_LIST.reduce((word, [name, row]) => (has(name) && row[column] !== undefined ? word | (1 << row[column]) : word), 0) >>> 0;
  const leaf3 = cpuid(g, 0x4000_0003);
  expect('40000003.EAX', leaf3[0], wordOf('leaf3Eax'));
  expect('40000003.EBX', leaf3[1], wordOf('leaf3Ebx'));
  expect('40000003.ECX', leaf3[2], 0);
  expect('40000003.EDX', leaf3[3], wordOf('leaf3Edx'));
  expect('40000004.EAX', cpuid(g, 0x4000_0004)[0], wordOf('leaf4Eax'));

  const there = new Set(ROW_LIST.flatMap(([name, { msrs = [] }]) => (has(name) ? msrs : [])));
  for (const msr of [...ALL_MSRS, ...NO_MSRS]) {
    // EOI can only be written; whatever else is there can be read.
    const fault = msr === EOI ? g.write(msr, 0n) : g.read(msr) === -1n ? GP : -1;
    expect(`#GP by register ${msr.toString(16)}`, fault, there.has(msr) ? -1 : GP);
    if (!there.has(msr)) expect(`#GP by a write of ${msr.toString(16)}`, g.write(msr, 0n), GP);
  }

  // A reserved bit is looked at once the caller may make the call.
  for (const [code, allowed] of CALLS) {
    const status = allowed(has) ? Status.INVALID_HYPERCALL_INPUT : Status.ACCESS_DENIED;
    expect(`call ${code.toString(16)}`, vmcall(g, control(code, { more: 1n << 31n })), has('hypercall-msrs') ? status : -UD);
  }
  for (const code of NO_CALLS)
    expect(`call ${code.toString(16)}`, vmcall(g, control(code)), has('hypercall-msrs') ? INVALID_HYPERCALL_CODE : -UD);

  for (const [name, { behaviour }] of ROW_LIST)
    if (behaviour !== undefined && has(...behaviour.beside, ...needsOf(name)))
      expect(name, Number(behaviour.shows(guestWith(hv, tiers))), Number(has(name)));
  return wrong;
};
const needsOf = (name: HypervFeatureName): readonly HypervFeatureName[] =>
  (HYPERV_FEATURES.find((feature) => feature.name === name)?.needs ?? []) as readonly HypervFeatureName[];
/** A feature and all that it needs, as additions. */
const withNeeds = (name: HypervFeatureName): string =>
  [...new Set([...needsOf(name).flatMap((need) => [withNeeds(need), need]), name])].join(',+');

test('each feature has a row, and no two the same bit', (t) => {
  t.deepEqual(ROW_LIST.map(([name]) => name).sort(), HYPERV_FEATURES.map(({ name }) => name).sort());
  for (const column of ['leaf3Eax', 'leaf3Ebx', 'leaf3Edx', 'leaf4Eax'] as const) {
    const bits = ROW_LIST.flatMap(([, row]) => row[column] ?? []);
    t.is(new Set(bits).size, bits.length, column);
  }
  t.is(new Set(ALL_MSRS).size, ALL_MSRS.length);
});

for (const [index, [name, { behaviour }]] of ROW_LIST.entries())
  test(`${name}, alone off and alone on: leaves, registers and calls`, (t) => {
    const tiers = TIERS[index & 1];
    t.false(parseHyperv(`all,-${name}`).features.has(name));
    t.deepEqual(differences(`all,-${name}`, tiers), []);
    t.deepEqual(differences(`off,+${withNeeds(name)}`, tiers), []);
    // And with what shows that it is there.
    if (behaviour !== undefined)
      t.deepEqual(differences(`off,+${[withNeeds(name), ...behaviour.beside.map(withNeeds)].join(',+')}`, tiers), []);
  });

for (const tiers of TIERS)
  test(`${tiers}: a guest that has everything, and one that has nothing`, (t) => {
    t.deepEqual(differences('all', tiers), []);
    const g = new HypervGuest(tiers);
    const [first, ...signature] = cpuid(g, 0x4000_0000);
    t.true(first >= 0x4000_0005 && first <= 0x4000_ffff);
    t.is(new TextDecoder().decode(new Uint32Array(signature)), 'Microsoft Hv');
    t.is(new TextDecoder().decode(new Uint32Array(cpuid(g, 0x4000_0001)).subarray(0, 1)), 'Hv#1');
    t.is(cpuid(g, 1)[2] >>> 31, 1);
    t.true(cpuid(g, 0x4000_0005)[0] >= 64, 'as many VPs as a partition can have');
    t.deepEqual(cpuid(g, 0x4000_0006), [0, 0, 0, 0], 'no aid of hardware is used');
    const off = new HypervGuest(tiers, 'off');
    t.deepEqual(cpuid(off, 0x4000_0000), [0, 0, 0, 0]);
    for (const msr of [...ALL_MSRS, ...NO_MSRS]) t.deepEqual([off.read(msr), off.write(msr, 0n)], [-1n, GP], msr.toString(16));
    t.is(vmcall(off, control(0x0008)), -UD);
  });
