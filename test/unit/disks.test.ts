// Disks behind block devices: layers against an array, files that two disks want, and requests in the order in which they were posted.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { checkFloppy, openDisk } from '../../daemon/root/disks/disk.js';
import { DiskClaims } from '../../daemon/root/disks/disk-claims.js';
import { DiskServer } from '../../daemon/root/disks/disk-server.js';
import { waitUntil } from '../../daemon/root/wait-until.js';
import { BlockBufferLayout, BlockSlot, blockDataAt, blockSlotAt, DiskOperation, SlotState } from '../../shared/layout/block-buffer.js';
import { viewsOf } from '../../shared/layout/struct.js';

const SECTOR = 512;
const SECTORS = 64;
const folder = mkdtempSync(join(tmpdir(), 'hvd-disks-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const newFile = (name: string): string => {
  const file = join(folder, name);
  writeFileSync(file, contents());
  return file;
};
const contents = (): Uint8Array => Uint8Array.from({ length: SECTORS * SECTOR }, (_, i) => (i * 13 + (i >>> 9)) & 0xff);

test('a copy-on-write disk is an array that is what the file is at each boot; the file stays as it was', async (t) => {
  const file = newFile('cow');
  const disk = await openDisk(file, 'copy-on-write', new DiskClaims());
  const step = fc.record({
    what: fc.constantFrom('read', 'write', 'write', 'renew'),
    sector: fc.nat(SECTORS - 1),
    sectors: fc.integer({ min: 1, max: 16 }),
    fill: fc.nat(255),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      await disk.renew();
      let model = contents();
      for (const { what, sector, sectors, fill } of steps) {
        const bytes = new Uint8Array(Math.min(sectors, SECTORS - sector) * SECTOR).fill(fill);
        if (what === 'renew') {
          await disk.renew();
          model = contents();
        } else if (what === 'write') {
          await disk.write(sector * SECTOR, bytes);
          model.set(bytes, sector * SECTOR);
        } else await disk.read(sector * SECTOR, bytes);
        if (what === 'read' && Buffer.compare(bytes, model.subarray(sector * SECTOR, sector * SECTOR + bytes.length)) !== 0) return false;
      }
      const whole = new Uint8Array(model.length);
      await disk.read(0, whole);
      return Buffer.compare(whole, model) === 0;
    }),
    { numRuns: 25 },
  );
  await disk.close();
  t.deepEqual(readFileSync(file), Buffer.from(contents()));
});

test('a floppy has one of four sizes, to the byte', async (t) => {
  for (const bytes of [737_280, 1_228_800, 1_474_560, 2_949_120]) t.is(checkFloppy(bytes), undefined);
  const expected = /^\d+ bytes; a floppy has 737280 \(720K\), 1228800 \(1\.2M\), 1474560 \(1\.44M\) or 2949120 \(2\.88M\)$/;
  for (const bytes of [0, 512, 1_474_559, 1_474_561, 1_475_072]) t.regex(checkFloppy(bytes) ?? '', expected);
  await t.throwsAsync(openDisk(newFile('no-floppy'), 'read-only', new DiskClaims(), checkFloppy), {
    code: 'disk.unusable',
    message: /no-floppy: .*32768 bytes; a floppy has 737280/,
  });
});

test('a file that one disk writes to is no other’s; when that is closed it is', async (t) => {
  const file = newFile('claimed');
  const claims = new DiskClaims();
  const readers = [await openDisk(file, 'read-only', claims), await openDisk(file, 'copy-on-write', claims)];
  await t.throwsAsync(openDisk(file, 'persistent', claims), { message: /claimed: is no disk: in use by another disk/ });
  for (const reader of readers) await reader.close();
  const writer = await openDisk(file, 'persistent', claims);
  await t.throwsAsync(openDisk(file, 'read-only', claims), { code: 'disk.unusable' });
  await writer.close();
  await (await openDisk(file, 'read-only', claims)).close();
});

test('what cannot be a disk is refused in one line', async (t) => {
  const claims = new DiskClaims();
  const short = join(folder, 'short');
  writeFileSync(short, 'x');
  await t.throwsAsync(openDisk(short, 'read-only', claims), { message: /short: is no disk: 1 bytes; a disk has 512 to/ });
  await t.throwsAsync(openDisk(folder, 'read-only', claims), { message: /not a regular file/ });
  await t.throwsAsync(openDisk(join(folder, 'absent'), 'persistent', claims), { message: /absent: is no disk: ENOENT/ });
});

test('requests are carried out in the order of their tickets; one beyond the disk fails, and the next is served', async (t) => {
  const views = viewsOf(new SharedArrayBuffer(BlockBufferLayout.size));
  const disk = await openDisk(newFile('served'), 'persistent', new DiskClaims());
  const reasons: unknown[] = [];
  const post = (n: number, ticket: number, operation: number, offset: number, fill: number): void => {
    const slot = new BlockSlot(views, blockSlotAt(0, n));
    slot.operation = operation;
    slot.offsetNum = offset;
    slot.bytes = SECTOR;
    slot.ticket = ticket;
    views.u8.fill(fill, blockDataAt(0, n), blockDataAt(0, n) + SECTOR);
    slot.state = SlotState.POSTED;
  };
  // Across the end of the counter: the two writes, then the read that finds the second.
  post(0, 1, DiskOperation.READ, SECTOR, 0);
  post(1, -1, DiskOperation.WRITE, SECTOR, 0x11);
  post(2, 0, DiskOperation.WRITE_THROUGH, SECTOR, 0x22);
  post(3, 2, DiskOperation.WRITE, SECTORS * SECTOR, 0x33);
  let done = 0;
  const server = new DiskServer(views, 0, disk, { done: () => done++, failed: (reason) => reasons.push(reason) });
  t.true(await waitUntil(() => done === 4, 5000));
  t.true(views.u8.subarray(blockDataAt(0, 0), blockDataAt(0, 0) + SECTOR).every((byte) => byte === 0x22));
  t.regex(String(reasons), /is beyond the disk/);
  t.is(new BlockSlot(views, blockSlotAt(0, 3)).failed, 1);
  // Posted while it sleeps.
  post(4, 3, DiskOperation.WRITE, 0, 0x44);
  Atomics.add(views.i32, BlockBufferLayout.at.posted >>> 2, 1);
  Atomics.notify(views.i32, BlockBufferLayout.at.posted >>> 2);
  t.true(await waitUntil(() => done === 5, 5000));
  post(5, 4, DiskOperation.WRITE, 2 * SECTOR, 0x55);
  await server.end();
  t.is(done, 6, 'what was posted is done before the end');
  await disk.close();
  t.deepEqual([...new Set(readFileSync(join(folder, 'served')).subarray(0, 3 * SECTOR))], [0x44, 0x22, 0x55]);
});
