// Debian's kernels under snapshots: two machines on a switch, a disk that forgets its writes, consoles by virtio; from each place they go on as the machine did that was never saved.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { PartitionConfig, VirtualDeviceConfig } from '../../shared/protocol/messages.js';
import { deterministic, goOn, type Outcome, runThrough } from '../rig/snapshot-machine.js';

const images = join(process.env.HVD_IMAGES ?? '', 'debian');
const declare = existsSync(join(images, 'partition.yaml')) ? test.serial : test.serial.skip;
const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const MIB = 1 << 20;
const disk = join(folder, 'disk.img');
const END_MS = 300_000;
/** Of the whole course: while both boot, while drivers come up, while frames and sectors are on their way, near the end. */
const SHARES = [0.2, 0.7, 0.93, 0.97, 0.99];

const guest = (name: string, address: number, devices: readonly VirtualDeviceConfig[], run: string): PartitionConfig => ({
  name,
  image: join(images, 'vmlinuz'),
  initrd: join(images, 'initrd.gz'),
  append: `console=ttyS0 run="ip addr add 10.0.0.${address}/24 dev eth0; ip link set eth0 up; ${run}"`,
  vps: 2,
  memory: 128 * MIB,
  hv: { features: 'linux' },
  devices: [{ kind: 'console' }, { kind: 'network', to: 'switch:wire' }, ...devices],
});

/** What differs, by name: consoles are too long to be compared by ava. */
const differences = (found: Outcome, expected: Outcome): string[] => {
  const fieldsOf = ({ state, consoles, ...rest }: Outcome): Record<string, unknown> => ({ ...rest, ...state, ...consoles });
  const other = fieldsOf(expected);
  return Object.entries(fieldsOf(found)).flatMap(([name, value]) => (JSON.stringify(value) === JSON.stringify(other[name]) ? [] : [name]));
};

declare('two of Debian on a switch, one with a disk, go on from snapshots as if nobody had been there', async (t) => {
  t.timeout(30 * 60_000);
  writeFileSync(disk, Buffer.alloc(4 * MIB, 'hvd'));
  const write = 'dd if=/dev/urandom of=/dev/vda bs=64k count=32 conv=fsync 2>/dev/null; dd if=/dev/vda bs=64k 2>/dev/null | md5sum';
  const guests = [
    guest(
      'a',
      1,
      [{ kind: 'disk', file: disk, access: 'copy-on-write' }],
      `ping -c 8 -i 0.2 10.0.0.2; ${write}; ping -c 4 -i 0.2 10.0.0.2`,
    ),
    guest('b', 2, [], 'sleep 3'),
  ];
  const config = deterministic({ lps: 2 });
  const straight = await runThrough(config, guests, [], String, END_MS);
  t.regex(straight.consoles.a!, /8 packets transmitted, [1-8] packets received/);
  for (const name of ['a', 'b']) t.regex(straight.consoles[name]!, /reboot: Power down/);
  const fileOf = (index: number): string => join(folder, `${index}.hvds`);
  const at = SHARES.map((share) => Math.floor(straight.course * share));
  t.deepEqual(differences(await runThrough(config, guests, at, fileOf, END_MS), straight), [], 'nobody sees snapshots being taken');
  for (const [index, place] of at.entries())
    t.deepEqual(differences(await goOn(fileOf(index), END_MS), straight), [], `from place ${place}`);
});
