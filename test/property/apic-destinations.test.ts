// IPIs and I/O APIC messages to several VPs, in xAPIC and x2APIC mode, flat and cluster: who takes them, by what priority, and what is an error, as sets and loops say it.
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { NOWHERE } from '../../daemon/hypervisor/apic/eoi-assist.js';
import { deliverMessage } from '../../daemon/hypervisor/apic/message.js';
import { request } from '../../daemon/hypervisor/apic/post.js';
import { hasVector, removeVector } from '../../daemon/hypervisor/apic/vector-set.js';
import { writeX2Apic } from '../../daemon/hypervisor/apic/x2apic.js';
import { ApicRegister, DeliveryMode, EOI_MARKER } from '../../shared/abi/apic.js';
import { InterruptKind } from '../../shared/layout/interrupt-log.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { MODEL_ERROR_VECTOR, ModelBus, type ModelMessage } from '../rig/apic-bus-model.js';
import { ApicPartition, withRam } from '../rig/apic-partition.js';

/** Six for xAPIC; in x2APIC mode more than a cluster has. */
const XAPICS = 6;
const X2APICS = 19;
const SELF = 1;
const ALL = 2;
const OTHERS = 3;

type Step =
  | { do: 'icr'; vp: number; message: ModelMessage; shorthand: number }
  | { do: 'selfIpi'; vp: number; vector: number }
  | { do: 'device'; message: ModelMessage }
  | { do: 'tpr' | 'logicalId'; vp: number; value: number }
  | { do: 'cluster' | 'enable'; vp: number; on: boolean }
  | { do: 'run' | 'eoi' | 'esr' | 'lvt'; vp: number };

const vp = fc.nat(X2APICS - 1);
/** Few vectors, so that they meet; some that there are not. */
const vector = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0x21, 0x35, 0x3f, 0x52, 0x71, 0x90, 0xa4, 0xef) },
  { weight: 1, arbitrary: fc.nat(15) },
);
const destination = fc.oneof(
  fc.nat(X2APICS),
  fc.nat(255),
  fc.constantFrom(0xff, 0xffff_ffff, 0x1_0001, 0x1_0007, 0x1_ffff, 0xffff, 0xf1, 0x13, 0x2f),
);
const message = fc.record({ lowest: fc.boolean(), logical: fc.boolean(), destination, vector, level: fc.boolean() });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('icr' as const), vp, message, shorthand: fc.constantFrom(0, 0, 0, SELF, ALL, OTHERS) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('selfIpi' as const), vp, vector }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('device' as const), message }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tpr' as const), vp, value: fc.constantFrom(0, 0, 0x2f, 0x50, 0x95) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('logicalId' as const),
      vp,
      value: fc.constantFrom(0, 1, 2, 4, 8, 0x11, 0x12, 0x21, 0x80, 0xff),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cluster' as const), vp, on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('enable' as const), vp, on: fc.integer({ min: 0, max: 3 }).map((n) => n !== 0) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('run' as const, 'esr' as const, 'lvt' as const), vp }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('eoi' as const), vp }) },
);

const setOf = (p: ApicPartition, vp: number, register: 'irr' | 'isr'): number[] => {
  const apic = p.apics[vp];
  apic.pull();
  const { views } = apic.vp;
  return Array.from({ length: 256 }, (_, v) => v).filter((v) => (views.i32[(apic.vp[register] >>> 2) + (v >>> 5)] >>> (v & 31)) & 1);
};
const sorted = (set: Iterable<number>): number[] => [...set].sort((a, b) => a - b);

class Rig {
  readonly p: ApicPartition;
  readonly model: ModelBus;
  readonly count: number;
  readonly x2apic: boolean;

  constructor(x2apic: boolean) {
    this.x2apic = x2apic;
    this.count = x2apic ? X2APICS : XAPICS;
    this.p = new ApicPartition(this.count).enable();
    if (x2apic) this.p.x2apic();
    this.model = new ModelBus(this.count, x2apic);
  }

  write(index: number, register: number, value: number): boolean {
    if (this.x2apic) return writeX2Apic(this.p.apics[index], 0x800 + (register >> 4), BigInt(value >>> 0), 0);
    this.p.write(index, register, value);
    return true;
  }

  icr(sender: number, { lowest, logical, destination, vector }: ModelMessage, shorthand: number): void {
    const low = vector | (lowest ? 0x100 : 0) | (logical ? 0x800 : 0) | 0x4000 | (shorthand << 18);
    if (this.x2apic) writeX2Apic(this.p.apics[sender], 0x830, (BigInt(destination) << 32n) | BigInt(low), 0);
    else {
      this.p.write(sender, ApicRegister.ICR_HIGH, (destination & 0xff) << 24);
      this.p.write(sender, ApicRegister.ICR_LOW, low);
    }
  }

  /** What the step has posted, given to the model: all of `targets`, or exactly one of them. */
  settle(t: ExecutionContext, message: ModelMessage, targets: readonly number[]): void {
    if (!message.lowest) {
      for (const id of targets) this.model.take(id, message);
      return;
    }
    const had = (id: number): boolean =>
      message.vector < 16 ? this.model.apics[id].collected !== 0 : this.model.apics[id].irr.has(message.vector);
    const has = (id: number): boolean =>
      message.vector < 16 ? (this.p.apics[id].vp.apicEsr & 0x4000) !== 0 : setOf(this.p, id, 'irr').includes(message.vector);
    const chosen = [...this.model.apics.keys()].filter((id) => !had(id) && has(id));
    t.true(chosen.length <= 1, `one takes it, not ${chosen}`);
    const one = chosen[0] ?? targets.find((id) => had(id) && has(id));
    t.is(one !== undefined, targets.length > 0, 'somebody takes it where somebody may');
    if (one === undefined) return;
    t.true(targets.includes(one), `${one} takes it, and it is for one of ${targets}`);
    this.model.take(one, message);
  }

  compare(t: ExecutionContext, index: number): void {
    const apic = this.model.apics[index];
    t.deepEqual(setOf(this.p, index, 'irr'), sorted(apic.irr.keys()), `IRR of ${index}`);
    t.deepEqual(setOf(this.p, index, 'isr'), sorted(apic.isr), `ISR of ${index}`);
    t.is(this.p.apics[index].readRegister(ApicRegister.ESR, 0), apic.shown, `ESR of ${index}`);
    t.is(this.p.apics[index].ppr, apic.ppr, `PPR of ${index}`);
  }
}

const act = (t: ExecutionContext, rig: Rig, action: Step): void => {
  const { p, model } = rig;
  if (action.do === 'device') {
    const ofDevice = { ...action.message, destination: action.message.destination & 0xff };
    const { destination, logical, lowest, vector, level } = ofDevice;
    const targets = model.targets(ofDevice, 0xff);
    deliverMessage(p, destination, logical, lowest ? DeliveryMode.LOWEST_PRIORITY : DeliveryMode.FIXED, vector, level);
    rig.settle(t, ofDevice, targets);
    return;
  }
  const { vp } = action;
  if (vp >= rig.count) return;
  const apic = model.apics[vp];
  if (action.do === 'icr') {
    const { shorthand } = action;
    const sent = {
      ...action.message,
      level: false,
      destination: rig.x2apic ? action.message.destination : action.message.destination & 0xff,
    };
    const broadcast = rig.x2apic ? 0xffff_ffff : 0xff;
    const toAll = { ...sent, logical: false, destination: broadcast };
    const possible = model.isSent(vp, sent.vector);
    const targets =
      shorthand === SELF
        ? [vp].filter(() => apic.enabled && !sent.lowest)
        : shorthand === ALL
          ? sent.lowest
            ? []
            : model.targets(toAll, broadcast)
          : model.targets(shorthand === OTHERS ? toAll : sent, broadcast, shorthand === OTHERS ? vp : -1);
    rig.icr(vp, sent, shorthand);
    if (possible) rig.settle(t, sent, targets);
  } else if (action.do === 'selfIpi') {
    if (!rig.x2apic) return;
    t.true(rig.write(vp, ApicRegister.SELF_IPI, action.vector));
    if (model.isSent(vp, action.vector) && apic.enabled) apic.post(action.vector, { level: false, auto: false });
  } else if (action.do === 'tpr') {
    rig.write(vp, ApicRegister.TPR, action.value);
    apic.tpr = action.value;
  } else if (action.do === 'logicalId') {
    if (!rig.x2apic) {
      rig.write(vp, ApicRegister.LDR, action.value << 24);
      apic.logicalId = action.value;
    } else t.false(rig.write(vp, ApicRegister.LDR, action.value << 24), 'read-only there');
  } else if (action.do === 'cluster') {
    if (rig.x2apic) return;
    rig.write(vp, ApicRegister.DFR, action.on ? 0x0fff_ffff : 0xffff_ffff);
    apic.cluster = action.on;
  } else if (action.do === 'enable') {
    rig.write(vp, ApicRegister.SVR, action.on ? 0x1ff : 0xff);
    apic.enable(action.on);
  } else if (action.do === 'lvt') {
    rig.write(vp, ApicRegister.LVT_ERROR, MODEL_ERROR_VECTOR);
    apic.errorMasked = !apic.enabled;
  } else if (action.do === 'esr') {
    rig.write(vp, ApicRegister.ESR, 0);
    apic.latch();
  } else if (action.do === 'eoi') {
    rig.write(vp, ApicRegister.EOI, 0);
    apic.eoi();
  } else {
    p.apics[vp].pull();
    const next = p.apics[vp].pendingVector();
    t.is(next, apic.next());
    if (next < 0) return;
    p.apics[vp].accept(next);
    apic.take(next);
  }
};

for (const x2apic of [false, true])
  test(`messages reach those whom the destination names, and errors are logged (${x2apic ? 'x2APIC' : 'xAPIC'})`, (t) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 90 }), fc.boolean(), (steps, cluster) => {
        const rig = new Rig(x2apic);
        // Differing names from the start, so that logical destinations find somebody.
        for (let index = 0; index < rig.count; index++) {
          act(t, rig, { do: 'cluster', vp: index, on: cluster });
          act(t, rig, { do: 'logicalId', vp: index, value: cluster ? ((index >> 2) << 4) | (1 << (index & 3)) : 1 << (index % 8) });
        }
        for (const action of steps) {
          act(t, rig, action);
          for (let index = 0; index < rig.count; index++) rig.compare(t, index);
        }
        const levels = rig.p.eois.length;
        t.is(
          levels,
          rig.model.apics.reduce((sum, apic) => sum + apic.broadcasts.length, 0),
          'EOIs of levels, and of nothing else, are told to I/O APICs',
        );
      }),
      { numRuns: 60 },
    );
  });

test('whoever has ended its interrupt in the assist page is as free for the next lowest-priority message as by an EOI register', (t) => {
  const takers = [true, false].map((lazy) => {
    const views = withRam(4096);
    const p = new ApicPartition(2, { views, marker: () => (lazy ? PartitionMap.RAM : NOWHERE) }).enable();
    const [busy] = p.apics;
    request(p, 0, 0x71, false, InterruptKind.IPI);
    busy.pull();
    busy.accept(busy.pendingVector());
    busy.assist.beforeEntry();
    t.is(busy.vp.eoiMarker !== NOWHERE, lazy);
    const taker = (): number => {
      for (const { vp } of p.apics) removeVector(vp.views.i32, vp.newIrr, 0x52);
      deliverMessage(p, 0xff, false, DeliveryMode.LOWEST_PRIORITY, 0x52, false);
      return p.apics.findIndex(({ vp }) => hasVector(vp.views.i32, vp.newIrr, 0x52));
    };
    t.is(taker(), 1, 'the one that serves nothing');
    if (lazy) views.i32[PartitionMap.RAM >>> 2] &= ~EOI_MARKER;
    else busy.eoi();
    return taker();
  });
  t.deepEqual(takers, [0, 0], 'among equals the vector picks');
});
