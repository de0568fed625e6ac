// Debian's own kernels, unmodified, with a busybox shell: they find the Hyper-V interface, bring up their processors and come to the shell without a warning.
// The images are those that `hvd images fetch` prepares: `debian`, and `debian-i386` for the 32-bit kernel.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { vmlinuxOf } from '../../daemon/cli/images/vmlinux.js';
import { hvd } from '../rig/hvd-process.js';

const folder = process.env.HVD_IMAGES;
const isPresent = (image: string): boolean => folder !== undefined && existsSync(join(folder, image, 'partition.yaml'));
const declareFor = (image: string) => (isPresent(image) ? test.serial : test.serial.skip);
const whyNot = (image: string): string => (isPresent(image) ? '' : ` (HVD_IMAGES holds no ${image})`);
const declare = declareFor('debian');
const why = whyNot('debian');

const boots = (
  title: string,
  flags: readonly string[],
  expected: readonly RegExp[],
  unexpected: readonly RegExp[],
  image = 'debian',
  file = image,
): void => {
  declareFor(image)(`Debian's kernel ${title}${whyNot(image)}`, async (t) => {
    t.timeout(300_000);
    const { stdout, stderr, status } = await hvd('run', file, '--until', 'login-or-shell-ready', '--timeout', '240', ...flags);
    t.is(status, 0, stderr + stdout.slice(-2000));
    for (const line of expected) t.regex(stdout, line);
    for (const line of [/Oops|BUG:|WARNING:|Call Trace|soft lockup|rcu.*stall|Kernel panic/, ...unexpected]) t.notRegex(stdout, line);
  });
};

const work = mkdtempSync(join(tmpdir(), 'hvd-debian-'));
test.after.always(() => rmSync(work, { recursive: true, force: true }));
const vmlinux = join(work, 'vmlinux');
if (isPresent('debian')) writeFileSync(vmlinux, vmlinuxOf(readFileSync(join(folder ?? '', 'debian', 'vmlinuz'))));

boots(
  'comes to its shell on one processor, as a vmlinux entered by PVH',
  ['--hv', 'off', '--memory', '512M', '--append', 'console=ttyS0', '--initrd', join(folder ?? '', 'debian', 'initrd.gz')],
  [/Linux version 6\.1\./, /Booting paravirtualized kernel on bare hardware/, /Run \/init as init process/],
  [/Hypervisor detected/],
  'debian',
  vmlinux,
);
/** Its agent, with a pipe for its port: forks, faults in shared tables, a lock. */
const AGENT = 'for job in 1\\ 4 4\\ 8\\ 1 5\\ a\\ a\\ 2; do (echo s 1 $job; sleep 0.2) | hvd-agent by-pipes | tail -n 1; done';

boots(
  'of 32 bits finds the Hyper-V interface on two processors, and its agent does jobs',
  ['--vps', '2', '--lps', '2', '--append', `run="${AGENT}"`],
  [
    /Linux version 6\.1\.\d+-\d+-686-pae/,
    /Hypervisor detected: Microsoft Hyper-V/,
    /Using hypercall for remote TLB flush/,
    /Brought up 1 node, 2 CPUs/,
    /NX-protecting the kernel data/,
    // Operations, and no errors.
    /^r 1 1 [1-9a-f][0-9a-f]*( [0-9a-f]+){4} 0 1 4 0 0 0\r?$/m,
    /^r 1 4 [1-9a-f][0-9a-f]*( [0-9a-f]+){4} 0 1 8 1 0 0\r?$/m,
    /^r 1 5 [1-9a-f][0-9a-f]*( [0-9a-f]+){4} 0 1 a a 2 0\r?$/m,
    /^run: status 0\r?$/m,
  ],
  [/clocksource.*unstable/i],
  'debian-i386',
);
const disk = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 7 + (i >>> 10)) & 0xff);
const diskFile = join(work, 'disk.img');
writeFileSync(diskFile, disk);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const WRITTEN = 'yes | head -c 131072 | dd of=/dev/vda bs=64k seek=4 iflag=fullblock conv=fsync 2>/dev/null';

boots(
  'finds the Hyper-V interface and virtio devices on two processors',
  [
    ...['--vps', '2', '--lps', '2', '--virtio-console', '--disk', diskFile],
    ...['--append', `run="sha256sum /dev/vda; ${WRITTEN}; echo console > /dev/hvc0; cat /sys/class/virtio-ports/*/name"`],
  ],
  [
    /Hypervisor detected: Microsoft Hyper-V/,
    /Using hypercall for remote TLB flush/,
    /Using IPI hypercalls/,
    /Using enlightened APIC/,
    /PV spinlocks enabled/,
    /Brought up 1 node, 2 CPUs/,
    // Its disk, its console and its agent's port by virtio.
    new RegExp(`${sha256(disk)} +/dev/vda`),
    /^console\r?$/m,
    /^hvd\.agent\r?$/m,
    /^run: status 0\r?$/m,
  ],
  [/clocksource.*unstable/i, /turning off TSC/],
);

declare(`what Debian's kernel has written is in the disk's file, and the rest is as it was${why}`, (t) => {
  const expected = Buffer.from(disk);
  expected.fill('y\n', 4 << 16, (4 << 16) + 131072);
  t.is(sha256(readFileSync(diskFile)), sha256(expected));
});
