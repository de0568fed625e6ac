// A disk as a block device's back end sees it: sectors by byte offset. Layers are small and stack: a file, and a copy-on-write layer above any disk.
// Offsets and lengths are whole sectors and within the disk: whoever calls has seen to that.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { SECTOR_BYTES } from '../../../shared/abi/virtio.js';
import { floppyOf, floppySizes } from '../../../shared/devices/floppy-media.js';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import type { DiskAccess } from '../../../shared/protocol/messages.js';
import { CopyOnWriteDisk } from './copy-on-write-disk.js';
import type { DiskClaims } from './disk-claims.js';
import { FileDisk } from './file-disk.js';

/** Whole sectors from a byte of the disk on. */
export interface Sectors {
  readonly at: number;
  readonly data: Uint8Array;
}

export interface Disk {
  readonly sectors: number;
  read(offset: number, to: Uint8Array): Promise<void>;
  write(offset: number, from: Uint8Array): Promise<void>;
  /** What has been written is where it survives the host. */
  flush(): Promise<void>;
  /** What has been written and is not in a file of the host, piece by piece; none where everything is. */
  overlay(): AsyncIterable<Sectors>;
  /** The guest boots anew: what is not kept is forgotten. */
  renew(): Promise<void>;
  close(): Promise<void>;
}

/** Larger ones no guest here can make use of, and their sector numbers would not be exact. */
export const DISK_MAX = 2 ** 45;
// Without waiting: opening a named pipe would take until somebody writes to it (open(2)).
const FLAGS = { persistent: constants.O_RDWR | constants.O_NONBLOCK, other: constants.O_RDONLY | constants.O_NONBLOCK };

/** What is wrong with a file of so many bytes, if something is. */
export type SizeCheck = (bytes: number) => string | undefined;
const checkDisk: SizeCheck = (bytes) =>
  bytes < SECTOR_BYTES || bytes > DISK_MAX ? `${bytes} bytes; a disk has ${SECTOR_BYTES} to ${DISK_MAX}` : undefined;
export const checkFloppy: SizeCheck = (bytes) =>
  floppyOf(bytes / SECTOR_BYTES) === undefined ? `${bytes} bytes; a floppy has ${floppySizes()}` : undefined;

/** Throws HvdError `disk.unusable`. A file that one disk writes to is no other's. */
export const openDisk = async (file: string, access: DiskAccess, claims: DiskClaims, check: SizeCheck = checkDisk): Promise<Disk> => {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, access === 'persistent' ? FLAGS.persistent : FLAGS.other);
    const stat = await handle.stat({ bigint: true });
    if (!stat.isFile()) throw new Error('not a regular file');
    const size = Number(stat.size);
    const wrong = check(size);
    if (wrong !== undefined) throw new Error(wrong);
    const release = claims.claim(`${stat.dev}:${stat.ino}`, access === 'persistent');
    if (release === undefined) throw new Error('in use by another disk, and one of the two writes to it');
    const base = new FileDisk(handle, Math.floor(size / SECTOR_BYTES), release);
    return access === 'copy-on-write' ? await CopyOnWriteDisk.above(base) : base;
  } catch (error) {
    await handle?.close().catch(() => undefined);
    throw new HvdError('disk.unusable', { file, why: reasonOf(error) }, error);
  }
};
