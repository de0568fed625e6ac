// Completes package-lock.json after `npm install`: optional packages for other platforms that a registry mirror does not serve are left out by npm,
// and `npm ci` then refuses the lock. Run it after every change of dependencies.
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const platform =
  /(android|darwin|win32|linux|freebsd|openbsd|netbsd|sunos|aix|openharmony)-(arm64|arm|x64|ia32|ppc64|riscv64|s390x|loong64|mips64el)/;
let added = 0;
for (const [path, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const at = `node_modules/${name}`;
    if (lock.packages[at] || lock.packages[`${path}/${at}`]) continue;
    const [, os = 'none', cpu = 'none'] = platform.exec(name) ?? [];
    lock.packages[at] = {
      version: range.replace(/^[^\d]*/, ''),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      os: [os],
      cpu: [cpu],
      ...(name.includes('musl') ? { libc: ['musl'] } : {}),
    };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} optional packages added`);
