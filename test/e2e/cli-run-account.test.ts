// `hvd run --count` and `--profile` on a real guest: accounts that add up, and the same guest as without them.
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd } from '../rig/hvd-process.js';

const IMAGE = join(packageRoot(), 'configs/guests/bench/guest32.elf');
const runGuest = (...flags: readonly string[]) =>
  hvd(
    'run',
    IMAGE,
    '--memory',
    '64M',
    '--clock',
    'deterministic',
    '--append',
    'run=crc,dhry,smc,int,movs,xadd1,ptchurn div=4000',
    ...flags,
  );
const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);

test.serial('the account adds up to the retired instructions, and counting changes nothing in the guest', async (t) => {
  t.timeout(300_000);
  const plain = JSON.parse((await runGuest('--json', '--hash')).stdout);
  const counted = JSON.parse((await runGuest('--json', '--hash', '--count')).stdout);
  t.is(counted.memoryHash, plain.memoryHash);
  t.is(counted.traceHash, plain.traceHash);
  t.is(counted.console, plain.console);
  t.is(counted.instructions, plain.instructions);
  t.false('count' in plain);
  t.is(counted.count.retired, counted.instructions);
  t.is(sum(counted.count.classes), counted.instructions);
  t.is(sum(counted.count.mnemonics), counted.instructions);
  // What the guest's own operation counts say.
  const operations = Object.fromEntries([...counted.console.matchAll(/^E (\w+) \w+ \d+ (\d+)/gm)].map(([, name, n]) => [name, Number(n)]));
  t.is(counted.count.mnemonics.xadd, operations.xadd1);
  t.is(counted.count.mnemonics.int, operations.int);
  t.is(counted.count.intercepts.io, plain.partition.vps[0].counters.ioIntercepts);
  const { guestBytes, recordBytes, metadataBytes, unitBytes } = plain.partition.code;
  t.true(guestBytes > 1000 && (recordBytes + metadataBytes + unitBytes) / guestBytes <= 100, JSON.stringify(plain.partition.code));
  t.true(counted.count.translations > 100 && counted.count.compilations > 3 && counted.count.tlbMisses > 100);
});

test.serial('the profile names functions, and its file is folded stacks', async (t) => {
  t.timeout(300_000);
  const file = join(tmpdir(), `hvd-folded-${process.pid}`);
  const result = JSON.parse((await runGuest('--json', `--profile=${file}`)).stdout);
  t.true(result.profile.functions.run_xadd1 >= 75_000 * 4);
  t.is(sum(result.profile.functions), result.instructions);
  const [first] = result.profile.blocks;
  t.regex(first.place, /^\w+/);
  t.true(first.instructions >= first.executions);
  t.true(result.profile.folded.length > 0);
  t.is(readFileSync(file, 'utf8'), result.profile.folded.map((line: string) => `${line}\n`).join(''));
  t.is(
    result.profile.folded.reduce((n: number, line: string) => n + Number(line.split(' ').at(-1)), 0),
    result.instructions,
  );
  unlinkSync(file);
});

test.serial('symbols come from a map file, too', async (t) => {
  t.timeout(300_000);
  const map = join(tmpdir(), `hvd-map-${process.pid}`);
  writeFileSync(map, '00100000 T everything\n');
  const run = await runGuest('--profile', '--count', '--symbols', map);
  unlinkSync(map);
  t.regex(run.stderr, /100\.0 +\d+ +everything/);
  t.regex(run.stderr, /^retired \d+/m);
  t.regex(run.stderr, /^CLASS +INSTRUCTIONS +%/m);
  for (const flags of [
    ['--trace-limit', '5'],
    ['--profile=/nowhere/at/all'],
    ['--trace-insns=/nowhere/at/all'],
    ['--profile', '--symbols', '/nowhere'],
  ]) {
    const refused = await runGuest(...flags);
    t.true(refused.status! > 0 && refused.stdout === '', flags.join());
    t.regex(refused.stderr, /^hvd: [^\n]+\n$/);
  }
  const full = await runGuest('--profile=/dev/full');
  t.is(full.status, 0);
  t.regex(full.stderr, /^hvd: --profile: the file is not whole: .*ENOSPC/m);
});
