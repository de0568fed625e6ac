// The walk of a new user: Debian's kernel on four processors in a daemon, its shell in a real terminal, a second terminal beside it, and every way out leaves the terminal as it was.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { noTerminal, Terminal } from '../e2e/hvtop-terminal.js';
import { foreground } from '../rig/daemon-process.js';
import { HVD, hvd } from '../rig/hvd-process.js';

const folder = process.env.HVD_IMAGES;
const isPresent = folder !== undefined && existsSync(join(folder, 'debian', 'partition.yaml'));
const missing = isPresent ? noTerminal() : 'HVD_IMAGES holds no debian';
const declare = missing === undefined ? test.serial : test.serial.skip;
const why = missing === undefined ? '' : ` (${missing})`;
const BOOT_MS = 180_000;

declare(`Debian's shell is a terminal: one types, others watch, and the terminal is as before on every way out${why}`, async (t) => {
  t.timeout(BOOT_MS + 120_000);
  const terminals = [new Terminal(100, 30), new Terminal(90, 25)] as const;
  const [first, second] = terminals;
  const socket = join(first.folder, 'hvd.sock');
  const at = ['--socket', socket];
  const console = `${process.execPath} ${HVD} console debian --socket ${socket}`;
  const { child, ended } = await foreground(socket);
  const isBack = (text: string): boolean => text.trimEnd().endsWith('ready>');
  /** The shell's terminal echoes and takes lines, as it did before. */
  const isSane = async (terminal: Terminal): Promise<void> => {
    await terminal.until('the shell', isBack);
    terminal.type('clear; stty -a | tr ";" "\\n" | grep -cwE "icanon|echo|isig"');
    await terminal.until('icanon, echo and isig', (text) => /^[12]$/m.test(text) && isBack(text));
    terminal.type('clear');
    await terminal.until('an empty screen', isBack);
  };
  try {
    const created = await hvd('vm', 'create', join(packageRoot(), 'configs/vms/debian.yaml'), ...at);
    t.is(created.status, 0, created.stderr);
    t.is((await hvd('vm', 'start', 'debian', ...at)).status, 0);
    for (const end = Date.now() + BOOT_MS; ; await sleep(1000)) {
      const { stdout } = await hvd('vm', 'console', 'debian', ...at);
      if (stdout.includes('login-or-shell-ready')) break;
      if (Date.now() > end) throw new Error(stdout.slice(-2000));
    }

    first.type(console);
    await first.until('what was said before', (text) => text.includes('login-or-shell-ready') && text.includes('/ #'));
    first.type('nproc; stty size');
    await first.until('four processors and the size', (text) => /^4$/m.test(text) && /^30 100$/m.test(text));
    first.resize(80, 24);
    await sleep(300);
    first.type('stty size');
    await first.until('the new size', (text) => /^24 80$/m.test(text));
    // Keys that a terminal would take for itself are the guest's.
    first.type("sh -c 'echo sleeping-$((2+2)); exec sleep 1000'");
    await first.until('a program runs', (text) => text.includes('sleeping-4'));
    first.keys('C-c');
    first.type('echo after-$((40+2))');
    await first.until('the guest is interrupted, hvd is not', (text) => text.includes('after-42'));

    second.type(console);
    await second.until('the second is told', (text) => text.includes('another terminal types here') && text.includes('after-42'));
    second.type('echo from-$((1+1))');
    first.type('echo from-$((10+1))');
    await second.until('it watches', (text) => text.includes('from-11'));
    t.notRegex(second.text(), /from-2/);
    t.is((await hvd('console', 'debian', '--send', 'x', ...at)).status, 75);
    second.keys('C-]');
    await isSane(second);
    second.type(`${console} --force`);
    await first.until('the first is told', (text) => text.includes('another terminal has taken over'));
    second.type('echo -e "\\033[?25l"taken-$((2+2))');
    await second.until('it types', (text) => text.includes('taken-4'));
    t.is(second.flag('cursor_flag'), '0');
    process.kill(second.programPid(), 'SIGTERM');
    await isSane(second);
    t.is(second.flag('cursor_flag'), '1');

    child.kill('SIGKILL');
    await ended;
    await first.until('the daemon is gone', (text) => /daemon closed the connection/.test(text));
    await isSane(first);
  } finally {
    child.kill('SIGKILL');
    for (const terminal of terminals) terminal.close();
  }
});
