// The live screen: wires daemon, dashboard, painter and Ink together, and takes them apart again in the right order.
import { render } from 'ink';
import type { Arguments } from './arguments.js';
import { type Command, Link, type Watch } from './link.js';
import { Dashboard } from './model/dashboard.js';
import { capabilitiesOf, filterOf } from './terminal/capabilities.js';
import { InkOutput } from './terminal/ink-output.js';
import { Painter } from './terminal/painter.js';
import { CLEAR, Screen } from './terminal/screen.js';
import { App } from './view/app.js';
import { ChartPanel } from './view/chart-panel.js';
import { loadLineChart } from './view/contrib.js';

/** Resize events come in bursts while a window edge is dragged. */
const RESIZE_SETTLE_MS = 40;
/** How often the header's silence counter is looked at. */
const HEARTBEAT_MS = 1000;

export async function live(args: Arguments): Promise<number> {
  const screen = new Screen(process.stdin, process.stdout, args.mouse);
  const painter = new Painter(screen, filterOf(capabilitiesOf(process.env, args.characters)));
  const dashboard = new Dashboard();
  const chart = new ChartPanel(loadLineChart());
  const repaint = (): void => painter.paint();
  const link = new Link(args.socket, args.hz, {
    connected: () => dashboard.connected(),
    disconnected: (reason) => {
      dashboard.disconnected(reason);
      draw();
    },
    stats: (stats) => {
      dashboard.accept(stats);
      draw();
    },
    interrupts: (interrupts) => {
      dashboard.acceptInterrupts(interrupts);
      repaint();
    },
    vtlb: (partition, view) => {
      dashboard.acceptVtlb(partition, view);
      repaint();
    },
    vm: (inspect, console) => {
      dashboard.acceptVm(inspect, console);
      repaint();
    },
    events: (events) => dashboard.acceptEvents(events),
    log: (records, lost) => {
      dashboard.log.add(records, lost);
      repaint();
    },
    dropped: (count) => dashboard.acceptDropped(count),
  });
  const facts = {
    socket: args.socket,
    get silentSeconds(): number {
      return link.silentSeconds;
    },
  };
  const watch = (what: Watch): void => link.watch(what);
  const command = async (what: Command): Promise<void> => {
    const refusal = await link.command(what);
    dashboard.notice = refusal === undefined ? undefined : { text: refusal, bad: true };
    repaint();
  };
  const output = new InkOutput(screen, painter);
  const element = (): React.ReactElement => (
    <App
      dashboard={dashboard}
      link={facts}
      painter={painter}
      chart={chart}
      columns={screen.columns}
      rows={screen.rows}
      shape={shapeOf(dashboard)}
      watch={watch}
      command={command}
    />
  );

  screen.leaveAtExit();
  screen.enter();
  const app = render(element(), {
    stdout: output as unknown as NodeJS.WriteStream,
    patchConsole: false,
    exitOnCtrlC: true,
  });
  let shape = shapeOf(dashboard);
  // Ink lays out again only when the number of LPs or partitions or the size has changed; all else is painted.
  function draw(): void {
    if (shapeOf(dashboard) !== shape) {
      shape = shapeOf(dashboard);
      app.rerender(element());
    }
    repaint();
  }
  let settle: NodeJS.Timeout | undefined;
  process.stdout.on('resize', () => {
    clearTimeout(settle);
    settle = setTimeout(() => {
      app.clear();
      painter.under(CLEAR);
      output.emit('resize');
      app.rerender(element());
      painter.forget();
    }, RESIZE_SETTLE_MS);
  });
  const heartbeat = setInterval(repaint, HEARTBEAT_MS);
  link.start();
  await app.waitUntilExit();
  clearInterval(heartbeat);
  clearTimeout(settle);
  screen.leave();
  await link.stop();
  process.stdin.unref();
  return 0;
}

/** Changes when the layout must: LPs, partitions, VPs. */
const shapeOf = (dashboard: Dashboard): string =>
  dashboard.stats === undefined
    ? ''
    : `${dashboard.stats.lps.length} ${dashboard.stats.partitions.map((partition) => `${partition.name}:${partition.vps.length}`).join(' ')}`;
