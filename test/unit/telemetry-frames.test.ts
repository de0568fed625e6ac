// Samples as frames: what is made by functions with constant keys is read as what it was made of, whatever the values are.
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { MsgpackWriter, mapWriter } from '../../daemon/root/control/msgpack-writer.js';
import { eventFrame } from '../../daemon/root/control/outbox.js';
import { eventsFrame, statsFrame } from '../../daemon/root/control/telemetry-frames.js';
import { FrameReader } from '../../shared/protocol/frames.js';
import { FRAME_MAX, type MachineStats } from '../../shared/protocol/messages.js';
import { seeded } from '../rig/seeded.js';
import { startStubMachine, stubPartition } from '../rig/stub-daemon.js';

const SEED = Number(process.env.HVD_SEED ?? 1) || 1;
const decode = (frame: Buffer | undefined): unknown => new FrameReader().take(frame!)[0];

test('a sample is what comes out of its frame, no longer than the packer makes it', async (t) => {
  const machine = await startStubMachine({ lps: 3 });
  try {
    await machine.add(stubPartition('a', { vps: 2 }));
    await machine.add(stubPartition('a-name-of-more-than-31-letters-0', { vps: 3, load: { job: 'idle' } }));
    machine.scripts.tell(
      {},
      {
        name: 's',
        state: 'failed',
        phase: 'p',
        index: 1,
        phases: 1,
        step: 1,
        steps: 1,
        seconds: 0.25,
        length: 1e9,
        assertions: { holds: 0, fails: 1, left: 0 },
        failures: ['wörtlich: 2 > 3 — ☃'],
      },
    );
    // Counters that have counted, so that values of all lengths are there.
    const draw = seeded(SEED);
    for (const { counters, views } of machine.partitions.all[1]!.body.vps)
      for (let i = 0; i < 40; i++) views.u32[(counters >>> 2) + i] = 2 ** draw(33) - draw(3);
    const stats = machine.stats();
    t.deepEqual(decode(statsFrame(stats)), { ev: 'stats', d: stats });
    t.is(statsFrame(stats)!.length, eventFrame('stats', stats)!.length);
    // A frame is its own: the next one changes nothing of it.
    const first = statsFrame(stats)!;
    statsFrame({ ...stats, at: 7, policies: {} });
    t.deepEqual(decode(first), { ev: 'stats', d: stats });
    const partitions = Array.from({ length: 4000 }, () => stats.partitions[0]!);
    t.is(statsFrame({ ...stats, partitions } as MachineStats), undefined, `longer than ${FRAME_MAX}`);
    t.deepEqual(decode(statsFrame(stats)), { ev: 'stats', d: stats });
  } finally {
    await machine.stop();
  }
});

test('numbers, text, lists and records of all lengths', (t) => {
  const draw = seeded(SEED);
  const number = (): number => {
    const value = 2 ** draw(54) + draw(3) - 1;
    return [value, -1 - value, value + 0.5, value / 3, 0, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER][draw(7)]!;
  };
  const text = (): string => ['x', 'é', '☃', '🙂', ''][draw(5)]!.repeat([0, 1, 10, 11, 31, 32, 85, 86, 255, 256, 22000, 70_000][draw(12)]!);
  const value = (depth: number): unknown => {
    const kind = draw(depth > 1 ? 4 : 6);
    if (kind === 0) return number();
    if (kind === 1) return depth === 0 ? text() : 'word';
    if (kind === 2) return [true, false, null][draw(3)];
    if (kind === 3) return draw(300);
    const length = [0, 1, 15, 16, 17][draw(5)]!;
    if (kind === 4) return Array.from({ length }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, value(depth + 1)]));
  };
  const keys = ['a', 'bb', 'ccc', 'dddd', 'a-key-that-is-longer-than-31-bytes-is', 'é', 'g'] as const;
  const write = mapWriter<Record<(typeof keys)[number], unknown>>(keys);
  const writer = new MsgpackWriter();
  const long = Array.from({ length: 70_000 }, (_, i) => i);
  for (let i = 0; i < 60; i++) {
    const record = Object.fromEntries(keys.map((key) => [key, value(0)])) as Record<(typeof keys)[number], unknown>;
    if (i % 30 === 0) record.g = i === 0 ? long : Object.fromEntries(long.map((n) => [n, null]));
    writer.begin();
    write(writer, record);
    t.true(isDeepStrictEqual(decode(writer.frame()), record), `seed ${SEED}, record ${i}`);
  }
});

test('events are what comes out of their frame', (t) => {
  const events = Array.from({ length: 4096 }, (_, n) => ({
    lp: n % 64,
    clock: n * 2 ** 33,
    kind: 'schedule-in',
    partition: n % 2 ? 'ä' : '',
    vp: n % 64,
    a: n,
    b: 2 ** 32 - 1,
  }));
  for (const some of [events, events.slice(0, 3), []]) {
    const frame = eventsFrame(some)!;
    t.deepEqual(decode(frame), { ev: 'events', d: some });
    t.is(frame.length, eventFrame('events', some)!.length);
  }
});
