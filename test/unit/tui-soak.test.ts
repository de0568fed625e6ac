// hvtop over hours: the real model and painter under a stream of samples, answers and events while the screen's size, page and time change, must not grow.
// As many samples as HVD_SOAK says (two a second: 7200 an hour); 10,000 where it says nothing.
import test from 'ava';
import { collectGarbage } from '../../shared/kit/collect-garbage.js';
import type { MachineStats } from '../../shared/protocol/messages.js';
import { Dashboard } from '../../tui/model/dashboard.js';
import { capabilitiesOf, filterOf } from '../../tui/terminal/capabilities.js';
import { Painter, type Region } from '../../tui/terminal/painter.js';
import type { Screen } from '../../tui/terminal/screen.js';
import { ChartPanel } from '../../tui/view/chart-panel.js';
import { loadLineChart } from '../../tui/view/contrib.js';
import { interceptsMatrix, vtlbMatrix } from '../../tui/view/counter-panels.js';
import { footerPanel } from '../../tui/view/footer-panel.js';
import { headerPanel } from '../../tui/view/header-panel.js';
import { interruptLogPanel } from '../../tui/view/interrupt-log-panel.js';
import { vectorMatrix } from '../../tui/view/interrupt-panels.js';
import { lanesPanel } from '../../tui/view/lanes-panel.js';
import { loadTable } from '../../tui/view/load-panel.js';
import { logPanel } from '../../tui/view/log-panel.js';
import type { Panel } from '../../tui/view/panel.js';
import { partitionsPanel } from '../../tui/view/partitions-panel.js';
import { policiesTable, policyPanel } from '../../tui/view/policies-panel.js';
import { FIRST_SCREEN } from '../../tui/view/screen-state.js';
import { spinVpsTable } from '../../tui/view/spin-panels.js';
import { vmConsolePanel, vmRegistersPanel } from '../../tui/view/vm-details-panel.js';
import { vmsTable } from '../../tui/view/vms-panel.js';
import { FakeMachine } from '../e2e/hvtop-fake-machine.js';

const SAMPLES = Number(process.env.HVD_SOAK ?? 10_000);
/** Ten minutes of samples: rings are full from then on. */
const FULL = 1300;
/** Samples between two frames, two sizes, two daemons. */
const PAINT = 16;
const RESIZE = 48;
const RESTART = 2500;
const GROWTH_MAX = 6 << 20;

test('hours of samples, frames, sizes and daemons that come and go do not make it grow', (t) => {
  const dashboard = new Dashboard();
  let written = 0;
  const screen = { entered: true, congested: false, write: (text: string) => (written += text.length) };
  const painter = new Painter(screen as unknown as Screen, filterOf(capabilitiesOf({ LANG: 'C', NO_COLOR: '1' })));
  const chart = new ChartPanel(loadLineChart());
  const lanes: Panel = (of, { lp }, width, height) => lanesPanel(of, lp, width, height);
  const charts: Panel = (of, { partition }, width, height) => chart.draw(of, 'instructions', partition, width, height);
  const partitions: Panel = (of, { partition }, width, height) => partitionsPanel(of, partition, width, height);
  const pages: readonly (readonly Panel[])[] = [
    [lanes, partitions, charts, interceptsMatrix],
    [vmsTable, vmRegistersPanel, vmConsolePanel],
    [lanes, vtlbMatrix, interruptLogPanel, vectorMatrix, spinVpsTable],
    [policiesTable, policyPanel, charts],
    [loadTable, logPanel],
  ];
  let regions: Region[] = [];
  /** Another size and another page, as Ink lays them out: old regions go, new ones come. */
  const layOut = (n: number): void => {
    for (const region of regions) painter.remove(region);
    const [columns, rows] = [80 + ((n * 37) % 221), 24 + ((n * 13) % 77)];
    const panels = pages[n % pages.length]!;
    const height = Math.floor((rows - 3) / panels.length);
    regions = [
      {
        place: () => ({ x: 0, y: 0, width: columns, height: 2 }),
        lines: (width) => headerPanel(dashboard, { socket: '', silentSeconds: 0 }, width, 2),
      },
      ...panels.map((panel, i) => ({
        place: () => ({ x: 0, y: 2 + i * height, width: columns, height }),
        lines: (width: number, room: number) => panel(dashboard, FIRST_SCREEN, width, room),
      })),
      { place: () => ({ x: 0, y: rows - 1, width: columns, height: 1 }), lines: (width) => footerPanel(dashboard, FIRST_SCREEN, width) },
    ];
    for (const region of regions) painter.add(region);
  };
  const held = (): number => {
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  let machine = new FakeMachine(4, 1);
  let position = 0;
  const sample = (n: number): void => {
    if (n % RESTART === RESTART - 1) {
      dashboard.disconnected('gone');
      machine = new FakeMachine(4, 1 + n);
      position = 0;
      dashboard.connected();
    }
    // One slice of guests' work in half a second: what a machine does is not what is tested.
    machine.advance(20);
    machine.stats.at += 480;
    if (n % 500 === 0) machine.stats.policies['vtlb.lock'] = n % 1000 === 0 ? 'global' : 'fine';
    dashboard.acceptEvents(machine.takeEvents());
    if (n % 8 === 0) {
      dashboard.acceptInterrupts(machine.interrupts({ partition: 'alpha', vp: 0 }));
      dashboard.acceptVtlb('alpha', machine.vtlb());
      const said = new TextEncoder().encode(`line ${position++}\r\n`);
      dashboard.acceptVm(machine.inspect('alpha'), said);
      dashboard.log.add(machine.log, 0);
    }
    dashboard.accept(JSON.parse(JSON.stringify(machine.stats)) as MachineStats);
    if (n % 1000 === 900) dashboard.goBack(300_000);
    if (n % 1000 === 990) dashboard.setPaused(false);
    if (n % RESIZE === 0) layOut(n / RESIZE);
    if (n % PAINT === 0) painter.paint();
  };
  // What it holds at the same time of each daemon's life: the first two are for what is made once, compiled code above all.
  const lives: number[] = [];
  for (let n = 0; n < Math.max(SAMPLES, 4 * RESTART); n++) {
    sample(n);
    if (n % RESTART === FULL) lives.push(held());
  }
  const told = lives.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(', ');
  t.true(Math.max(...lives.slice(2)) - lives[1]! < GROWTH_MAX, `MiB: ${told}`);
  t.true(written > 1e6);
  t.true(dashboard.samples.length <= 1202);
});
