// hvtop in a real terminal against a pretended daemon: what is on the screen, keys, sizes, a daemon that goes and comes, and a terminal that is given back.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { InterruptsInspect, MachineStats } from '../../shared/protocol/messages.js';
import { type FakeDaemon, startFakeDaemon } from './hvtop-fake-daemon.js';
import { noTerminal, Terminal } from './hvtop-terminal.js';

const HVTOP = fileURLToPath(new URL('../../tui/hvtop.js', import.meta.url));
const run = promisify(execFile);

interface Rig {
  readonly terminal: Terminal;
  readonly socket: string;
  daemon: FakeDaemon;
}

const reason = noTerminal();
/** A test with hvtop started in a terminal of its own; skipped, with the reason in its title, where there is none. */
function inTerminal(
  title: string,
  [columns, rows]: readonly [number, number],
  body: (t: ExecutionContext, rig: Rig) => Promise<void>,
): void {
  if (reason !== undefined) {
    test.skip(`${title} (${reason})`, (t) => t.pass());
    return;
  }
  test(title, async (t) => {
    const terminal = new Terminal(columns, rows);
    const socket = join(terminal.folder, 'hvd.sock');
    const rig: Rig = { terminal, socket, daemon: await startFakeDaemon(socket, 4, 4242) };
    try {
      terminal.type(`${process.execPath} ${HVTOP} --socket ${socket}; echo "status $?"`);
      await body(t, rig);
    } finally {
      terminal.close();
      await rig.daemon.close();
    }
  });
}

const live = (text: string): boolean => text.includes('● live') && / 3 n1 \S+ .*[A-H·]{8}/.test(text);
const restored = (text: string): boolean => /status \d+\s+ready> ?$/.test(text.trimEnd());

inTerminal(
  'the overview shows lanes, partitions, chart and tables, and nothing beyond the terminal',
  [120, 42],
  async (t, { terminal }) => {
    const text = await terminal.until('the live overview', live);
    for (const part of [
      'pid 4242',
      'quantum clock',
      'logical processors',
      'CTR',
      'partitions',
      '■ alpha',
      'guest instructions/s',
      'page fault',
      'vTLB',
      'pagechurn',
      'policies as by default',
    ]) {
      t.true(text.includes(part), part);
    }
    t.regex(text, /[\u2801-\u28ff]/, 'a chart');
    const rows = text.split('\n');
    t.true(rows[0]!.startsWith(' hvtop '), 'the first row is the header');
    t.regex(rows[40]!, /q quit$/, 'the last row of the frame is the footer');
    t.is(terminal.flag('alternate_on'), '1');
    t.is(terminal.flag('cursor_flag'), '0', 'the cursor is hidden');
    // Frames are closed: each row that starts with a border ends with one.
    for (const row of rows) if (/^[│╭╰]/.test(row)) t.regex(row, /[│╮╯]$/);
  },
);

inTerminal('lanes move, and stand still while paused', [120, 42], async (t, { terminal }) => {
  const first = await terminal.until('live', live);
  await terminal.until('a lane that moved', (text) => laneOf(text) !== laneOf(first));
  terminal.keys('p');
  await terminal.until('PAUSED', (text) => text.includes(' PAUSED '));
  const paused = laneOf(terminal.text());
  await new Promise((resolve) => setTimeout(resolve, 1600));
  t.is(laneOf(terminal.text()), paused);
  terminal.keys('p');
  await terminal.until('going on, without a gap', (text) => !text.includes(' PAUSED') && laneOf(text) !== paused && !text.includes('┊'));
  terminal.keys('<');
  const past = await terminal.until('what was', (text) => / PAUSED \d+s ago /.test(text));
  terminal.keys('.', '.');
  await terminal.until('two seconds later', (text) => / PAUSED \d+s ago /.test(text) && laneOf(text) !== laneOf(past));
  terminal.keys('p');
  await terminal.until('now', (text) => !text.includes(' PAUSED'));
});

const laneOf = (text: string): string => text.split('\n').find((row) => row.startsWith('│ 0 n0'))!;

inTerminal('? opens help, tab turns the pages, arrows choose', [120, 42], async (t, { terminal }) => {
  await terminal.until('live', live);
  terminal.keys('?');
  await terminal.until('help', (text) => text.includes('quit; the daemon goes on') && !text.includes('logical processors'));
  terminal.keys('?');
  await terminal.until('no help', (text) => !text.includes('quit; the daemon goes on') && text.includes('logical processors'));
  for (const [title, column] of [
    ['partitions', 'fills/s'],
    ['vTLB per second', 'and spaces · alpha'],
    ['interrupts per second', 'last interrupts · alpha/0'],
    ['spin waits per second', 'spins/s'],
    ['policies', 'vtlb.lock'],
    ['operations by VP and job', 'spinlock'],
    ['log (UTC)', 'partition created name=alpha'],
  ] as const) {
    terminal.keys('Tab');
    await terminal.until(title, (text) => text.includes(`─ ${title} ─`) && text.includes(column));
  }
  terminal.keys('Tab');
  await terminal.until('the first page again', (text) => text.includes('─ logical processors ─') && text.includes('─ vTLB ─'));
  terminal.keys('i');
  await terminal.until('intercepts by LP', (text) => text.includes('─ intercepts per second ─') && text.includes('LP 3'));
  terminal.keys('i');
  terminal.keys('Down', 'Down', 'Right');
  await terminal.until('LP 1 and alpha chosen', (text) => text.includes('─ intercepts · LP 1 ─') && text.includes('─ vTLB · alpha ─'));
  terminal.keys('Escape');
  await terminal.until('nothing chosen', (text) => text.includes('─ intercepts ─'));
  t.pass();
});

inTerminal(
  'the page of interrupts: vectors by LP, sources, slots, and the log of the VP that v chooses',
  [120, 42],
  async (t, { terminal }) => {
    await terminal.until('live', live);
    terminal.keys('4');
    const text = await terminal.until('all of it', (seen) =>
      ['0xec', 'assist', 'EOM/s', 'in service'].every((part) => seen.includes(part)),
    );
    for (const part of [
      'interrupts/s',
      'sources and ends',
      'synthetic interrupts',
      'last interrupts · alpha/0 (v)',
      'LP 3',
      'deferred 2 of',
      '2.34 ms',
    ])
      t.true(text.includes(part), part);
    for (const row of text.split('\n')) if (/^[│╭╰]/.test(row)) t.regex(row, /[│╮╯]$/);
    terminal.keys('v');
    await terminal.until('VP 1, whose vector is another', (seen) => seen.includes('last interrupts · alpha/1') && / 0x42 ipi /.test(seen));
    terminal.keys('V');
    await terminal.until('VP 0 again', (seen) => seen.includes('last interrupts · alpha/0'));
    terminal.keys('V');
    await terminal.until('round to the last VP', (seen) => seen.includes('last interrupts · alpha/3') && / 0x44 ipi /.test(seen));
    terminal.keys('v', 'v');
    await terminal.until('two on, of keys that came at once', (seen) => seen.includes('last interrupts · alpha/1'));
    terminal.keys('Right');
    terminal.keys('Right');
    await terminal.until(
      'another partition',
      (seen) => seen.includes('last interrupts · beta/0') && seen.includes('sources and ends · beta'),
    );
    terminal.resize(80, 24);
    await terminal.until(
      'a small screen has matrix, log and all sums',
      (seen) =>
        seen.includes('interrupts per second') && ['in service', 'assist/s', 'deferred, max', 'EOM/s'].every((part) => seen.includes(part)),
    );
  },
);

inTerminal('a policy is changed in place, by its keys, and what it did is told', [120, 42], async (t, { terminal, daemon }) => {
  await terminal.until('live', live);
  terminal.keys('6');
  await terminal.until('the policies', (text) => text.includes('not changed while hvtop watched'));
  terminal.keys('Enter');
  await terminal.until('a setting to choose', (text) => text.includes('<generation>'));
  terminal.keys('Right');
  await terminal.until('the next one', (text) => text.includes('<global>'));
  terminal.keys('Enter');
  await terminal.until(
    'the effect',
    (text) => /┊ generation → global, \d+s ago/.test(text) && /│\* ?vtlb\.flush|│ {2}vtlb\.lock +global /.test(text),
  );
  t.is(daemon.machine.stats.policies['vtlb.lock'], 'global');
});

inTerminal('a job is changed by typing it, and stopped', [120, 42], async (t, { terminal, daemon }) => {
  await terminal.until('live', live);
  terminal.keys('7');
  await terminal.until('the jobs', (text) => text.includes('hold=200 think=500'));
  terminal.keys('End', 'Enter');
  await terminal.until('the job that runs', (text) => text.includes(' load: pagechurn_'));
  terminal.keys(...new Array<string>(9).fill('BSpace'));
  terminal.keys('-l', 'nonsense');
  terminal.keys('Enter');
  await terminal.until('why not', (text) => text.includes('no job named nonsense; there are idle'));
  terminal.keys('a');
  terminal.keys(...new Array<string>(9).fill('BSpace'));
  terminal.keys('-l', 'timer period=7000');
  terminal.keys('Enter');
  await terminal.until('the new job on both VPs', (text) => text.match(/timer .* period=7000/g)?.length === 2);
  terminal.keys('x');
  await terminal.until('one alone', (text) => / idle +0 /.test(text) && text.match(/period=7000/g)?.length === 1);
  t.deepEqual(
    daemon.machine.stats.partitions[2]!.load.map(({ job }) => job),
    ['timer', 'idle'],
  );
});

inTerminal('the table of VMs and the details of one', [120, 42], async (t, { terminal }) => {
  await terminal.until('live', live);
  terminal.keys('2');
  await terminal.until('the table', (text) => /│■ legacy +running +2 +32 MiB/.test(text));
  terminal.keys('/');
  terminal.keys('b', 'e', 't');
  await terminal.until('what is typed', (text) => text.includes(' search: bet_'));
  terminal.keys('Enter', 'Enter');
  const text = await terminal.until('the details', (seen) =>
    ['beta · VPs', '0xffffffff81000001', 'beta: line'].every((part) => seen.includes(part)),
  );
  for (const row of text.split('\n')) if (/^[│╭╰]/.test(row)) t.regex(row, /[│╮╯]$/);
});

inTerminal('the mouse: tabs, rows, the wheel', [120, 42], async (t, { terminal }) => {
  const rows = (await terminal.until('live', live)).split('\n');
  t.is(terminal.flag('mouse_sgr_flag'), '1');
  // What a terminal sends: columns and rows from 1 on, pressed and let go.
  const click = (x: number, y: number): void => {
    for (const end of ['M', 'm']) terminal.keys('-l', `\x1b[<0;${x + 1};${y + 1}${end}`);
  };
  const lane = rows.findIndex((row) => row.startsWith('│ 2 n0'));
  click(5, lane);
  await terminal.until('LP 2', (text) => text.includes('─ intercepts · LP 2 ─'));
  terminal.keys('-l', `\x1b[<65;9;${lane}M`);
  await terminal.until('the wheel: LP 3', (text) => text.includes('─ intercepts · LP 3 ─'));
  click(rows[40]!.indexOf('6 policies') + 2, 40);
  const policies = (await terminal.until('the page of its tab', (text) => text.includes('─ policies ─'))).split('\n');
  const row = policies.findIndex((line) => line.includes('vtlb.track'));
  click(9, row);
  await terminal.until('its row', (text) => text.includes('─ vtlb.track ─'));
  click(9, row);
  await terminal.until('its change', (text) => text.includes('<mapping>'));
  terminal.keys('Escape', 'q');
  await terminal.until('the prompt', restored);
  t.is(terminal.flag('mouse_any_flag'), '0', 'the mouse is given back');
});

inTerminal('every size from 80x24 on has its layout, a smaller one says what it needs', [120, 42], async (t, { terminal }) => {
  await terminal.until('live', live);
  for (const [columns, rows] of [
    [80, 24],
    [160, 50],
    [100, 30],
    [120, 42],
  ] as const) {
    terminal.resize(columns, rows);
    const whole = (text: string): boolean =>
      live(text) &&
      text.split('\n')[rows - 2]!.trimEnd().endsWith('q quit') &&
      new RegExp(`^╭─ logical processors ─{${columns - 23}}╮$`, 'm').test(text);
    const text = await terminal.until(`the layout of ${columns}x${rows}`, whole);
    t.is(text.split('\n').filter((row) => row.includes(' hvtop ')).length, 1, `${columns}x${rows}: nothing is left of the old frame`);
  }
  terminal.resize(60, 20);
  await terminal.until('what it needs', (text) => text.trim() === 'hvtop needs 80x24; this terminal is 60x20');
  terminal.resize(80, 24);
  await terminal.until('back', live);
});

inTerminal('q gives the terminal back and leaves the daemon alone', [100, 30], async (t, { terminal, socket }) => {
  await terminal.until('live', live);
  terminal.keys('q');
  const text = await terminal.until('the prompt', restored);
  t.regex(text, /status 0/);
  t.false(text.includes('logical processors'), 'the shell screen is back as it was');
  assertRestored(t, terminal);
  terminal.type('stty -a | grep -o "[-]*icanon\\|[-]*echo " | tr -d "\\n"');
  await terminal.until('a cooked terminal', (screen) => /^icanonecho /m.test(screen));
  const { stdout } = await run(process.execPath, [HVTOP, '--once', '--json', '--socket', socket]);
  t.is((JSON.parse(stdout) as MachineStats).pid, 4242);
});

for (const [signal, status] of [
  ['TERM', 143],
  ['INT', 130],
  ['HUP', 129],
] as const) {
  inTerminal(`SIG${signal} gives the terminal back`, [100, 30], async (t, { terminal }) => {
    await terminal.until('live', live);

    process.kill(terminal.programPid(), `SIG${signal}`);
    t.regex(await terminal.until('the prompt', restored), new RegExp(`status ${status}`));
    assertRestored(t, terminal);
  });
}

inTerminal('ctrl-c gives the terminal back', [100, 30], async (t, { terminal }) => {
  await terminal.until('live', live);
  terminal.keys('C-c');
  await terminal.until('the prompt', restored);
  assertRestored(t, terminal);
});

inTerminal('an error that nobody caught gives the terminal back and is shown', [100, 30], async (t, { terminal }) => {
  await terminal.until('live', live);
  terminal.keys('q');
  await terminal.until('the prompt', restored);
  terminal.type('clear');
  const screen = new URL('../../tui/terminal/screen.js', import.meta.url).href;
  const script = `import { Screen } from '${screen}'; const s = new Screen(process.stdin, process.stdout); s.leaveAtExit(); process.stdin.setRawMode(true); s.enter(); setTimeout(() => { throw new Error('bo' + 'om'); }, 300)`;
  terminal.type(`${process.execPath} --input-type=module -e "${script}"; echo "status $?"`);
  const text = await terminal.until('the error', (seen) => seen.includes('hvtop: Error: boom') && restored(seen));
  t.regex(text, /status 70/);
  assertRestored(t, terminal);
});

function assertRestored(t: ExecutionContext, terminal: Terminal): void {
  t.is(terminal.flag('alternate_on'), '0');
  t.is(terminal.flag('cursor_flag'), '1');
}

inTerminal('a daemon that goes is said so, and found again when it comes', [120, 42], async (t, rig) => {
  const { terminal, socket } = rig;
  await terminal.until('live', live);
  await rig.daemon.close();
  await terminal.until('disconnected', (text) => text.includes('disconnected, retrying'));
  rig.daemon = await startFakeDaemon(socket, 6, 4343);
  const text = await terminal.until(
    'the new daemon, with its six LPs',
    (screen) => screen.includes('● live') && screen.includes('pid 4343') && screen.includes('│ 5 n1'),
  );
  t.false(text.includes('pid 4242'));
});

inTerminal('started before the daemon, it waits for it', [100, 30], async (t, rig) => {
  const { terminal, socket } = rig;
  await terminal.until('live', live);
  terminal.keys('q');
  await terminal.until('the prompt', restored);
  await rig.daemon.close();
  terminal.type(`clear; ${process.execPath} ${HVTOP} --socket ${socket}`);
  await terminal.until('waiting', (text) => text.includes('disconnected, retrying') && text.includes('npx hvd start'));
  rig.daemon = await startFakeDaemon(socket, 4, 4444);
  await terminal.until('the daemon', (text) => text.includes('pid 4444'));
  t.pass();
});

test('--once prints a snapshot, --json the sample itself', async (t) => {
  const socket = join('/tmp', `hvtop-once-${process.pid}.sock`);
  const daemon = await startFakeDaemon(socket, 4, 4242);
  try {
    const text = await run(process.execPath, [HVTOP, '--once', '--socket', socket]);
    t.regex(text.stdout, /^hvd pid 4242, .*quantum clock/);
    t.regex(text.stdout, /MIPS, [\d.]+k intercepts\/s/, 'rates of the two samples');
    t.false(text.stdout.includes('\x1b'));
    const json = JSON.parse((await run(process.execPath, [HVTOP, '--once', '--json', '--socket', socket])).stdout) as MachineStats;
    t.is(json.lps.length, 4);
    for (const name of ['id', 'node', 'state', 'vp', 'clock', 'generation', 'intercepts']) t.true(name in json.lps[0]!, name);
    for (const name of ['name', 'state', 'vps', 'vtlb', 'interrupts']) t.true(name in json.partitions[0]!, name);
    const { interrupts } = json as MachineStats & { interrupts: InterruptsInspect };
    t.is(interrupts.lps.length, 4);
    t.is(interrupts.log!.records.length, 40);
    for (const name of ['id', 'state', 'lp']) t.true(name in json.partitions[0]!.vps[0]!, name);
    const two = await run(process.execPath, [HVTOP, '-n', '2', '-d', '0.2', '--ascii', '--socket', socket]);
    t.is(two.stdout.match(/^hvd pid 4242/gm)?.length, 2);
    t.regex(two.stdout, /^[\n\x20-\x7e]*$/, 'ASCII alone');
    const piped = await run(process.execPath, [HVTOP, '--socket', socket]);
    t.regex(piped.stdout, /^hvd pid 4242, .*quantum clock/, 'no terminal, no flag: text');
    const lines = (await run(process.execPath, [HVTOP, '-n', '3', '-d', '0.2', '--json', '--socket', socket])).stdout.trim().split('\n');
    const ats = lines.map((line) => (JSON.parse(line) as MachineStats).at);
    t.true(ats.length === 3 && ats[0]! < ats[1]! && ats[1]! < ats[2]!, 'a sample a line');
    const closed = await run('bash', ['-c', '"$0" "$1" --once --socket "$2" > >(exec true); echo $?', process.execPath, HVTOP, socket]);
    t.deepEqual(closed, { stdout: '0\n', stderr: '' }, 'a reader that has gone is not an error');
  } finally {
    await daemon.close();
  }
});

test('without a daemon or a terminal it says so in one line', async (t) => {
  const failure = async (...parameters: string[]): Promise<{ code: number; stderr: string; stdout: string }> => {
    try {
      await run(process.execPath, [HVTOP, ...parameters]);
    } catch (error) {
      return error as { code: number; stderr: string; stdout: string };
    }
    throw new Error('it did not fail');
  };
  const absent = await failure('--once', '--socket', '/tmp/hvtop-no-such.sock');
  t.is(absent.code, 1);
  t.regex(absent.stderr, /^hvtop: \/tmp\/hvtop-no-such\.sock: no daemon answers \(try: npx hvd start\)\n$/);
  t.is(absent.stdout, '');
  const piped = await failure('--socket', '/tmp/hvtop-no-such.sock');
  t.is(piped.code, 1, 'text where there is no terminal');
  t.regex(piped.stderr, /no daemon answers/);
  t.is((await failure('--hz', '99')).code, 64);
});
