// Jobs for workload guests: an LP writes them into the job area that the guest has announced (layout/job-order), then its doorbell is rung.
// A load that is set before the guest has got that far waits for it.
import type { JobOrder } from '../../shared/layout/job-order.js';
import {
  isJobName,
  JOB_AREA_SIZE,
  JOB_NAMES,
  JOB_PAGE_MAGIC,
  JOBS,
  JobEntry,
  type JobName,
  JobPage,
  jobEntryAt,
  jobHistogramAt,
  jobParameters,
  LATENCY_COUNTS,
  latencyQuantile,
} from '../../shared/layout/job-page.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { LoadCounters, LoadSpec } from '../../shared/protocol/messages.js';
import { jobPage } from '../platform/doorbell.js';
import type { Partition } from './partition.js';
import type { PartitionBody } from './partition-body.js';
import { isAllowed } from './partition-verbs.js';
import type { Partitions } from './partitions.js';

/** Loads that may wait for a guest to announce its job page. */
export const PENDING_LOADS_MAX = 64;

const IDLE: LoadSpec = { job: 'idle' };

export interface LoadMistake {
  /** Keys and indexes that lead to it in the load. */
  readonly path: readonly (string | number)[];
  readonly error: HvdError;
}

/** What makes no sense in a load for this partition. */
export const loadMistake = (name: string, vps: number, load: LoadSpec): LoadMistake | undefined => {
  if (!isJobName(load.job)) return { path: ['job'], error: new HvdError('load.unknown', { job: load.job, jobs: JOB_NAMES.join(', ') }) };
  const parameters = jobParameters(load.job, load.parameters);
  if (!Array.isArray(parameters)) {
    const { unknown } = parameters;
    const known = Object.keys(JOBS[load.job].parameters).join(', ') || 'none';
    return {
      path: ['parameters', unknown],
      error: new HvdError('load.parameter', { job: load.job, parameter: unknown, parameters: known }),
    };
  }
  for (const [index, vp] of (load.vps ?? []).entries())
    if (vp >= vps) return { path: ['vps', index], error: new HvdError('load.vp', { name, last: vps - 1, vp }) };
  return undefined;
};

/** Throws unless the load makes sense for the partition. */
export const checkLoad = (name: string, vps: number, load: LoadSpec): void => {
  const mistake = loadMistake(name, vps, load);
  if (mistake !== undefined) throw mistake.error;
};

/** Sets the load now, or once the guest has announced its job page if it has not yet. */
export const setLoad = async (partitions: Partitions, name: string, load: LoadSpec): Promise<void> => {
  checkLoad(name, partitions.get(name).config.vps, load);
  await partitions.assign(name, (partition) => {
    const area = jobArea(partition.body);
    if (area !== undefined) return [orderOf(partition, area, load)];
    if (partition.pendingLoads.length >= PENDING_LOADS_MAX) throw new HvdError('load.none', { name });
    partition.pendingLoads.push(load);
    return [];
  });
};

export const stopLoad = async (partitions: Partitions, name: string, vps: number[] | undefined): Promise<void> => {
  const load: LoadSpec = { ...IDLE, vps };
  checkLoad(name, partitions.get(name).config.vps, load);
  await partitions.assign(name, (partition) => {
    if (vps === undefined) partition.pendingLoads = [];
    const area = jobArea(partition.body);
    return area === undefined ? [] : [orderOf(partition, area, load)];
  });
};

/** Whether loads wait for a guest that has announced its job page meanwhile. */
export const hasDueLoads = (partition: Partition): boolean =>
  partition.pendingLoads.length > 0 && isAllowed('load', partition) && jobArea(partition.body) !== undefined;

/** Hands waiting loads to a guest that has announced its job page meanwhile. */
export const deliverPendingLoads = (partitions: Partitions, name: string): Promise<void> =>
  partitions.assign(name, (partition) => {
    const area = jobArea(partition.body);
    if (area === undefined) return [];
    const loads = partition.pendingLoads;
    partition.pendingLoads = [];
    return loads.map((load) => orderOf(partition, area, load));
  });

/** Counters of every VP's job; empty while there is no job page. */
export const loadCounters = (body: PartitionBody): LoadCounters[] => {
  const area = jobArea(body);
  if (area === undefined) return [];
  return body.vps.map((_, vp) => {
    const entry = new JobEntry(body.views, area + jobEntryAt(vp));
    return {
      vp,
      job: jobNameOf(entry.jobRunning),
      operations: exact(entry.operations),
      latencySum: exact(entry.latencySum),
      latencyP99: latencyQuantile(histogramOf(body, area, vp), 0.99),
      latencyMax: exact(entry.latencyMax),
      latencyCount: exact(entry.latencyCount),
      request: entry.jobAccepted,
      parameters: parametersOf(entry),
    };
  });
};

/** The load has been checked. */
const orderOf = ({ body }: Partition, area: number, { job, parameters, vps }: LoadSpec): JobOrder => {
  const words = isJobName(job) ? jobParameters(job, parameters) : [];
  return {
    area: area - PartitionMap.RAM,
    vps: vps ?? [...body.vps.keys()],
    job: isJobName(job) ? JOBS[job].number : JOBS.idle.number,
    parameters: Array.isArray(words) ? words : [],
  };
};

// Byte address of the job area in partition memory. The GPA is the guest's word: it is believed only if the whole area is RAM and looks like one.
const jobArea = (body: PartitionBody): number | undefined => {
  const gpa = jobPage(body.views);
  if (gpa === null || gpa % 4096 !== 0 || gpa + JOB_AREA_SIZE > body.header.ramSize) return undefined;
  const area = PartitionMap.RAM + gpa;
  return new JobPage(body.views, area).magic === JOB_PAGE_MAGIC ? area : undefined;
};

const NAMES_BY_NUMBER: readonly JobName[] = [...JOB_NAMES].sort((a, b) => JOBS[a].number - JOBS[b].number);
const jobNameOf = (number: number): string => NAMES_BY_NUMBER[number] ?? `job ${number}`;

/** As they were asked for; the guest may be about to begin with them. */
const parametersOf = (entry: JobEntry): Record<string, number> => {
  const job = NAMES_BY_NUMBER[entry.jobRunning];
  if (job === undefined || entry.jobRequested !== entry.jobRunning) return {};
  return Object.fromEntries(Object.keys(JOBS[job].parameters).map((name, i) => [name, entry.views.u32[(entry.parameters >>> 2) + i]!]));
};

const histogramOf = ({ views }: PartitionBody, area: number, vp: number): Uint32Array => {
  const from = (area + jobHistogramAt(vp)) >>> 2;
  return views.u32.subarray(from, from + LATENCY_COUNTS);
};

// Counters are guest memory: anything may be in them.
const exact = (value: bigint): number => Number(value);
