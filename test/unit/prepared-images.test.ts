// Images by name: the archive of the first root file system, where prepared images are, and what `hvd run` says of names.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cpio } from '../../daemon/cli/images/cpio.js';
import { debianRoot } from '../../daemon/cli/images/debian-root.js';
import { readPartitionFile } from '../../daemon/root/config/machine-file.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd, hvdIn } from '../rig/hvd-process.js';

/** Reads the format back by its own description: 110 bytes of header, name and data each padded to 4. */
const read = (archive: Uint8Array) => {
  const text = Buffer.from(archive);
  const entries: { name: string; mode: number; data: Buffer; device: number[] }[] = [];
  for (let at = 0; ; ) {
    const field = (n: number): number => Number.parseInt(text.toString('latin1', at + 6 + n * 8, at + 14 + n * 8), 16);
    if (text.toString('latin1', at, at + 6) !== '070701') throw new Error(`no header at ${at}`);
    const nameEnd = at + 110 + field(11);
    const name = text.toString('utf8', at + 110, nameEnd - 1);
    if (name === 'TRAILER!!!') return entries;
    const dataAt = (nameEnd + 3) & ~3;
    entries.push({ name, mode: field(1), data: text.subarray(dataAt, dataAt + field(6)), device: [field(9), field(10)] });
    at = (dataAt + field(6) + 3) & ~3;
  }
};

test('every entry of an archive is read back, whatever its lengths', (t) => {
  const entries = [1, 2, 3, 4, 5, 6, 7].map((n) => ({ name: 'n'.repeat(n), mode: 0o100644, data: new Uint8Array(n * 3).fill(n) }));
  const found = read(cpio(entries));
  t.deepEqual(
    found.map(({ name, mode, data }) => ({ name, mode, data: Uint8Array.from(data) })),
    entries,
  );
});

test('the first root file system has a console, a program to begin with, and each folder before what is in it', (t) => {
  const found = read(
    cpio(debianRoot({ busybox: Uint8Array.of(1, 2, 3), agent: Uint8Array.of(6) }, new Map([['virtio', Uint8Array.of(4, 5)]]))),
  );
  const names = found.map(({ name }) => name);
  t.deepEqual(found.find(({ name }) => name === 'dev/console')?.device, [5, 1]);
  t.true(
    found
      .find(({ name }) => name === 'init')
      ?.data.toString()
      .startsWith('#!/bin/busybox sh\n'),
  );
  t.deepEqual(found.find(({ name }) => name === 'lib/virtio/virtio.ko')?.data, Buffer.of(4, 5));
  t.deepEqual(found.find(({ name }) => name === 'bin/hvd-agent')?.data, Buffer.of(6));
  for (const name of names.filter((n) => n.includes('/')))
    t.true(names.indexOf(name.slice(0, name.lastIndexOf('/'))) < names.indexOf(name), name);
});

test('a word that is neither a file nor a prepared image is a file that cannot be read', async (t) => {
  const { status, stderr } = await hvd('run', 'no-such-image');
  t.is(status, 66);
  t.regex(stderr, /no-such-image: cannot be read/);
});

test('a partition’s file names files of a prepared image; where it has not been fetched, the line says how to', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-images-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(packageRoot(), 'configs/vms/debian.yaml');
  const { status, stderr } = await hvdIn({ HVD_IMAGES: folder }, 'vm', 'create', file);
  t.is(status, 66);
  t.is(stderr, `hvd: debian: the image has not been prepared: ${folder}/debian/vmlinuz is not there (hvd images fetch debian)\n`);
  mkdirSync(join(folder, 'debian'));
  for (const name of ['vmlinuz', 'initrd.gz']) writeFileSync(join(folder, 'debian', name), '');
  const before = process.env.HVD_IMAGES;
  process.env.HVD_IMAGES = folder;
  try {
    const { image, initrd, vps } = readPartitionFile(file);
    t.deepEqual([image, initrd, vps], [join(folder, 'debian/vmlinuz'), join(folder, 'debian/initrd.gz'), 4]);
  } finally {
    if (before === undefined) delete process.env.HVD_IMAGES;
    else process.env.HVD_IMAGES = before;
  }
});

test('where there is no apt, fetching says what to supply and leaves nothing behind', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-images-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'keep'), '');
  const script = new URL('../../daemon/cli/hvd.js', import.meta.url).pathname;
  const error = t.throws(() =>
    execFileSync(process.execPath, [script, 'images', 'fetch', 'debian'], {
      env: { HVD_IMAGES: folder, PATH: '/nonexistent' },
      encoding: 'utf8',
      stdio: 'pipe',
    }),
  ) as Error & { status: number; stderr: string };
  t.is(error.status, 69);
  t.regex(error.stderr, /^hvd: debian: cannot be prepared: .*partition\.yaml into .*debian\n$/);
  t.deepEqual(execFileSync('ls', [folder], { encoding: 'utf8' }), 'keep\n');
});
