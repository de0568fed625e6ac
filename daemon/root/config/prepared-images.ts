// Where prepared images are: one folder each, with a partition file that names what is beside it.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HvdError } from '../../../shared/protocol/errors.js';

export const PARTITION_FILE = 'partition.yaml';

/** How a partition's file names a file of a prepared image: `images:NAME/FILE`. */
const PREPARED_FILE = /^images:([\w.-]+)\/([\w.-]+)$/;

const imagesPath = (): string =>
  process.env.HVD_IMAGES ?? join(process.env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'hvd', 'images');

/** `$HVD_IMAGES`, else `hvd/images` in the user's data folder (XDG Base Directory). Made when it is not there. */
export const imagesFolder = (): string => {
  const folder = imagesPath();
  mkdirSync(folder, { recursive: true });
  return folder;
};

/** The path that `images:NAME/FILE` means; undefined: it is a name of another kind. Throws HvdError `image.absent`. */
export const preparedFile = (name: string): string | undefined => {
  const [, image, file] = PREPARED_FILE.exec(name) ?? [];
  if (image === undefined || file === undefined) return undefined;
  const path = join(imagesPath(), image, file);
  if (!existsSync(path)) throw new HvdError('image.absent', { image, file: path });
  return path;
};

export const imageFolder = (name: string): string => join(imagesFolder(), name);

/** The partition file of a prepared image, if the word names one: a file of that name comes first. */
export const preparedImage = (word: string): string | undefined => {
  if (!/^[\w.-]+$/.test(word) || existsSync(word)) return undefined;
  const file = join(imageFolder(word), PARTITION_FILE);
  return existsSync(file) ? file : undefined;
};

export const preparedImages = (): string[] =>
  readdirSync(imagesFolder()).filter((name) => existsSync(join(imageFolder(name), PARTITION_FILE)));
