// A hostile guest at the Hyper-V interface: any register, any hypercall, any address. hvd answers with a status or a fault, never with an error of its own, and goes on.
// HVD_SEED replays from a guest on, HVD_GUESTS says how many.
import test from 'ava';
import { HvCall, HvMsr, HvStatus } from '../../shared/abi/hyperv.js';
import { type PortsConfig, writePorts } from '../../shared/hyperv/partition-ports.js';
import { ExitCause, PartitionState } from '../../shared/layout/partition.js';
import { Slot, VpState } from '../../shared/layout/vp.js';
import { control, HypercallPages, HypervGuest, OS_ID, TIERS } from '../rig/hyperv-guest.js';
import { Kernel } from '../rig/kernel-machine.js';

const first = Number(process.env.HVD_SEED ?? 1);
const guests = Number(process.env.HVD_GUESTS ?? 12);
const ACTIONS = 250;
const RUN_MS_MAX = 2000;

const STATUSES = new Set<number>(Object.values(HvStatus));
const CODES = Object.values(HvCall);
const REGISTERS = [...Object.values(HvMsr), ...Array.from({ length: 0x120 }, (_, n) => 0x4000_0000 + n)];
/** Connections whose numbers small values hit. */
const PORTS: PortsConfig = {
  ports: [
    { id: 1, sint: 2, vp: 0 },
    { id: 2, sint: 3, vp: 'any', flags: 8, firstFlag: 40 },
  ],
  connections: [
    { id: 0, port: 1 },
    { id: 1, port: 1 },
    { id: 2, port: 2 },
    { id: 3, vm: 'nobody', port: 1 },
  ],
};
const SETUP = [
  [HvMsr.VP_ASSIST_PAGE, 0n],
  [HvMsr.REFERENCE_TSC, 0n],
  [HvMsr.GUEST_OS_ID, OS_ID],
  [HvMsr.HYPERCALL, BigInt(HypercallPages.CODE) | 1n],
] as const;

/** Numbers 0 to n - 1, the same ones for a seed. */
const dice = (seed: number): ((n: number) => number) => {
  let state = seed;
  return (n) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) | 0;
    state = Math.imul(state ^ (state >>> 13), 0x297a_2d39);
    return (state >>> 0) % n;
  };
};

const PLACES = [
  HypercallPages.INPUT,
  HypercallPages.OUTPUT,
  HypercallPages.CODE,
  0x7_0ff8,
  0x7_0004,
  0x3f_fff8,
  0x40_0000,
  0xfee0_0000,
  0,
  Kernel.DATA,
];

const anyValue = (pick: (n: number) => number): bigint => {
  const wide = (BigInt(pick(0x1_0000_0000)) << 32n) | BigInt(pick(0x1_0000_0000));
  switch (pick(6)) {
    case 0:
      return BigInt(PLACES[pick(PLACES.length)]) | BigInt(pick(4));
    case 1:
      return BigInt(pick(0x200));
    case 2:
      return 1n << BigInt(pick(64));
    case 3:
      return BigInt.asUintN(64, -BigInt(pick(4)));
    case 4:
      return wide & (wide >> 13n);
    default:
      return wide;
  }
};

const anyControl = (pick: (n: number) => number): bigint => {
  const code = pick(8) === 0 ? pick(0x1_0000) : CODES[pick(CODES.length)];
  if (pick(10) === 0) return anyValue(pick);
  const reps = pick(2) === 0 ? 0 : pick(pick(4) === 0 ? 4096 : 20);
  return (
    control(code, {
      fast: pick(3) === 0,
      variable: pick(3) === 0 ? pick(4) : 0,
      reps,
      start: pick(6) === 0 ? pick(reps + 1) : 0,
      more: pick(20) === 0 ? anyValue(pick) << 17n : 0n,
    }) & 0xffff_ffff_ffff_ffffn
  );
};

const WRMSR = '0f30';
const RDMSR = '0f32';
const CALL_RBX = 'ffd3';

test('whatever a guest hands to the interface, it gets a status or a fault', (t) => {
  t.timeout(120_000);
  const seen = new Map<number, number>();
  for (let seed = first; seed < first + guests; seed++) {
    const pick = dice(seed);
    const replay = `HVD_SEED=${seed} HVD_GUESTS=1 bash test/run.sh dist/test/property/hyperv-fuzz.test.js`;
    // Locked, the page could not be put back.
    const g = new HypervGuest(TIERS[seed & 1], 'all,-hypercall-lock', 3, { costs: { hypercallElement: 1000 } });
    const { machine } = g;
    writePorts(machine.views, PORTS);
    for (let action = 0; action < ACTIONS; action++) {
      const before = performance.now();
      // Pages that the guest has moved away, and the identity that it has taken back.
      if (action % 10 === 0) for (const [register, value] of SETUP) g.write(register, value);
      const isCall = pick(3) !== 0;
      const value = anyValue(pick);
      if (isCall) {
        g.input(...Array.from({ length: 1 + pick(64) }, () => Number(BigInt.asIntN(32, anyValue(pick)))));
        machine.load(CALL_RBX);
      } else machine.load(pick(3) === 0 ? RDMSR : WRMSR);
      const register = REGISTERS[pick(REGISTERS.length)];
      const survives = machine.survives({
        registers: isCall
          ? { [Slot.RBX]: HypercallPages.CODE, [Slot.RCX]: anyControl(pick), [Slot.RDX]: value, [Slot.R8]: anyValue(pick) }
          : { [Slot.RCX]: register === HvMsr.RESET ? HvMsr.EOM : register, [Slot.RAX]: value & 0xffff_ffffn, [Slot.RDX]: value >> 32n },
      });
      t.true(performance.now() - before < RUN_MS_MAX, replay);
      // It may well have had its own page tables overwritten.
      if (!survives) break;
      if (isCall && machine.slot(Slot.RIP) === BigInt(Kernel.CODE + 3)) {
        const status = Number(machine.slot(Slot.RAX) & 0xffff_ffffn);
        t.true(STATUSES.has(status), `status ${status}: ${replay}`);
        seen.set(status, (seen.get(status) ?? 0) + 1);
      }
      // What a VP does that was started somewhere is not the interface's.
      for (const vp of machine.vps.slice(1)) vp.state = VpState.WAIT_FOR_SIPI;
    }
    const { state, exitCause } = machine.header;
    t.true(state === PartitionState.RUNNING || exitCause === ExitCause.TRIPLE_FAULT, `state ${state}, cause ${exitCause}: ${replay}`);
  }
  t.log(JSON.stringify(Object.fromEntries(seen)));
  t.true(seen.size >= 6, 'most statuses were seen');
});
