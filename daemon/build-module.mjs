// Compiles a folder of AssemblyScript to one WebAssembly module under dist. Offsets come from shared/layout, as a module of constants made here (`./layout`).
// Why with a stamp: the compiler takes seconds, and nearly all builds change nothing.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `folder` of daemon/, whose `index.ts` says what is exported; `constants` by name; `module`: name of the file. */
export const buildModule = async (folder, constants, module = folder) => {
  const here = fileURLToPath(new URL(`${folder}/`, import.meta.url));
  const out = fileURLToPath(new URL(`../dist/daemon/${folder}/`, import.meta.url));
  const sources = Object.fromEntries(
    readdirSync(here)
      .filter((name) => name.endsWith('.ts'))
      .map((name) => [name, readFileSync(join(here, name), 'utf8')]),
  );
  sources['layout.ts'] = Object.entries(constants)
    .map(([name, value]) => `export const ${name}: i32 = ${value};\n`)
    .join('');
  const stamp = createHash('sha256')
    .update(JSON.stringify(sources))
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .digest('hex');
  const stampFile = join(out, `${module}.stamp`);
  if (existsSync(join(out, `${module}.wasm`)) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;

  const { default: asc } = await import('assemblyscript/asc');
  mkdirSync(out, { recursive: true });
  const flags =
    '-O3 --converge --runtime stub --noAssert --importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536 --enable threads --enable bulk-memory --enable simd';
  const { error, stderr } = await asc.main(['index.ts', '--outFile', `${module}.wasm`, ...flags.split(' ')], {
    readFile: (name) => sources[name] ?? null,
    writeFile: (name, contents) => writeFileSync(join(out, name), contents),
    listFiles: () => [],
  });
  if (error) {
    console.error(stderr.toString());
    process.exit(1);
  }
  writeFileSync(stampFile, stamp);
};
