// Reads the image and the initrd of a partition, refusing what cannot be one before a byte is read.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { HvdError, reasonOf } from '../../shared/protocol/errors.js';
import type { PartitionConfig } from '../../shared/protocol/messages.js';
import type { PartitionFiles } from './partition.js';

export const readPartitionFiles = async (config: PartitionConfig): Promise<PartitionFiles> => ({
  image: await readWhole(config.image, config.memory, config.bios === undefined ? 'image' : 'BIOS'),
  initrd: await readSecond(config),
});

const readSecond = async ({ initrd, memory, 'video-bios': videoBios }: PartitionConfig): Promise<Uint8Array | undefined> => {
  if (videoBios !== undefined) return readWhole(videoBios, memory, 'video BIOS');
  return initrd === undefined ? undefined : readWhole(initrd, memory, 'initrd');
};

// Without waiting: opening a named pipe would take until somebody writes to it, and a thread of the daemon with it (open(2)).
const READ_NOW = constants.O_RDONLY | constants.O_NONBLOCK;

// A file longer than the guest's memory cannot be loaded whatever it is; a device or a pipe has no length at all.
const readWhole = async (file: string, limit: number, what: string): Promise<Uint8Array> => {
  try {
    const handle = await open(file, READ_NOW);
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new Error('not a regular file');
      if (stat.size > limit)
        throw new HvdError('image.invalid', {
          why: `${file}: ${what} of ${stat.size} bytes is larger than the partition's memory (${limit})`,
        });
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof HvdError) throw error;
    throw new HvdError('image.unreadable', { file, why: reasonOf(error) }, error);
  }
};
