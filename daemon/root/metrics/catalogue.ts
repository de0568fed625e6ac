// What is exported, one entry a metric: its name as OpenTelemetry would have it, unit, labels, meaning, and where in the statistics its values are.
// Counters are totals since the daemon (of partitions: since their boot) began; those of VPs and vTLBs have 32 bits and begin again, which rates of Prometheus take for a reset.
import { VTLB_COUNTERS } from '../../../shared/layout/vtlb.js';
import type { LpStats, MachineStats, PartitionStats, VpStats } from '../../../shared/protocol/messages.js';

export type Labels = Readonly<Record<string, string | number>>;
export type Sample = readonly [Labels, number];
/** What is known when somebody asks. */
export interface Scrape {
  readonly stats: MachineStats;
  readonly version: string;
  readonly residentBytes: number;
}
export interface Metric {
  /** `hvd.lp.idle` with unit `cycles` is exported as `hvd_lp_idle_cycles_total`. */
  readonly name: string;
  readonly unit?: 'bytes' | 'cycles' | 'hertz' | 'seconds';
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: (scrape: Scrape) => Iterable<Sample>;
}

/** Its name in the exposition format (OpenTelemetry specification, Prometheus compatibility): dots become underscores, then the unit, then `total` of counters. */
export const exportedName = ({ name, unit, kind }: Pick<Metric, 'name' | 'unit' | 'kind'>): string =>
  [name.replaceAll('.', '_'), ...(unit === undefined ? [] : [unit]), ...(kind === 'counter' ? ['total'] : [])].join('_');

const ofLps = (read: (lp: LpStats) => number) =>
  function* ({ stats }: Scrape): Iterable<Sample> {
    for (const lp of stats.lps) yield [{ lp: lp.id, node: lp.node }, read(lp)];
  };
const ofPartitions = (read: (partition: PartitionStats) => number) =>
  function* ({ stats }: Scrape): Iterable<Sample> {
    for (const partition of stats.partitions) yield [{ partition: partition.name }, read(partition)];
  };
/** One sample for each key of a record. */
const ofRecords = (label: string, read: (partition: PartitionStats) => Readonly<Record<string, number>>) =>
  function* ({ stats }: Scrape): Iterable<Sample> {
    for (const partition of stats.partitions)
      for (const [key, value] of Object.entries(read(partition))) yield [{ partition: partition.name, [label]: key }, value];
  };
const ofVps = (read: (vp: VpStats) => Iterable<Sample>) =>
  function* ({ stats }: Scrape): Iterable<Sample> {
    for (const { name, vps } of stats.partitions)
      for (const vp of vps) for (const [labels, value] of read(vp)) yield [{ partition: name, vp: vp.id, ...labels }, value];
  };
const ofVpRecords = (label: string, read: (vp: VpStats) => Readonly<Record<string, number>>) =>
  ofVps((vp) => Object.entries(read(vp)).map(([key, value]) => [{ [label]: key }, value]));

const LP = ['lp', 'node'];
const PARTITION = ['partition'];
const VP = ['partition', 'vp'];
const lpCounter = (name: string, help: string, read: (lp: LpStats) => number, unit?: Metric['unit']): Metric => ({
  name: `hvd.lp.${name}`,
  ...(unit === undefined ? {} : { unit }),
  kind: 'counter',
  help,
  labels: LP,
  samples: ofLps(read),
});

const VTLB_EVENTS: ReadonlySet<string> = new Set(VTLB_COUNTERS);
const pick = (record: Readonly<Record<string, number>>, isWanted: (key: string) => boolean): Record<string, number> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => isWanted(key)));
/** Cycles by their spin counter: the others count events. */
const isCycles = (key: string): boolean => key.endsWith('Cycles');

export const METRICS: readonly Metric[] = [
  {
    name: 'hvd.daemon.info',
    kind: 'gauge',
    help: 'Always 1; the daemon is this one',
    labels: ['version', 'clock'],
    samples: ({ stats, version }) => [[{ version, clock: stats.clockMode }, 1]],
  },
  {
    name: 'hvd.daemon.uptime',
    unit: 'seconds',
    kind: 'gauge',
    help: 'Time of the host since the daemon started',
    labels: [],
    samples: ({ stats }) => [[{}, stats.at / 1000]],
  },
  {
    name: 'hvd.daemon.resident_memory',
    unit: 'bytes',
    kind: 'gauge',
    help: 'Memory of the host that the daemon holds, guest RAM that was touched included',
    labels: [],
    samples: ({ residentBytes }) => [[{}, residentBytes]],
  },
  {
    name: 'hvd.machine.frequency',
    unit: 'hertz',
    kind: 'gauge',
    help: 'Virtual cycles in a second of virtual time',
    labels: [],
    samples: ({ stats }) => [[{}, stats.frequencyHz]],
  },
  {
    name: 'hvd.policy',
    kind: 'gauge',
    help: 'Always 1; the policy has this value',
    labels: ['policy', 'value'],
    samples: ({ stats }) => Object.entries(stats.policies).map(([policy, value]) => [{ policy, value }, 1]),
  },
  lpCounter('clock', 'Virtual time of the LP', (lp) => lp.clock, 'cycles'),
  lpCounter('idle', 'Virtual time in which it had nothing to run', (lp) => lp.idleCycles, 'cycles'),
  {
    name: 'hvd.lp.intercepts',
    kind: 'counter',
    help: 'Times that a guest has left to the hypervisor, by reason',
    labels: [...LP, 'reason'],
    *samples({ stats }) {
      for (const { id, node, intercepts } of stats.lps)
        for (const [reason, count] of Object.entries(intercepts)) yield [{ lp: id, node, reason }, count];
    },
  },
  lpCounter('interrupts', 'Interrupts delivered to guests', (lp) => lp.interrupts),
  lpCounter('ipis', 'Physical interrupts from other LPs', (lp) => lp.ipis),
  lpCounter('kicks', 'Times that it was made to look', (lp) => lp.kicks),
  lpCounter('context_switches', 'Changes of the VP that it runs', (lp) => lp.contextSwitches),
  lpCounter('world_switches', 'Round trips from long to legacy super-mode', (lp) => lp.worldSwitches),
  lpCounter('world_switch', 'Virtual time of these round trips', (lp) => lp.worldSwitchCycles, 'cycles'),
  lpCounter('vtlb_fills', 'Fills of shadow page tables', (lp) => lp.fills),
  lpCounter('flush_handshakes', 'Flushes that other LPs had to take part in', (lp) => lp.flushHandshakes),
  lpCounter('pending_fill_waits', 'Invalidations that waited for fills of other LPs', (lp) => lp.pendingFillWaits),
  { name: 'hvd.lp.queue', kind: 'gauge', help: 'VPs in its run queue', labels: LP, samples: ofLps((lp) => lp.queue) },
  {
    name: 'hvd.lp.state',
    kind: 'gauge',
    help: 'Always 1; the LP is in this state',
    labels: [...LP, 'state'],
    samples: ({ stats }) => stats.lps.map(({ id, node, state }) => [{ lp: id, node, state }, 1]),
  },
  {
    name: 'hvd.partition.memory',
    unit: 'bytes',
    kind: 'gauge',
    help: 'RAM of the guest',
    labels: PARTITION,
    samples: ofPartitions(({ memory }) => memory),
  },
  {
    name: 'hvd.partition.state',
    kind: 'gauge',
    help: 'Always 1; the partition is in this state',
    labels: [...PARTITION, 'state'],
    samples: ({ stats }) => stats.partitions.map(({ name, state }) => [{ partition: name, state }, 1]),
  },
  {
    name: 'hvd.partition.vtlb.events',
    kind: 'counter',
    help: 'What its vTLB has done, by counter',
    labels: [...PARTITION, 'event'],
    samples: ofRecords('event', ({ vtlb }) => pick(vtlb, (key) => VTLB_EVENTS.has(key))),
  },
  {
    name: 'hvd.partition.vtlb.entries',
    kind: 'gauge',
    help: 'What its vTLB holds, by kind',
    labels: [...PARTITION, 'kind'],
    samples: ofRecords('kind', ({ vtlb }) => pick(vtlb, (key) => !VTLB_EVENTS.has(key))),
  },
  {
    name: 'hvd.partition.code',
    kind: 'gauge',
    help: 'What its translated code takes, all LPs together',
    labels: [...PARTITION, 'kind'],
    samples: ofRecords('kind', ({ code }) => code),
  },
  {
    name: 'hvd.partition.interrupts',
    kind: 'counter',
    help: 'Interrupts and exceptions of its VPs, by kind',
    labels: [...PARTITION, 'kind'],
    samples: ofRecords('kind', ({ interrupts }) => interrupts.byKind),
  },
  {
    name: 'hvd.partition.vectors',
    kind: 'counter',
    help: 'Interrupts and exceptions delivered, by vector',
    labels: [...PARTITION, 'vector'],
    samples: ofRecords('vector', ({ interrupts }) => interrupts.byVector),
  },
  {
    name: 'hvd.vp.instructions',
    kind: 'counter',
    help: 'Instructions of the guest that have retired',
    labels: VP,
    samples: ofVps((vp) => [[{}, vp.instructions]]),
  },
  {
    name: 'hvd.vp.time',
    unit: 'cycles',
    kind: 'counter',
    help: 'Virtual time by what the VP was at; limited: of the ready time that which its limit took',
    labels: [...VP, 'state'],
    samples: ofVpRecords('state', (vp) => ({
      run: vp.runCycles,
      ready: vp.readyCycles,
      blocked: vp.blockedCycles,
      limited: vp.limitedCycles,
    })),
  },
  {
    name: 'hvd.vp.displaced',
    unit: 'cycles',
    kind: 'counter',
    help: 'Of the ready time that in which a VP of that partition ran',
    labels: [...VP, 'by'],
    samples: ofVpRecords('by', (vp) => vp.displacedBy),
  },
  {
    name: 'hvd.vp.events',
    kind: 'counter',
    help: 'What has happened to the VP, by counter (names of the TLFS where it has one)',
    labels: [...VP, 'event'],
    samples: ofVpRecords('event', (vp) => vp.counters),
  },
  {
    name: 'hvd.vp.spin.events',
    kind: 'counter',
    help: 'Spin waits and what was done about them, by counter',
    labels: [...VP, 'event'],
    samples: ofVpRecords('event', (vp) => pick(vp.spin, (key) => !isCycles(key))),
  },
  {
    name: 'hvd.vp.spin',
    unit: 'cycles',
    kind: 'counter',
    help: 'Virtual time given by extensions and express scheduling, and repaid',
    labels: [...VP, 'kind'],
    samples: ofVpRecords('kind', (vp) => pick(vp.spin, isCycles)),
  },
  ...(['operations', 'latencyCount', 'latencySum'] as const).map(
    (key): Metric => ({
      name: { operations: 'hvd.load.operations', latencyCount: 'hvd.load.latencies', latencySum: 'hvd.load.latency' }[key],
      ...(key === 'latencySum' ? { unit: 'cycles' as const } : {}),
      kind: 'counter',
      help: {
        operations: 'Operations of the job that the VP runs',
        latencyCount: 'Latencies that the job has measured',
        latencySum: 'Sum of these latencies',
      }[key],
      labels: [...VP, 'job'],
      *samples({ stats }) {
        for (const { name, load } of stats.partitions)
          for (const entry of load) yield [{ partition: name, vp: entry.vp, job: entry.job }, entry[key]];
      },
    }),
  ),
];
