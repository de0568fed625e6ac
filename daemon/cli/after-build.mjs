// After the compiler: makes the programs executable, and fails when one of them could not be started by its name.
import { chmodSync, readFileSync } from 'node:fs';

const { bin } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
for (const [name, file] of Object.entries(bin)) {
  const path = new URL(`../../${file}`, import.meta.url);
  const first = readFileSync(path, 'utf8').split('\n', 1)[0];
  if (first !== '#!/usr/bin/env node') throw new Error(`${name}: ${file} does not begin with #!/usr/bin/env node`);
  chmodSync(path, 0o755);
}
