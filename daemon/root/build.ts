// Puts a guest into a new partition's memory; what the loader refuses becomes the operator's error.

import { basename } from 'node:path';
import { DEFAULT_MODEL } from '../../shared/cpu/models.js';
import { type ProcessorChoice, parseProcessor } from '../../shared/cpu/processor-choice.js';
import { parseHyperv } from '../../shared/hyperv/hyperv-choice.js';
import { SUPER_MODE_CHOICES } from '../../shared/layout/partition.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { PartitionConfig } from '../../shared/protocol/messages.js';
import { BootError } from '../boot/boot-error.js';
import { buildPartition } from '../boot/build-partition.js';
import type { BiosSpec } from '../boot/partition-spec.js';
import type { PartitionFiles } from './partition.js';
import type { PartitionBuilder } from './partitions.js';

/** Who needs legacy super-mode at any time has no long mode to turn on. */
const processorOf = ({ cpu, 'super-mode': superMode }: PartitionConfig): ProcessorChoice | undefined => {
  if (superMode === 'legacy') return parseProcessor(`${cpu ?? DEFAULT_MODEL.name},-lm`);
  return cpu === undefined ? undefined : parseProcessor(cpu);
};

/** What there is beside its ROM, if it boots through a BIOS. */
export const biosOf = ({ bios, 'video-bios': videoBios }: PartitionConfig, { initrd: videoRom }: PartitionFiles): BiosSpec | undefined => {
  if (bios === undefined) return undefined;
  return { videoRom: videoBios === undefined || videoRom === undefined ? undefined : { name: basename(videoBios), data: videoRom } };
};

export const build: PartitionBuilder = (body, config, files, place) => {
  try {
    buildPartition(body.views, {
      id: place.slot,
      name: config.name,
      vpCount: config.vps,
      lpCount: place.lpCount,
      nodeCount: place.nodeCount,
      vpNodes: place.vpNodes,
      ramSize: config.memory,
      seed: place.seed,
      image: files.image,
      bios: biosOf(config, files),
      processor: processorOf(config),
      superMode: SUPER_MODE_CHOICES.indexOf(config['super-mode'] ?? 'auto'),
      hyperv: config.hv === undefined ? undefined : parseHyperv(config.hv.features),
      testDevices: config.testdev,
      ports: { ports: config.hv?.ports ?? [], connections: config.hv?.connections ?? [] },
      imageName: config.image,
      commandLine: config.append,
      initrd: config.bios === undefined ? files.initrd : undefined,
      initrdName: config.initrd,
      devices: place.devices,
    });
  } catch (error) {
    if (error instanceof BootError) throw new HvdError(`boot.${error.code}`, { why: error.message }, error);
    throw error;
  }
};
