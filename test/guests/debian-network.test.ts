// Debian's kernel and the world outside, by the user network: an address, pages of a server of the host, names; and the same again from a recording, without the world.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { hvd } from '../rig/hvd-process.js';

const folder = process.env.HVD_IMAGES;
const isPresent = folder !== undefined && existsSync(join(folder, 'debian', 'partition.yaml'));
const declare = isPresent ? test.serial : test.serial.skip;
const why = isPresent ? '' : ' (HVD_IMAGES holds no debian)';

const work = mkdtempSync(join(tmpdir(), 'hvd-network-'));
const recording = join(work, 'run.hvdr');
test.after.always(() => rmSync(work, { recursive: true, force: true }));
const page = Buffer.from(Uint8Array.from({ length: 400_000 }, (_, i) => (i * 7 + (i >>> 9)) & 0xff));

declare(`a Linux guest gets an address, fetches a page from the host and asks for a name${why}`, async (t) => {
  t.timeout(300_000);
  const server = createServer((_, response) => response.end(page)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const commands = [
    'udhcpc -q -n -i eth0',
    'ping -c 1 10.0.2.2',
    `wget -q -O - http://10.0.2.2:${port}/ | sha256sum`,
    'nslookup localhost',
    'wget -O - http://10.0.2.2:1/',
  ];
  const append = `quiet run="${commands.join('; ')}"`;
  const flags = ['--net', 'user', '--append', append, '--timeout', '240'];
  const { stdout, stderr, status } = await hvd('record', 'debian', '-o', recording, ...flags);
  server.close();
  t.is(status, 0, stderr + stdout.slice(-2000));
  t.regex(stdout, /lease of 10\.0\.2\.15 obtained from 10\.0\.2\.2/);
  t.regex(stdout, /1 packets transmitted, 1 packets received/);
  t.true(stdout.includes(createHash('sha256').update(page).digest('hex')), stdout.slice(-2000));
  t.regex(stdout, /Name:\s+localhost\s+Address: 127\.0\.0\.1/);
  t.regex(stdout, /can't connect to remote host \(10\.0\.2\.2\): Connection refused/);
  t.notRegex(stdout, /Oops|BUG:|Call Trace/);
});

declare(`what came from outside comes in again from the recording${why}`, async (t) => {
  t.timeout(300_000);
  const { stdout, stderr, status } = await hvd('replay', recording);
  t.is(status, 0, stderr + stdout.slice(-2000));
});
