import test from 'ava';
import fc from 'fast-check';
import { post } from '../../daemon/hypervisor/apic/post.js';
import { writeX2Apic } from '../../daemon/hypervisor/apic/x2apic.js';
import { ApicRegister } from '../../shared/abi/apic.js';
import { ApicPartition } from '../rig/apic-partition.js';

/** The SDM's account of priorities in the simplest form: sets of vectors. */
class Model {
  readonly irr = new Set<number>();
  readonly isr = new Set<number>();
  readonly level = new Set<number>();
  readonly auto = new Set<number>();
  readonly eois: number[] = [];
  tpr = 0;

  post(vector: number, level: boolean, auto: boolean): void {
    this.irr.add(vector);
    if (level) this.level.add(vector);
    else this.level.delete(vector);
    if (auto) this.auto.add(vector);
    else this.auto.delete(vector);
  }
  get ppr(): number {
    const top = Math.max(-1, ...this.isr);
    return top >> 4 > this.tpr >> 4 ? top & 0xf0 : this.tpr;
  }
  pending(): number {
    const top = Math.max(-1, ...this.irr);
    return top >= 0 && top >> 4 > this.ppr >> 4 ? top : -1;
  }
  accept(vector: number): void {
    this.irr.delete(vector);
    if (!this.auto.has(vector)) this.isr.add(vector);
  }
  eoi(): void {
    const top = Math.max(-1, ...this.isr);
    this.isr.delete(top);
    if (top >= 0 && this.level.has(top)) this.eois.push(top);
  }
}

const vector = fc.integer({ min: 16, max: 255 });
type Step =
  | { do: 'post'; vector: number; level: boolean; auto: boolean }
  | { do: 'tpr'; value: number }
  | { do: 'deliver' }
  | { do: 'eoi' };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('post' as const), vector, level: fc.boolean(), auto: fc.boolean() }),
  fc.record({ do: fc.constant('tpr' as const), value: fc.integer({ min: 0, max: 255 }) }),
  fc.constant({ do: 'deliver' as const }),
  fc.constant({ do: 'deliver' as const }),
  fc.constant({ do: 'eoi' as const }),
);

const sorted = (set: ReadonlySet<number>): number[] => [...set].sort((a, b) => a - b);

/** The vectors of a 256-bit register, ascending. */
const setAt = (p: ApicPartition, register: number): number[] => {
  const found: number[] = [];
  for (let word = 0; word < 8; word++) {
    const bits = p.read(0, register + word * 16);
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) found.push(word * 32 + bit);
  }
  return found;
};

test('posting, delivery, TPR and EOI agree with sets of vectors, and classes nest strictly', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const p = new ApicPartition(1).enable();
      const apic = p.apics[0];
      const model = new Model();
      for (const action of steps) {
        if (action.do === 'post') {
          // Everything is pulled after each step, so the request bit is clear and the post must ask for a kick.
          t.true(post(apic.vp, action.vector, action.level, action.auto));
          model.post(action.vector, action.level, action.auto);
        } else if (action.do === 'tpr') {
          p.write(0, ApicRegister.TPR, action.value);
          model.tpr = action.value;
        } else if (action.do === 'deliver') {
          const next = apic.pendingVector();
          t.is(next, model.pending());
          if (next >= 0) {
            apic.accept(next);
            model.accept(next);
          }
        } else {
          p.write(0, ApicRegister.EOI, 0);
          model.eoi();
        }
        apic.pull();
        const classes = setAt(p, ApicRegister.ISR).map((v) => v >> 4);
        if (new Set(classes).size !== classes.length) throw new Error(`two vectors of one class in service: ${classes}`);
        t.is(apic.ppr, model.ppr);
        t.deepEqual(setAt(p, ApicRegister.IRR), sorted(model.irr));
        t.deepEqual(setAt(p, ApicRegister.ISR), sorted(model.isr));
        t.deepEqual(p.eois, model.eois);
      }
    }),
    { numRuns: 150 },
  );
});

test('no write to any register, in either mode, throws or makes a vector below 16 deliverable', (t) => {
  const write = fc.record({
    x2apic: fc.boolean(),
    offset: fc.integer({ min: 0, max: 0x3ff }).map((n) => n * 4),
    value: fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 0xffff_ffff, 0x4_0003, 0x2_0001)),
    now: fc.nat(1_000_000),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), fc.boolean(), (writes, x2) => {
      const p = new ApicPartition(3).enable();
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
