// Every page of hvtop as a person sees it, in a real terminal before a machine that does the same each time: compared with what it looked like (hvtop-screens/).
// HVD_SCREENS=write takes what is seen as what is right from now on; look at the difference before you commit it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startStandingDaemon } from './hvtop-fake-daemon.js';
import { noTerminal, Terminal } from './hvtop-terminal.js';

const HVTOP = fileURLToPath(new URL('../../tui/hvtop.js', import.meta.url));
const FOLDER = fileURLToPath(new URL('../../../test/e2e/hvtop-screens/', import.meta.url));
const WRITES = process.env.HVD_SCREENS === 'write';

/** Keys, and what is on the screen when they have been heard. */
interface View {
  readonly name: string;
  readonly keys: readonly string[];
  readonly sign: string;
}
const VIEWS: readonly View[] = [
  { name: '1-machine', keys: ['1'], sign: '─ logical processors ─' },
  { name: '1-intercepts', keys: ['i'], sign: '─ intercepts per second ─' },
  { name: '2-vms', keys: ['2', 'Down'], sign: '─ partitions ─' },
  { name: '2-details', keys: ['Enter'], sign: 'alpha: line 39' },
  { name: '3-vtlb', keys: ['3'], sign: 'GPTs ' },
  { name: '4-interrupts', keys: ['4'], sign: 'in service' },
  { name: '5-spin', keys: ['5'], sign: '─ spin waits by VP ─' },
  { name: '6-policies', keys: ['6'], sign: '─ vtlb.lock ─' },
  { name: '7-loads', keys: ['7'], sign: 'pagechurn' },
  { name: '8-log', keys: ['8'], sign: 'partition created' },
  { name: 'help', keys: ['?'], sign: '─ help ─' },
];
const ASCII: readonly View[] = [
  { name: 'ascii-1-machine', keys: ['1'], sign: '- logical processors -' },
  { name: 'ascii-3-vtlb', keys: ['3'], sign: 'GPTs ' },
];

const reason = noTerminal();
const screens = (title: string, [columns, rows]: readonly [number, number], views: readonly View[], environment = ''): void => {
  if (reason !== undefined) {
    test.skip(`${title} (${reason})`, (t) => t.pass());
    return;
  }
  test(title, async (t) => {
    const terminal = new Terminal(columns, rows);
    const socket = join(terminal.folder, 'hvd.sock');
    const daemon = await startStandingDaemon(socket, 4, 4242);
    try {
      terminal.type(`${environment} ${process.execPath} ${HVTOP} --socket ${socket}`);
      await terminal.until('the last sample', (text) => text.includes(' up 20s '));
      for (const { name, keys, sign } of views) {
        for (const key of keys) terminal.keys(key);
        const file = join(FOLDER, `${name}-${columns}x${rows}.txt`);
        if (WRITES) {
          await terminal.until(sign, (text) => text.includes(sign) && / [●*] live /.test(text));
          await wait(1500);
          await terminal.until('a daemon that is there', (text) => / [●*] live /.test(text));
          mkdirSync(FOLDER, { recursive: true });
          writeFileSync(file, `${terminal.text()}\n`);
          continue;
        }
        const expected = readFileSync(file, 'utf8').replace(/\n$/, '');
        // What is seen a moment too early becomes what is expected; what does not is a difference.
        const seen = await terminal.until(name, (text) => text === expected, 20_000).catch(() => terminal.text());
        t.deepEqual(seen.split('\n'), expected.split('\n'), `${file}; HVD_SCREENS=write takes this as right`);
      }
    } finally {
      terminal.close();
      await daemon.close();
    }
    t.pass();
  });
};

screens('all pages at 80x24', [80, 24], VIEWS);
screens('all pages at 120x42', [120, 42], VIEWS);
screens('all pages at 300x100', [300, 100], VIEWS);
screens('without UTF-8 and colours', [80, 24], ASCII, 'LC_ALL=C NO_COLOR=1');
