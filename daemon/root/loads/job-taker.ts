// What in a guest takes jobs: the workload guest by the job area that it has announced, or an agent by its port of the virtio console.
import type { JobOrder } from '../../../shared/layout/job-order.js';
import type { JobDescription } from '../../../shared/layout/job-page.js';
import type { LoadCounters } from '../../../shared/protocol/messages.js';

export type JobTable = Readonly<Record<string, JobDescription>>;
/** A job that the taker has, by its number. */
export interface GivenJob {
  readonly vps: readonly number[];
  readonly job: number;
  readonly parameters: readonly number[];
}
export interface JobTaker {
  readonly jobs: JobTable;
  /** Gives VPs of the partition of that name the job; what it returns an LP must carry out. Throws HvdError and then has given nothing. */
  give(name: string, job: GivenJob): readonly JobOrder[];
  counters(): LoadCounters[];
}

export const nameOfJob = (jobs: JobTable, number: number): string =>
  Object.keys(jobs).find((name) => jobs[name]!.number === number) ?? `job ${number}`;
/** The parameters of a job by name; none of one that there is not. */
export const parametersOfJob = (jobs: JobTable, number: number, wordAt: (index: number) => number): Record<string, number> => {
  const description = Object.values(jobs).find((job) => job.number === number);
  return Object.fromEntries(Object.keys(description?.parameters ?? {}).map((name, index) => [name, wordAt(index)]));
};
