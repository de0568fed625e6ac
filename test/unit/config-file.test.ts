// Configuration files: what they may say, and that what they may not say is named by file, line, path and limit.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { defaultMachine, machineFile, partitionFile, readCosts, readMachineFile } from '../../daemon/root/config/machine-file.js';
import { formatSize, parseSize } from '../../daemon/root/config/size.js';
import { parseYaml, readYaml } from '../../daemon/root/config/yaml-file.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { HvdError } from '../../shared/protocol/errors.js';

const parse = (text: string) => parseYaml(text, 'file.yaml', machineFile);

test('an empty file is a machine of defaults', (t) => {
  t.deepEqual(parse(''), defaultMachine());
});

test('sizes are read in every unit', (t) => {
  for (const [text, bytes] of [
    ['64M', 64 * 2 ** 20],
    ['1g', 2 ** 30],
    ['512KiB', 2 ** 19],
    ['4096', 4096],
    [65536, 65536],
    [' 2 M', undefined],
    ['-1', undefined],
    ['1.5M', undefined],
    ['M', undefined],
    [1.5, undefined],
    [null, undefined],
  ] as const) {
    t.is(parseSize(text), bytes, String(text));
  }
  fc.assert(fc.property(fc.nat(2 ** 31), (n) => parseSize(formatSize(n)) === n));
});

const partition = (more: string): string => `partitions:\n  - name: a\n    image: workload64\n    vps: 2\n    memory: 64M\n${more}`;

const WRONG: readonly [string, string, RegExp][] = [
  ['an unknown key of the machine', 'lps: 2\nlpz: 3\n', /^file\.yaml:2 \(all\): unknown key lpz; there are lps, /],
  ['an unknown key of a partition', partition('    ram: 64M\n'), /^file\.yaml:6 partitions\[0\]: unknown key ram/],
  ['an unknown key of a load', partition('    load: { job: ipi, mode: 2 }\n'), /^file\.yaml:6 partitions\[0\]\.load: unknown key mode/],
  [
    'a size out of range',
    partition('  - name: b\n    image: x\n    vps: 1\n    memory: 9G\n'),
    /^file\.yaml:9 partitions\[1\]\.memory: expected a size from 1M to 3G in steps of 64K, got "9G"$/,
  ],
  [
    'a device of no kind',
    partition('    devices:\n      - { kind: tape }\n'),
    /^file\.yaml:7 partitions\[0\]\.devices\[0\]\.kind: expected a device of kind console, disk or network/,
  ],
  [
    'an access that disks have not',
    partition('    devices:\n      - kind: disk\n        file: x\n        access: some\n'),
    /^file\.yaml:9 partitions\[0\]\.devices\[0\]\.access: expected persistent or copy-on-write or read-only, got "some"$/,
  ],
  [
    'a floppy without a BIOS',
    partition('    devices:\n      - { kind: disk, file: x, bus: floppy }\n'),
    /^file\.yaml:7 partitions\[0\]\.devices\[0\]\.bus: expected virtio, for the floppy controller is of machines with a bios$/,
  ],
  [
    'a third floppy',
    partition(`${'    bios: x\n    devices:\n'}${'      - { kind: disk, file: x, bus: floppy }\n'.repeat(3)}`),
    /^file\.yaml:10 partitions\[0\]\.devices\[2\]\.bus: expected virtio, for the floppy controller has 2 drives$/,
  ],
  [
    'a network that there is not',
    partition('    devices:\n      - { kind: network, to: hub }\n'),
    /^file\.yaml:7 partitions\[0\]\.devices\[0\]\.to: expected user or switch:NAME, got "hub"$/,
  ],
  [
    'an address of a group of stations',
    partition('    devices:\n      - { kind: network, to: switch:a, mac: "53:54:00:00:00:01" }\n'),
    /^file\.yaml:7 partitions\[0\]\.devices\[0\]\.mac: expected an address of one station/,
  ],
  [
    'a second console',
    partition('    devices:\n      - { kind: console }\n      - { kind: console }\n'),
    /^file\.yaml:8 partitions\[0\]\.devices\[1\]\.kind: expected one console/,
  ],
  [
    'a job that there is not',
    partition('    load:\n      job: dance\n'),
    /^file\.yaml:7 partitions\[0\]\.load\.job: no job named dance; there are idle, compute, /,
  ],
  [
    'a parameter that a job has not',
    partition('    load:\n      job: ipi\n      parameters:\n        mode: 1\n        hold: 1\n'),
    /^file\.yaml:10 partitions\[0\]\.load\.parameters\.hold: ipi has no parameter hold; it has mode/,
  ],
  [
    'a VP that a load has not',
    partition('    load:\n      job: ipi\n      vps:\n        - 1\n        - 2\n'),
    /^file\.yaml:10 partitions\[0\]\.load\.vps\[1\]: a has VPs 0\.\.1, not 2$/,
  ],
  [
    'a limit below the reserve',
    partition('    scheduling:\n      reserve: 40\n      limit: 30\n'),
    /^file\.yaml:8 partitions\[0\]\.scheduling\.limit: expected at least the reserve, 40; got 30$/,
  ],
  [
    'a reserve above all of an LP',
    partition('    scheduling: { reserve: 101 }\n'),
    /^file\.yaml:6 partitions\[0\]\.scheduling\.reserve: expected a whole number from 0 to 95, got 101$/,
  ],
  [
    'a range that ends before it begins',
    partition('    scheduling:\n      critical: [{ from: 0x2000, to: 0x1000 }]\n'),
    /^file\.yaml:7 partitions\[0\]\.scheduling\.critical\[0\]\.to: expected an address above 8192, got 4096$/,
  ],
  [
    'a word in a segment that has no base of its own',
    partition('    scheduling:\n      criticalWord: { at: "ds:0x10" }\n'),
    /^file\.yaml:7 partitions\[0\]\.scheduling\.criticalWord\.at: expected an address, or gs: or fs: and an offset, got "ds:0x10"$/,
  ],
  [
    'a word beyond all addresses',
    partition('    scheduling:\n      criticalWord: { at: "gs:99999999999999999999" }\n'),
    /^file\.yaml:7 partitions\[0\]\.scheduling\.criticalWord\.at: expected an address/,
  ],
  [
    'a word of no bits',
    partition('    scheduling:\n      criticalWord:\n        at: gs:0x10\n        mask: 0\n'),
    /^file\.yaml:9 partitions\[0\]\.scheduling\.criticalWord\.mask: expected some of 32 bits, e\.g\. 0x7fffffff/,
  ],
  [
    'bits that the word has not',
    partition('    scheduling:\n      criticalWord: { at: 4096, mask: 0x100000000 }\n'),
    /^file\.yaml:7 partitions\[0\]\.scheduling\.criticalWord\.mask: expected some of 32 bits/,
  ],
  [
    'words too far apart',
    partition('    scheduling:\n      criticalWord: { at: 4096, stride: 1048577 }\n'),
    /^file\.yaml:7 partitions\[0\]\.scheduling\.criticalWord\.stride: expected a whole number from 0 to 1048576, got 1048577$/,
  ],
  ['a policy that there is not', 'policies:\n  vtlb.lick: global\n', /^file\.yaml:2 policies\.vtlb\.lick: no policy named vtlb\.lick/],
  [
    'a setting that a policy has not',
    'lps: 1\npolicies:\n  vtlb.lock: none\n',
    /^file\.yaml:3 policies\.vtlb\.lock: vtlb\.lock: none is not one of generation, global, fine$/,
  ],
  [
    'a device on an LP that there is not',
    'lps: 2\ndevices:\n  - { name: d, lp: 2, trigger: edge, vector: 0x40, partition: a, vp: 0, guestVector: 0x80 }\n',
    /^file\.yaml:3 devices\[0\]\.lp: expected 0 to 1, got 2$/,
  ],
  [
    "a vector that is another device's",
    'devices:\n  - { name: d, lp: 0, trigger: edge, vector: 0x40, partition: a, vp: 0, guestVector: 0x80 }\n  - { name: e, lp: 0, trigger: edge, vector: 0x40, partition: b, vp: 0, guestVector: 0x80 }\n',
    /^file\.yaml:3 devices\[1\]\.vector: expected one that no other device has, vector 64 of LP 0 is taken$/,
  ],
  ['a size between steps', partition('').replace('64M', '1048577'), /partitions\[0\]\.memory: expected a size/],
  [
    'a missing key',
    'partitions:\n  - name: a\n    image: x\n    vps: 1\n',
    /^file\.yaml:2 partitions\[0\]\.memory: expected a size .* got nothing$/,
  ],
  [
    'too many VPs',
    partition('').replace('vps: 2', 'vps: 65'),
    /^file\.yaml:4 partitions\[0\]\.vps: expected a whole number from 1 to 64, got 65$/,
  ],
  [
    'a processor that there is not',
    partition('    cpu: x86-64-v9\n'),
    /^file\.yaml:6 partitions\[0\]\.cpu: no processor "x86-64-v9"; there are max, x86-64-v1, .*; got "x86-64-v9"$/,
  ],
  [
    'a feature that lacks another',
    partition('    cpu: pentium,+cx16\n'),
    /partitions\[0\]\.cpu: cx16 needs lm, which this processor has not: \+lm; /,
  ],
  ['several VPs without APICs', partition('    cpu: i486\n'), /^file\.yaml:4 partitions\[0\]\.vps: expected 1, for i486 has no APIC/],
  ['a wrong type', 'lps: four\n', /^file\.yaml:1 lps: expected a whole number from 1 to 64, got "four"$/],
  ['a fraction', 'lps: 1.5\n', /lps: expected a whole number/],
  ['a clock that is not there', '\nclock: fast\n', /^file\.yaml:2 clock: expected deterministic or quantum or realtime, got "fast"$/],
  ['more nodes than LPs', 'lps: 1\nnodes: 2\n', /^file\.yaml:2 nodes: expected at most one node an LP/],
  [
    'a name twice',
    partition('  - name: a\n    image: x\n    vps: 1\n    memory: 1M\n'),
    /^file\.yaml:6 partitions\[1\]\.name: expected a name of its own/,
  ],
  ['a bad name', partition('').replace('name: a', 'name: a/b'), /^file\.yaml:2 partitions\[0\]\.name: expected a name of 1 to 32/],
  ['partitions that are no list', 'partitions: {}\n', /^file\.yaml:1 partitions: expected a list/],
  ['a list at the top', '- a\n', /^file\.yaml:1 \(all\): expected keys and values/],
  ['text with control characters', partition('    append: "a\\u0000b"\n'), /^file\.yaml:6 partitions\[0\]\.append: expected text/],
];
for (const [what, text, expected] of WRONG) {
  test(`${what} is named with line and limit`, (t) => {
    const error = t.throws(() => parse(text), { instanceOf: HvdError });
    t.is(error.code, 'config.invalid');
    t.regex(error.message, expected);
    t.false(error.message.includes('\n'));
  });
}

test('what is not YAML is named with its line', (t) => {
  const error = t.throws(() => parse('lps: 2\nclock: [\n'), { instanceOf: HvdError });
  t.is(error.code, 'config.syntax');
  t.regex(error.message, /^file\.yaml:[23]: not YAML/);
  t.throws(() => parse('lps: 1\nlps: 2\n'), { instanceOf: HvdError, message: /file\.yaml:2: not YAML: the key "lps" is there twice/ });
});

test('an avalanche of aliases is refused', (t) => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((k, i) => `${k}: &${k} [${`*${'abcdefg'[i]},`.repeat(9).slice(0, -1)}]`).join('\n')}\n`;
  t.throws(() => parse(bomb), { instanceOf: HvdError });
});

test('a file that cannot be read is named', (t) => {
  t.throws(() => readMachineFile('/nonexistent/m.yaml'), {
    instanceOf: HvdError,
    code: 'config.unreadable',
    message: /\/nonexistent\/m\.yaml/,
  });
});

test('a file without an end is not read for ever', (t) => {
  t.throws(() => readMachineFile('/dev/zero'), {
    instanceOf: HvdError,
    code: 'config.unreadable',
    message: /\/dev\/zero: cannot be read: it is longer than 262144 bytes/,
  });
});

test('every machine and partition that comes with hvd is right', (t) => {
  for (const file of readdirSync(join(packageRoot(), 'configs/machines')))
    t.notThrows(() => readMachineFile(join(packageRoot(), 'configs/machines', file)), file);
  for (const file of readdirSync(join(packageRoot(), 'configs/vms')))
    t.notThrows(() => readYaml(join(packageRoot(), 'configs/vms', file), partitionFile), file);
  t.true(Object.keys(readCosts()).length > 0);
});

test('the default machine has more VPs than LPs', (t) => {
  const { lps, nodes, partitions } = readMachineFile(join(packageRoot(), 'configs/machines/default.yaml'));
  t.is(lps, 4);
  t.is(nodes, 2);
  t.deepEqual(
    partitions.map(({ vps }) => vps),
    [4, 2, 2],
  );
  t.true(partitions.every(({ image }) => image.startsWith(packageRoot())));
});
