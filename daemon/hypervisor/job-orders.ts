// Jobs that root wants a workload guest to do (MailCommand.JOB), written to the guest's job area: a store by something other than a processor, through the gate for such.
import type { JobOrder } from '../../shared/layout/job-order.js';
import { JOB_REQUEST_SIZE, jobEntryAt, writeJob } from '../../shared/layout/job-page.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { StoreGate } from './store-gate.js';

export const carryOutJobOrder = (views: Views, stores: StoreGate, { area, vps, job, parameters }: JobOrder): void => {
  for (const vp of vps) {
    const at = area + jobEntryAt(vp);
    stores.begin(at >>> 12, at & 4095, JOB_REQUEST_SIZE);
    writeJob(views, PartitionMap.RAM + area, vp, job, parameters);
    stores.end(at >>> 12, at & 4095, JOB_REQUEST_SIZE);
  }
};
