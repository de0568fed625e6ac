// Load scripts: what a file may say, what is wrong with it by line and field, and at which cycle what is done.
import test from 'ava';
import { parseDuration } from '../../daemon/lab/duration.js';
import { parseExpression } from '../../daemon/lab/expression.js';
import type { Parameters } from '../../daemon/lab/parameters.js';
import { planOf } from '../../daemon/lab/script/plan.js';
import { play } from '../../daemon/lab/script/play.js';
import { ScriptTeller, TELL_MS } from '../../daemon/lab/script/progress.js';
import { type Script, scriptSchema } from '../../daemon/lab/script/script.js';
import { withParameters } from '../../daemon/lab/script/script-file.js';
import { checkPartitions } from '../../daemon/lab/stage/live-stage.js';
import type { Hands, Stage } from '../../daemon/lab/stage/stage.js';
import { resolveImage } from '../../daemon/root/config/images.js';
import { parseYaml } from '../../daemon/root/config/yaml-file.js';
import type { Deed, MachineStats } from '../../shared/protocol/messages.js';
import { FAILURE_TEXT_MAX, type ScriptProgress, scriptText } from '../../shared/protocol/script-progress.js';
import { loadSample, machineSample, partitionSample } from '../rig/lab-samples.js';

const read = (text: string, values: Parameters = {}): Script => parseYaml(text, 's.yaml', withParameters(scriptSchema('s'), values));

test('times', (t) => {
  t.deepEqual(parseDuration('40ms'), { ns: 40e6 });
  t.deepEqual(parseDuration('1.5 s'), { ns: 1.5e9 });
  t.deepEqual(parseDuration('4000cycles'), { cycles: 4000 });
  for (const wrong of ['40', 40, '-1ms', '1h', '1.5cycles', '99999999999s', '', undefined])
    t.is(parseDuration(wrong), undefined, String(wrong));
});

test('parameters keep their kind, stand in text and names, and are replaced from outside', (t) => {
  const text = `
parameters: { vm: a, hold: 100, spin: off }
phases:
  - name: one
    for: 1ms
    policies: { spin.express: $spin }
    jobs: { $vm: { job: spinlock, parameters: { hold: $hold } } }
    assert: ['phase.partitions.$vm.operations > 0']
`;
  const { phases } = read(text, { hold: 7 });
  t.deepEqual(phases[0]!.jobs, { a: [{ job: 'spinlock', parameters: { hold: 7 } }] });
  t.deepEqual(phases[0]!.policies, { 'spin.express': 'off' });
  t.deepEqual(phases[0]!.assert, ['phase.partitions.a.operations > 0']);
});

const MISTAKES: readonly (readonly [string, RegExp])[] = [
  ['phases: []', /^s\.yaml:1 phases: expected at least one phase$/],
  ['phases:\n  - name: a\n    for: 1h\n', /^s\.yaml:3 phases\[0\]\.for: expected a time like 40ms.*got "1h"$/],
  ['phases:\n  - name: a\n', /^s\.yaml:2 phases\[0\]\.for: expected a time, for it is the last phase$/],
  ['phases:\n  - {name: a, for: 1ms}\n  - {name: a, for: 1ms}\n', /^s\.yaml:3 phases\[1\]\.name: expected a name of its own, a is taken$/],
  ['phases:\n  - {name: a, for: 1ms, jbos: {}}\n', /^s\.yaml:2 phases\[0\]: unknown key jbos; there are name, about/],
  [
    'phases:\n  - {name: a, for: 1ms, assert: ["phase.x >"]}\n',
    /^s\.yaml:2 phases\[0\]\.assert\[0\]: expected an expression: "phase\.x >": Unexpected token: EOF at column 10$/,
  ],
  ['phases:\n  - {name: a, for: 1ms, assert: ["nobody.x > 1"]}\n', /assert\[0\]: expected an expression: .*nobody/],
  ['phases:\n  - {name: a, for: $long}\n', /^s\.yaml:2 phases\[0\]\.for: expected a parameter of the file, got \$long; there are none$/],
  [
    'phases:\n  - {name: a, for: 1ms, jobs: {v: {job: x, parameters: {hold: 1..9}}}}\n',
    /jobs\.v\.parameters\.hold: expected a number, for a range needs steps/,
  ],
  [
    'phases:\n  - {name: a, for: 1ms, partitions: {v: explode}}\n',
    /partitions\.v: expected start or pause or resume or stop or destroy, got "explode"/,
  ],
  [
    'phases:\n  - name: a\n    for: 1ms\n    policies: { spin.express: never }\n',
    /^s\.yaml:4 phases\[0\]\.policies\.spin\.express: spin\.express: never is not one of off, on$/,
  ],
  [
    'policiesOf: { v: { spin.expres: on } }\nphases:\n  - {name: a, for: 1ms}\n',
    /^s\.yaml:1 policiesOf\.v\.spin\.expres: no policy named spin\.expres/,
  ],
  [
    'phases:\n  - name: a\n    for: 1ms\n    policiesOf:\n      v: { apic.eoi: auto }\n      w: { vtlb.lock: inherit }\n',
    /^s\.yaml:6 phases\[0\]\.policiesOf\.w\.vtlb\.lock: vtlb\.lock is one for the whole machine/,
  ],
  ['phases:\n  - {name: a, for: 1ms, policiesOf: [v]}\n', /policiesOf: expected partitions and settings of their own, got/],
];
for (const [text, sentence] of MISTAKES)
  test(`refused: ${JSON.stringify(text)}`, (t) => {
    const error = t.throws(() => read(text));
    t.regex(error.message, sentence);
    t.notRegex(error.message, /\n/);
  });

test('a plan: at, for, ramps; a phase may not begin before the one before it has ended', (t) => {
  const script = read(`
policies: { spin.express: off }
phases:
  - { name: up, for: 10ms, steps: 3, jobs: { v: { job: spinlock, parameters: { hold: 100..300, think: 5 } } } }
  - { name: gap, at: 20ms, for: 1000cycles, jobs: { v: stop } }
`);
  const { moments, end } = planOf(script, 1e9);
  t.deepEqual(
    moments.map(({ cycle, phase, step }) => [cycle, phase, step]),
    [
      [0, 0, 0],
      [3_333_333, 0, 1],
      [6_666_667, 0, 2],
      [20_000_000, 1, 0],
    ],
  );
  const holds = moments.slice(0, 3).map(({ deeds }) => (deeds.at(-1) as Extract<Deed, { kind: 'load' }>).load.parameters);
  t.deepEqual(holds, [
    { hold: 100, think: 5 },
    { hold: 200, think: 5 },
    { hold: 300, think: 5 },
  ]);
  t.deepEqual(moments[0]!.deeds[0], { kind: 'policy', name: 'spin.express', value: 'off' });
  t.deepEqual(moments[3]!.deeds, [{ kind: 'idle', vm: 'v' }]);
  t.is(end, 20_001_000);
  const late = read('phases:\n  - {name: a, for: 5ms}\n  - {name: b, at: 4ms, for: 1ms}\n');
  t.throws(() => planOf(late, 1e9), { message: 's: phase b would begin at cycle 4000000; expected at least 5000000' });
});

/** A machine that does 1,000 operations a millisecond. As real guests it takes a job some time after it was given, and counts anew then. */
class FakeStage implements Stage {
  readonly frequencyHz = 1e9;
  readonly deeds: string[] = [];
  #given: number[] = [];
  async at<T>(cycle: number, act: (hands: Hands) => Promise<T>): Promise<T> {
    const stats = async (): Promise<MachineStats> => {
      const taken = this.#given.filter((at) => at < cycle);
      const operations = (cycle - (taken.at(-1) ?? 0)) / 1000;
      return machineSample(cycle, [partitionSample('v', { load: [loadSample(0, { operations, request: 2 * taken.length })] })]);
    };
    return act({
      stats,
      carryOut: async (deed) => {
        this.deeds.push(`${cycle} ${deed.kind}`);
        if (deed.kind === 'load') this.#given.push(cycle);
        if (deed.kind === 'verb') throw new Error('no partition named x');
      },
    });
  }
}

test('what is played: windows of phases and steps, assertions, measures', async (t) => {
  const script = read(`
phases:
  - { name: off, for: 10ms, jobs: { v: { job: compute } } }
  - name: ramp
    for: 20ms
    steps: 2
    jobs: { v: { job: compute, parameters: { unit: 1..2 } } }
    assert: ['phase.operations >= 0.9 * phases.off.operations', 'phase.operations > 1000000', 'phase.nothing > 1']
measure: { twice: '2 * run.seconds', off: phases.off.operationsPerSecond }
assert: ['run.seconds == 0.03']
`);
  const stage = new FakeStage();
  const { stretches, assertions, measured } = await play(script, stage);
  t.deepEqual(
    stretches.map(({ phase, step, window }) => [phase, step, window.operations]),
    [
      ['off', 0, 10_000],
      ['ramp', 0, 10_000],
      ['ramp', 1, 10_000],
    ],
  );
  t.deepEqual(
    assertions.map(({ phase, holds }) => [phase, holds]),
    [
      ['ramp', true],
      ['ramp', false],
      ['ramp', false],
      [null, true],
    ],
  );
  t.regex(assertions[2]!.why!, /No such key: nothing/);
  t.deepEqual(measured, { twice: 0.06, off: 1_000_000 });
  t.deepEqual(stage.deeds, ['0 load', '10000000 load', '20000000 load']);
});

test('a job that is set again is counted from there, however much it does; a phase and the run have all that was done in them', async (t) => {
  const script = read(`
phases:
  - { name: short, for: 10ms, jobs: { v: { job: compute } } }
  - { name: long, for: 30ms, jobs: { v: { job: compute } } }
  - { name: ramp, for: 40ms, steps: 4, jobs: { v: { job: compute, parameters: { unit: 1..4 } } } }
measure: { run: run.operations, mean: run.operationsPerSecond, nothing: 'phases.long.partitions.v.latencyMean / phases.long.partitions.v.latencyMean' }
`);
  const { phases, stretches, measured } = await play(script, new FakeStage());
  t.deepEqual([phases.short!.operations, phases.long!.operations, phases.ramp!.operations], [10_000, 30_000, 40_000]);
  t.deepEqual(
    stretches.map(({ window }) => window.operations),
    [10_000, 30_000, 10_000, 10_000, 10_000, 10_000],
  );
  t.deepEqual(measured, { run: 80_000, mean: 1_000_000 }, 'and 0 / 0 is no number, which no file could keep');
});

test('what the machine says against a deed ends it', async (t) => {
  const script = read('phases:\n  - {name: a, for: 1ms, partitions: {x: start}}\n');
  await t.throwsAsync(play(script, new FakeStage()), { message: 'no partition named x' });
});

test('expressions are numbers, or true or false, and say in one line what is wrong', (t) => {
  const scope = { phase: { a: 3, b: { c: 0.5 } } };
  const value = (text: string): number | boolean => parseExpression(text, ['phase']).value(scope);
  t.is(value('phase.a / 2'), 1.5);
  t.is(value('2 * phase.b.c + 1'), 2);
  t.is(value('max(phase.a, phase.b.c)'), 3);
  t.is(value('phase.a > 2 && phase.b.c < 1'), true);
  t.throws(() => value('phase.z'), { message: '"phase.z": No such key: z at column 7' });
  t.throws(() => value('phase.b'), { message: /expected a number, or true or false, got object/ });
  t.throws(() => value('"x"'), { message: /got string/ });
  t.throws(() => parseExpression('x'.repeat(1001), []), { message: /at most 1000 characters/ });
});

test('policies of partitions: at the beginning and in a phase, after those of the machine', (t) => {
  const { moments } = planOf(
    read(`
policiesOf: { v: { apic.eoi: assist } }
phases:
  - { name: on, for: 1ms, partitions: { v: start }, policies: { spin.express: on }, policiesOf: { v: { apic.eoi: auto }, w: { apic.eoi: inherit } }, jobs: { v: stop } }
`),
    1e9,
  );
  t.deepEqual(moments[0]!.deeds, [
    { kind: 'policy', name: 'apic.eoi', value: 'assist', vm: 'v' },
    { kind: 'verb', vm: 'v', verb: 'start' },
    { kind: 'policy', name: 'spin.express', value: 'on' },
    { kind: 'policy', name: 'apic.eoi', value: 'auto', vm: 'v' },
    { kind: 'policy', name: 'apic.eoi', value: 'inherit', vm: 'w' },
    { kind: 'idle', vm: 'v' },
  ]);
});

test('how far a script is: each beginning and each assertion at once, time in between no more often than so', async (t) => {
  const script = read(`
name: ramp
phases:
  - { name: off, for: 10ms, assert: ['phase.operations > 1', 'phase.operations < 1'] }
  - { name: up, at: 20ms, for: 20ms, steps: 2 }
assert: ['run.seconds > 1']
`);
  let now = 0;
  const told: ScriptProgress[] = [];
  const teller = new ScriptTeller(
    script,
    1e9,
    (progress) => told.push(progress),
    () => now,
  );
  teller.began('off', 0, 1);
  for (let ms = 0; ms < 10; ms++) {
    now += TELL_MS / 4;
    teller.passed(ms * 1e6);
  }
  teller.asserted({ phase: 'off', text: 'phase.operations > 1', holds: true });
  teller.asserted({ phase: 'off', text: 'x'.repeat(300), holds: false, why: 'because' });
  teller.began('up', 0, 2);
  teller.began('up', 1, 2);
  teller.passed(35e6);
  now += TELL_MS;
  teller.passed(35e6);
  // A gap is no part of a phase.
  now += TELL_MS;
  teller.passed(99e6);
  teller.end('failed');
  t.deepEqual(
    told.map(({ state, phase, step, seconds, assertions: { holds, fails, left } }) => [state, phase, step, seconds, holds, fails, left]),
    [
      ['running', 'off', 1, 0, 0, 0, 3],
      ['running', 'off', 1, 0.003, 0, 0, 3],
      ['running', 'off', 1, 0.007, 0, 0, 3],
      ['running', 'off', 1, 0.009, 1, 0, 2],
      ['running', 'off', 1, 0.009, 1, 1, 1],
      ['running', 'up', 1, 0, 1, 1, 1],
      ['running', 'up', 2, 0.01, 1, 1, 1],
      ['running', 'up', 2, 0.015, 1, 1, 1],
      ['running', 'up', 2, 0.02, 1, 1, 1],
      ['failed', 'up', 2, 0.02, 1, 1, 1],
    ],
  );
  t.is(told[7]!.failures[0]!.length, FAILURE_TEXT_MAX);
  t.is(scriptText(told[7]!), 'phase up (2 of 2), step 2 of 2, 15.0 ms of 20.0 ms; assertions: 1 holds, 1 fails, 1 to come');
  t.is(scriptText(told.at(-1)!), 'failed; assertions: 1 holds, 1 fails, 1 to come');
  // What a player says is what a teller takes.
  const played: ScriptProgress[] = [];
  await play(script, new FakeStage(), new ScriptTeller(script, 1e9, (progress) => played.push(progress)));
  t.deepEqual(played.at(-1)!.assertions, { holds: 1, fails: 2, left: 0 });
});

test('a partition that is there has to be the one that the script would make: image, VPs, memory; the first that differs is named', (t) => {
  const partitions = [
    { name: 'new', image: 'workload64', vps: 9, memory: 1 << 20 },
    { name: 'v', image: resolveImage('workload64', '/'), vps: 2, memory: 64 << 20 },
  ];
  const there = { name: 'v', state: 'running', image: resolveImage('workload64', '/'), vps: 2, memory: 64 << 20, reason: null };
  const check = (change: Partial<typeof there>) => () => checkPartitions({ name: 's', partitions }, [{ ...there, ...change }]);
  t.notThrows(check({}));
  t.notThrows(check({ name: 'other', vps: 3 }));
  for (const [change, what] of [
    [{ vps: 3 }, 'vps: 2 is wanted, and the partition of that name has 3'],
    [{ memory: 32 << 20, vps: 2 }, 'memory: 64M is wanted, and the partition of that name has 32M'],
    [{ image: '/boot/other.elf', vps: 3 }, 'image: workload64 is wanted, and the partition of that name has /boot/other.elf'],
  ] as const)
    t.throws(check(change), { message: `s: partitions: v: ${what}` });
});
