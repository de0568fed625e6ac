// Puts a prepared image into its folder, whole or not at all.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { imageFolder, imagesFolder, PARTITION_FILE } from '../../root/config/prepared-images.js';

export const output = (folder: string, program: string, ...args: string[]): string =>
  execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** `make` fills a folder below the work folder that it is given and returns it. Returns the partition file; throws HvdError `image.fetch`. */
export const prepare = (name: string, make: (work: string) => string): string => {
  const folder = imageFolder(name);
  const work = mkdtempSync(join(imagesFolder(), 'fetch-'));
  try {
    const made = make(work);
    rmSync(folder, { recursive: true, force: true });
    renameSync(made, folder);
    return join(folder, PARTITION_FILE);
  } catch (error) {
    const why =
      error instanceof Error && 'stderr' in error && String(error.stderr).trim() !== '' ? String(error.stderr).trim() : reasonOf(error);
    throw new HvdError('image.fetch', { name, why: why.split('\n').at(-1) ?? why, folder }, error);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};
