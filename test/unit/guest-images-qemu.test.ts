// The workload guest under QEMU, a machine that is not ours: what it finds wrong there would be its own fault.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const guests = fileURLToPath(new URL('../../../configs/guests/', import.meta.url));
const hasQemu = spawnSync('qemu-system-x86_64', ['--version']).status === 0;
const under = hasQemu ? test : test.skip;
const note = hasQemu ? '' : ' (skipped: no qemu-system-x86_64)';

/** Output and exit status of a run that ends by itself. */
const boot = (image: string, vps: number, append: string): { output: string; status: number | null } => {
  const { stdout, status } = spawnSync(
    'qemu-system-x86_64',
    [
      '-accel',
      'tcg',
      '-cpu',
      'max',
      '-smp',
      String(vps),
      '-m',
      '64',
      '-display',
      'none',
      '-serial',
      'stdio',
      '-no-reboot',
      '-nodefaults',
      '-device',
      'isa-debug-exit,iobase=0xf4,iosize=4',
      '-kernel',
      `${guests}${image}`,
      '-append',
      append,
    ],
    { timeout: 90_000, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return { output: stdout.toString(), status };
};

const RUNS: readonly (readonly [string, number, string])[] = [
  ['workload64', 4, 'job=spinlock:hold=50,think=50 vp2=pagechurn:shared=1 vp3=switch:flush=3 seconds=1'],
  ['workload64', 2, 'job=ipi vp1=ipi:mode=1 seconds=1'],
  ['workload32', 4, 'job=pagechurn:tables=5 vp1=timer vp2=spinlock:kind=1 vp3=spinlock:kind=1 seconds=1'],
  ['workload32', 3, 'pae job=switch:private=1 vp2=compute seconds=1'],
];
for (const [name, vps, append] of RUNS) {
  under(`${name} with ${vps} VPs runs "${append}" without an error${note}`, (t) => {
    t.timeout(100_000);
    const { output, status } = boot(`images/${name}.elf`, vps, append);
    t.regex(output, new RegExp(`^HELLO ${name} vps=${vps} memory=64M`, 'm'));
    t.regex(output, /^READY\r?$/m);
    t.is([...output.matchAll(/^R vp=\d+ job=\w+ operations=[1-9]\d* /gm)].length, vps, output);
    t.regex(output, /^DONE errors=0\r?$/m);
    t.is(status, 1, 'port 0xf4 was written 0');
  });
}

under(`an idle guest comes to its report too${note}`, (t) => {
  t.timeout(100_000);
  const { output } = boot('images/workload64.elf', 2, 'job=idle seconds=1');
  t.regex(output, /^DONE errors=0\r?$/m);
});

under(`a job that is not there is named, and the guest goes on${note}`, (t) => {
  t.timeout(100_000);
  const { output } = boot('images/workload64.elf', 1, 'job=nonsense seconds=1');
  t.regex(output, /^UNKNOWN job/m);
  t.regex(output, /^DONE errors=0\r?$/m);
});
