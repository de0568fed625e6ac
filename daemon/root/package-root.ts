// Where hvd is installed: its configurations and guest images are found from here, whatever the working directory.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '../../shared/kit/assert.js';

/** The folder of package.json, without a trailing slash. */
export const packageRoot = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    assert(parent !== folder, `no package.json above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
  return folder;
};
