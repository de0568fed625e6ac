// Machine and partition files, and the cost table: YAML in, checked configuration out, with paths made absolute.
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import type { MachineConfig, PartitionConfig } from '../../../shared/protocol/messages.js';
import { packageRoot } from '../package-root.js';
import { resolveImage } from './images.js';
import { machineSchema, partitionSchema } from './schema.js';
import { readYaml } from './yaml-file.js';

export const readMachineFile = (file: string): MachineConfig => {
  const machine = readYaml(file, machineSchema);
  return { ...machine, partitions: machine.partitions.map((partition) => withPaths(partition, dirname(resolve(file)))) };
};

export const readPartitionFile = (file: string): PartitionConfig => withPaths(readYaml(file, partitionSchema), dirname(resolve(file)));

/** The machine of an empty file. */
export const defaultMachine = (): MachineConfig => machineSchema.parse({});

/** `partition` with absolute paths; relative ones are relative to `folder`. */
export const withPaths = (partition: PartitionConfig, folder: string): PartitionConfig => ({
  ...partition,
  image: resolveImage(partition.image, folder),
  ...(partition.initrd === undefined ? {} : { initrd: resolve(folder, partition.initrd) }),
});

const costSchema = z.record(
  z.string(),
  z.strictObject({ cycles: z.number().int().min(0).max(1e9), meaning: z.string(), source: z.string() }),
);

/** Virtual cycles by name, from configs/costs.yaml. */
export const readCosts = (file: string = join(packageRoot(), 'configs/costs.yaml')): Record<string, number> =>
  Object.fromEntries(Object.entries(readYaml(file, costSchema)).map(([name, cost]) => [name, cost.cycles]));
