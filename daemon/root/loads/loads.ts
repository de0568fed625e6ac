// Jobs for guests that take them, changed while they run. A load that is set before the guest has got that far waits for it.
import { GUEST_JOBS, isGuestJob } from '../../../shared/layout/agent-jobs.js';
import type { JobOrder } from '../../../shared/layout/job-order.js';
import { isJobName, JOB_NAMES, jobParameters } from '../../../shared/layout/job-page.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { LoadCounters, LoadSpec, PartitionConfig } from '../../../shared/protocol/messages.js';
import type { Partition } from '../partition.js';
import type { PartitionBody } from '../partition-body.js';
import { isAllowed } from '../partition-verbs.js';
import type { Partitions } from '../partitions.js';
import { AgentPort } from './agent-port.js';
import { JobArea } from './job-area.js';
import type { JobTable, JobTaker } from './job-taker.js';

/** Loads that may wait for a guest that takes them. */
export const PENDING_LOADS_MAX = 64;

const IDLE: LoadSpec = { job: 'idle' };
const namesOf = (jobs: JobTable): string => Object.keys(jobs).join(', ');
const has = (jobs: JobTable, job: string): boolean => Object.hasOwn(jobs, job);

/** Undefined while the guest has not got so far, or where it has none. */
const jobTaker = (body: PartitionBody): JobTaker | undefined => JobArea.of(body) ?? AgentPort.of(body);

export interface LoadMistake {
  /** Keys and indexes that lead to it in the load. */
  readonly path: readonly (string | number)[];
  readonly error: HvdError;
}

/** What makes no sense in a load for this partition, whatever runs in it. */
export const loadMistake = (
  { name, vps, devices = [] }: Pick<PartitionConfig, 'name' | 'vps' | 'devices'>,
  { job, parameters, vps: chosen = [] }: LoadSpec,
): LoadMistake | undefined => {
  const agent = devices.some(({ kind }) => kind === 'console');
  if (!isGuestJob(job))
    return { path: ['job'], error: new HvdError('load.unknown', { job, jobs: agent ? namesOf(GUEST_JOBS) : JOB_NAMES.join(', ') }) };
  if (!isJobName(job) && !agent) return { path: ['job'], error: new HvdError('load.no-agent', { name, job }) };
  const words = jobParameters(GUEST_JOBS[job]!, parameters);
  if ('unknown' in words) {
    const known = Object.keys(GUEST_JOBS[job]!.parameters).join(', ') || 'none';
    return {
      path: ['parameters', words.unknown],
      error: new HvdError('load.parameter', { job, parameter: words.unknown, parameters: known }),
    };
  }
  for (const [index, vp] of chosen.entries())
    if (vp >= vps) return { path: ['vps', index], error: new HvdError('load.vp', { name, last: vps - 1, vp }) };
  return undefined;
};

/** Throws unless the load makes sense for the partition. */
export const checkLoad = (config: Pick<PartitionConfig, 'name' | 'vps' | 'devices'>, load: LoadSpec): void => {
  const mistake = loadMistake(config, load);
  if (mistake !== undefined) throw mistake.error;
};

/** Sets the load now, or once the guest takes jobs if it does not yet. */
export const setLoad = async (partitions: Partitions, name: string, load: LoadSpec): Promise<void> => {
  checkLoad(partitions.get(name).config, load);
  await partitions.assign(name, (partition) => {
    const taker = jobTaker(partition.body);
    if (taker !== undefined) return give(partition, taker, load);
    if (partition.pendingLoads.length >= PENDING_LOADS_MAX) throw new HvdError('load.none', { name });
    partition.pendingLoads.push(load);
    return [];
  });
};

export const stopLoad = async (partitions: Partitions, name: string, vps: number[] | undefined): Promise<void> => {
  const load: LoadSpec = { ...IDLE, vps };
  checkLoad(partitions.get(name).config, load);
  await partitions.assign(name, (partition) => {
    if (vps === undefined) partition.pendingLoads = [];
    const taker = jobTaker(partition.body);
    return taker === undefined ? [] : give(partition, taker, load);
  });
};

/** Whether loads wait for a guest that takes jobs meanwhile. */
export const hasDueLoads = (partition: Partition): boolean =>
  partition.pendingLoads.length > 0 && isAllowed('load', partition) && jobTaker(partition.body) !== undefined;

/** Hands waiting loads to a guest that takes jobs meanwhile; those that it does not know are kept as refused. */
export const deliverPendingLoads = (partitions: Partitions, name: string): Promise<void> =>
  partitions.assign(name, (partition) => {
    const taker = jobTaker(partition.body);
    if (taker === undefined) return [];
    const loads = partition.pendingLoads.filter(({ job }) => has(taker.jobs, job));
    partition.refusedLoads = partition.pendingLoads.filter(({ job }) => !has(taker.jobs, job));
    partition.pendingLoads = [];
    return loads.flatMap((load) => give(partition, taker, load));
  });

/** Counters of every VP's job; empty while nobody takes jobs. */
export const loadCounters = (body: PartitionBody): LoadCounters[] => jobTaker(body)?.counters() ?? [];

/** The load has been checked, but for what takes it. */
const give = ({ name, body }: Partition, taker: JobTaker, { job, parameters, vps }: LoadSpec): readonly JobOrder[] => {
  const description = taker.jobs[job];
  if (!has(taker.jobs, job) || description === undefined) throw new HvdError('load.unknown', { job, jobs: namesOf(taker.jobs) });
  const words = jobParameters(description, parameters);
  return taker.give(name, { vps: vps ?? [...body.vps.keys()], job: description.number, parameters: 'unknown' in words ? [] : words });
};
