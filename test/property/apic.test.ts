import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { NOWHERE } from '../../daemon/hypervisor/apic/eoi-assist.js';
import { request } from '../../daemon/hypervisor/apic/post.js';
import { writeX2Apic } from '../../daemon/hypervisor/apic/x2apic.js';
import { ApicRegister, EOI_MARKER, ExtendedApic } from '../../shared/abi/apic.js';
import { InterruptKind } from '../../shared/layout/interrupt-log.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { vpCounterIndex } from '../../shared/layout/vp.js';
import { ApicModel } from '../rig/apic-model.js';
import { ApicPartition, withRam } from '../rig/apic-partition.js';

const vector = fc.integer({ min: 16, max: 255 });
type Step =
  | { do: 'post'; vector: number; level: boolean; auto: boolean }
  | { do: 'tpr'; value: number }
  | { do: 'run' }
  | { do: 'eoi' }
  | { do: 'specific'; pick: number }
  | { do: 'scribble'; value: number }
  | { do: 'page'; gpa: number; enable: boolean }
  | { do: 'policy'; assist: boolean };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('post' as const),
      vector,
      level: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
      auto: fc.integer({ min: 0, max: 2 }).map((n) => n === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('tpr' as const), value: fc.constantFrom(0, 0, 0, 0x1f, 0x45, 0x80, 0xff) }) },
  { weight: 6, arbitrary: fc.constant({ do: 'run' as const }) },
  { weight: 8, arbitrary: fc.constant({ do: 'eoi' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('specific' as const), pick: fc.nat(255) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scribble' as const), value: fc.constantFrom(0, 1, 0xffff_fffe, 0xffff_ffff) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('page' as const),
      gpa: fc.constantFrom(0, 0x1000, 0x2000),
      enable: fc.integer({ min: 0, max: 9 }).map((n) => n !== 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('policy' as const), assist: fc.integer({ min: 0, max: 3 }).map((n) => n !== 0) }) },
);

const RAM = 0x3000;
const memories = [withRam(RAM), withRam(RAM)] as const;
const sorted = (set: Iterable<number>): number[] => [...set].sort((a, b) => a - b);

/** The vectors of a 256-bit register, ascending. */
const setAt = (p: ApicPartition, register: number): number[] => {
  const found: number[] = [];
  for (let word = 0; word < 8; word++) {
    const bits = p.read(0, register + word * 16);
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) found.push(word * 32 + bit);
  }
  return found;
};

/** A guest of one VP: takes everything that it can, and ends interrupts by the marker where that is set, as Linux does (hv_apic_eoi_write). */
class Guest {
  readonly p: ApicPartition;
  assist: boolean;
  /** Where its assist page is, -1 nowhere. */
  #page = -1;

  constructor(memory: (typeof memories)[number], assist: boolean) {
    this.assist = assist;
    memory.u8.fill(0, PartitionMap.RAM, PartitionMap.RAM + RAM);
    this.p = new ApicPartition(1, {
      views: memory,
      cpu: 'max,+extapic',
      marker: () => (this.assist && this.#page >= 0 ? PartitionMap.RAM + this.#page : NOWHERE),
    }).enable();
    this.p.write(0, ApicRegister.EXTENDED_CONTROL, ExtendedApic.SPECIFIC_EOI);
  }

  /** From exit to entry: what can be delivered is. Returns it. */
  run(): number[] {
    const [apic] = this.p.apics;
    const taken: number[] = [];
    apic.pull();
    for (let next = apic.pendingVector(); next >= 0; next = apic.pendingVector()) {
      apic.accept(next);
      taken.push(next);
    }
    apic.assist.beforeEntry();
    return taken;
  }
  /** True: by intercept. */
  eoi(): boolean {
    const { i32 } = this.p.apics[0].vp.views;
    if (this.#page >= 0 && (Atomics.exchange(i32, (PartitionMap.RAM + this.#page) >>> 2, 0) & EOI_MARKER) !== 0) return false;
    this.p.write(0, ApicRegister.EOI, 0);
    return true;
  }
  move(gpa: number, enable: boolean): void {
    const [apic] = this.p.apics;
    apic.assist.withdraw();
    this.#page = enable ? gpa : -1;
    if (enable) Atomics.store(apic.vp.views.i32, (PartitionMap.RAM + gpa) >>> 2, 0);
  }
  /** Any but the marker's bit: what a guest writes there itself takes EOIs from nobody but itself. */
  scribble(value: number): void {
    if (this.#page >= 0) Atomics.xor(this.p.apics[0].vp.views.i32, (PartitionMap.RAM + this.#page) >>> 2, value & ~EOI_MARKER);
  }
  counter(name: keyof typeof vpCounterIndex): number {
    const { vp } = this.p.apics[0];
    return vp.views.u32[(vp.counters >>> 2) + vpCounterIndex[name]];
  }
}

const compare = (t: ExecutionContext, guest: Guest, model: ApicModel): void => {
  const { p } = guest;
  t.is(p.read(0, ApicRegister.PPR), model.ppr);
  t.deepEqual(setAt(p, ApicRegister.IRR), sorted(model.irr.keys()));
  const inService = setAt(p, ApicRegister.ISR);
  t.deepEqual(inService, sorted(model.isr));
  t.deepEqual(p.eois, model.broadcasts);
  t.is(new Set(inService.map((v) => v >> 4)).size, inService.length, 'two vectors of one class in service');
  t.is(model.delivered - model.ended - model.auto, inService.length);
  for (const v of inService) t.is(setAt(p, ApicRegister.TMR).includes(v), model.tmr.has(v));
};

test('posting, delivery, TPR, EOI and specific EOI agree with sets of vectors, whether EOIs are intercepts or left in the assist page', (t) => {
  let lazy = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 120 }), (steps) => {
      const model = new ApicModel();
      const guests = [new Guest(memories[0], false), new Guest(memories[1], true)];
      for (const guest of guests) guest.move(0, true);
      for (const action of steps) {
        const next: number[] = [];
        if (action.do === 'post') model.post(action.vector, { level: action.level, auto: action.auto && !action.level });
        else if (action.do === 'tpr') model.tpr = action.value;
        else if (action.do === 'run')
          for (let top = model.next(); top >= 0; top = model.next()) {
            model.take(top);
            next.push(top);
          }
        else if (action.do === 'eoi') model.eoi();
        else if (action.do === 'specific') model.specificEoi(action.pick);
        for (const guest of guests) {
          const { p } = guest;
          if (action.do === 'post') request(p, 0, action.vector, action.level, InterruptKind.DEVICE, action.auto);
          else if (action.do === 'tpr') p.write(0, ApicRegister.TPR, action.value);
          else if (action.do === 'run') t.deepEqual(guest.run(), next);
          else if (action.do === 'eoi') {
            const before = p.apics[0].vp.eoiMarker;
            if (guest.eoi()) t.is(before, 0, 'an intercept where the marker stood');
          } else if (action.do === 'specific') p.write(0, ApicRegister.SPECIFIC_EOI, action.pick);
          else if (action.do === 'scribble') guest.scribble(action.value);
          else if (action.do === 'page') guest.move(action.gpa, action.enable);
          else if (guest === guests[1]) guest.assist = action.assist;
          compare(t, guest, model);
        }
      }
      const [exit, assist] = guests as [Guest, Guest];
      t.is(exit.counter('lazyEois'), 0);
      t.is(assist.counter('lazyEois') + assist.counter('apicEoiAccesses'), exit.counter('apicEoiAccesses'));
      t.is(exit.counter('autoEois'), model.auto);
      lazy += assist.counter('lazyEois');
    }),
    { numRuns: 150 },
  );
  t.true(lazy > 100, `only ${lazy} EOIs were lazy`);
});

test('a marker stands only over an edge in service with nothing requested, and goes when somebody posts', (t) => {
  const guest = new Guest(memories[0], true);
  const { vp } = guest.p.apics[0];
  const marker = (): number => vp.views.i32[PartitionMap.RAM >>> 2] & EOI_MARKER;
  const post = (v: number, level = false): void => request(guest.p, 0, v, level, InterruptKind.DEVICE);
  guest.move(0, true);
  guest.run();
  t.is(marker(), 0, 'nothing is in service');
  post(0x61, true);
  guest.run();
  t.is(marker(), 0, 'the I/O APIC waits for the EOI');
  post(0x71);
  guest.run();
  t.is(marker(), 1);
  guest.p.kicks.length = 0;
  post(0x31);
  t.deepEqual(guest.p.kicks, [0], 'the poster makes the VP leave');
  guest.run();
  t.is(marker(), 0, 'the EOI must come as an intercept now');
  t.true(guest.eoi());
  t.deepEqual(guest.run(), [], '0x61 is still served');
  t.true(guest.eoi());
  t.deepEqual(guest.run(), [0x31]);
  t.is(marker(), 1);
  guest.move(0, false);
  t.is(marker(), 0, 'a page that is disabled is left without a marker');
  guest.move(0, true);
  guest.run();
  guest.p.apics[0].writeBase(vp.apicBase & ~0x800n);
  t.is(marker(), 0, 'an APIC that is switched off forgets what was in service');
});

test('an EOI left in a page that the guest then moves is carried out, once', (t) => {
  const guest = new Guest(memories[0], true);
  guest.move(0, true);
  request(guest.p, 0, 0x51, false, InterruptKind.IPI);
  guest.run();
  t.false(guest.eoi());
  guest.move(0x1000, true);
  t.deepEqual(setAt(guest.p, ApicRegister.ISR), []);
  t.is(guest.counter('lazyEois'), 1);
  request(guest.p, 0, 0x52, false, InterruptKind.IPI);
  guest.run();
  t.is(guest.p.apics[0].vp.eoiMarker, PartitionMap.RAM + 0x1000);
});

test('a vector that the guest has declared ends by itself, whoever sends it, but never as a level', (t) => {
  const { p } = new Guest(memories[0], false);
  const [apic] = p.apics;
  Atomics.or(apic.vp.views.i32, (apic.vp.autoVectors + 8) >>> 2, 1 << 1);
  const served = (): number[] => setAt(p, ApicRegister.ISR);
  p.write(0, ApicRegister.ICR_LOW, 0x4_0041);
  apic.pull();
  apic.accept(apic.pendingVector());
  t.deepEqual(served(), []);
  apic.raise(0x41, InterruptKind.TIMER);
  apic.accept(apic.pendingVector());
  t.deepEqual(served(), []);
  request(p, 0, 0x41, true, InterruptKind.DEVICE);
  apic.pull();
  apic.accept(apic.pendingVector());
  t.deepEqual(served(), [0x41]);
});

test('no write to any register, in either mode, throws or makes a vector below 16 deliverable', (t) => {
  const write = fc.record({
    x2apic: fc.boolean(),
    offset: fc.integer({ min: 0, max: 0x3ff }).map((n) => n * 4),
    value: fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 0xffff_ffff, 0x4_0003, 0x2_0001)),
    now: fc.nat(1_000_000),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), fc.boolean(), fc.boolean(), (writes, x2, amd) => {
      const p = new ApicPartition(3, amd ? { cpu: 'max,+extapic' } : {}).enable();
      if (x2) p.x2apic();
      let now = 0;
      for (const { x2apic, offset, value, now: passed } of writes) {
        now += passed;
        if (x2apic) writeX2Apic(p.apics[0], 0x800 + (offset >> 4), BigInt(value), now);
        else if (!x2) p.write(0, offset, value, now);
        p.apics[0].advance(now);
        if (!x2) p.read(0, offset, now);
        const deadline = p.apics[0].timerDeadline();
        if (!(deadline > now) && deadline !== Infinity) throw new Error(`timer deadline ${deadline} is not after ${now}`);
      }
      return p
        .drainAll()
        .flat()
        .every((taken) => taken >= 16);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('a periodic timer fires floor(elapsed / period) times when served in time, whatever the service times', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 20_000, max: 2_000_000 }),
      fc.array(fc.integer({ min: 1, max: 19_999 }), { minLength: 1, maxLength: 300 }),
      (period, gaps) => {
        const p = new ApicPartition(1).enable();
        p.write(0, ApicRegister.TIMER_DIVIDE, 0xb);
        p.write(0, ApicRegister.LVT_TIMER, 0x2_0040);
        p.write(0, ApicRegister.TIMER_INITIAL, period, 0);
        let now = 0;
        let ticks = 0;
        for (const gap of gaps) {
          now += gap;
          p.apics[0].advance(now);
          ticks += p.drain(0).length;
        }
        return ticks === Math.floor(now / period);
      },
    ),
  );
  t.pass();
});
