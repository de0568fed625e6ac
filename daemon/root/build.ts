// Puts a guest into a new partition's memory; what the loader refuses becomes the operator's error.

import { parseProcessor } from '../../shared/cpu/processor-choice.js';
import { parseHyperv } from '../../shared/hyperv/hyperv-choice.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { BootError } from '../boot/boot-error.js';
import { buildPartition } from '../boot/build-partition.js';
import type { PartitionBuilder } from './partitions.js';

export const build: PartitionBuilder = (body, config, files, place) => {
  try {
    buildPartition(body.views, {
      id: place.slot,
      name: config.name,
      vpCount: config.vps,
      lpCount: place.lpCount,
      nodeCount: place.nodeCount,
      ramSize: config.memory,
      seed: place.seed,
      image: files.image,
      processor: config.cpu === undefined ? undefined : parseProcessor(config.cpu),
      hyperv: config.hv === undefined ? undefined : parseHyperv(config.hv.features),
      testDevices: config.testdev,
      ports: { ports: config.hv?.ports ?? [], connections: config.hv?.connections ?? [] },
      imageName: config.image,
      commandLine: config.append,
      initrd: files.initrd,
      initrdName: config.initrd,
    });
  } catch (error) {
    if (error instanceof BootError) throw new HvdError(`boot.${error.code}`, { why: error.message }, error);
    throw error;
  }
};
