// Which program this is: SHA-256 over its modules. Two builds of one version may give a machine different courses.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../..', import.meta.url));
/** What decides about a course, below the folder of the compiled program. */
const PARTS = ['daemon', 'shared'];

export const codeDigest = (): string => {
  const hash = createHash('sha256');
  for (const part of PARTS)
    for (const name of readdirSync(join(PROGRAM, part), { recursive: true }).map(String).sort())
      if (/\.(js|wasm)$/.test(name)) hash.update(`${part}/${name}\0`).update(readFileSync(join(PROGRAM, part, name)));
  return hash.digest('hex');
};
