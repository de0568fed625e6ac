// Interrupts of devices through physical APICs to guests that finish in any order: against the promises, not against a second implementation.
import test from 'ava';
import fc from 'fast-check';
import { type PassThrough, REVOKE_CYCLES } from '../../daemon/hypervisor/apic/pass-through.js';
import { LineState } from '../../shared/layout/device-line.js';
import { PASS_THROUGH_MUTANTS } from '../rig/pass-through-mutants.js';
import { PassThroughRig } from '../rig/pass-through-rig.js';

const LPS = 2;
/** Line: its LP and vector there, trigger, and the VP and partition that it is for. Partition 0 has VPs on both LPs. */
const LINES = [
  { lp: 0, vector: 0x31, level: 0, slot: 0, vp: 0, home: 0 },
  { lp: 0, vector: 0x52, level: 1, slot: 1, vp: 0, home: 0 },
  { lp: 0, vector: 0x53, level: 0, slot: 0, vp: 1, home: 1 },
  { lp: 0, vector: 0x74, level: 1, slot: 0, vp: 1, home: 1 },
  { lp: 1, vector: 0x45, level: 1, slot: 0, vp: 0, home: 0 },
  { lp: 1, vector: 0x66, level: 0, slot: 1, vp: 0, home: 0 },
] as const;

type Step =
  | { do: 'raise' | 'lower' | 'finish'; line: number }
  | { do: 'serve'; lp: number }
  | { do: 'pass'; cycles: number }
  | { do: 'hardware'; selective: boolean };
const line = fc.nat(LINES.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('raise' as const), line }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lower' as const), line }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('finish' as const), line }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('serve' as const), lp: fc.nat(LPS - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), cycles: fc.constantFrom(100, 10_000, REVOKE_CYCLES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hardware' as const), selective: fc.boolean() }) },
);
const histories = fc.array(step, { minLength: 30, maxLength: 150 });

class Rig extends PassThroughRig {
  /** What the guests are serving, by line; and the interrupts that each line still owes since its last rise. */
  readonly serving = new Set<number>();
  readonly owed = new Set<number>();

  /** `Hypervisor`: the real one, or a mutant. */
  constructor(Hypervisor?: typeof PassThrough) {
    super(LPS, LINES, (index, lp) => this.#inject(lp, index), Hypervisor);
  }

  #inject(lp: number, index: number): void {
    const { vector } = LINES[index];
    for (const other of this.inService(lp))
      if (other !== vector && other >> 4 >= vector >> 4) throw new Error(`${vector} was taken while ${other} is in service`);
    this.serving.add(index);
    this.owed.delete(index);
  }

  raise(index: number): void {
    // A level that is being served is no second interrupt before it is finished.
    if (LINES[index].level === 0 || !this.serving.has(index)) this.owed.add(index);
    this.lines.raise(index);
  }
  /** The guest finishes, if it serves the line: its VP's LP hears of it. */
  end(index: number): void {
    if (!this.serving.delete(index)) return;
    const { home, level } = LINES[index];
    if (level === 1 && this.lines.isAsserted(index)) this.owed.add(index);
    this.finish(index, home);
  }
  override serve(lp: number): void {
    const before = this.apic.requested(lp);
    super.serve(lp);
    const after = this.apic.requested(lp);
    if (after >= 0 && after >> 4 > this.apic.highest(lp) >> 4) throw new Error(`${after} stays requested, ${before} was`);
  }

  check(): void {
    for (const [lp, { deferredNow }] of this.blocks.entries()) {
      const deferred = this.deferred(lp);
      if (deferred.length !== deferredNow) throw new Error(`${deferredNow} ends are counted as deferred, ${deferred} are`);
      const inService = this.inService(lp);
      if (inService.length > 0 && deferred.includes(Math.max(...inService))) throw new Error(`the highest of ${inService} waits`);
      for (const vector of deferred)
        if (!inService.includes(vector)) throw new Error(`the end of ${vector} waits, and it is not in service`);
      for (const [index, at] of LINES.entries()) {
        if (at.lp !== lp) continue;
        const { serving } = this.lines.lines[index];
        if (serving === 1 && !inService.includes(at.vector)) throw new Error(`line ${index} is served and not in service`);
        if (inService.includes(at.vector) && serving === 0 && !deferred.includes(at.vector))
          throw new Error(`line ${index} is in service for nobody`);
      }
    }
  }

  /** Guests finish whatever they have, devices are content: everything comes to rest. */
  settle(): void {
    for (let round = 0; round < 20; round++) {
      for (let lp = 0; lp < LPS; lp++) this.serve(lp);
      for (const index of this.serving) this.lines.lower(index);
      for (const index of this.serving) this.end(index);
    }
  }
}

const same = (what: string, actual: unknown, expected: unknown): void => {
  if (String(actual) !== String(expected)) throw new Error(`${what}: ${actual}, and ${expected} are expected`);
};

/** Plays the steps, then lets everything come to rest; throws where a promise is broken. Returns the ends that were deferred and the interrupts that were taken back. */
const play = (steps: readonly Step[], Hypervisor?: typeof PassThrough): { deferred: number; revoked: number } => {
  const rig = new Rig(Hypervisor);
  for (const action of steps) {
    rig.clock += 10;
    if (action.do === 'raise') rig.raise(action.line);
    else if (action.do === 'lower') {
      rig.lines.lower(action.line);
      // A level that goes before it was taken is no interrupt any more.
      if (LINES[action.line].level === 1) rig.owed.delete(action.line);
    } else if (action.do === 'finish') rig.end(action.line);
    else if (action.do === 'serve') rig.serve(action.lp);
    else if (action.do === 'pass') rig.clock += action.cycles;
    else if (action.do === 'hardware') rig.selective = action.selective;
    rig.check();
  }
  rig.settle();
  same('interrupts that are owed', [...rig.owed], []);
  for (const { state } of rig.lines.lines) same('a line at rest', state & (LineState.IN_FLIGHT | LineState.MASKED), 0);
  for (let lp = 0; lp < LPS; lp++) same('in service at rest', rig.inService(lp), []);
  for (const { deferredNow } of rig.blocks) same('deferred at rest', deferredNow, 0);
  for (const [index, { taken, ended }] of rig.lines.lines.entries()) {
    same('taken', taken, rig.injections[index]);
    same('ended', ended, taken);
  }
  const sum = (of: 'deferredTotal' | 'revokedEois'): number => rig.blocks.reduce((total, block) => total + block[of], 0);
  return { deferred: sum('deferredTotal'), revoked: sum('revokedEois') };
};

test('whatever the order of guests, no interrupt is lost, no line stays stuck, ends that were deferred come, and priority holds', (t) => {
  let deferred = 0;
  let revoked = 0;
  fc.assert(
    fc.property(histories, (steps) => {
      const seen = play(steps);
      deferred += seen.deferred;
      revoked += seen.revoked;
    }),
    { numRuns: 200 },
  );
  t.true(deferred > 50, `only ${deferred} ends were deferred`);
  t.true(revoked > 10, `only ${revoked} were revoked`);
});

for (const [name, Mutant] of Object.entries(PASS_THROUGH_MUTANTS))
  test(`found: a hypervisor that ${name}`, (t) => {
    const { failed } = fc.check(
      fc.property(histories, (steps) => void play(steps, Mutant)),
      { numRuns: 300, seed: 1, endOnFailure: true },
    );
    t.true(failed);
  });

test('hardware that ends a named vector defers nothing', (t) => {
  const rig = new Rig();
  rig.selective = true;
  rig.raise(0);
  rig.serve(0);
  rig.raise(1);
  rig.serve(0);
  t.deepEqual(rig.inService(0), [0x31, 0x52]);
  rig.clock = 500;
  rig.end(0);
  t.deepEqual(rig.inService(0), [0x52]);
  t.is(rig.blocks[0].deferredTotal, 0);
  t.is(rig.blocks[0].physicalSpecificEois, 1);
  t.is(rig.lines.lines[0].deferredCycles, 0n);
});

test('an end below the highest waits for it, and the interrupt that comes meanwhile is not lost', (t) => {
  const rig = new Rig();
  rig.raise(0);
  rig.serve(0);
  rig.raise(1);
  rig.serve(0);
  rig.clock = 500;
  rig.end(0);
  rig.raise(0);
  rig.serve(0);
  t.deepEqual(rig.inService(0), [0x31, 0x52]);
  t.is(rig.injections[0], 1, 'the vector is in service still');
  rig.clock = 700;
  rig.lines.lower(1);
  rig.end(1);
  t.is(rig.blocks[0].physicalEois, 2);
  t.is(rig.lines.lines[0].deferredCycles, 200n);
  rig.serve(0);
  t.is(rig.injections[0], 2);
});

test('a guest that does not finish is passed over when another one waits, and its level line opens when it does', (t) => {
  const rig = new Rig();
  rig.raise(3);
  rig.serve(0);
  rig.raise(0);
  rig.serve(0);
  t.is(rig.injections[0], 0);
  t.is(rig.hypervisors[0].deadline, REVOKE_CYCLES);
  rig.clock = REVOKE_CYCLES;
  rig.serve(0);
  t.is(rig.injections[0], 1);
  t.is(rig.injections[3], 1, 'its line is masked');
  t.is(rig.lines.lines[3].state & LineState.MASKED, LineState.MASKED);
  rig.end(3);
  rig.serve(0);
  rig.end(0);
  rig.serve(0);
  t.is(rig.injections[3], 2, 'still asserted');
});

test('what a partition was serving ends with it', (t) => {
  const rig = new Rig();
  rig.raise(1);
  rig.serve(0);
  rig.raise(0);
  rig.alive.delete(1);
  rig.serve(0);
  t.deepEqual(rig.inService(0), [0x31]);
  rig.serve(0);
  t.is(rig.lines.lines[1].state & LineState.MASKED, LineState.MASKED, 'nobody takes it');
});

test('a service has all its time, however long what waits has been waiting for those before it', (t) => {
  const rig = new Rig();
  const [waiting, above] = [0, 2];
  const pass = (): void => {
    rig.clock += REVOKE_CYCLES * 0.6;
    rig.serve(0);
  };
  rig.raise(above);
  rig.serve(0);
  rig.raise(waiting);
  rig.serve(0);
  for (let service = 0; service < 3; service++) {
    pass();
    rig.end(above);
    rig.raise(above);
    rig.serve(0);
  }
  t.is(rig.blocks[0].revokedEois, 0);
  t.is(rig.injections[above], 4);
  pass();
  pass();
  t.is(rig.blocks[0].revokedEois, 1);
  t.is(rig.injections[waiting], 1);
});

test('behind a second guest that does not finish a request waits as long as behind the first', (t) => {
  const rig = new Rig();
  for (const line of [0, 1, 3]) rig.raise(line);
  rig.serve(0);
  t.deepEqual(rig.inService(0), [0x74]);
  for (const [service, deadline] of [
    [0x52, REVOKE_CYCLES * 2],
    [0x31, Number.POSITIVE_INFINITY],
  ] as const) {
    rig.clock += REVOKE_CYCLES;
    rig.serve(0);
    t.deepEqual(rig.inService(0), [service]);
    t.is(rig.hypervisors[0]!.deadline, deadline);
  }
});
