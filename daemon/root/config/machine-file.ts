// Machine and partition files, and the cost table: YAML in, checked configuration out, with paths made absolute.
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { reasonOf } from '../../../shared/protocol/errors.js';
import type { MachineConfig, PartitionConfig, VirtualDeviceConfig } from '../../../shared/protocol/messages.js';
import { checkOwn, findPolicy, settingOf } from '../../../shared/protocol/policies.js';
import { loadMistake } from '../loads/loads.js';
import { packageRoot } from '../package-root.js';
import { resolveFile, resolveImage } from './images.js';
import { machineSchema, partitionSchema } from './schema.js';
import { readYaml } from './yaml-file.js';

// Jobs and policies have errors of their own (load.*, policy.*), which answer requests; in a file the line is what helps.
const refineLoad = (config: PartitionConfig, context: z.RefinementCtx, path: readonly PropertyKey[]): void => {
  const mistake = config.load && loadMistake(config, config.load);
  if (mistake) context.addIssue({ code: 'custom', path: [...path, 'load', ...mistake.path], message: mistake.error.message });
};
/** `path`: of the settings. */
export const refinePolicy = (name: string, check: () => void, context: z.RefinementCtx, path: readonly PropertyKey[]): void => {
  try {
    check();
  } catch (error) {
    context.addIssue({ code: 'custom', path: [...path, name], message: reasonOf(error) });
  }
};
const refineOwnPolicies = ({ policies }: PartitionConfig, context: z.RefinementCtx, path: readonly PropertyKey[]): void => {
  for (const [name, value] of Object.entries(policies ?? {}))
    refinePolicy(name, () => checkOwn(findPolicy(name), value), context, [...path, 'policies']);
};
/** What a partition's file may say. */
export const partitionFile: z.ZodType<PartitionConfig> = partitionSchema.superRefine((partition, context) => {
  refineLoad(partition, context, []);
  refineOwnPolicies(partition, context, []);
});
/** What a machine's file may say. */
export const machineFile: z.ZodType<MachineConfig> = machineSchema.superRefine(({ partitions, policies }, context) => {
  for (const [index, partition] of partitions.entries()) {
    refineLoad(partition, context, ['partitions', index]);
    refineOwnPolicies(partition, context, ['partitions', index]);
  }
  for (const [name, value] of Object.entries(policies)) refinePolicy(name, () => settingOf(findPolicy(name), value), context, ['policies']);
});

export const readMachineFile = (file: string): MachineConfig => {
  const machine = readYaml(file, machineFile);
  return { ...machine, partitions: machine.partitions.map((partition) => withPaths(partition, dirname(resolve(file)))) };
};

export const readPartitionFile = (file: string): PartitionConfig => withPaths(readYaml(file, partitionFile), dirname(resolve(file)));

/** The machine of an empty file. */
export const defaultMachine = (): MachineConfig => machineSchema.parse({});

const deviceWithPath = (device: VirtualDeviceConfig, folder: string): VirtualDeviceConfig =>
  device.kind === 'disk' ? { ...device, file: resolve(folder, device.file) } : device;

const bootPaths = (
  { image, bios, 'video-bios': videoBios }: PartitionConfig,
  folder: string,
): Pick<PartitionConfig, 'image' | 'bios' | 'video-bios'> => {
  if (bios === undefined) return { image: resolveImage(image, folder) };
  const file = resolveFile(bios, folder);
  return { image: file, bios: file, ...(videoBios === undefined ? {} : { 'video-bios': resolveFile(videoBios, folder) }) };
};

/** `partition` with absolute paths; relative ones are relative to `folder`. */
export const withPaths = (partition: PartitionConfig, folder: string): PartitionConfig => ({
  ...partition,
  ...bootPaths(partition, folder),
  ...(partition.initrd === undefined ? {} : { initrd: resolveFile(partition.initrd, folder) }),
  ...(partition.devices === undefined ? {} : { devices: partition.devices.map((device) => deviceWithPath(device, folder)) }),
});

/** What a table of costs may say. */
export const costFile = z.record(
  z.string(),
  z.strictObject({ cycles: z.number().int().min(0).max(1e9), meaning: z.string(), source: z.string() }),
);

/** Virtual cycles by name, from configs/costs.yaml. */
export const readCosts = (file: string = join(packageRoot(), 'configs/costs.yaml')): Record<string, number> =>
  Object.fromEntries(Object.entries(readYaml(file, costFile)).map(([name, cost]) => [name, cost.cycles]));
