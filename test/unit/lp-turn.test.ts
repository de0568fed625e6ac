// Whose turn it is, and who is woken: what an LP must not miss between its last look and its sleep.
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { ring, STEPS_IN_QUANTUM, Turn } from '../../daemon/lp/turn.js';
import { LpSignals } from '../../daemon/root/lp-signals.js';
import { createMachineMemory } from '../../daemon/root/machine-memory.js';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { LpLayout } from '../../shared/layout/machine.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { stubConfig } from '../rig/stub-daemon.js';

/** Rings in the end whatever happens: a test that fails must not sleep for ever. */
const RESCUE = `
const { workerData: { buffer, word } } = require('node:worker_threads');
setTimeout(() => { const words = new Int32Array(buffer); Atomics.add(words, word, 1); Atomics.notify(words, word); }, 3000);`;

test('a doorbell that was rung since the LP looked for commands is not slept through', async (t) => {
  const { buffer, views, lps } = createMachineMemory(stubConfig({ lps: 2 }));
  const [behind, ahead] = [new Turn(views, 0), new Turn(views, 1)];
  behind.publish(0);
  ahead.publish((STEPS_IN_QUANTUM + 3) * ahead.stepCycles);
  t.false(ahead.mine());
  const rescue = new Worker(RESCUE, { eval: true, workerData: { buffer, word: (lps[1]!.base + LpLayout.at.doorbell) >>> 2 } });
  const seen = ahead.doorbell();
  ring(views, 1);
  const before = performance.now();
  ahead.wait(seen);
  t.true(performance.now() - before < 1000);
  await rescue.terminate();
});

test('an LP whose step is the lowest does not wait', (t) => {
  const { views } = createMachineMemory(stubConfig({ lps: 2 }));
  const [behind, ahead] = [new Turn(views, 0), new Turn(views, 1)];
  behind.publish(0);
  ahead.publish((STEPS_IN_QUANTUM + 3) * ahead.stepCycles);
  behind.wait(behind.doorbell());
  behind.publish(2 * (STEPS_IN_QUANTUM + 3) * behind.stepCycles);
  t.true(ahead.mine());
  t.false(behind.mine());
});

test('in quantum mode an LP is never a quantum of steps ahead of the lowest one, and waits for nothing below that', (t) => {
  const { views } = createMachineMemory(stubConfig({ lps: 2, clock: 'quantum' }));
  const [behind, ahead] = [new Turn(views, 0), new Turn(views, 1)];
  behind.publish(4 * behind.stepCycles);
  ahead.publish((4 + STEPS_IN_QUANTUM) * ahead.stepCycles - 1);
  t.true(ahead.mine());
  ahead.publish((4 + STEPS_IN_QUANTUM) * ahead.stepCycles);
  t.false(ahead.mine());
  behind.publish(Number.POSITIVE_INFINITY);
  t.true(ahead.mine());
  t.false(behind.mine());
});

test('an LP that awaited nothing comes in where the slowest of the others would summon it to', (t) => {
  const { views } = createMachineMemory(stubConfig({ lps: 3, clock: 'deterministic' }));
  const [idle, slow, fast] = [new Turn(views, 0), new Turn(views, 1), new Turn(views, 2)];
  const { stepCycles } = idle;
  for (const turn of [idle, slow, fast]) turn.publish(Number.POSITIVE_INFINITY);
  t.is(idle.joinCycles(3), 3);
  slow.publish(5 * stepCycles);
  fast.publish(9 * stepCycles);
  const joins = idle.joinCycles(0);
  slow.summon(0, 5 * stepCycles + 1);
  t.is(idle.publishedCycles(0), joins);
  t.false(idle.mine());
  slow.publish(7 * stepCycles);
  t.true(idle.mine());
});

test('in deterministic mode LPs are rung and not kicked: where they leave guest code must not hang on the host', (t) => {
  for (const clock of ['deterministic', 'quantum'] as const) {
    const memory = createMachineMemory(stubConfig({ lps: 2, clock }));
    const signals = new LpSignals(memory);
    const partition = viewsOf(new SharedArrayBuffer(lpContextAt(2)));
    signals.add(partition);
    const kicks = (): number[] => [0, 1].map((lp) => partition.i32[(lpContextAt(lp) + LpContextLayout.at.kick) >>> 2]!);
    signals.ringAll();
    t.deepEqual(kicks(), clock === 'quantum' ? [KICKED, KICKED] : [0, 0]);
    t.deepEqual(
      memory.lps.map(({ views, base }) => views.i32[(base + LpLayout.at.doorbell) >>> 2]),
      [1, 1],
    );
    signals.forceAll();
    t.deepEqual(kicks(), [KICKED, KICKED]);
  }
});
