// The gate: what comes from outside finds a deterministic machine standing still, at any moment, and the machine goes on from there the same way each time.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { readConsole } from '../../daemon/root/console.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { waitUntil } from '../../daemon/root/wait-until.js';
import { callRoot, isRootCalled } from '../../shared/layout/gate.js';
import { HvdError } from '../../shared/protocol/errors.js';

const MIB = 1 << 20;
const guest = (append: string) => ({ name: 'g', image: resolveImage('workload64', ''), vps: 3, memory: 32 * MIB, append });
const start = (): Promise<Machine> =>
  Machine.start({ config: { ...defaultMachine(), lps: 2, pin: false, clock: 'deterministic', idle: 'skip' }, log: silentLog() });
const clocks = (machine: Machine): number[] => machine.memory.lps.map((lp) => lp.clockNum);

test('whoever comes in finds all LPs standing still, however busy they are; nobody else does anything until he has left', async (t) => {
  const machine = await start();
  try {
    const partition = await machine.add(guest('job=spinlock milliseconds=100000'));
    t.true(await waitUntil(() => Buffer.from(readConsole(partition, 0).bytes).includes('READY'), 60_000));
    for (let n = 0; n < 5; n++) {
      const before = machine.gate.course;
      await machine.gate.enter(async ({ course }) => {
        const [there, then] = [machine.gate.course, clocks(machine)];
        t.is(course, there);
        await sleep(20);
        t.is(machine.gate.course, there);
        t.deepEqual(clocks(machine), then);
      });
      t.true(machine.gate.course >= before);
    }
    t.true(await waitUntil(() => clocks(machine)[0]! > 0, 30_000));
  } finally {
    await machine.stop();
  }
});

test('what an LP has called root for is done before anybody comes in, once, and the course counts it as a change', async (t) => {
  const machine = await start();
  const { gate, memory, signals } = machine;
  const order: string[] = [];
  gate.onCall = () => {
    t.true(gate.isHeld);
    order.push(`call at ${gate.course}`);
  };
  try {
    // At rest, where an LP looks for it as it does for root.
    callRoot(memory.views);
    signals.ringAll();
    await gate.answer();
    t.deepEqual(order, ['call at 0']);
    t.false(isRootCalled(memory.views));
    t.true((await gate.enter(({ course }) => course)) > 0, 'all look for what has changed');
    await machine.add(guest('job=spinlock milliseconds=100000'));
    for (let n = 0; n < 5; n++) {
      order.length = 0;
      const called = await gate.look(({ course }) => {
        callRoot(memory.views);
        return course;
      });
      await gate.answer();
      // The same place, or the next one where something had changed it in the same stand.
      t.regex(order.join(), new RegExp(`^call at (${called}|${called + 1})$`));
    }
  } finally {
    await machine.stop();
  }
});

test('at rest, too; who comes first acts first; and when the machine ends nobody is let in any more', async (t) => {
  const machine = await start();
  const order: number[] = [];
  await Promise.all([1, 2, 3].map((n) => machine.gate.enter(({ lp }) => order.push(n) && t.is(lp, -1))));
  t.deepEqual(order, [1, 2, 3]);
  await t.throwsAsync(
    machine.gate.enter(() => {
      throw new HvdError('vm.unknown', { name: 'x' });
    }),
    { message: /no partition named x/ },
  );
  const stopping = machine.stop();
  await t.throwsAsync(
    machine.gate.enter(() => undefined),
    { message: /stopping/ },
  );
  await stopping;
});
