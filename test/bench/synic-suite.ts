// `npm run bench -- --suite synic`: what messages between two guests cost, by policy, in virtual time; and on the host's clock, how fast interrupts are posted to a VP that
// runs and how soon one that is blocked wakes.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { readMachineFile } from '../../daemon/root/config/machine-file.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { inspectSynic } from '../../daemon/root/synic-view.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { MachineConfig } from '../../shared/protocol/messages.js';
import type { PostWorkerData } from './post-worker.js';
import type { WakeWorkerData } from './wake-worker.js';

export interface MessageRow {
  readonly window: number;
  readonly pending: string;
  readonly eoi: string;
  /** Of each message: writes of EOM, those that had a successor waiting, intercepts of EOIs. */
  readonly eoms: number;
  readonly successors: number;
  readonly eois: number;
  /** In a second of the guests' time at 1 GHz. */
  readonly interrupts: number;
  /** Part of the VPs' cycles that went to the hypervisor. */
  readonly hypervisor: number;
}
export interface HostNumbers {
  readonly postsPerSecond: number;
  /** Medians, µs: two threads and nothing else; a blocked VP whose LP sleeps at once, and one whose LP looks for work first (`sched.poll`). */
  readonly bareWake: number;
  readonly sleepingWake: number;
  readonly pollingWake: number;
}

const FILE = 'configs/machines/messages.yaml';
const OPERATIONS = 3000;
const LIMIT_MS = 60_000;
const ROUNDS = 5;
/** By then what LPs and guests run is compiled: before that a wake is followed by hundreds of microseconds of work for the first time. */
const WARM_OPERATIONS = 10_000;
/** LPs that meet this often see each other's posts soon. */
const QUANTUM_CYCLES = 16_000;

const SETTINGS: readonly (readonly [number, string, string])[] = [
  [1, 'always', 'assist'],
  [1, 'exact', 'assist'],
  [1, 'exact', 'exit'],
  [1, 'exact', 'auto'],
  [8, 'always', 'assist'],
  [8, 'exact', 'assist'],
  [8, 'exact', 'exit'],
  [8, 'exact', 'auto'],
];

const machineOf = (parameters: Record<string, number>, changes: Partial<MachineConfig>): MachineConfig => {
  const config = readMachineFile(join(packageRoot(), FILE));
  const partitions = config.partitions.map((partition, role) => ({
    ...partition,
    load: { job: 'message', parameters: { ...parameters, role } },
  }));
  return { ...config, idle: 'skip', pin: false, partitions, ...changes };
};
const until = async (machine: Machine, operations: number): Promise<void> => {
  const end = performance.now() + LIMIT_MS;
  while ((machine.stats().partitions[0]?.load[0]?.operations ?? 0) < operations) {
    if (performance.now() > end) throw new Error('the guests do not answer each other');
    await sleep(10);
  }
};

const measureMessages = async (window: number, pending: string, eoi: string): Promise<MessageRow> => {
  const config = machineOf(
    { window, auto: eoi === 'auto' ? 1 : 0 },
    { clock: 'deterministic', quantumCycles: QUANTUM_CYCLES, policies: { 'synic.pending': pending, 'apic.eoi': eoi } },
  );
  const machine = await Machine.start({ config, log: silentLog() });
  try {
    await until(machine, OPERATIONS);
    await Promise.all(machine.partitions.all.map(({ name }) => machine.partitions.pause(name)));
    const { partitions, lps } = machine.stats();
    const synic = machine.partitions.all.flatMap(({ body }) => inspectSynic(body.views, body.vps.length));
    const sints = synic.flatMap(({ sints }) => sints);
    const vps = partitions.flatMap(({ vps }) => vps);
    const sum = <T>(of: readonly T[], value: (one: T) => number): number => of.reduce((total, one) => total + value(one), 0);
    const messages = sum(sints, (sint) => sint.messages);
    const cycles = sum(vps, ({ runCycles }) => runCycles);
    return {
      window,
      pending,
      eoi,
      eoms: sum(synic, ({ eoms }) => eoms) / messages,
      successors: sum(sints, ({ pendings }) => pendings) / messages,
      eois: sum(vps, ({ counters }) => counters.apicEoiAccesses ?? 0) / messages,
      interrupts: (sum(sints, (sint) => sint.interrupts) * config.frequencyHz) / Math.max(...lps.map(({ clock }) => clock)),
      hypervisor: 1 - sum(vps, ({ instructions }) => instructions) / cycles,
    };
  } finally {
    await machine.stop();
  }
};

/** One thread posts vectors to a VP, another takes them as the VP's LP does. */
const measurePosts = async (milliseconds: number): Promise<number> => {
  const memory = new SharedArrayBuffer(PartitionMap.RAM);
  const ready = new SharedArrayBuffer(8);
  const counts = await Promise.all(
    ([true, false] as const).map(
      (posts) =>
        new Promise<number>((resolve, reject) => {
          const workerData: PostWorkerData = { memory, ready, posts, milliseconds };
          new Worker(new URL('./post-worker.js', import.meta.url), { workerData }).once('message', resolve).once('error', reject);
        }),
    ),
  );
  return (counts[0]! * 1000) / milliseconds;
};

const medianOf = (values: number[]): number => values.sort((a, b) => a - b)[values.length >>> 1]!;

/** What the host takes to wake a thread: no LP that sleeps can be faster. */
const measureBareWakes = async (times: number): Promise<number> => {
  const memory = new SharedArrayBuffer(16);
  const took = await Promise.all(
    [true, false].map(
      (notifies) =>
        new Promise<number[]>((resolve, reject) => {
          const workerData: WakeWorkerData = { memory, notifies, times };
          new Worker(new URL('./wake-worker.js', import.meta.url), { workerData }).once('message', resolve).once('error', reject);
        }),
    ),
  );
  return medianOf(took[1]!);
};

/** Interrupts of the host's clock, from the post to the delivery in the guest that had halted. */
const measureWakes = async (seconds: number, poll: string): Promise<number> => {
  // Each LP on a core of its own, as a machine has them unless it is told otherwise: the host likes to put a thread that is woken beside the one that wakes it, which looks for work just then.
  const config = machineOf({ window: 1 }, { clock: 'realtime', pin: true, policies: { 'sched.poll': poll } });
  const machine = await Machine.start({ config, log: silentLog() });
  try {
    await until(machine, WARM_OPERATIONS);
    const waits: number[] = [];
    for (let n = 0; n < seconds * 20; n++) {
      await sleep(50);
      for (const partition of ['ann', 'bob']) {
        const { log } = machine.interrupts({ partition, vp: 0 });
        for (const { kind, waitCycles } of log?.records.slice(0, -1) ?? []) if (kind === 'sint') waits.push(waitCycles);
      }
    }
    return (medianOf(waits) * 1e6) / machine.config.frequencyHz;
  } finally {
    await machine.stop();
  }
};

export const measureSynic = async (say: (text: string) => void): Promise<{ rows: MessageRow[]; host: HostNumbers }> => {
  const rows: MessageRow[] = [];
  for (const setting of SETTINGS) {
    say(`\r${`messages: ${setting.join(' ')}`.padEnd(60)}`);
    rows.push(await measureMessages(...setting));
  }
  say(`\r${'on the host'.padEnd(60)}`);
  const postsPerSecond = await measurePosts(1000);
  // One after the other, several times: what else the host does meanwhile is shared alike.
  const wakes: { bare: number[]; off: number[]; adaptive: number[] } = { bare: [], off: [], adaptive: [] };
  for (let round = 0; round < ROUNDS; round++) {
    wakes.bare.push(await measureBareWakes(2000));
    for (const poll of ['off', 'adaptive'] as const) wakes[poll].push(await measureWakes(1, poll));
  }
  const host = {
    postsPerSecond,
    bareWake: medianOf(wakes.bare),
    sleepingWake: medianOf(wakes.off),
    pollingWake: medianOf(wakes.adaptive),
  };
  say('\r\x1b[K');
  return { rows, host };
};

export const synicMarkdown = ({ rows, host }: { rows: readonly MessageRow[]; host: HostNumbers }): string =>
  [
    '| requests at once | `synic.pending` | `apic.eoi` | successors a message | EOM writes a message | a successor | EOI intercepts a message | interrupts/s | in the hypervisor |',
    '| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows.map(
      (row) =>
        `| ${row.window} | ${row.pending} | ${row.eoi} | ${row.successors.toFixed(3)} | ${row.eoms.toFixed(3)} | ${row.successors === 0 ? '-' : (row.eoms / row.successors).toFixed(3)} | ${row.eois.toFixed(3)} | ${Math.round(row.interrupts).toLocaleString('en-US')} | ${(100 * row.hypervisor).toFixed(1)} % |`,
    ),
    '',
    '| on the host | | bar |',
    '| --- | ---: | --- |',
    `| interrupts posted to a VP that another thread runs, a second | ${Math.round(host.postsPerSecond).toLocaleString('en-US')} | ≥ 1,000,000 |`,
    `| from \`Atomics.notify\` to the end of \`Atomics.wait\` in another thread, nothing else, median, µs | ${host.bareWake.toFixed(1)} | none: the host's part |`,
    `| from a post to the delivery in a VP that was blocked, \`sched.poll=off\`, median, µs | ${host.sleepingWake.toFixed(1)} |  |`,
    `| the same, \`sched.poll=adaptive\` | ${host.pollingWake.toFixed(1)} | ≤ 50 |`,
  ].join('\n');
