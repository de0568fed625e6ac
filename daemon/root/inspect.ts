// One partition in full: its counters, its registers, and the instructions that it wanted and hvd has not.
import { readProcessor } from '../../shared/cpu/partition-processor.js';
import { processorText } from '../../shared/cpu/processor-choice.js';
import { VpLayout } from '../../shared/layout/vp.js';
import type { PartitionInspect } from '../../shared/protocol/messages.js';
import { crashReport } from './crash-report.js';
import { inspectDevices } from './devices-view.js';
import type { MachineMemory } from './machine-memory.js';
import type { Partition } from './partition.js';
import { readRegisters } from './registers.js';
import { partitionStats } from './stats.js';
import { inspectSynic, inspectVmbus } from './synic-view.js';

const UNKNOWN_PAIRS = VpLayout.fields.unknownOps.bytes / 8;

export const inspectPartition = async (
  partition: Partition,
  memory: MachineMemory,
  partitions: readonly Partition[],
): Promise<PartitionInspect> => ({
  ...partitionStats(partition, memory, partitions),
  processor: processorOf(partition),
  registers: partition.body.vps.map(readRegisters),
  synic: inspectSynic(partition.body.views, partition.body.vps.length),
  vmbus: inspectVmbus(partition.body.views),
  devices: inspectDevices(partition.body.views, partition.config.devices ?? [], partition.config.bios !== undefined),
  unknownInstructions: await unknownInstructions(partition),
  crash: crashReport(partition.body.views),
  waitingLoads: partition.pendingLoads,
  refusedLoads: partition.refusedLoads,
});

const processorOf = (partition: Partition): PartitionInspect['processor'] => {
  const choice = readProcessor(partition.body.views);
  return { name: processorText(choice), signature: choice.model.signature, features: choice.features.names() };
};

const unknownInstructions = async (partition: Partition): Promise<PartitionInspect['unknownInstructions']> => {
  const counts = new Map<number, number>();
  for (const { views, unknownOps } of partition.body.vps) {
    for (let pair = 0; pair < UNKNOWN_PAIRS; pair++) {
      const mnemonic = views.u32[(unknownOps >>> 2) + pair * 2]!;
      const count = views.u32[(unknownOps >>> 2) + pair * 2 + 1]!;
      // The table's keys are mnemonic numbers + 1: 0 is a free pair.
      if (count > 0) counts.set(mnemonic - 1, (counts.get(mnemonic - 1) ?? 0) + count);
    }
  }
  if (counts.size === 0) return [];
  // Loaded only here: the decoder is not needed in root otherwise.
  const { Mnemonic } = await import('iced-x86');
  return [...counts]
    .map(([number, count]) => ({ mnemonic: Mnemonic[number]?.toLowerCase() ?? `mnemonic ${number}`, count }))
    .sort((a, b) => b.count - a.count);
};
