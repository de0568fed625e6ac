// After the compiler: makes the programs executable, and fails when one of them could not be started by its name. Then writes the manual pages to dist/man/man1.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const { bin, version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
for (const [name, file] of Object.entries(bin)) {
  const path = new URL(`../../${file}`, import.meta.url);
  const first = readFileSync(path, 'utf8').split('\n', 1)[0];
  if (first !== '#!/usr/bin/env node') throw new Error(`${name}: ${file} does not begin with #!/usr/bin/env node`);
  chmodSync(path, 0o755);
}

const compiled = new URL('../../dist/daemon/cli/', import.meta.url);
const { createProgram } = await import(new URL('program.js', compiled));
const { commandTree } = await import(new URL('manual/command-tree.js', compiled));
const { manPages } = await import(new URL('manual/man-page.js', compiled));
const manual = new URL('../../dist/man/man1/', import.meta.url);
mkdirSync(manual, { recursive: true });
for (const { file, text } of manPages(commandTree(createProgram()), version)) writeFileSync(new URL(file, manual), text);
