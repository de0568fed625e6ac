// The experiments of the policy suite: a guest, the settings that are compared, and the number that is read from each run.

/** What `hvd run --json` says, as far as it is read here. */
export interface RunReport {
  readonly cycles: number;
  readonly partition: {
    readonly vps: readonly {
      readonly instructions: number;
      readonly runCycles: number;
      readonly spin: Readonly<Record<string, number>>;
      readonly counters: Readonly<Record<string, number>>;
    }[];
    readonly vtlb: Readonly<Record<string, number>>;
    readonly load: readonly {
      readonly operations: number;
      readonly latencySum: number;
      readonly latencyP99: number;
      readonly latencyMax: number;
      readonly latencyCount: number;
    }[];
  };
}

export interface Experiment {
  readonly name: string;
  readonly guest: {
    readonly image: string;
    readonly vps: number;
    /** As many as VPs when absent. */
    readonly lps?: number;
    readonly nodes?: number;
    /** LPs take turns of an eighth of it: short ones where VPs wait for one another. */
    readonly quantumCycles?: number;
    readonly hv?: string;
    readonly append: string;
  };
  /** Each is `policy=value`, several with spaces between. The first is the baseline. */
  readonly settings: readonly string[];
  readonly unit: string;
  /** What has been promised of the last setting. */
  readonly bar?: string;
  readonly measure: (report: RunReport) => number;
}

const operations = ({ partition }: RunReport): number => partition.load.reduce((sum, job) => sum + job.operations, 0);
/** Mean latency of an operation, virtual cycles. */
const latency = ({ partition }: RunReport): number =>
  partition.load.reduce((sum, job) => sum + job.latencySum, 0) /
  Math.max(
    1,
    partition.load.reduce((sum, job) => sum + job.latencyCount, 0),
  );
/** Hardware walks that end in a table of the other node. */
const remoteShare = ({ partition: { vtlb } }: RunReport): number => (vtlb.remoteWalks ?? 0) / Math.max(1, vtlb.walks ?? 0);
const perOperation =
  (counter: string) =>
  (report: RunReport): number =>
    (report.partition.vtlb[counter] ?? 0) / Math.max(1, operations(report));

const guest = (job: string, vps: number, image = 'workload64'): Experiment['guest'] => ({
  image,
  vps,
  append: `job=${job} milliseconds=100`,
});

export const EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'coalesce: spaces of the same tables',
    guest: guest('switch:spaces=16,pages=16', 1),
    settings: ['vtlb.coalesce=off', 'vtlb.coalesce=16', 'vtlb.share=3'],
    unit: 'shadow tables in use',
    measure: ({ partition }) => partition.vtlb.sptLive ?? 0,
  },
  {
    name: 'coalesce: tables made and thrown away',
    guest: guest('switch:spaces=64,pages=4', 1),
    settings: ['vtlb.pages=64 vtlb.coalesce=off', 'vtlb.pages=64 vtlb.coalesce=16', 'vtlb.pages=64 vtlb.coalesce=256'],
    unit: 'operations in the run',
    measure: operations,
  },
  {
    name: 'tags: switches between four spaces',
    guest: guest('switch:spaces=4,pages=16', 1),
    settings: ['vtlb.tags=1', 'vtlb.tags=64'],
    unit: 'operations in the run',
    bar: '≥ 5 ×',
    measure: operations,
  },
  {
    name: 'tags: fills a switch, between two spaces',
    guest: guest('switch:spaces=2,pages=16', 1),
    settings: ['vtlb.tags=1', 'vtlb.tags=2'],
    unit: 'fills an operation',
    bar: '0 once both are known (test/guests/settings)',
    measure: perOperation('fills'),
  },
  {
    name: 'tags: more spaces than tags',
    guest: guest('switch:spaces=16,pages=16', 1),
    settings: ['vtlb.tags=1', 'vtlb.tags=8', 'vtlb.tags=64'],
    unit: 'operations in the run',
    measure: operations,
  },
  {
    name: 'tags: edits of page tables, a CR3 write a round',
    guest: guest('pagechurn:pages=16,reload=1', 1),
    settings: ['vtlb.tags=1', 'vtlb.tags=64'],
    unit: 'cycles a round',
    measure: latency,
  },
  {
    name: 'track: intercepts of edits',
    guest: guest('pagechurn:pages=16,reload=1', 1),
    settings: ['vtlb.track=write', 'vtlb.track=rmap', 'vtlb.track=mapping'],
    unit: 'page-table write intercepts a round of 32 edits',
    measure: perOperation('pageTableWriteIntercepts'),
  },
  {
    name: 'track: what edits cost',
    guest: guest('pagechurn:pages=16,reload=1', 1),
    settings: ['vtlb.track=write', 'vtlb.track=rmap', 'vtlb.track=mapping'],
    unit: 'cycles a round',
    measure: latency,
  },
  {
    name: 'tags: edits and INVLPG, no CR3 write',
    guest: guest('pagechurn:pages=16', 1),
    settings: ['vtlb.tags=1', 'vtlb.tags=64'],
    unit: 'cycles a round',
    measure: latency,
  },
  {
    name: 'reclaim: more spaces than shadow tables',
    guest: guest('switch:spaces=64,pages=4', 1),
    settings: ['vtlb.pages=64 vtlb.reclaim=immediate', 'vtlb.pages=64 vtlb.reclaim=deferred', 'vtlb.pages=all'],
    unit: 'operations in the run',
    measure: operations,
  },
  {
    name: 'reclaim: shootdowns',
    guest: guest('switch:spaces=64,pages=4', 2),
    settings: ['vtlb.pages=64 vtlb.reclaim=immediate', 'vtlb.pages=64 vtlb.reclaim=deferred'],
    unit: 'hardware TLB shootdowns per 1,000 tables freed',
    measure: ({ partition: { vtlb } }) => (1000 * (vtlb.flushHandshakes ?? 0)) / Math.max(1, vtlb.sptFreed ?? 0),
  },
  {
    name: 'flush: everything goes, with many spaces made',
    guest: guest('switch:spaces=64,pages=4,flush=16', 1),
    settings: ['vtlb.tags=1 vtlb.flush=walk', 'vtlb.tags=1 vtlb.flush=generation'],
    unit: 'operations in the run, a flush of everything after each 16th',
    measure: operations,
  },
  {
    name: 'flush: everything goes, with one space',
    guest: guest('switch:spaces=1,pages=4,flush=16', 1),
    settings: ['vtlb.tags=1 vtlb.flush=walk', 'vtlb.tags=1 vtlb.flush=generation'],
    unit: 'operations in the run',
    measure: operations,
  },
  {
    name: 'flush: tables linked again',
    guest: guest('switch:spaces=64,pages=4,flush=16', 1),
    settings: ['vtlb.tags=1 vtlb.flush=walk', 'vtlb.tags=1 vtlb.flush=generation'],
    unit: 'shadow tables made for each operation',
    measure: perOperation('sptAllocated'),
  },
  {
    name: 'untracked: tables that come and go',
    guest: guest('pagechurn:pages=4,tables=256,reload=1', 1),
    settings: ['vtlb.untracked=0', 'vtlb.untracked=64', 'vtlb.untracked=1024'],
    unit: 'operations in the run',
    measure: operations,
  },
  {
    name: 'untracked: purges of all mappings',
    guest: guest('pagechurn:pages=4,tables=256,reload=1', 1),
    settings: ['vtlb.untracked=0', 'vtlb.untracked=64', 'vtlb.untracked=1024'],
    unit: 'purges of everything per 1,000 operations',
    measure: (report) => 1000 * perOperation('untrackedPurges')(report),
  },
  {
    name: 'untracked: tables that stay what they are',
    guest: guest('switch:spaces=2,pages=16', 1),
    settings: ['vtlb.untracked=0', 'vtlb.untracked=64', 'vtlb.untracked=1024'],
    unit: 'tables gone over in the run',
    measure: ({ partition }) => partition.vtlb.validations ?? 0,
  },
  {
    name: 'untracked: what that costs',
    guest: guest('switch:spaces=2,pages=16', 1),
    settings: ['vtlb.untracked=0', 'vtlb.untracked=64', 'vtlb.untracked=1024'],
    unit: 'operations in the run',
    measure: operations,
  },
  {
    name: 'pervp: VPs in one address space',
    guest: guest('switch:spaces=4,pages=16', 4),
    settings: ['vtlb.pervp=on', 'vtlb.pervp=off'],
    unit: 'shadow tables in use',
    measure: ({ partition }) => partition.vtlb.sptLive ?? 0,
  },
  {
    name: 'pervp: fills that other VPs have done already',
    guest: guest('switch:spaces=16,pages=16', 4),
    settings: ['vtlb.pervp=on', 'vtlb.pervp=off'],
    unit: 'fills in the run',
    measure: ({ partition }) => partition.vtlb.fills ?? 0,
  },
  {
    name: 'pervp: VPs that edit one address space',
    guest: guest('pagechurn:pages=16,shared=1', 4),
    settings: ['vtlb.pervp=on', 'vtlb.pervp=off'],
    unit: 'cycles a round',
    measure: latency,
  },
  {
    name: 'lock: fills and INVLPGs of VPs in spaces of their own',
    guest: guest('pagechurn:pages=16', 4),
    settings: ['vtlb.lock=global', 'vtlb.lock=fine', 'vtlb.lock=generation'],
    unit: 'cycles a round',
    measure: latency,
  },
  {
    name: 'lock: one VP, whom nobody gets in the way of',
    guest: guest('pagechurn:pages=16', 1),
    settings: ['vtlb.lock=global', 'vtlb.lock=fine', 'vtlb.lock=generation'],
    unit: 'cycles a round',
    measure: latency,
  },
  {
    name: 'protect: shootdowns',
    guest: guest('pagechurn:pages=16,reload=1', 4),
    settings: ['vtlb.protect=immediate', 'vtlb.protect=deferred'],
    unit: 'hardware TLB shootdowns per 1,000 edits',
    bar: '≤ 0.05 ×',
    measure: ({ partition }) =>
      (1000 * (partition.vtlb.protectShootdowns ?? 0)) / Math.max(1, 32 * partition.load.reduce((sum, job) => sum + job.operations, 0)),
  },
  {
    name: 'protect: what edits cost',
    guest: guest('pagechurn:pages=16,reload=1', 4),
    settings: ['vtlb.protect=immediate', 'vtlb.protect=deferred'],
    unit: 'cycles a round',
    measure: latency,
  },
  {
    name: 'share: spaces that have nothing in common',
    guest: guest('switch:spaces=16,pages=4', 1),
    settings: ['vtlb.share=off', 'vtlb.share=2', 'vtlb.share=3'],
    unit: 'operations in the run',
    measure: operations,
  },
  {
    name: 'numa: walks of shadow tables on the other node',
    guest: { ...guest('switch:spaces=16,pages=64,private=1', 4), nodes: 2 },
    settings: ['vtlb.numa=off', 'vtlb.numa=instance', 'vtlb.numa=local'],
    unit: 'of the hardware walks, with spaces made on the node of their VP',
    bar: '≤ 0.05 ×',
    measure: remoteShare,
  },
  {
    name: 'numa: what walks cost',
    guest: { ...guest('switch:spaces=16,pages=64,private=1', 4), nodes: 2 },
    settings: ['vtlb.numa=off', 'vtlb.numa=instance', 'vtlb.numa=local'],
    unit: 'operations in the run',
    measure: operations,
  },
  {
    name: 'numa: spaces that VPs of both nodes use',
    guest: { ...guest('switch:spaces=4,pages=16', 4), nodes: 2 },
    settings: ['vtlb.numa=off', 'vtlb.numa=instance', 'vtlb.numa=local'],
    unit: 'of the hardware walks',
    measure: remoteShare,
  },
  {
    name: 'numa: tables that instances cost',
    guest: { ...guest('switch:spaces=4,pages=16', 4), nodes: 2 },
    settings: ['vtlb.numa=off', 'vtlb.numa=local', 'vtlb.numa=instance'],
    unit: 'shadow tables in use',
    measure: ({ partition }) => partition.vtlb.sptLive ?? 0,
  },
];
