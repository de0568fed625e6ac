// After the compiler: the LP's task in one file. A worker that loads some 200 modules one by one takes three times as long to come up, and each LP of each machine is a worker.
// iced-x86 stays outside: it finds its WebAssembly beside itself. `import.meta.url` of what is in it is that of dist/daemon/lp, from where `../float` and `../shortcuts` are the same.
import { build } from 'esbuild';

await build({
  entryPoints: ['dist/daemon/lp/worker.js'],
  outfile: 'dist/daemon/lp/worker.bundle.js',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['iced-x86'],
  sourcemap: true,
  logLevel: 'warning',
});
