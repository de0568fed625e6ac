// An LP's report fits into its room whatever the guest has done, says what it left out, and reaches root whole.
import test from 'ava';
import { Observer } from '../../daemon/hypervisor/observer.js';
import { COUNTED_BLOCKS_MAX } from '../../daemon/machine/instruction-count.js';
import { STACKS_MAX } from '../../daemon/machine/stack-sampler.js';
import { Observation } from '../../daemon/root/observation.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';

const partition = viewsOf(new SharedArrayBuffer(lpContextAt(1)));

test('reports of several LPs are one', (t) => {
  const observation = new Observation(2, { count: true, stackPeriod: 100, trace: undefined });
  for (const lp of [0, 1]) {
    const observer = new Observer(observation.observe, lp, partition, lpContextAt(0));
    observer.count!.byAddress.set(0x1000, { linear: 0x1000, executions: 2, retired: 10 + lp });
    observer.count!.mnemonics.set('add', 5);
    observer.count!.retired = 20;
    observer.stacks!.stacks.set('4096,-8192', 7);
    observer.report();
  }
  const report = observation.report();
  t.is(report.retired, 40);
  t.deepEqual(report.mnemonics, { add: 10 });
  t.deepEqual(report.blocks, [[0x1000, 4, 21]]);
  t.deepEqual(report.stacks, [[14, 4096, -8192]]);
});

test('the largest report there can be is cut to its room, and nothing is lost from its sums', (t) => {
  const observation = new Observation(1, { count: true, stackPeriod: 100, trace: undefined });
  const observer = new Observer(observation.observe, 0, partition, lpContextAt(0));
  for (let i = 0; i < COUNTED_BLOCKS_MAX; i++) {
    const linear = -(2 ** 46) - i * 16;
    observer.count!.byAddress.set(linear, { linear, executions: 1e12, retired: 1e13 });
  }
  const frames = Array.from({ length: 63 }, (_, i) => -(2 ** 46) - i).join();
  for (let i = 0; i < STACKS_MAX; i++) observer.stacks!.stacks.set(`${i},${frames}`, 1e9);
  observer.report();
  const report = observation.report();
  t.true(report.blocks.length > 100 && report.stacks.length > 100);
  t.is(
    report.blocks.reduce((sum, [, , retired]) => sum + retired, report.elsewhere),
    COUNTED_BLOCKS_MAX * 1e13,
  );
  t.is(
    report.stacks.reduce((sum, [weight]) => sum + weight!, 0),
    STACKS_MAX * 1e9,
  );
  t.deepEqual(report.stacks.at(-1)!.length, 1);
});

test('an LP that has not reported is left out', (t) => {
  const report = new Observation(3, { count: true, stackPeriod: 0, trace: undefined }).report();
  t.deepEqual(report.blocks, []);
  t.is(report.retired, 0);
});
