// The long matrix of Debian's kernels (`npm run test:linux`, about an hour): the same script with the same results on every number of processors, under every policy and with
// each feature of the Hyper-V interface switched off; boots by seeds and free-running; processors taken off and on. Beside QEMU, where there is one, for the results.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DRIVERS } from '../../daemon/cli/images/debian-root.js';
import { HYPERV_FEATURES, HYPERV_PRESETS, type HypervFeatureName } from '../../shared/hyperv/features.js';
import { POLICIES } from '../../shared/protocol/policies.js';
import { hvd } from '../rig/hvd-process.js';

const folder = process.env.HVD_IMAGES ?? '';
const present = (image: string): boolean => existsSync(join(folder, image, 'partition.yaml'));
const QEMU = ['/usr/bin/qemu-system-x86_64', '/usr/local/bin/qemu-system-x86_64'].find(existsSync);
const BOOT_SECONDS = 280;

/** Processes, pipes, files on tmpfs, signals, timers, memory that is mapped, all processors busy: what it prints does not hang on how many there are. */
const SCRIPT = [
  'cd /tmp',
  '{ for i in 1 2 3 4 5 6 7 8 9 10 11 12; do (seq $i 999 | md5sum > p$i) & done; wait; cat p*',
  "seq 1 20000 | sort -r | uniq | awk '{s+=$1} END {print s}'",
  'seq 1 50000 > f; gzip -c f | gunzip -c | sha256sum; cp f g; cmp f g && echo same',
  'trap "echo usr1" USR1; kill -USR1 $$; sleep 0.2; (sleep 9 & kill $!; wait $!; echo killed $?)'.replaceAll('"', "'"),
  'n=$(nproc); for c in $(seq 0 $((n-1))); do (taskset -c $c sh -c "seq 1 30000 | sha1sum" > b$c) & done; wait; cat b[0-9]* | sort -u'.replaceAll(
    '"',
    "'",
  ),
  'dd if=/dev/zero bs=8M count=2 2>/dev/null | sha256sum; yes | head -c 3000000 | tr y z | md5sum',
  '} > out 2>&1; echo result $(sha256sum out | cut -c1-32)',
].join('; ');
const AFTER = 'dmesg -r | grep -E ^.[0-4].; cat /proc/interrupts';

/** Warnings of the kernel that are as they should be: there is no MMCONFIG on a PC of this kind, and no mitigation of what the processor is not said to be safe from. */
const EXPECTED_WARNINGS = [
  /fail to add MMCONFIG information/,
  /Speculative Return|Spectre|MDS|mitigation|vulnerab/i,
  /Unknown kernel command line parameters/,
];
/** What Linux says of a feature that it looks for and that is switched off. */
const SAYS_IT_IS_MISSING = new Map<string, RegExp>([
  ['-hypercall-msrs', /x86\/hyperv: HYPERCALL MSR not available\./],
  ['-vp-index', /x86\/hyperv: VP_INDEX MSR not available\./],
]);

/** Linux writes VP_ASSIST_PAGE without asking whether it is there, and says so with a trace where it is not; then it goes on without the page. */
const NO_ASSIST_PAGE = /^.*unchecked MSR access error: WRMSR to 0x40000073[\s\S]*?<\/TASK>/m;

/** `words`: more of the kernel's command line. */
const boot = async (
  t: ExecutionContext,
  image: string,
  flags: readonly string[],
  commands: string = `${SCRIPT}; ${AFTER}`,
  words = '',
): Promise<string> => {
  const append = `${words} run="${commands}"`;
  const { stdout, stderr, status } = await hvd('run', image, '--timeout', String(BOOT_SECONDS), ...flags, '--append', append);
  const what = `${image} ${flags.join(' ')}`;
  t.is(status, 0, `${what}: ${stderr}${stdout.slice(-1500)}`);
  const switchedOff = flags.flatMap((flag) => flag.split(','));
  const withoutPage = switchedOff.includes('-apic-msrs');
  if (withoutPage) t.regex(stdout, NO_ASSIST_PAGE);
  const said = withoutPage ? stdout.replaceAll(new RegExp(NO_ASSIST_PAGE, 'gm'), '') : stdout;
  t.notRegex(said, /Oops|BUG:|WARNING:|Call Trace|soft lockup|rcu.*stall|Kernel panic|clocksource.*unstable|segfault/, what);
  t.regex(stdout, /run: status 0\r?\n/, what);
  t.regex(stdout, /reboot: Power down/, what);
  const expected = [...EXPECTED_WARNINGS, ...switchedOff.flatMap((name) => SAYS_IT_IS_MISSING.get(name) ?? [])];
  for (const [line] of said.matchAll(/^<[0-4]>.*$/gm))
    t.true(
      expected.some((w) => w.test(line)),
      `${what}: ${line}`,
    );
  t.notRegex(stdout, /^ *(ERR|MIS): +[1-9]/m, what);
  return stdout;
};
const resultOf = (stdout: string): string | undefined => /result ([0-9a-f]{32})/.exec(stdout)?.[1];

/** By image: what the script prints, as QEMU says, or else the first that ran. */
const results = new Map<string, string>();
const sameResult = async (t: ExecutionContext, image: string, flags: readonly string[]): Promise<void> => {
  const result = resultOf(await boot(t, image, flags));
  t.truthy(result);
  const expected = results.get(image);
  if (expected === undefined) results.set(image, result as string);
  else t.is(result, expected, `${image} ${flags.join(' ')}`);
};

for (const image of ['debian', 'debian-i386']) {
  const declare = present(image) ? test.serial : test.serial.skip;
  const declareQemu = present(image) && QEMU !== undefined ? test.serial : test.serial.skip;
  declareQemu(`${image}: what the script prints on QEMU`, (t) => {
    t.timeout(600_000);
    const stdout = execFileSync(
      QEMU as string,
      [
        ...['-accel', 'tcg', '-smp', '2', '-cpu', 'max', '-m', '512', '-nographic', '-no-reboot'],
        ...['-kernel', join(folder, image, 'vmlinuz'), '-initrd', join(folder, image, 'initrd.gz')],
        ...['-append', `console=ttyS0 run="${SCRIPT}"`],
      ],
      { stdio: ['ignore', 'pipe', 'ignore'], timeout: 500_000, encoding: 'latin1' },
    );
    const result = resultOf(stdout);
    t.truthy(result);
    results.set(image, result as string);
  });
  for (const [vps, lps] of [
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
    [4, 1],
    [4, 2],
    [4, 4],
    [8, 2],
    [8, 4],
  ])
    declare(`${image}: the same result on ${vps} processors, ${lps} LPs`, async (t) => {
      t.timeout(600_000);
      await sameResult(t, image, ['--vps', String(vps), '--lps', String(lps)]);
    });
}

const declare = present('debian') ? test.serial : test.serial.skip;
const PAIR = ['--vps', '2', '--lps', '2'];

for (const { name, values } of POLICIES)
  for (const value of values)
    declare(`the same result under ${name}=${value}`, async (t) => {
      t.timeout(600_000);
      await sameResult(t, 'debian', [...PAIR, '--policy', `${name}=${value}`]);
    });

/** The feature, and those that it takes away with it. */
const withoutIt = (feature: HypervFeatureName): readonly HypervFeatureName[] => [
  feature,
  ...HYPERV_FEATURES.filter(({ needs }) => (needs as readonly string[]).includes(feature)).flatMap(({ name }) => withoutIt(name)),
];
for (const feature of HYPERV_PRESETS.linux)
  declare(`the same result without ${feature}`, async (t) => {
    t.timeout(600_000);
    const off = withoutIt(feature).filter((name) => (HYPERV_PRESETS.linux as readonly string[]).includes(name));
    await sameResult(t, 'debian', [...PAIR, '--hv', ['linux', ...new Set(off.map((name) => `-${name}`))].join(',')]);
  });

for (const [ends, off] of [
  ['end by EOIs', '-direct-timers'],
  ['end by themselves', '-direct-timers,-deprecate-autoeoi'],
])
  declare(`the same result with ticks that are messages on SINT 2 and ${ends}`, async (t) => {
    t.timeout(600_000);
    // An image that was fetched before it had the module is to be fetched anew.
    const stdout = await boot(t, 'debian', [...PAIR, '--hv', `linux,${off}`], `insmod /${DRIVERS}/hv_vmbus.ko && ${SCRIPT}; ${AFTER}`);
    t.is(resultOf(stdout), results.get('debian') ?? resultOf(stdout));
    t.truthy(resultOf(stdout));
    const [, first, second] = /^ *HYP: +(\d+) +(\d+)/m.exec(stdout) ?? [];
    t.true(Number(first) > 20 && Number(second) > 20, `callbacks of the hypervisor: ${first}, ${second}`);
  });

for (const words of ['pti=on', 'nopti', 'nokaslr'])
  declare(`the same result with ${words}`, async (t) => {
    t.timeout(600_000);
    const stdout = await boot(t, 'debian', PAIR, undefined, words);
    t.is(resultOf(stdout), results.get('debian') ?? resultOf(stdout));
  });

declare('processors 1 to 3 are taken off and on, a hundred times', async (t) => {
  t.timeout(600_000);
  const cpus = '/sys/devices/system/cpu';
  const set = (online: number): string => `for c in 1 2 3; do echo ${online} > ${cpus}/cpu$c/online; done`;
  const stdout = await boot(
    t,
    'debian',
    ['--vps', '4', '--lps', '2'],
    `for i in $(seq 100); do ${set(0)}; ${set(1)}; done; cat ${cpus}/online`,
  );
  t.regex(stdout, /^0-3\r?$/m);
});

for (let seed = 1; seed <= 20; seed++) {
  declare(`boots twice to the same bytes with seed ${seed}`, async (t) => {
    t.timeout(600_000);
    const once = (): Promise<string> =>
      boot(t, 'debian', ['--vps', '2', '--lps', '2', '--clock', 'deterministic', '--seed', String(seed)], 'cat /proc/interrupts');
    t.is(await once(), await once());
  });
  declare(`boots free-running, ${seed} of 20`, async (t) => {
    t.timeout(600_000);
    await boot(t, 'debian', [...PAIR, '--clock', 'realtime'], AFTER);
  });
}
