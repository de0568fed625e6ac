// Threads of LPs where Node was given flags: those that a thread can have, and no others.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { threadArguments } from '../../daemon/root/thread-arguments.js';

const V8 = ['--stack-size=900', '--max-old-space-size=2000', '--expose-gc', '--no-opt'];

test("flags of V8 are left away, a thread's are kept with their values", (t) => {
  const own = ['--no-warnings', '--conditions', 'x'];
  const given = threadArguments([V8[0]!, own[0]!, V8[1]!, own[1]!, own[2]!, ...V8.slice(2)]);
  t.deepEqual(given.slice(0, 3), own);
  t.true(
    V8.every((flag) => !given.includes(flag)),
    given.join(' '),
  );
  t.deepEqual(threadArguments([]), threadArguments(V8));
});

test('a thread starts with what is left', async (t) => {
  const worker = new Worker('process.exit(7)', { eval: true, execArgv: threadArguments([...V8, '--no-warnings']) });
  t.deepEqual(await once(worker, 'exit'), [7]);
});
