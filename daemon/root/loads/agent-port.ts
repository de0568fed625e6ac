// The port of the virtio console on which an agent in a Linux guest takes jobs and reports (layout/agent-jobs), from root's side.
// What it says is a log that is read by position: looking at it changes nothing of the guest's course.
import { AGENT_JOBS, agentOrder, agentReports, reportBytes } from '../../../shared/layout/agent-jobs.js';
import { AGENT_BYTES, ConsoleBufferLayout } from '../../../shared/layout/console-buffer.js';
import { DeviceClockLayout, DeviceMap, PlatformRequest } from '../../../shared/layout/devices.js';
import type { JobOrder } from '../../../shared/layout/job-order.js';
import { ByteLog, ByteQueue } from '../../../shared/layout/ring.js';
import { VIRTUAL_DEVICES, VirtualDevice, VirtualDeviceKind, virtualDeviceAt } from '../../../shared/layout/virtual-devices.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { LoadCounters } from '../../../shared/protocol/messages.js';
import type { PartitionBody } from '../partition-body.js';
import { type GivenJob, type JobTaker, nameOfJob, parametersOfJob } from './job-taker.js';

export class AgentPort implements JobTaker {
  readonly jobs = AGENT_JOBS;
  readonly #body: PartitionBody;
  readonly #buffer: number;
  readonly #counters: LoadCounters[];

  private constructor(body: PartitionBody, buffer: number, counters: LoadCounters[]) {
    this.#body = body;
    this.#buffer = buffer;
    this.#counters = counters;
  }

  /** There is an agent when there is a line of its reports. */
  static of(body: PartitionBody): AgentPort | undefined {
    const { views, vps } = body;
    for (let index = 0; index < VIRTUAL_DEVICES; index++) {
      const { kind, buffer } = new VirtualDevice(views, virtualDeviceAt(index));
      if (kind !== VirtualDeviceKind.CONSOLE) continue;
      const log = new ByteLog(views, buffer + ConsoleBufferLayout.at.out, AGENT_BYTES);
      if (log.end === log.start) return undefined;
      const { bytes } = log.read((log.end - reportBytes(vps.length)) >>> 0);
      const reports = agentReports(Buffer.from(bytes).toString('latin1'), vps.length);
      if (reports.size === 0) return undefined;
      const counters = [...reports.values()].map(({ job, parameters, ...report }) => ({
        ...report,
        job: nameOfJob(AGENT_JOBS, job),
        parameters: parametersOfJob(AGENT_JOBS, job, (i) => parameters[i]!),
      }));
      return new AgentPort(
        body,
        buffer,
        counters.sort((a, b) => a.vp - b.vp),
      );
    }
    return undefined;
  }

  give(name: string, { vps, job, parameters }: GivenJob): readonly JobOrder[] {
    const { views } = this.#body;
    const queue = new ByteQueue(views, this.#buffer + ConsoleBufferLayout.at.in, AGENT_BYTES);
    const bytes = Buffer.from(vps.map((vp) => agentOrder(vp, job, parameters)).join(''));
    if (queue.capacity - queue.length < bytes.length) throw new HvdError('load.deaf', { name });
    queue.write(bytes);
    Atomics.or(views.i32, (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2, PlatformRequest.VIRTIO);
    return [];
  }

  counters(): LoadCounters[] {
    return this.#counters;
  }
}
