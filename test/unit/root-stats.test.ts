// The largest statistics there can be: a full machine with every counter at its highest still fits a frame of the protocol.
import test from 'ava';
import { createMachineMemory } from '../../daemon/root/machine-memory.js';
import { Partition } from '../../daemon/root/partition.js';
import { PartitionBody } from '../../daemon/root/partition-body.js';
import { snapshotStats } from '../../daemon/root/stats.js';
import { DeviceMap, DoorbellLayout } from '../../shared/layout/devices.js';
import { JOB_PAGE_MAGIC, JobEntry, JobPage, jobEntryAt, jobHistogramAt } from '../../shared/layout/job-page.js';
import { LpLayout } from '../../shared/layout/machine.js';
import { PARTITION_SLOTS } from '../../shared/layout/mailbox.js';
import { MAX_LPS, MAX_NODES, MAX_VPS, PartitionMap, PartitionState, RAM_MIN } from '../../shared/layout/partition.js';
import { VpLayout } from '../../shared/layout/vp.js';
import { vtlbCountersAt } from '../../shared/layout/vtlb.js';
import { encodeFrame } from '../../shared/protocol/frames.js';
import { FRAME_MAX } from '../../shared/protocol/messages.js';
import { stubConfig } from '../rig/stub-daemon.js';

const HIGHEST = 2 ** 53 - 1;

const fullPartition = (slot: number): Partition => {
  const name = `${slot}`.padEnd(32, 'n');
  const body = new PartitionBody(name, RAM_MIN, MAX_VPS, 0);
  const { views, header } = body;
  header.ramSize = RAM_MIN;
  for (const vp of body.vps) {
    vp.lp = MAX_LPS - 1;
    for (const total of ['instructionsNum', 'runCyclesNum', 'readyCyclesNum'] as const) vp[total] = HIGHEST;
    for (const field of ['counters', 'vectorCounts'] as const)
      views.u32.fill(0xffffffff, vp[field] >>> 2, (vp[field] + VpLayout.fields[field].bytes) >>> 2);
  }
  for (let lp = 0; lp < MAX_LPS; lp++) views.u32.fill(0xffffffff, vtlbCountersAt(lp) >>> 2, vtlbCountersAt(lp + 1) >>> 2);
  // A guest that says the worst about its jobs.
  views.u32[(DeviceMap.DOORBELL + DoorbellLayout.at.jobPage) >>> 2] = 0x1000;
  const area = PartitionMap.RAM + 0x1000;
  new JobPage(views, area).magic = JOB_PAGE_MAGIC;
  for (let vp = 0; vp < MAX_VPS; vp++) {
    const entry = new JobEntry(views, area + jobEntryAt(vp));
    entry.jobRunning = 0xffffffff;
    for (const total of ['operations', 'latencySum', 'latencyMax', 'latencyCount'] as const) entry[total] = 2n ** 64n - 1n;
    views.u32.fill(0xffffffff, (area + jobHistogramAt(vp)) >>> 2, (area + jobHistogramAt(vp + 1)) >>> 2);
  }
  body.reason = 'r'.repeat(255);
  body.changeState(PartitionState.CREATED, PartitionState.CRASHED);
  const config = { name, image: 'i', vps: MAX_VPS, memory: RAM_MIN };
  return new Partition(config, { image: new Uint8Array(), initrd: undefined }, slot, body);
};

test('the largest statistics fit a frame', (t) => {
  const memory = createMachineMemory(stubConfig({ lps: MAX_LPS, nodes: MAX_NODES }));
  for (const lp of memory.lps) {
    lp.clockNum = HIGHEST;
    lp.idleCyclesNum = HIGHEST;
    lp.current = 0x3f;
    const counts = lp.interceptCounts >>> 2;
    memory.views.u32.fill(0xffffffff, counts, counts + (LpLayout.fields.interceptCounts.bytes >>> 2));
  }
  const partitions = Array.from({ length: PARTITION_SLOTS }, (_, slot) => fullPartition(slot));
  const stats = snapshotStats(memory, partitions, 0);
  t.is(stats.partitions.length, PARTITION_SLOTS);
  t.is(stats.partitions[15]!.load.length, MAX_VPS);
  const { length } = encodeFrame({ ev: 'stats', d: stats });
  t.true(length > FRAME_MAX / 2, 'it is a test of the limit');
});
