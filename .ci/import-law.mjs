// The import law: which folder may import which, and which packages. The compiler already refuses unreferenced projects; this also names packages and Node's modules.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** Folder -> folders and packages it may import besides itself. `node:*` stands for Node's own modules. */
const LAW = {
  shared: [],
  'shared/layout': ['shared', 'node:worker_threads'],
  'shared/kit': ['shared', 'node:v8', 'node:vm'],
  'shared/client': ['shared', 'node:*', 'msgpackr'],
  'shared/protocol': ['shared', 'msgpackr', 'zod'],
  'daemon/translate': ['shared', 'iced-x86'],
  'daemon/float': [],
  'daemon/shortcuts': [],
  'daemon/machine': ['shared', 'daemon/translate', 'node:fs'],
  'daemon/platform': ['shared'],
  'daemon/hypervisor': ['shared', 'daemon/translate', 'daemon/machine', 'daemon/platform'],
  'daemon/boot': ['shared'],
  'daemon/lp': ['shared', 'daemon/translate', 'daemon/machine', 'daemon/platform', 'daemon/hypervisor', 'node:*'],
  'daemon/root': [
    'shared',
    'daemon/boot',
    'daemon/platform',
    'node:*',
    'piscina',
    'pino',
    'pino-pretty',
    'prom-client',
    'zod',
    'yaml',
    'msgpackr',
    'iced-x86',
  ],
  'daemon/lab': [
    'shared',
    'daemon/root',
    'node:*',
    'zod',
    'yaml',
    'echarts',
    '@marcbachmann/cel-js',
    '@nats-io/transport-node',
    '@nats-io/jetstream',
  ],
  'daemon/cli': ['shared', 'daemon/lab', 'esbuild', 'daemon/boot', 'daemon/platform', 'daemon/root', 'node:*', 'commander', 'zod', 'yaml'],
  tui: ['shared', 'node:*', 'react', 'ink', 'blessed', 'blessed-contrib', 'drawille-canvas-blessed-contrib', 'ansi-term', 'commander'],
};
const folders = Object.keys(LAW).sort((a, b) => b.length - a.length);
const folderOf = (path) => folders.find((f) => path === f || path.startsWith(`${f}/`));

const sources = (dir) =>
  readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? sources(join(dir, e.name)) : /\.tsx?$/.test(e.name) ? [join(dir, e.name)] : [],
  );

let broken = 0;
for (const file of ['shared', 'daemon', 'tui'].flatMap(sources)) {
  const own = folderOf(file);
  const allowed = LAW[own];
  const text = readFileSync(file, 'utf8');
  for (const [, spec] of text.matchAll(/(?:from|import\(|require\()\s*'([^']+)'/g)) {
    let target;
    let ok;
    if (spec.startsWith('.')) {
      target = folderOf(normalize(join(dirname(file), spec))) ?? relative('.', join(dirname(file), spec));
      const root = own.startsWith('shared') && target.startsWith('shared');
      ok = target === own || root || allowed.some((a) => target === a || (a === 'shared' && target.startsWith('shared/')));
    } else if (spec.startsWith('node:')) {
      target = spec;
      ok = allowed.includes('node:*') || allowed.includes(spec) || spec === 'node:perf_hooks';
    } else {
      target = spec.startsWith('@') ? spec.split('/').slice(0, 2).join('/') : spec.split('/')[0];
      ok = allowed.includes(target);
    }
    if (!ok) {
      broken++;
      console.error(`${file}: ${own} may not import ${target}`);
    }
  }
}
if (broken > 0) process.exit(1);
console.log('import law holds');
