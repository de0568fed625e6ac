// Images of the kvm-unit-tests family in the small: multiboot without flags, loaded at 4 MiB, other processors woken by a broadcast to vector 0, the firmware configuration, the exit port.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { multibootElf } from '../rig/boot-images.js';
import { hvd } from '../rig/hvd-process.js';

const bytes = (code: string): Uint8Array => Uint8Array.from(code.match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16));
const image = (code: string): Uint8Array => multibootElf([{ address: 0x40_0000, data: bytes(code) }], { flags: 0 });

/** MOV EDX, 0F4h; OUT DX, EAX; HLT. */
const EXIT = 'baf4000000 ef f4';
/** How many processors there are, item 5, for a status: MOV DX, 510h; MOV AX, 5; OUT DX, AX; INC EDX; IN AL, DX; MOVZX EAX, AL. */
const COUNT = image(`66ba1005 66b80500 66ef 42 ec 0fb6c0 ${EXIT}`);

const AP = 'f0ff060006 f4 ebfd'; // real mode: LOCK INC word [600h]; HLT; JMP back to it
/** The code above goes to address 0, all but the caller get INIT and SIPI 0, and when two are there the module's first byte is the status. */
const WAKE = image(
  [
    '31ff be48004000 b908000000 f3a4', // XOR EDI, EDI; MOV ESI, its place below; MOV ECX, 8; REP MOVSB
    'c705f000e0fe ff010000', // the local APIC is enabled
    'c7050003e0fe 00450c00', // ICR: INIT, all but self
    'c7050003e0fe 00460c00', // ICR: start-up, vector 0
    'f390 66813d00060000 0200 75f3', // until word [600h] is 2: PAUSE
    '8b4318 8b00 0fb600', // EBX: multiboot information; its first module's first byte
    EXIT,
    AP,
  ].join(' '),
);

const withFiles = async (
  files: Readonly<Record<string, Uint8Array>>,
  use: (name: (file: string) => string) => Promise<void>,
): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-images-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    await use((file) => join(folder, file));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
const run = (...args: readonly string[]) => hvd('run', ...args, '--debug-exit', '--timeout', '240');

test('the status is twice what the guest wrote, plus 1; only --testdev tells it how many processors there are', async (t) => {
  await withFiles({ 'count.flat': COUNT }, async (name) => {
    const three = await run(name('count.flat'), '--vps', '3', '--lps', '1', '--testdev', '--append', 'a b');
    t.is(three.status, 7, three.stderr);
    t.is((await run(name('count.flat'))).status, 0xff);
  });
});

test('a broadcast wakes every other processor at address 0; the module is where the loader says', async (t) => {
  await withFiles({ 'wake.flat': WAKE, environ: Uint8Array.of(0x15) }, async (name) => {
    const { status, stderr } = await run(name('wake.flat'), '--vps', '3', '--lps', '2', '--testdev', '--initrd', name('environ'));
    t.is(status, 0x2b, stderr);
  });
});

/** As WAKE, for one other: there a deadline so many hours away is written, before it halts; then this one counts down long enough to be some quanta ahead. */
const hex = (value: number): string => [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, '0')).join('');
const wrmsr = (msr: number, low: number, high = 0): string => `66b9${hex(msr)} 66b8${hex(low)} 66ba${hex(high)} 0f30`; // MOV ECX; MOV EAX; MOV EDX; WRMSR, of 16-bit code
const farTimer = (hours: number): Uint8Array => {
  const tsc = BigInt(hours) * 3_600_000_000_000n;
  const other = [
    wrmsr(0x1b, 0xfee0_0c00), // x2APIC mode
    wrmsr(0x80f, 0x1ff),
    wrmsr(0x832, 0x4_0040), // the timer goes by TSC deadlines
    wrmsr(0x6e0, Number(tsc & 0xffff_ffffn), Number(tsc >> 32n)),
    AP,
  ].join(' ');
  const { length } = bytes(other);
  const at = (from: number): string =>
    [
      `31ff be${hex(from)} b9${hex(length)} f3a4`,
      'c705f000e0fe ff010000 c7050003e0fe 00450c00 c7050003e0fe 00460c00',
      'f390 66813d00060000 0100 75f3',
      `b9${hex(20_000_000)} 49 75fd`, // MOV ECX; DEC ECX; JNZ
      `b807000000 ${EXIT}`,
    ].join(' ');
  return image(`${at(0x40_0000 + bytes(at(0)).length)} ${other}`);
};

test('a timer that is days away, or years, keeps no other processor from its work', async (t) => {
  const hours = [80, 3000];
  await withFiles(Object.fromEntries(hours.map((n) => [`${n}.flat`, farTimer(n)])), async (name) => {
    for (const n of hours) {
      const { status, stderr } = await run(name(`${n}.flat`), '--vps', '2', '--lps', '2');
      t.is(status, 0xf, `${n} hours: ${stderr}`);
    }
  });
});
