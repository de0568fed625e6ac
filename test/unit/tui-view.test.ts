// The panels of hvtop: every line is exactly as wide as its panel, at every size, whatever the names; keys, layout, painter, command line.
import test from 'ava';
import fc from 'fast-check';
import type { ScriptProgress } from '../../shared/protocol/messages.js';
import { POLICIES } from '../../shared/protocol/policies.js';
import { parseArguments } from '../../tui/arguments.js';
import { Dashboard } from '../../tui/model/dashboard.js';
import { LOG_LINES_MAX } from '../../tui/model/log-lines.js';
import { snapshot } from '../../tui/snapshots.js';
import { Painter } from '../../tui/terminal/painter.js';
import type { Screen } from '../../tui/terminal/screen.js';
import { afterStroke } from '../../tui/view/after-stroke.js';
import { ChartPanel } from '../../tui/view/chart-panel.js';
import { coalesce, loadLineChart } from '../../tui/view/contrib.js';
import {
  interceptsMatrix,
  interceptsTable,
  interruptsMatrix,
  interruptsTable,
  vtlbMatrix,
  vtlbTable,
} from '../../tui/view/counter-panels.js';
import { footerHit, footerPanel } from '../../tui/view/footer-panel.js';
import { headerPanel } from '../../tui/view/header-panel.js';
import { HELP_COLUMNS, helpPanel, helpRows } from '../../tui/view/help-panel.js';
import { interruptLogPanel, logTarget, micros } from '../../tui/view/interrupt-log-panel.js';
import { heat, interruptSummary, sintsPanel, sourcesPanel, vectorMatrix } from '../../tui/view/interrupt-panels.js';
import { type Key, PLAIN, type Stroke, strokeOf, strokesOf } from '../../tui/view/keys.js';
import { lanesHit, lanesPanel, lanesTitle } from '../../tui/view/lanes-panel.js';
import { fits, layout, MIN_ROWS } from '../../tui/view/layout.js';
import { Line, overBlank, withoutStyle, wrapped } from '../../tui/view/line.js';
import { loadsHit, loadsPanel, loadTable } from '../../tui/view/load-panel.js';
import { parseLoad } from '../../tui/view/loads-choice.js';
import { logPanel } from '../../tui/view/log-panel.js';
import type { Order } from '../../tui/view/page.js';
import { pages } from '../../tui/view/pages/index.js';
import { partitionsPanel } from '../../tui/view/partitions-panel.js';
import { policiesHit, policiesTable, policyPanel } from '../../tui/view/policies-panel.js';
import { FIRST_SCREEN, PAGES, reconcile, type ScreenState } from '../../tui/view/screen-state.js';
import { spinMatrix, spinVpsTable } from '../../tui/view/spin-panels.js';
import { bar } from '../../tui/view/table-panel.js';
import { vmConsolePanel, vmCountersPanel, vmRegistersPanel, vmVpsPanel } from '../../tui/view/vm-details-panel.js';
import { vmColumnAt, vmColumns, vmsHit, vmsTable } from '../../tui/view/vms-panel.js';
import { vtlbLpsTable } from '../../tui/view/vtlb-lps-panel.js';
import { spacesTarget, vtlbSpacesPanel } from '../../tui/view/vtlb-spaces-panel.js';
import { FakeMachine } from '../e2e/hvtop-fake-machine.js';

function dashboardOf(lps: number, samples = 6): Dashboard {
  const machine = new FakeMachine(lps, 1, 7);
  const dashboard = new Dashboard();
  dashboard.connected();
  for (let i = 0; i < samples; i++) {
    machine.advance(500);
    dashboard.acceptEvents(machine.takeEvents());
    dashboard.accept(structuredClone(machine.stats));
    dashboard.acceptInterrupts(machine.interrupts({ partition: i % 2 ? 'alpha' : 'beta', vp: i % 2 }));
    dashboard.acceptVtlb(i % 2 ? 'alpha' : 'beta', machine.vtlb(i));
    dashboard.log.add(machine.log, i);
    dashboard.acceptVm(machine.inspect('beta'), machine.console('beta', i * 20).data);
  }
  return dashboard;
}

const link = { socket: '/run/hvd.sock', silentSeconds: 0 };
const screens: ScreenState[] = [
  FIRST_SCREEN,
  { ...FIRST_SCREEN, lp: 1, partition: 'beta', vp: 1, policies: { row: 18, draft: { value: 'pause', word: 1 }, quantity: 'spins' } },
];

test('every panel stays inside its frame at every size', (t) => {
  const dashboards = [new Dashboard(), dashboardOf(1), dashboardOf(4), dashboardOf(16)];
  const chart = new ChartPanel(loadLineChart());
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 220 }),
      fc.integer({ min: 1, max: 50 }),
      fc.constantFrom(...dashboards),
      fc.constantFrom(...screens),
      (width, height, dashboard, screen) => {
        const panels = [
          headerPanel(dashboard, link, width, Math.min(height, 2)),
          lanesPanel(dashboard, screen.lp, width, Math.max(2, height)),
          partitionsPanel(dashboard, screen.partition, width, height),
          chart.draw(dashboard, 'fills', screen.partition, width, height),
          ...pages.map((page) => helpPanel(page, width, height)),
          footerPanel(dashboard, screen, width),
          ...[
            vmsTable,
            vmVpsPanel,
            vmRegistersPanel,
            vmCountersPanel,
            vmConsolePanel,
            logPanel,
            policiesTable,
            policyPanel,
            spinMatrix,
            spinVpsTable,
            interceptsTable,
            interceptsMatrix,
            interruptsTable,
            interruptsMatrix,
            vtlbTable,
            vtlbMatrix,
            vtlbLpsTable,
            vtlbSpacesPanel,
            loadTable,
            vectorMatrix,
            sourcesPanel,
            sintsPanel,
            interruptSummary,
            interruptLogPanel,
          ].map((panel) => panel(dashboard, screen, width, Math.max(2, height))),
        ];
        for (const lines of panels) {
          if (lines.length > Math.max(2, height)) return false;
          if (!lines.every((line) => withoutStyle(line).length === width)) return false;
        }
        return true;
      },
    ),
    { numRuns: 150 },
  );
  t.pass();
});

test('what a vTLB holds: tables by node and state, pages, queues, spaces with their tags; those that LPs have loaded first, nodes last', (t) => {
  const dashboard = dashboardOf(4);
  dashboard.acceptVtlb('alpha', new FakeMachine(4, 1, 7).vtlb(3));
  const of = (width: number, height: number): string[] =>
    vtlbSpacesPanel(dashboard, FIRST_SCREEN, width, height).map((line) => withoutStyle(line).trimEnd());
  t.deepEqual(of(60, 12), [
    'SPTs       live  cond.   free',
    'node 0      100      3    409',
    'node 1       50      0    462',
    'GPTs    37 T  2 D  1 N',
    'queues  3 cond.  1 closing  2 stale',
    ' SAS LPs        CR3 PCID SPTs entries  state',
    '   1   2     101000    1    9      31  stale, nodes 3  4-lev',
    '   0   0     100000    0    8      30  clean  4-level WP',
    '   2   0     102000    2   10      32  forgotten  4-level WP',
    '   3   1     103000    0    3      33  stale, node level 3',
  ]);
  t.deepEqual(of(60, 9).slice(-1), ['and 2 more']);
  t.deepEqual(of(38, 5).length, 5);
  t.is(spacesTarget({ ...FIRST_SCREEN, partition: 'beta' }, dashboard.stats), 'beta');
  // An answer about another partition than the chosen one is not shown.
  t.deepEqual(
    vtlbSpacesPanel(dashboard, { ...FIRST_SCREEN, partition: 'beta' }, 60, 12).map((line) => withoutStyle(line).trimEnd()),
    ['…'],
  );
});

test('counters of the vTLB have the names of the hypervisor of 2009, gauges a value and no rate', (t) => {
  const dashboard = dashboardOf(2);
  const stats = structuredClone(dashboard.stats!);
  stats.at += 500;
  Object.assign(stats.partitions[0]!.vtlb, { sptAllocated: 40, sasEvicted: 3, sptLive: 345, sasLive: 6 });
  dashboard.accept(stats);
  const lines = vtlbMatrix(dashboard, FIRST_SCREEN, 100, 40).map((line) => withoutStyle(line));
  for (const name of ['page table allocations', 'address space evictions', 'address spaces'])
    t.true(
      lines.some((line) => line.startsWith(name)),
      name,
    );
  const row = (width: number): string =>
    vtlbTable(dashboard, FIRST_SCREEN, width, 30)
      .map(withoutStyle)
      .find((line) => line.startsWith('spt live'))!;
  t.regex(row(28), /^spt live +[\d.]+k? *$/);
  t.regex(row(40), /^spt live +[\d.]+k? *$/);
});

test('no text of others can move the cursor or widen a line', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), fc.integer({ min: 1, max: 60 }), (text, width) => {
      const line = withoutStyle(new Line(width).put(text).end());
      return line.length === width && !/\p{Cc}/u.test(line);
    }),
  );
  t.is(withoutStyle(new Line(12).put('a\x1b[2Jb').end()), 'a?[2Jb      ');
});

test('the lanes panel names the VP that runs, marks an odd counter and lists the queue', (t) => {
  const dashboard = dashboardOf(4);
  const stats = structuredClone(dashboard.stats!);
  stats.at += 500;
  Object.assign(stats.lps[0]!, { vp: 'beta/1', state: 'running', generation: 4711, queue: 1 });
  for (const partition of stats.partitions) for (const vp of partition.vps) Object.assign(vp, { state: 'halted', lp: null });
  Object.assign(stats.partitions[0]!.vps[2]!, { state: 'ready', lp: 0 });
  dashboard.accept(stats);
  const lines = lanesPanel(dashboard, undefined, 118, 5).map(withoutStyle);
  t.regex(lines[1]!, /^ 0 n0 running {4}long F beta\/1 .* 1 C .* 4711 ◆ /);
});

test('a lane shows its super-mode, how often it changes and what part of the time that takes', (t) => {
  const machine = new FakeMachine(2, 1, 7);
  const dashboard = new Dashboard();
  dashboard.connected();
  for (const [superMode, switches] of [
    ['long', 1000],
    ['legacy', 3000],
  ] as const) {
    machine.advance(500);
    const stats = structuredClone(machine.stats);
    const [lp] = stats.lps;
    Object.assign(lp!, { superMode, worldSwitches: switches, worldSwitchCycles: lp!.clock / 4 });
    dashboard.accept(stats);
  }
  const [heading, first, second] = lanesPanel(dashboard, undefined, 130, 5).map(withoutStyle);
  t.regex(heading!, / state +mode +runs .* sw\/s +in /);
  t.regex(first!, /^ 0 n0 \S+ +lgcy .* 4\.00k +25% /);
  t.regex(second!, /^ 1 n1 \S+ +long .* 0 +0% /);
});

test('LPs beyond the panel come by choosing them, and the title says so', (t) => {
  const dashboard = dashboardOf(16);
  const ids = (selected: number | undefined): number[] =>
    lanesPanel(dashboard, selected, 118, 6)
      .slice(1)
      .map((line) => Number(withoutStyle(line).slice(0, 2)));
  t.deepEqual(ids(undefined), [0, 1, 2, 3, 4]);
  t.deepEqual(ids(15), [11, 12, 13, 14, 15]);
  t.is(lanesTitle(dashboard, 15, 6), 'logical processors 11-15 of 16, ↑↓ for more');
  t.is(lanesTitle(dashboard, undefined, 17), 'logical processors');
});

test('a chosen partition keeps its rows when the others are one line', (t) => {
  const dashboard = dashboardOf(4);
  const text = partitionsPanel(dashboard, 'legacy', 60, 7).map(withoutStyle);
  t.true(text.some((line) => line.startsWith('■ legacy')));
  t.is(text.filter((line) => / VP \d/.test(line)).length, 2);
});

test('a crashed partition shows its reason', (t) => {
  const dashboard = dashboardOf(2);
  const stats = structuredClone(dashboard.stats!);
  stats.at += 500;
  Object.assign(stats.partitions[1]!, { state: 'crashed', reason: 'LP 1: machine check' });
  dashboard.accept(stats);
  t.true(
    partitionsPanel(dashboard, undefined, 80, 20).some((line) => withoutStyle(line).includes('beta         crashed LP 1: machine check')),
  );
});

test('choosing an LP or a partition narrows the tables to it', (t) => {
  const dashboard = dashboardOf(4);
  const total = (lines: string[]): string => withoutStyle(lines.find((line) => withoutStyle(line).startsWith('page fault'))!);
  t.not(total(interceptsTable(dashboard, FIRST_SCREEN, 40, 20)), total(interceptsTable(dashboard, { ...FIRST_SCREEN, lp: 2 }, 40, 20)));
  t.is(loadTable(dashboard, { ...FIRST_SCREEN, partition: 'beta' }, 40, 20).length, 3);
});

test('the heights of the layout fill the frame exactly and all fit', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: MIN_ROWS, max: 200 }),
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 0, max: 600 }),
      (rows, lps, partitionRows) => {
        return [lps, undefined].every((count) => {
          const { header, lanes, middle, bottom } = layout(rows, count, partitionRows);
          const whole = header + lanes + middle + bottom + 1 === rows - 1;
          return whole && (count === undefined ? lanes === 0 : lanes >= 4) && middle >= 6 && (bottom === 0 || bottom >= 6);
        });
      },
    ),
  );
  for (const page of pages) t.true(helpRows(page) + 2 + 2 <= MIN_ROWS - 1, `help of ${page.name} fits the smallest screen`);
  t.false(fits(79, 24));
  t.true(fits(80, 24));
});

const inkKey = (name?: keyof Key, modifiers: { meta?: boolean; ctrl?: boolean; delete?: boolean } = {}) => ({
  ...PLAIN,
  ...(name ? { [name]: true } : {}),
  meta: false,
  ctrl: false,
  delete: false,
  ...modifiers,
});
const character = (input: string): Stroke => ({ input, key: PLAIN, interrupt: false });

/** A keyboard before a screen: each key sees what the one before has done. */
const keyboard = (dashboard: Dashboard, first: Partial<ScreenState> = {}) => {
  let state: ScreenState = { ...FIRST_SCREEN, ...first };
  const orders: Order[] = [];
  const stroke = (one: Stroke): ScreenState => {
    const outcome = afterStroke(reconcile(state, dashboard.stats), one, dashboard, pages);
    if (outcome.order !== undefined) orders.push(outcome.order);
    state = outcome.state;
    return state;
  };
  return {
    orders,
    press: (...names: (keyof Key)[]) => names.map((name) => stroke(strokeOf(name))).at(-1)!,
    type: (text: string) => [...text].map((one) => stroke(character(one))).at(-1)!,
    get state() {
      return state;
    },
  };
};

test('keys turn pages, choose and forget', (t) => {
  const dashboard = dashboardOf(2);
  const { press, type, orders } = keyboard(dashboard);
  for (const page of [...PAGES.slice(1), PAGES[0]]) t.is(press('tab').page, page);
  for (const [index, page] of PAGES.entries()) t.is(type(String(index + 1)).page, page);
  t.is(type('9').page, PAGES[PAGES.length - 1]!, 'no such page');
  type('4');
  t.is(type('j').lp, 0);
  t.is(press('downArrow').lp, 1);
  t.is(press('downArrow').lp, undefined, 'past the end: the whole machine again');
  t.is(type('k').lp, 1);
  t.is(type('l').partition, 'alpha');
  t.true(type('?').help);
  t.false(press('escape').help, 'esc closes help first');
  t.is(press('upArrow').partition, 'alpha');
  t.is(press('escape').partition, undefined);
  t.deepEqual(orders, []);
  type('p,.<>q');
  t.deepEqual(orders, [
    { kind: 'pause' },
    ...[1000, -1000, 10_000, -10_000].map((ms) => ({ kind: 'back', ms }) as const),
    { kind: 'quit' },
  ]);
  t.deepEqual(reconcile({ ...FIRST_SCREEN, lp: 7, partition: 'gone' }, dashboard.stats), FIRST_SCREEN);
});

test('keys that come in one read of the terminal are so many keys', (t) => {
  const dashboard = dashboardOf(2);
  const after = (input: string, ink = inkKey()): ScreenState =>
    strokesOf(input, ink).reduce((state, stroke) => afterStroke(state, stroke, dashboard, pages).state, {
      ...FIRST_SCREEN,
      page: 'interrupts',
    } as ScreenState);
  t.is(after('vv').vp, 2);
  t.is(after('vvV').vp, 1);
  t.is(after('\t\t').page, 'policies');
  t.is(after('', inkKey('tab')).page, 'spin');
  t.is(after('jjl5').page, 'spin');
  t.is(after('jjl5').lp, 1);
  t.is(after('jjl5').partition, 'alpha');
  t.is(after('', inkKey('downArrow')).lp, 0);
  t.deepEqual(after('l'), { ...FIRST_SCREEN, page: 'interrupts', partition: 'alpha' });
  t.is(after('2', inkKey(undefined, { meta: true })).page, 'vms', 'Escape and a key');
  t.is(strokesOf('2', inkKey(undefined, { meta: true }))[0]!.key.escape, true);
  t.deepEqual(after('[57~'), after(''), 'a sequence that nobody knows');
  t.deepEqual(after('v', inkKey(undefined, { ctrl: true })), after(''), 'a letter with Ctrl');
  t.deepEqual(
    strokesOf('v\x03', inkKey()).map(({ interrupt }) => interrupt),
    [false, true],
  );
  t.deepEqual(
    strokesOf('a\r\n\x7f\b', inkKey()).map(({ input, key }) => [input, key.return, key.backspace]),
    [
      ['a', false, false],
      ['', true, false],
      ['', true, false],
      ['', false, true],
      ['', false, true],
    ],
  );
  t.true(strokesOf('', inkKey(undefined, { delete: true }))[0]!.key.backspace, 'the byte 7F alone');
});

test('a policy is chosen, changed among its settings, set to its baseline; a set has its words turned', (t) => {
  const dashboard = dashboardOf(2);
  const { press, type, orders, state } = keyboard(dashboard, { page: 'policies' });
  const set = (name: string, value: string, vm?: string): Order => ({
    kind: 'command',
    command: { method: 'policy.set', params: { name, value, ...(vm === undefined ? {} : { vm }) } },
  });
  t.is(state.policies.row, 0);
  press('return', 'rightArrow');
  t.is(press('return').policies.draft, undefined);
  press('return', 'leftArrow', 'return');
  press('return', 'rightArrow', 'escape');
  type('b');
  t.deepEqual(orders.splice(0), [set('vtlb.lock', 'global'), set('vtlb.lock', 'fine'), set('vtlb.lock', 'global')], 'esc sets nothing');
  const detect = POLICIES.findIndex(({ name }) => name === 'spin.detect');
  for (let i = 0; i < detect; i++) press('downArrow');
  press('return');
  type(' l l ');
  t.is(press('return').policies.draft, undefined);
  press('return');
  type('    ');
  press('return');
  t.deepEqual(orders.splice(0), [set('spin.detect', 'off'), set('spin.detect', 'hypercall+pause+idle')]);
  const eoi = POLICIES.findIndex(({ name }) => name === 'apic.eoi');
  const own = keyboard(dashboard, { page: 'policies', partition: 'beta', policies: { ...FIRST_SCREEN.policies, row: eoi } });
  own.press('return', 'leftArrow', 'leftArrow', 'return');
  t.deepEqual(own.orders, [set('apic.eoi', 'inherit', 'beta')]);
  t.is(own.press('upArrow').policies.row, eoi - 1);
  own.type('d');
  t.deepEqual(own.orders.slice(1), [set('vtlb.untracked', '64')], 'one that partitions cannot have is set for the machine');
});

test('the table of VMs: sorted by any column, filtered, searched, with every partition that there is', (t) => {
  const dashboard = dashboardOf(4);
  const { press, type, state: first } = keyboard(dashboard, { page: 'vms' });
  let state = first;
  const names = (): string[] =>
    vmsTable(dashboard, state, 120, 20)
      .slice(1)
      .map((line) => withoutStyle(line).slice(2, 10).trim());
  t.deepEqual(names(), ['alpha', 'beta', 'legacy']);
  state = type('S');
  t.deepEqual(names(), ['legacy', 'beta', 'alpha']);
  state = type('sss');
  t.is(state.vms.sort, 'memory');
  t.deepEqual(
    names(),
    ['alpha', 'beta', 'legacy'].sort((a, b) => memoryOf(dashboard, b) - memoryOf(dashboard, a) || (a < b ? -1 : 1)),
  );
  state = type('f');
  state = type('spinl');
  t.deepEqual(names(), ['beta'], 'by its job, as it is typed');
  t.regex(withoutStyle(footerPanel(dashboard, state, 80)[0]!), /^ filter: spinl_ /);
  state = press('backspace', 'return');
  t.is(state.vms.filter, 'spin');
  state = type('fq');
  t.deepEqual(names(), ['partiti'], 'q is a character while something is typed');
  state = press('escape');
  t.is(state.vms.filter, '');
  state = type('/eg');
  t.is(state.partition, 'legacy');
  state = press('return');
  state = type('/');
  state = press('backspace', 'backspace');
  state = type('run');
  press('return');
  const seen = [type('n').partition, type('n').partition, type('n').partition];
  t.deepEqual([...seen].sort(), ['alpha', 'beta', 'legacy'], 'round all that run');
  t.is(type('N').partition, seen[1]);
  t.true(press('return').vms.details);
  t.false(press('escape').vms.details);
  t.is(vmColumnAt(0, 120), 'name');
  const { numbers, name } = vmColumns(120);
  t.is(vmColumnAt(2 + name + 12, 120), numbers[0]!.by);
});
const memoryOf = (dashboard: Dashboard, name: string): number => dashboard.stats!.partitions.find((one) => one.name === name)!.memory;

test('jobs are started, changed, stopped, given to more VPs and to fewer', (t) => {
  const dashboard = dashboardOf(4);
  const board = keyboard(dashboard, { page: 'loads', partition: 'beta' });
  const told = (): unknown[] =>
    board.orders.splice(0).map((order) => (order.kind === 'command' ? [order.command.method, order.command.params] : order));
  board.press('return');
  t.is(board.state.prompt?.text, 'spinlock hold=200 think=500', 'as it runs');
  board.type(' notify=3');
  board.press('return');
  const parameters = { hold: 200, think: 500 };
  t.deepEqual(told(), [['load.set', { name: 'beta', job: 'spinlock', parameters: { ...parameters, notify: 3 }, vps: [0] }]]);
  board.press('downArrow');
  board.type('x');
  board.type('X');
  t.deepEqual(told(), [
    ['load.stop', { name: 'beta', vps: [1] }],
    ['load.stop', { name: 'beta' }],
  ]);
  board.type('+');
  t.deepEqual(told(), [{ kind: 'say', text: 'every VP of beta runs a job' }]);
  board.type('-');
  t.deepEqual(told(), [['load.stop', { name: 'beta', vps: [0] }]], 'another one first');
  Object.assign(dashboard.stats!.partitions[1]!.load[0]!, { job: 'idle', parameters: {} });
  board.type('+');
  t.deepEqual(told(), [['load.set', { name: 'beta', job: 'spinlock', parameters, vps: [0] }]]);
  board.type('-');
  t.deepEqual(told(), [['load.stop', { name: 'beta', vps: [1] }]], 'the last one');
  board.press('upArrow');
  board.type('+');
  t.deepEqual(told(), [{ kind: 'say', text: 'beta/0 runs no job: Enter starts one' }]);
  board.type('a');
  t.is(board.state.prompt?.text, '');
  board.type('timer period=5');
  board.press('return');
  t.deepEqual(told(), [['load.set', { name: 'beta', job: 'timer', parameters: { period: 5 } }]]);
  for (const text of ['nonsense', 'timer hold=3', 'timer period', 'timer period=99999999999']) {
    board.type('a');
    board.type(text);
    board.press('return');
    t.regex(
      (told()[0] as { text: string }).text,
      /^(no job named nonsense; there are idle|timer has no parameter (hold|period); it has period|period: expected)/,
    );
  }
  board.press('return', 'escape');
  t.deepEqual(told(), [], 'nothing typed, nothing done');
  t.deepEqual(parseLoad(' spinlock  hold=1 '), { job: 'spinlock', parameters: { hold: 1 } });
  const row = withoutStyle(loadTable(dashboard, board.state, 140, 9)[2]!);
  t.regex(row, /^F beta\/1 +spinlock .* hold=200 think=500 *$/);
});

test('the log is scrolled, and shows warnings alone', (t) => {
  const dashboard = dashboardOf(1, 1);
  const board = keyboard(dashboard, { page: 'log' });
  const text = (height = 9): string[] => logPanel(dashboard, board.state, 90, height).map((line) => withoutStyle(line).trimEnd());
  t.deepEqual(text(), [
    '22:13:20.000 info  partition created name=alpha vps=4',
    '22:13:21.234 warn  client dropped code=protocol.not-msgpack',
    '22:13:22.500 info  partition start name=alpha state=running',
  ]);
  t.regex(text(1)[0]!, /state=running/, 'the newest');
  board.press('upArrow');
  t.regex(text(1)[0]!, /client dropped/);
  board.press('pageUp');
  t.regex(text(1)[0]!, /created/, 'no further than the oldest');
  board.type('G');
  t.regex(text(1)[0]!, /state=running/);
  board.type('w');
  t.deepEqual(text(), ['22:13:21.234 warn  client dropped code=protocol.not-msgpack']);
  dashboard.log.clear();
  t.deepEqual(text(), ['no warnings']);
  for (let i = 0; i < 30; i++) dashboard.log.add(new Array(100).fill({ at: i, level: 'info', text: String(i) }), 0);
  t.is(dashboard.log.lines(false).length, LOG_LINES_MAX);
  t.is(dashboard.log.lines(false)[0]!.text, '20');
});

test('the details of a partition: registers of the chosen VP, counters by VP, the end of the console', (t) => {
  const dashboard = dashboardOf(4);
  const screen = { ...FIRST_SCREEN, partition: 'beta', vp: 1 };
  const text = (panel: typeof vmVpsPanel, of = screen): string[] =>
    panel(dashboard, of, 100, 12).map((line) => withoutStyle(line).trimEnd());
  t.regex(text(vmVpsPanel)[2]!, /^F 1 .* long 64 +0 +0xffffffff81000001 +0x0000000000101000$/);
  t.regex(text(vmRegistersPanel)[0]!, /^rip +0xffffffff81000001 +rfl +0x00000246 /);
  t.regex(text(vmRegistersPanel).at(-1)!, /^APIC TPR 00 +posted - +requested ec +in service 41$/);
  t.regex(text(vmCountersPanel)[1]!, /^page fault intercepts +\S+ +\S+ /);
  t.regex(text(vmConsolePanel).at(-1)!, /^beta: line \d+$/);
  t.deepEqual(text(vmConsolePanel, { ...screen, partition: 'alpha' }), ['nothing yet'], 'of the chosen one and no other');
});

test('the effect of a policy: means of both sides of its last change, and a line in the chart', (t) => {
  const machine = new FakeMachine(4, 1, 7);
  const dashboard = new Dashboard();
  dashboard.connected();
  const samples = (count: number): void => {
    for (let i = 0; i < count; i++) {
      machine.advance(500);
      dashboard.accept(structuredClone(machine.stats));
    }
  };
  const lines = (): string[] => policyPanel(dashboard, FIRST_SCREEN, 70, 20).map((line) => withoutStyle(line).trimEnd());
  samples(20);
  t.true(lines().includes('not changed while hvtop watched'));
  machine.stats.policies['vtlb.lock'] = 'global';
  machine.speed = 50;
  samples(20);
  t.true(lines().includes('┊ generation → global, 10s ago'));
  const [, before, after, change] = /^guest instructions\/s +(\S+) +(\S+) +(?:\+|>)(\d+) %$/.exec(
    lines().find((line) => line.startsWith('guest'))!,
  )!;
  t.regex(`${before} ${after}`, /^\S+M \S+G$/);
  t.true(Number(change) > 500, `${change} %`);
  const chart = new ChartPanel(loadLineChart()).draw(dashboard, 'instructions', undefined, 80, 14).map(withoutStyle);
  const columns = new Set(chart.map((line) => line.indexOf('┊')).filter((at) => at >= 0));
  t.is(columns.size, 1, 'one vertical line');
  t.true(chart.filter((line) => line.includes('┊')).length > 5);
});

test('a mark goes where nothing is, and leaves colours as they were', (t) => {
  t.is(overBlank('\x1b[31mab c\x1b[39m d', 2, '|', '1'), '\x1b[31mab\x1b[0;1m|\x1b[0m\x1b[31mc\x1b[39m d');
  t.is(overBlank('abc', 1, '|', '1'), 'abc');
  t.is(overBlank('a', 3, '|', '1'), 'a');
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), fc.integer({ min: 1, max: 30 }), (text, width) => {
      const lines = wrapped(text, width);
      return lines.every((line) => line.length <= width) && lines.join('').replaceAll(' ', '') === text.replaceAll(' ', '');
    }),
  );
});

test('the header says how it stands with the daemon', (t) => {
  const dashboard = dashboardOf(4);
  const first = (silentSeconds = 0): string => withoutStyle(headerPanel(dashboard, { ...link, silentSeconds }, 120, 2)[0]!);
  t.regex(first(), /^ hvtop {2}● live {2}pid 1 .*quantum clock ×0\.5\d/);
  t.regex(first(9), /silent for 9s/);
  dashboard.setPaused(true);
  t.regex(first(), / PAUSED {2}/);
  dashboard.goBack(1000);
  t.regex(first(), / PAUSED 1s ago {2}/);
  dashboard.disconnected('the daemon closed the connection');
  t.regex(first(), /disconnected, retrying .*the daemon closed/);
});

test('the header leaves a fact out rather than cut it', (t) => {
  const dashboard = dashboardOf(4);
  dashboard.acceptDropped(12_700);
  for (let width = 80; width < 140; width++) {
    const text = withoutStyle(headerPanel(dashboard, { ...link, silentSeconds: 0 }, width, 1)[0]!).trimEnd();
    t.regex(text, /(MIPS|intercepts\/s|events lost|fills\/s|interrupts\/s) [\d.]+[kMG]?$/, `${width} columns`);
  }
});

test('no line of the help is cut', (t) => {
  for (const page of pages) {
    const plain = (width: number): string[] => helpPanel(page, width, helpRows(page)).map((line) => withoutStyle(line).trimEnd());
    t.deepEqual(plain(HELP_COLUMNS), plain(200), page.name);
    t.is(plain(200).length, helpRows(page));
    t.is(helpPanel(page, 200, 99).length, helpRows(page), page.name);
  }
});

test('the chart draws one line per partition in its colour, scaled', (t) => {
  const dashboard = dashboardOf(4, 40);
  const lines = new ChartPanel(loadLineChart()).draw(dashboard, 'instructions', undefined, 60, 12);
  t.is(lines.length, 12);
  t.regex(withoutStyle(lines[0]!), /\(M\) .*■ alpha .*■ beta .*■ legacy/);
  t.regex(withoutStyle(lines.join('\n')), /[\u2801-\u28ff]/);
  t.true(
    lines.slice(1).some((line) => line.includes('38;5;75m')),
    'alpha has a line',
  );
});

test('colours of a canvas are written once a run', (t) => {
  t.is(coalesce('\x1b[31ma\x1b[39m\x1b[31mb\x1b[39m c\n'), '\x1b[31mab\x1b[39m c');
  t.is(coalesce('\x1b[37m\x1b[49m12\x1b[39m\x1b[49m\n'), '\x1b[37m12\x1b[39m');
});

test('vectors by LP: numbers in colours of their size, and the colours alone where LPs are many', (t) => {
  const dashboard = dashboardOf(4);
  const before = dashboard.interrupts!;
  const lps = before.lps.map((lp) => ({ ...lp, byVector: { ...lp.byVector, 65: (lp.byVector[65] ?? 0) + [0, 5, 5000, 500_000][lp.id]! } }));
  dashboard.acceptInterrupts({ ...before, at: before.at + 1000, lps });
  const lines = vectorMatrix(dashboard, FIRST_SCREEN, 60, 20);
  t.is(withoutStyle(lines[0]!), 'vector   total  all/s   LP 0   LP 1   LP 2   LP 3           ');
  t.regex(withoutStyle(lines[2]!), /^0x41 +\S+ +505k +· +5 +5\.00k +500k +$/);
  for (const [rate, text] of [
    [5, '5'],
    [5000, '5.00k'],
    [500_000, '500k'],
  ] as const)
    t.true(lines[2]!.includes(`\x1b[0;${heat(rate)}m${text.padStart(7)}`), text);
  t.is(new Set([0, 1, 20, 200, 2000, 20_000, 200_000].map(heat)).size, 7, 'a colour for each order of magnitude');
  const many = vectorMatrix(dashboardOf(32), { ...FIRST_SCREEN, lp: 30 }, 60, 20);
  t.regex(withoutStyle(many[0]!), / 19 20 21 .* 30 31 *$/);
  t.regex(withoutStyle(many[2]!), /^0x41 +\S+ +\S+( {2}[■·])+ *$/);
});

test('sources, ends and synthetic controllers of all partitions or of one', (t) => {
  const dashboard = dashboardOf(4);
  const plain = (panel: typeof sourcesPanel, partition?: string): string =>
    panel(dashboard, { ...FIRST_SCREEN, partition }, 46, 14)
      .map((line) => withoutStyle(line).trimEnd())
      .join('\n');
  t.regex(
    plain(sourcesPanel),
    /^source +\/s +total\ndevice .*\nipi .*\nsint .*\ntimer .*\npic .*\nend .*\nexit .*\nassist .*\nauto .*\nphysical \S+ EOI\/s\ndeferred 2 of \S+, max 2$/,
  );
  t.false(plain(sourcesPanel, 'beta').includes('pic'));
  t.regex(plain(sintsPanel), /^SINT +slots +pend +queue +flags +msg\/s +evt\/s\n2 +2 +2 +10 +6 +\S+ +\S+\nEOM\/s /);
  t.regex(plain(sintsPanel, 'legacy'), /no guest has one in use/);
});

test('the log of a VP: newest first, with how long each waited and was served; of the VP that is chosen and of no other', (t) => {
  const dashboard = dashboardOf(2);
  const beta = dashboard.interrupts!;
  dashboard.acceptInterrupts({ ...beta, at: beta.at + 500, log: new FakeMachine(2, 1).interrupts({ partition: 'beta', vp: 1 }).log });
  const screen = { ...FIRST_SCREEN, partition: 'beta', vp: 1 };
  const lines = interruptLogPanel(dashboard, screen, 60, 5).map((line) => withoutStyle(line).trimEnd());
  t.is(lines[0], '    delivered vec  source   waited  served  end');
  t.is(lines[1], '   2.999990 s 0xec timer    480 ns       -  in service');
  t.is(lines[2], '   2.999980 s 0x42 ipi      360 ns 4.50 µs  assist');
  t.is(lines.length, 5);
  t.is(interruptLogPanel(dashboard, { ...screen, vp: 0 }, 60, 5).length, 1, 'not asked for yet');
  t.deepEqual(logTarget({ ...screen, vp: 7 }, dashboard.stats), { partition: 'beta', vp: 1 });
  t.deepEqual(logTarget({ ...screen, partition: undefined, vp: 3 }, dashboard.stats), { partition: 'alpha', vp: 3 });
  t.deepEqual([0.004, 0.25, 9.99, 12.34, 999, 1000, 12_345, 7_890_000].map(micros), [
    '4 ns',
    '250 ns',
    '9.99 µs',
    '12.3 µs',
    '999 µs',
    '1.00 ms',
    '12.3 ms',
    '7.89 s',
  ]);
});

test('a bar is as long as its share in eighths', (t) => {
  t.is(bar(0.5, 4), '██');
  t.is(bar(1, 4), '████');
  t.is(bar(1 / 32, 4), '▏');
  t.is(bar(2, 3), '███');
});

test('the painter writes only lines that changed, and all after Ink drew', async (t) => {
  const written: string[] = [];
  const screen = { entered: true, congested: false, write: (text: string) => written.push(text) };
  const painter = new Painter(screen as unknown as Screen);
  let lines = ['one', 'two'];
  painter.add({ place: () => ({ x: 2, y: 3, width: 3, height: 3 }), lines: () => lines });
  painter.paint();
  t.true(
    written[0]!.includes('\x1b[4;3H\x1b[0mone') &&
      written[0]!.includes('\x1b[5;3H\x1b[0mtwo') &&
      written[0]!.includes('\x1b[6;3H\x1b[0m   '),
  );
  painter.paint();
  t.is(written.length, 1, 'nothing changed, nothing written');
  lines = ['one', 'TWO'];
  painter.paint();
  t.true(written[1]!.includes('TWO') && !written[1]!.includes('one'));
  painter.under('\x1b[?2026hframe\x1b[?2026l');
  await new Promise((resolve) => setImmediate(resolve));
  t.true(written[2]!.startsWith('\x1b[?2026hframe\x1b7') && written[2]!.includes('one') && written[2]!.endsWith('\x1b8\x1b[?2026l'));
  t.is(written[2]!.split('\x1b[?2026l').length, 2, 'one synchronized update, not two');
});

test('the snapshot is plain text with every section', (t) => {
  const machine = new FakeMachine(4, 1);
  machine.advance(500);
  const first = structuredClone(machine.stats);
  const before = machine.interrupts({ partition: 'alpha', vp: 0 });
  machine.advance(500);
  const text = snapshot([first, machine.stats], [before, machine.interrupts({ partition: 'alpha', vp: 0 })]);
  t.false(text.includes('\x1b'));
  for (const section of [
    'logical processors',
    'partitions',
    'intercepts',
    'interrupts',
    'interrupts by LP',
    'interrupts: sources and ends',
    'interrupts: synthetic',
    'interrupts: last ones of alpha/0',
    'vTLB',
    'load',
  ])
    t.true(text.includes(`== ${section}\n`));
  t.true(text.split('\n').every((line) => line.length <= 120));
});

test('the command line is checked', (t) => {
  const of = (...argv: string[]): object => {
    const { count, seconds, json, hz } = parseArguments(argv);
    return { count, seconds, json, hz };
  };
  t.deepEqual(of(), { count: undefined, seconds: 0.5, json: false, hz: 2 });
  t.deepEqual(of('--hz', '5', '--once', '--json'), { count: 1, seconds: 0.5, json: true, hz: 5 });
  t.deepEqual(of('-n', '3'), { count: 3, seconds: 2, json: false, hz: 2 });
  t.deepEqual(of('-n', '0', '-d', '0.1'), { count: Number.POSITIVE_INFINITY, seconds: 0.1, json: false, hz: 2 });
  t.deepEqual(of('-d', '1'), { count: Number.POSITIVE_INFINITY, seconds: 1, json: false, hz: 2 });
  t.deepEqual(of('--json'), { count: 1, seconds: 0.5, json: true, hz: 2 });
  t.is(parseArguments(['--ascii', '--socket', '/s']).characters, 'ascii');
  t.is(parseArguments(['--utf8']).characters, 'utf8');
  t.false(parseArguments(['--no-mouse']).mouse);
  for (const [argv, message] of [
    ['--hz 0', /^--hz: 0 is not a number from 0\.1 to 20$/],
    ['--hz x', /^--hz: x is not/],
    ['-d 0', /^-d: 0 is not a number from 0\.1 to 3600$/],
    ['-n 1.5', /^-n: 1\.5 is not a whole number$/],
    ['-n -1', /-n/],
    ['--once -n 2', /^--once: not with -n$/],
    ['--ascii --utf8', /^--ascii: not with --utf8$/],
    ['--nonsense', /nonsense/],
  ] as const)
    t.throws(() => parseArguments(argv.split(' ')), { message }, argv);
});

test('a click on a tab, a heading, a row; one outside does nothing', (t) => {
  const dashboard = dashboardOf(4);
  const at = (x: number, y: number, width = 120, height = 20) => ({ x, y, width, height });
  for (const width of [80, 120, 300])
    for (const page of PAGES) {
      const number = PAGES.indexOf(page) + 1;
      const x = withoutStyle(footerPanel(dashboard, FIRST_SCREEN, width)[0]!).indexOf(`${number} ${page.slice(0, 3)}`);
      t.is(footerHit(FIRST_SCREEN, dashboard, at(x, 0, width, 1))?.page, page, `${width} ${page}`);
    }
  t.is(footerHit(FIRST_SCREEN, dashboard, at(0, 0)), undefined);
  t.is(lanesHit(FIRST_SCREEN, dashboard, at(5, 2))?.lp, 1);
  t.is(lanesHit({ ...FIRST_SCREEN, lp: 1 }, dashboard, at(5, 2))?.lp, undefined, 'once more: no LP');
  t.is(lanesHit(FIRST_SCREEN, dashboard, at(5, 0)), undefined);
  t.is(lanesHit(FIRST_SCREEN, dashboard, at(5, 9)), undefined);
  const beta = vmsHit(FIRST_SCREEN, dashboard, at(9, 2))!;
  t.is(beta.partition, 'beta');
  t.true(vmsHit(beta, dashboard, at(9, 2))!.vms.details, 'twice: in full');
  t.is(vmsHit(FIRST_SCREEN, dashboard, at(9, 7)), undefined);
  const memory = withoutStyle(vmsTable(dashboard, FIRST_SCREEN, 120, 20)[0]!).indexOf('memory');
  t.is(vmsHit(FIRST_SCREEN, dashboard, at(memory, 0))!.vms.sort, 'memory');
  const third = policiesHit(FIRST_SCREEN, dashboard, at(9, 3))!;
  t.is(third.policies.row, 2);
  t.deepEqual(policiesHit(third, dashboard, at(9, 3))!.policies.draft, { value: 'deferred', word: 0 });
  t.is(policiesHit(FIRST_SCREEN, dashboard, at(9, 0)), undefined);
  t.is(loadsHit({ ...FIRST_SCREEN, page: 'loads' }, dashboard, at(9, 5))!.loads.row, 'beta/0');
});

test('load scripts stand above the jobs, with what does not hold; a click is on the job under it', (t) => {
  const machine = new FakeMachine(4, 1, 7);
  const dashboard = new Dashboard();
  const loads: ScreenState = { ...FIRST_SCREEN, page: 'loads' };
  const script: ScriptProgress = {
    name: 'ramp',
    state: 'running',
    phase: 'up',
    index: 2,
    phases: 3,
    step: 4,
    steps: 10,
    seconds: 0.5,
    length: 2,
    assertions: { holds: 2, fails: 1, left: 3 },
    failures: ['phase.operations > 10'],
  };
  dashboard.accept({ ...structuredClone(machine.stats), scripts: [script, { ...script, name: 'old', state: 'passed', failures: [] }] });
  const plain = loadsPanel(dashboard, loads, 140, 20).map((line) => withoutStyle(line).trimEnd());
  t.deepEqual(plain.slice(0, 3), [
    'script ramp  ████              phase up (2 of 3), step 4 of 10, 500.0 ms of 2.0 s; assertions: 2 hold, 1 fails, 3 to come',
    '  fails: phase.operations > 10',
    'script old  passed; assertions: 2 hold, 1 fails, 3 to come',
  ]);
  t.regex(plain[3]!, /^VP +job +ops\/s/);
  const row = (y: number): string | undefined => loadsHit(loads, dashboard, { x: 5, y, width: 140, height: 20 })?.loads.row;
  t.deepEqual([row(2), row(3), row(4)], [undefined, undefined, 'alpha/0']);
  for (const height of [1, 2, 3, 6, 9])
    for (const width of [20, 80, 300]) {
      const lines = loadsPanel(dashboard, loads, width, height);
      t.true(lines.length <= height && lines.every((line) => withoutStyle(line).length === width));
    }
});
