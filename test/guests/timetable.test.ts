// Acts at times of a machine's own clock: exactly then, however long LPs would run or sleep by themselves, and each time at the same place of the course.
import test from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { Timetable } from '../../daemon/root/gate/timetable.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { traceHash } from '../../daemon/root/record/hashes.js';
import type { MachineConfig } from '../../shared/protocol/messages.js';

const machineOf = (changes: Partial<MachineConfig>): Promise<Machine> =>
  Machine.start({
    config: { ...defaultMachine(), clock: 'deterministic', idle: 'skip', pin: false, ...changes },
    log: silentLog(),
    isTimed: true,
  });
const guest = (job: string) => ({ name: 'g', image: resolveImage('workload64', '/'), vps: 1, memory: 16 << 20, append: `job=${job}` });
const clockOf = (machine: Machine): number => Math.max(...machine.memory.lps.map((lp) => lp.clockNum));

for (const [what, job, lps, quantumCycles] of [
  ['a VP that never stops, alone', 'compute', 1, 1_600_000],
  ['a VP that never stops, among idle LPs', 'compute', 3, 32_000],
  ['a VP that halts without a timer', 'idle', 2, 32_000],
] as const)
  test(`${what}: acts come at their times, twice alike`, async (t) => {
    const course = async (): Promise<unknown> => {
      const machine = await machineOf({ lps, quantumCycles });
      const timetable = new Timetable(machine);
      try {
        const seen: unknown[] = [];
        await timetable.at(0, async (enter) => void (await enter('vm.create', { config: guest(job) })));
        // The same time twice is one after the other.
        for (const clock of [1_000_003, 9_000_000, 9_000_000, 9_000_001, 60_000_000])
          await timetable.at(clock, async (enter) => {
            await enter('policy', { name: 'spin.express', value: 'on' });
            const late = clockOf(machine) - clock;
            t.true(late >= 0 && late <= quantumCycles, `${clock}: ${late} cycles late`);
            seen.push([clockOf(machine), machine.stats().partitions[0]!.vps[0]!.instructions]);
          });
        seen.push(traceHash(machine.memory));
        return seen;
      } finally {
        timetable.end();
        await machine.stop();
      }
    };
    t.deepEqual(await course(), await course());
  });

test('what an act throws is its own; the machine goes on, and what is due when it ends is refused', async (t) => {
  const machine = await machineOf({ lps: 1 });
  const timetable = new Timetable(machine);
  await t.throwsAsync(
    timetable.at(0, async (enter) => void (await enter('vm.start', { name: 'nobody' }))),
    { code: 'vm.unknown' },
  );
  t.is(await timetable.at(5_000, async () => 'there'), 'there');
  const never = timetable.at(1e15, async () => 'then');
  timetable.end();
  await t.throwsAsync(never, { code: 'machine.stopping' });
  await t.throwsAsync(
    timetable.at(0, async () => undefined),
    { code: 'machine.stopping' },
  );
  await machine.stop();
});

for (const clock of ['quantum', 'realtime'] as const)
  test(`${clock}: acts come after their times, where nobody runs too`, async (t) => {
    const machine = await machineOf({ lps: 2, clock });
    const timetable = new Timetable(machine);
    await timetable.at(0, async (enter) => void (await enter('vm.create', { config: guest('idle') })));
    for (const due of [3_000_000, 40_000_000]) await timetable.at(due, async () => t.true(clockOf(machine) >= due));
    timetable.end();
    await machine.stop();
  });
