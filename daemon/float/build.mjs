// Compiles this folder to dist/daemon/float/float.wasm by AssemblyScript. The VP block's offsets come from shared/layout, as a module of constants made here.
// Why with a stamp: the compiler takes seconds, and nearly all builds change nothing here.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FLOAT_FIELDS } from '../../dist/shared/layout/float-fields.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const out = fileURLToPath(new URL('../../dist/daemon/float/', import.meta.url));
const layout = Object.entries(FLOAT_FIELDS)
  .map(([name, offset]) => `export const ${name}: i32 = ${offset};\n`)
  .join('');

const sources = Object.fromEntries(
  readdirSync(here)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [name, readFileSync(join(here, name), 'utf8')]),
);
sources['layout.ts'] = layout;
const stamp = createHash('sha256')
  .update(JSON.stringify(sources))
  .update(readFileSync(join(here, 'build.mjs')))
  .digest('hex');
const stampFile = join(out, 'float.stamp');
if (existsSync(join(out, 'float.wasm')) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit(0);

const { default: asc } = await import('assemblyscript/asc');
mkdirSync(out, { recursive: true });
const flags =
  '-O3 --converge --runtime stub --noAssert --importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536 --enable threads --enable bulk-memory --enable simd';
const { error, stderr } = await asc.main(['index.ts', '--outFile', 'float.wasm', ...flags.split(' ')], {
  readFile: (name) => sources[name] ?? null,
  writeFile: (name, contents) => writeFileSync(join(out, name), contents),
  listFiles: () => [],
});
if (error) {
  console.error(stderr.toString());
  process.exit(1);
}
writeFileSync(stampFile, stamp);
