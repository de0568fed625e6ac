// Whose turn it is, and who is woken: what an LP must not miss between its last look and its sleep.
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { ring, Turn } from '../../daemon/lp/turn.js';
import { createMachineMemory } from '../../daemon/root/machine-memory.js';
import { LpLayout } from '../../shared/layout/machine.js';
import { stubConfig } from '../rig/stub-daemon.js';

/** Rings in the end whatever happens: a test that fails must not sleep for ever. */
const RESCUE = `
const { workerData: { buffer, word } } = require('node:worker_threads');
setTimeout(() => { const words = new Int32Array(buffer); Atomics.add(words, word, 1); Atomics.notify(words, word); }, 3000);`;

test('a doorbell that was rung since the LP looked for commands is not slept through', async (t) => {
  const { buffer, views, lps } = createMachineMemory(stubConfig({ lps: 2 }));
  const [behind, ahead] = [new Turn(views, 0), new Turn(views, 1)];
  behind.publish(0);
  ahead.publish(5 * ahead.quantumCycles);
  t.false(ahead.mine());
  const rescue = new Worker(RESCUE, { eval: true, workerData: { buffer, word: (lps[1]!.base + LpLayout.at.doorbell) >>> 2 } });
  const seen = ahead.doorbell();
  ring(views, 1);
  const before = performance.now();
  ahead.wait(seen);
  t.true(performance.now() - before < 1000);
  await rescue.terminate();
});

test('an LP whose quantum is the lowest does not wait', (t) => {
  const { views } = createMachineMemory(stubConfig({ lps: 2 }));
  const [behind, ahead] = [new Turn(views, 0), new Turn(views, 1)];
  behind.publish(0);
  ahead.publish(5 * ahead.quantumCycles);
  behind.wait(behind.doorbell());
  behind.publish(6 * behind.quantumCycles);
  t.true(ahead.mine());
  t.false(behind.mine());
});
