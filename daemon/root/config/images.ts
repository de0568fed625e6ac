// What an image or initrd name means: a guest that comes with hvd, a file of a prepared image, or a file.
import { isAbsolute, join, resolve } from 'node:path';
import { packageRoot } from '../package-root.js';
import { preparedFile } from './prepared-images.js';

const GUESTS: Readonly<Record<string, string>> = {
  workload64: 'configs/guests/images/workload64.elf',
  workload32: 'configs/guests/images/workload32.elf',
  bench64: 'configs/guests/bench/guest64.elf',
  bench32: 'configs/guests/bench/guest32.elf',
};

export const GUEST_NAMES: readonly string[] = Object.keys(GUESTS);

/** Absolute path of `image`; a relative one is relative to `folder`. */
export const resolveImage = (image: string, folder: string): string => {
  const guest = Object.hasOwn(GUESTS, image) ? GUESTS[image] : undefined;
  if (guest !== undefined) return join(packageRoot(), guest);
  return resolveFile(image, folder);
};

/** What `resolveImage` makes that path of, where it is a guest's. */
export const imageName = (image: string): string => GUEST_NAMES.find((name) => resolveImage(name, '/') === image) ?? image;

/** Absolute path of a file, `images:NAME/FILE` included. Throws HvdError `image.absent`. */
export const resolveFile = (file: string, folder: string): string =>
  preparedFile(file) ?? (isAbsolute(file) ? file : resolve(folder, file));
