// Debian's gdb on the workload guest, in batch mode: `hvd run --gdb` as its users have it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { HVD, run } from '../rig/hvd-process.js';

const hasGdb = spawnSync('gdb', ['--version'], { stdio: 'ignore' }).status === 0;
const under = hasGdb ? test : test.skip;
const note = hasGdb ? '' : ' (skipped: no gdb)';

interface Answers {
  readonly gdb: string;
  /** How the guest's process ended. */
  readonly status: number | null;
}

/** What gdb says to the commands, which come after `target remote`; the guest's process has ended. `interrupt`: a Ctrl-C each time that it has said GO. */
const debug = async (image: string, bits: string, commands: readonly string[], interrupt = false): Promise<Answers> => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const socket = join(folder, 'gdb');
  const args = [HVD, 'run', image, '--vps', '2', '--memory', '32M', '--append', 'job=compute seconds=600', '--timeout', '240'];
  const guest = spawn(process.execPath, [...args, '--gdb', socket, '--gdb-bits', bits], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(guest, 'close');
  try {
    await new Promise<void>((resolve) => {
      guest.stderr.on('data', (chunk: Buffer) => chunk.includes('waiting for GDB') && resolve());
      guest.once('close', () => resolve());
    });
    const symbols = image.includes('/') ? [] : [`add-symbol-file ${resolveImage(image, '')}`];
    const given = [`target remote ${socket}`, ...symbols, ...commands].flatMap((command) => ['-ex', command]);
    const quiet = ['set confirm off', 'set pagination off', 'set width 0', 'set remotetimeout 20'].flatMap((command) => ['-iex', command]);
    const child = spawn('gdb', ['-nx', '-q', '-batch', ...quiet, ...given], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 240_000 });
    let said = '';
    let gone = 0;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        // What comes before the guest goes on is for gdb alone. It may come in pieces.
        for (const goes = said.split('GO\n').length - 1; interrupt && gone < goes; gone++) setTimeout(() => child.kill('SIGINT'), 1500);
      });
    await once(child, 'close');
    if (!commands.includes('kill')) guest.kill('SIGINT');
    const [status] = (await ended) as [number | null];
    return { gdb: said, status };
  } finally {
    guest.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
};

under(`gdb: breakpoints, stacks, steps, threads, watchpoints and memory of 64-bit code${note}`, async (t) => {
  const { gdb, status } = await debug('workload64', '64', [
    'hbreak job_goes_on',
    'continue',
    'backtrace 2',
    'stepi',
    'info threads',
    'delete',
    'watch -l *(long *)$rsp',
    'continue',
    'delete',
    'break job_goes_on',
    'set scheduler-locking on',
    'thread 2',
    'continue',
    'set scheduler-locking off',
    'set var *(char *)0x400000 = 77',
    'print *(char *)0x400000',
    'print *(char *)0xffff800000000000',
    'set var $rax = 1234567',
    'print $rax',
    'monitor walk 0x100000',
    'finish',
    'kill',
  ]);
  t.regex(gdb, /^Thread [12] hit Breakpoint 1, .* in job_goes_on \(\)/m, gdb);
  // A VP that comes there before the first one has read the command line has nothing to do yet.
  t.regex(gdb, /^#1 .* in job_(compute|idle) \(\)/m, gdb);
  t.regex(gdb, /2 {4}Thread 2 \(VP 1 of guest\)/, gdb);
  t.regex(gdb, /Thread [12] hit Hardware watchpoint 2: -location \*\(long \*\)\$rsp\n\nOld value = \d+\nNew value = \d+/, gdb);
  t.regex(gdb, /^Thread 2 hit Breakpoint 3, .* in job_goes_on \(\)/m, gdb);
  t.regex(gdb, /= 77 'M'\n/, gdb);
  t.regex(gdb, /Cannot access memory at address 0xffff800000000000/, gdb);
  t.regex(gdb, /= 1234567\n/, gdb);
  t.regex(gdb, /guest physical 100000\n/, gdb);
  t.regex(gdb, /killed\]/, gdb);
  t.is(status, 130);
});

under(`gdb: 32-bit code from its first instruction, and detached it goes on${note}`, async (t) => {
  const { gdb, status } = await debug('workload32', 'auto', [
    'show architecture',
    'info symbol $pc',
    'break job_goes_on',
    'continue',
    'print $eip > 0x100000',
    'next 3',
    'detach',
  ]);
  t.regex(gdb, /currently "i386"/, gdb);
  t.regex(gdb, /^_start in section/m, gdb);
  t.regex(gdb, /^Thread [12] hit Breakpoint 1, .* in job_goes_on \(\)/m, gdb);
  t.regex(gdb, /= 1\n/, gdb);
  t.regex(gdb, /detached\]/, gdb);
  t.is(status, 130);
});

under(`gdb: Ctrl-C stops a guest that goes on, again and again, with all its VPs${note}`, async (t) => {
  const goOn = ['echo GO\\n', 'continue'];
  const { gdb } = await debug('workload64', '64', [...goOn, 'info threads', ...goOn, 'print $pc != 0', 'kill'], true);
  t.is([...gdb.matchAll(/received signal SIGINT, Interrupt\./g)].length, 2, gdb);
  t.regex(gdb, /1 {4}Thread 1 \(VP 0 of guest\).*\n.*2 {4}Thread 2 \(VP 1 of guest\)/, gdb);
  t.regex(gdb, /= 1\n/, gdb);
});

under(`gdb: 16-bit code: its registers, a hardware breakpoint and a watchpoint${note}`, async (t) => {
  const image = join(packageRoot(), 'configs/guests/real16/real16.elf');
  // Where its 16-bit code begins after real mode has been entered, and where it counts timer interrupts: in segment 1000H.
  const [begin, ticks] = ['0x1001c', '0x102e8'];
  const { gdb } = await debug(image, '16', [
    'show architecture',
    `hbreak *${begin}`,
    'continue',
    'print/x $cs',
    'x/i $pc',
    'delete',
    `watch *(short *)${ticks}`,
    'continue',
    'print/x $ss',
    'kill',
  ]);
  t.regex(gdb, /currently "i8086"/, gdb);
  t.regex(gdb, /Breakpoint 1, 0x0001001c in/, gdb);
  t.regex(gdb, /\$1 = 0x1000\n=> 0x1001c:\tmov +%cs,%ax\n/, gdb);
  t.regex(gdb, /Hardware watchpoint 2: .*\n\nOld value = 0\nNew value = 1\n/, gdb);
  t.regex(gdb, /\$2 = 0x1000\n/, gdb);
});

test('a place where nobody can listen, and a number that is no port, are named', async (t) => {
  const image = resolveImage('workload64', '');
  const absent = await run(HVD, {}, ['run', image, '--gdb', '/nonexistent/folder/gdb']);
  t.is(absent.status, 73);
  t.regex(absent.stderr, /\/nonexistent\/folder\/gdb: cannot listen/);
  const port = await run(HVD, {}, ['start', '--gdb', '65536']);
  t.is(port.status, 64);
  t.regex(port.stderr, /--gdb: 65536 is no port/);
});
