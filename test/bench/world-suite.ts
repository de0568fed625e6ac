// `npm run bench -- --suite world`: what the switch page costs. A round trip by itself, on the host's clock and by the table of costs; and what a legacy guest gets done
// by way of the page, against the decoder's flag alone.
// A slice is SLICE_CYCLES of the scheduler, a millisecond. The guest has two VPs on one LP, so that each slice begins and ends with a switch; what it is intercepted for
// costs one more each. The policy is changed while it runs: both halves of a ratio are the same guest a fraction of a second apart.
// The host's time is what this process has had of its processors: it was alone on its one LP, and what others ran there meanwhile does not count.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultMachine, readCosts } from '../../daemon/root/config/machine-file.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { worldRig } from '../rig/world-rig.js';

/** A round trip of a bare switch page on QEMU's translator, by its time-stamp counter. */
const TCG_TSC_CYCLES = 24_851;

export interface TripNumbers {
  readonly nanoseconds: number;
  /** Of the host's time-stamp counter, taken to count at the frequency that the processor states. */
  readonly tscCycles: number;
  readonly virtualCycles: number;
}
export interface ThroughputRow {
  readonly job: string;
  readonly what: string;
  /** Round trips in a second of the guest's time. */
  readonly trips: number;
  /** Work done under `page` over that under `direct`: in the same time of the host, and of the guest. */
  readonly hostRatio: number;
  readonly virtualRatio: number;
  readonly bar?: string;
}
export interface WorldNumbers {
  readonly trip: TripNumbers;
  readonly throughput: readonly ThroughputRow[];
}

const WARM_TRIPS = 5000;
const TRIPS = 5000;
/** Of the host's processors, ms. */
const processorMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Of the first processor; virtual machines leave `os.cpus` without it. NaN: not stated. */
const megahertz = (): number => Number(/cpu MHz\s*: ([\d.]+)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]);

const measureTrip = (rounds: number): TripNumbers => {
  const { trip } = worldRig('both', readCosts());
  for (let n = 0; n < WARM_TRIPS; n++) trip();
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = processorMs();
    for (let n = 0; n < TRIPS; n++) trip();
    times.push(((processorMs() - began) * 1e6) / TRIPS);
  }
  const nanoseconds = median(times);
  return { nanoseconds, tscCycles: (nanoseconds * megahertz()) / 1000, virtualCycles: trip() };
};

const JOBS: readonly (readonly [job: string, what: string, parameters: Readonly<Record<string, number>>, bar?: string])[] = [
  ['compute', 'no intercepts: a switch a slice', {}, '≥ 0.95'],
  ['timer', 'a tick a millisecond, idle between', { period: 1_000_000 }],
  ['io', 'a port write each 200 instructions', {}],
  ['switch', 'address spaces: a MOV to CR3 each 100 instructions', {}],
];
const WARM_MS = 600;
const WINDOW_MS = 300;

const measureThroughput = async (rounds: number, [job, what, parameters, bar]: (typeof JOBS)[number]): Promise<ThroughputRow> => {
  const machine = await Machine.start({
    config: {
      ...defaultMachine(),
      lps: 1,
      clock: 'quantum',
      idle: 'skip',
      pin: false,
      partitions: [
        {
          name: 'legacy',
          image: join(packageRoot(), 'configs/guests/images/workload32.elf'),
          vps: 2,
          memory: 32 << 20,
          load: { job, parameters: { ...parameters } },
        },
      ],
    },
    log: silentLog(),
  });
  try {
    const look = (): { readonly at: number; readonly work: number; readonly clock: number; readonly trips: number } => {
      const at = processorMs();
      const { lps, partitions } = machine.stats();
      const work = partitions[0]!.load.reduce((sum, { operations }) => sum + operations, 0);
      return { at, work, clock: lps[0]!.clock, trips: lps[0]!.worldSwitches };
    };
    const run = async (setting: string): Promise<{ readonly host: number; readonly virtual: number; readonly trips: number }> => {
      machine.setPolicy('world.switch', setting);
      await sleep(WINDOW_MS / 10);
      const before = look();
      await sleep(WINDOW_MS);
      const after = look();
      const work = after.work - before.work;
      const clock = after.clock - before.clock;
      return { host: work / (after.at - before.at), virtual: work / clock, trips: ((after.trips - before.trips) / clock) * 1e9 };
    };
    await run('page');
    await sleep(WARM_MS);
    const pairs = [];
    for (let round = 0; round < rounds; round++) {
      const direct = await run('direct');
      const page = await run('page');
      pairs.push({ host: page.host / direct.host, virtual: page.virtual / direct.virtual, trips: page.trips });
    }
    return {
      job,
      what,
      trips: median(pairs.map(({ trips }) => trips)),
      hostRatio: median(pairs.map(({ host }) => host)),
      virtualRatio: median(pairs.map(({ virtual }) => virtual)),
      ...(bar === undefined ? {} : { bar }),
    };
  } finally {
    await machine.stop();
  }
};

export const measureWorld = async (quick: boolean, say: (text: string) => void): Promise<WorldNumbers> => {
  const rounds = quick ? 3 : 9;
  say('\rround trips');
  const trip = measureTrip(rounds);
  const throughput: ThroughputRow[] = [];
  for (const job of JOBS) {
    say(`\r${job[0].padEnd(20)}`);
    throughput.push(await measureThroughput(rounds, job));
  }
  say('\r\x1b[K');
  return { trip, throughput };
};

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

export const worldMarkdown = ({ trip, throughput }: WorldNumbers): string =>
  [
    '| round trip, long to legacy and back | | bar |',
    '| --- | ---: | --- |',
    `| on the host | ${(trip.nanoseconds / 1000).toFixed(2)} µs: ${whole(1e9 / trip.nanoseconds)} /s |  |`,
    `| in its TSC cycles | ${whole(trip.tscCycles)} | < ${whole(TCG_TSC_CYCLES / 2)}, half of the bare page on QEMU TCG |`,
    `| by the table of costs | ${whole(trip.virtualCycles)} cycles |  |`,
    '',
    "| 32-bit guest, two VPs on one LP | | round trips in a second of its time | work under `page` ÷ `direct`, time of the host's processor | guest time | bar, host |",
    '| --- | --- | ---: | ---: | ---: | --- |',
    ...throughput.map(
      ({ job, what, trips, hostRatio, virtualRatio, bar }) =>
        `| \`${job}\` | ${what} | ${whole(trips)} | ${hostRatio.toFixed(2)} | ${virtualRatio.toFixed(3)} | ${bar ?? ''} |`,
    ),
  ].join('\n');
