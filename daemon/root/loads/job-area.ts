// The job area of a workload guest (layout/job-page) from root's side: an LP writes jobs into it (layout/job-order), then its doorbell is rung.
import type { JobOrder } from '../../../shared/layout/job-order.js';
import {
  JOB_AREA_SIZE,
  JOB_PAGE_MAGIC,
  JOBS,
  JobEntry,
  JobPage,
  jobEntryAt,
  jobHistogramAt,
  LATENCY_COUNTS,
  latencyQuantile,
} from '../../../shared/layout/job-page.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import type { LoadCounters } from '../../../shared/protocol/messages.js';
import { jobPage } from '../../platform/doorbell.js';
import type { PartitionBody } from '../partition-body.js';
import { type GivenJob, type JobTaker, nameOfJob, parametersOfJob } from './job-taker.js';

export class JobArea implements JobTaker {
  readonly jobs = JOBS;
  readonly #body: PartitionBody;
  /** Byte address in partition memory. */
  readonly #area: number;

  private constructor(body: PartitionBody, area: number) {
    this.#body = body;
    this.#area = area;
  }

  /** The GPA is the guest's word: it is believed only if the whole area is RAM and looks like one. */
  static of(body: PartitionBody): JobArea | undefined {
    const gpa = jobPage(body.views);
    if (gpa === null || gpa % 4096 !== 0 || gpa + JOB_AREA_SIZE > body.header.ramSize) return undefined;
    const area = PartitionMap.RAM + gpa;
    return new JobPage(body.views, area).magic === JOB_PAGE_MAGIC ? new JobArea(body, area) : undefined;
  }

  give(_name: string, job: GivenJob): readonly JobOrder[] {
    return [{ area: this.#area - PartitionMap.RAM, ...job }];
  }

  /** Every VP's latencies, as `latencyQuantile` takes them. */
  latencies(): Uint32Array[] {
    return this.#body.vps.map((_, vp) => this.#histogramOf(vp));
  }
  #histogramOf(vp: number): Uint32Array {
    const from = (this.#area + jobHistogramAt(vp)) >>> 2;
    return this.#body.views.u32.subarray(from, from + LATENCY_COUNTS);
  }

  counters(): LoadCounters[] {
    const { views, vps } = this.#body;
    return vps.map((_, vp) => {
      const entry = new JobEntry(views, this.#area + jobEntryAt(vp));
      return {
        vp,
        job: nameOfJob(JOBS, entry.jobRunning),
        operations: exact(entry.operations),
        latencySum: exact(entry.latencySum),
        latencyP99: latencyQuantile(this.#histogramOf(vp), 0.99),
        latencyMax: exact(entry.latencyMax),
        latencyCount: exact(entry.latencyCount),
        errors: entry.errors,
        request: entry.jobAccepted,
        parameters: parametersOf(entry),
      };
    });
  }
}

/** As they were asked for; the guest may be about to begin with them. */
const parametersOf = (entry: JobEntry): Record<string, number> =>
  entry.jobRequested === entry.jobRunning
    ? parametersOfJob(JOBS, entry.jobRunning, (i) => entry.views.u32[(entry.parameters >>> 2) + i]!)
    : {};

// Counters are guest memory: anything may be in them.
const exact = (value: bigint): number => Number(value);
