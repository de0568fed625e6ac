// Finds out what an image is by its content, and plans its boot.
import { planBios } from './bios.js';
import { BootError } from './boot-error.js';
import type { BootPlan } from './boot-plan.js';
import { isElf } from './elf.js';
import { isLinux, planLinux } from './linux.js';
import { findMultibootHeader, planMultiboot } from './multiboot.js';
import type { PartitionSpec } from './partition-spec.js';
import { planPvh } from './pvh.js';

export const planImage = (spec: PartitionSpec): BootPlan => {
  const { image, imageName } = spec;
  if (spec.bios !== undefined) return planBios(spec);
  if (image.length === 0) throw new BootError('image-truncated', `${imageName}: the file is empty`);
  if (isLinux(image)) return planLinux(spec);
  const header = findMultibootHeader(image);
  if (header >= 0) return planMultiboot(spec, header);
  const pvh = isElf(image) ? planPvh(spec) : undefined;
  if (pvh !== undefined) return pvh;
  if (isElf(image))
    throw new BootError(
      'image-unsupported',
      `${imageName}: an ELF file without a PVH entry among its notes and without a multiboot header in its first 8192 bytes`,
    );
  throw new BootError('image-unknown', `${imageName}: neither a Linux bzImage nor a PVH or multiboot image`);
};
