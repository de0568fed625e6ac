// The workload guest's doorbell: where its job area is, whether jobs have changed, and a port that only counts (the `io` job).
// Lock-free: VPs hammer the counting port, and each port is one word. Contract: shared/layout/job-page.ts.

import { type Gpa, gpa, PAGE_SIZE } from '../../shared/kit/address.js';
import { DeviceMap, DoorbellLayout } from '../../shared/layout/devices.js';
import { JOB_AREA_SIZE, JobPort } from '../../shared/layout/job-page.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { IrqLine } from './interrupt-lines.js';
import { allOnes, type PortDevice } from './port-device.js';

const word = (name: keyof typeof DoorbellLayout.at): number => (DeviceMap.DOORBELL + DoorbellLayout.at[name]) >>> 2;
const JOB_PAGE = word('jobPage');
const SEQUENCE = word('jobSequence');
const SIGNALLED = word('signalled');
const COUNT = word('doorbellCount');

export class Doorbell implements PortDevice {
  private readonly words: Uint32Array;
  private readonly header: PartitionHeader;

  constructor(views: Views) {
    this.words = views.u32;
    this.header = new PartitionHeader(views, PartitionMap.HEADER);
  }

  reset(): void {
    Atomics.store(this.words, JOB_PAGE, 0);
  }

  read(port: number, bytes: number): number {
    if (bytes !== 4) return allOnes(bytes);
    switch (port) {
      case JobPort.ANNOUNCE:
        return Atomics.load(this.words, JOB_PAGE);
      case JobPort.SEQUENCE:
        return Atomics.load(this.words, SEQUENCE);
      case JobPort.OPERATION:
        return Atomics.load(this.words, COUNT);
    }
    return allOnes(bytes);
  }

  write(port: number, bytes: number, value: number): void {
    if (bytes !== 4) return;
    if (port === JobPort.OPERATION) Atomics.add(this.words, COUNT, 1);
    else if (port === JobPort.ANNOUNCE) Atomics.store(this.words, JOB_PAGE, this.isArea(value) ? value : 0);
  }

  /** True while root has changed jobs that the guest has not been interrupted for. Plain reads: the kick that follows a change orders them. */
  get changed(): boolean {
    return this.words[SEQUENCE] !== this.words[SIGNALLED];
  }

  /** Pulses the job interrupt once for all changes so far; under the device lock. */
  signal(line: IrqLine): void {
    Atomics.store(this.words, SIGNALLED, Atomics.load(this.words, SEQUENCE));
    line.edge();
    line.set(false);
  }

  /** Root writes to the area by this address later: it must lie in guest RAM as a whole. */
  private isArea(address: number): boolean {
    return address % PAGE_SIZE === 0 && address + JOB_AREA_SIZE <= this.header.ramSize;
  }
}

/** Where the guest has its job area, null before it has announced one. */
export const jobPage = (views: Views): Gpa | null => {
  const address = Atomics.load(views.u32, JOB_PAGE);
  return address === 0 ? null : gpa(address);
};

/** For root, after it has written jobs: raises SEQUENCE. The caller then kicks an LP of the partition, whose `advance` pulses the job interrupt. */
export const bumpJobs = (views: Views): void => {
  Atomics.add(views.u32, SEQUENCE, 1);
};

/** Writes to the counting port so far, modulo 2^32. */
export const doorbellCount = (views: Views): number => Atomics.load(views.u32, COUNT);
