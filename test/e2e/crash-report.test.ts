// A guest that reports its own crash by the Hyper-V crash registers (TLFS 2.6), as a user learns of it: `hvd vm inspect` and one line of the daemon's log.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { CRASHES_LOGGED } from '../../daemon/root/watcher.js';
import type { PartitionInspect } from '../../shared/protocol/messages.js';
import { multibootElf } from '../rig/boot-images.js';
import { hvd } from '../rig/hvd-process.js';

const ENTRY = 0x10_0000;
const TEXT_AT = 0x2000;
/** ESC would clear the operator's screen. */
const TEXT = 'kernel panic: \x1b[2Jno init\n';
const REPORTS = CRASHES_LOGGED + 2;

const word = (value: number): number[] => [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff);
/** MOV ECX, msr; MOV EAX, low; MOV EDX, high; WRMSR. */
const wrmsr = (msr: number, low: number, high = 0): number[] => [0xb9, ...word(msr), 0xb8, ...word(low), 0xba, ...word(high), 0x0f, 0x30];
/** HV_X64_MSR_CRASH_P0 to P4 and CTL; CTL with CrashNotify, CrashMessage and NoCrashDump. */
const REPORT = [
  ...wrmsr(0x4000_0100, 0xdead_beef, 1),
  ...wrmsr(0x4000_0101, 2),
  ...wrmsr(0x4000_0102, 3),
  ...wrmsr(0x4000_0103, TEXT_AT),
  ...wrmsr(0x4000_0104, TEXT.length),
  ...wrmsr(0x4000_0105, 0, 0xe000_0000),
];
const image = (reports: number): Uint8Array =>
  multibootElf(
    [
      { address: ENTRY, data: Uint8Array.from([...Array.from({ length: reports }, () => REPORT).flat(), 0xf4, 0xeb, 0xfd]) },
      { address: TEXT_AT, data: new TextEncoder().encode(TEXT) },
    ],
    { entry: ENTRY },
  );

test('the registers are shown, the message without what would move a cursor, and the log has a line for the first few reports', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-crash-'));
  const socket = join(folder, 'hvd.sock');
  const run = (...args: string[]): ReturnType<typeof hvd> => hvd(...args, '--socket', socket);
  try {
    writeFileSync(join(folder, 'crash.elf'), image(REPORTS));
    writeFileSync(
      join(folder, 'crash.yaml'),
      'name: crash\nimage: crash.elf\nvps: 1\nmemory: 8M\nhv: { features: linux }\nautostart: true\n',
    );
    writeFileSync(join(folder, 'machine.yaml'), 'lps: 1\npartitions: []\n');
    const started = await run('start', '--detach', '--machine', join(folder, 'machine.yaml'));
    t.is(started.status, 0, started.stderr);
    const created = await run('vm', 'create', join(folder, 'crash.yaml'));
    t.is(created.status, 0, created.stderr);
    const inspect = async (): Promise<PartitionInspect> => JSON.parse((await run('vm', 'inspect', 'crash', '--json')).stdout);
    let found = await inspect();
    for (const end = Date.now() + 60_000; found.crash?.times !== REPORTS && Date.now() < end; found = await inspect()) await sleep(100);
    t.deepEqual(found.crash, {
      times: REPORTS,
      vp: 0,
      parameters: ['0x1deadbeef', '0x2', '0x3', `0x${TEXT_AT.toString(16)}`, `0x${TEXT.length.toString(16)}`],
      noDump: true,
      message: TEXT.replace('\x1b', '?'),
    });
    t.is(found.state, 'running', 'it goes on as it likes');
    const { stdout } = await run('vm', 'inspect', 'crash');
    t.regex(stdout, new RegExp(`^the guest has reported a crash \\(${REPORTS} times\\), VP 0: 0x1deadbeef 0x2 0x3 `, 'm'));
    t.regex(stdout, /^ {2}kernel panic: \?\[2Jno init$/m);
    const lines = readFileSync(join(folder, 'hvd.log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('the guest reports a crash'));
    t.true(lines.length >= 1 && lines.length <= CRASHES_LOGGED, lines.join('\n'));
    t.regex(lines[0]!, /"name":"crash".*"0x1deadbeef"/);
  } finally {
    await run('stop');
    rmSync(folder, { recursive: true, force: true });
  }
});
