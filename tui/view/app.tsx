// Ink's part of the screen: where the panels are, their frames and titles, the line of keys, and what the keys do.

import { Box, Text, useApp, useInput } from 'ink';
import { useEffect, useLayoutEffect, useState } from 'react';
import type { Dashboard, Quantity } from '../model/dashboard.js';
import type { Painter } from '../terminal/painter.js';
import { type ChartPanel, QUANTITY_TITLES } from './chart-panel.js';
import { interceptsMatrix, interceptsTable, interruptsTable, type Panel, vtlbMatrix, vtlbTable } from './counter-panels.js';
import { Footer } from './footer.js';
import { headerPanel, type LinkFacts } from './header-panel.js';
import { HELP_COLUMNS, HELP_ROWS, helpPanel } from './help-panel.js';
import { interruptLogPanel, logTarget } from './interrupt-log-panel.js';
import { interruptSummary, SUMMARY_LINES, sintsPanel, sourcesPanel, vectorMatrix } from './interrupt-panels.js';
import { strokesOf } from './keys.js';
import { lanesPanel, lanesTitle } from './lanes-panel.js';
import { fits, layout, MIN_COLUMNS, MIN_ROWS } from './layout.js';
import { loadTable } from './load-panel.js';
import { partitionRows, partitionsPanel } from './partitions-panel.js';
import { PainterContext, Region } from './region.js';
import { afterKey, FIRST_SCREEN, type Page, reconcile, type ScreenState } from './screen-state.js';
import { spinMatrix, spinVpsTable } from './spin-panels.js';
import { vtlbLpsTable } from './vtlb-lps-panel.js';
import { spacesTarget, vtlbSpacesPanel } from './vtlb-spaces-panel.js';

export interface AppProps {
  readonly dashboard: Dashboard;
  readonly link: LinkFacts;
  readonly painter: Painter;
  readonly chart: ChartPanel;
  readonly columns: number;
  readonly rows: number;
  /** Changes with the number of LPs, partitions and VPs. */
  readonly shape: string;
  readonly watchInterrupts: (vp: { partition: string; vp: number } | undefined) => void;
  readonly watchSpaces: (partition: string | undefined) => void;
}

const QUANTITY_OF: Readonly<Record<Page, Quantity>> = {
  overview: 'instructions',
  intercepts: 'intercepts',
  interrupts: 'interrupts',
  vtlb: 'fills',
  load: 'operations',
  spin: 'operations',
};
const MATRIX_OF: Readonly<Record<Exclude<Page, 'overview' | 'vtlb'>, Panel>> = {
  intercepts: interceptsMatrix,
  interrupts: vectorMatrix,
  load: loadTable,
  spin: spinMatrix,
};
/** What shares the chart's rows on a page, and the columns it wants. */
const BESIDE_CHART: Readonly<Partial<Record<Page, { title: string; panel: Panel }>>> = {
  spin: { title: 'spin waits by VP', panel: spinVpsTable },
};
const BESIDE_COLUMNS = 62;
const PAGE_TITLES: Readonly<Partial<Record<Page, string>>> = { spin: 'spin waits' };

export function App(props: AppProps): React.ReactElement {
  const { dashboard, painter, columns, rows } = props;
  const { exit } = useApp();
  const [chosen, choose] = useState<ScreenState>(FIRST_SCREEN);
  const [paused, setPaused] = useState(false);
  const screen = reconcile(chosen, dashboard.stats);
  useInput((event, modifiers) => {
    for (const { input, key, interrupt } of strokesOf(event, modifiers)) {
      if (input === 'q' || interrupt) return exit();
      if (input === 'p') {
        dashboard.setPaused(!dashboard.paused);
        setPaused(dashboard.paused);
      } else {
        // From the newest state, not from the one last drawn: several keys may come between two frames.
        choose((before) => afterKey(reconcile(before, dashboard.stats), input, key, dashboard.stats));
      }
    }
  });
  const watched = screen.page === 'interrupts' && !screen.help ? logTarget(screen, dashboard.stats) : undefined;
  useEffect(
    () => props.watchInterrupts(watched),
    // Of the VP's two names, not of the object: that is a new one each time.
    [watched?.partition, watched?.vp, props.watchInterrupts],
  );
  const spacesOf = screen.page === 'vtlb' && !screen.help ? spacesTarget(screen, dashboard.stats) : undefined;
  useEffect(() => props.watchSpaces(spacesOf), [spacesOf, props.watchSpaces]);
  // What a key has changed shows at once, not with the next sample.
  useLayoutEffect(() => painter.forget());
  if (!fits(columns, rows))
    return <Text wrap="truncate">{`hvtop needs ${MIN_COLUMNS}x${MIN_ROWS}; this terminal is ${columns}x${rows}`}</Text>;
  const parts = layout(rows, dashboard.stats?.lps.length ?? 4, partitionRows(dashboard));
  return (
    <PainterContext.Provider value={painter}>
      <Box flexDirection="column" width={columns} height={rows - 1}>
        <Region width={columns} height={parts.header} lines={(width, height) => headerPanel(dashboard, props.link, width, height)} />
        {screen.help ? (
          <Help />
        ) : (
          <>
            <Frame
              title={lanesTitle(dashboard, screen.lp, parts.lanes - 2)}
              width={columns}
              height={parts.lanes}
              lines={(width, height) => lanesPanel(dashboard, screen.lp, width, height)}
            />
            <Body {...props} screen={screen} middle={parts.middle} bottom={parts.bottom} />
          </>
        )}
        <Footer page={screen.page} paused={paused} help={screen.help} columns={columns} />
      </Box>
    </PainterContext.Provider>
  );
}

function Help(): React.ReactElement {
  return (
    <Box flexGrow={1} alignItems="center" justifyContent="center">
      <Frame title="help" width={HELP_COLUMNS + 2} height={HELP_ROWS + 2} lines={helpPanel} />
    </Box>
  );
}

interface BodyProps extends AppProps {
  readonly screen: ScreenState;
  readonly middle: number;
  readonly bottom: number;
}

/** Everything under the lanes: the overview's panels, or a page's chart and matrix. */
function Body({ dashboard, chart, columns, screen, middle, bottom }: BodyProps): React.ReactElement {
  const panel = (of: Panel) => (width: number, height: number) => of(dashboard, screen, width, height);
  const quantity = QUANTITY_OF[screen.page];
  const lineChart = (width: number, height: number): readonly string[] => chart.draw(dashboard, quantity, screen.partition, width, height);
  const partitions = (width: number, height: number): readonly string[] => partitionsPanel(dashboard, screen.partition, width, height);
  const ofLp = screen.lp === undefined ? '' : ` · LP ${screen.lp}`;
  const ofPartition = screen.partition === undefined ? '' : ` · ${screen.partition}`;
  const chartTitle = `${QUANTITY_TITLES[quantity]}${ofPartition}`;
  if (screen.page === 'vtlb') return <VtlbPage {...{ dashboard, columns, screen, middle, bottom, chartTitle, lineChart }} />;
  if (screen.page === 'interrupts') return <Interrupts {...{ dashboard, columns, screen, middle, bottom, chartTitle, lineChart }} />;
  if (screen.page !== 'overview') {
    const matrix = panel(MATRIX_OF[screen.page]);
    const title =
      screen.page === 'load' ? `operations by VP and job${ofPartition}` : `${PAGE_TITLES[screen.page] ?? screen.page} per second`;
    if (bottom === 0) {
      const matrixWidth = Math.floor(columns * 0.58);
      return (
        <Box height={middle} flexShrink={0}>
          <Frame title={title} width={matrixWidth} height={middle} lines={matrix} />
          {screen.page === 'spin' ? (
            <Frame title="spin waits by VP" width={columns - matrixWidth} height={middle} lines={panel(spinVpsTable)} />
          ) : (
            <Frame title={chartTitle} width={columns - matrixWidth} height={middle} lines={lineChart} />
          )}
        </Box>
      );
    }
    const chartHeight = Math.max(9, Math.min(14, Math.floor((middle + bottom) * 0.45)));
    const beside = BESIDE_CHART[screen.page];
    const chartWidth = beside === undefined ? columns : Math.max(columns - BESIDE_COLUMNS, Math.floor(columns / 2));
    return (
      <>
        <Box height={chartHeight} flexShrink={0}>
          <Frame title={chartTitle} width={chartWidth} height={chartHeight} lines={lineChart} />
          {beside === undefined ? null : (
            <Frame title={beside.title} width={columns - chartWidth} height={chartHeight} lines={panel(beside.panel)} />
          )}
        </Box>
        <Frame title={title} width={columns} height={middle + bottom - chartHeight} lines={matrix} />
      </>
    );
  }
  const narrow = columns < 112;
  const left = Math.floor(columns * (narrow ? 0.56 : bottom === 0 ? 0.48 : 0.54));
  const partitionsFrame = <Frame title={`partitions${ofPartition}`} width={left} height={middle} lines={partitions} />;
  const interceptsTitle = `intercepts${ofLp}`;
  if (bottom === 0) {
    const chartWidth = narrow ? 0 : Math.floor(columns * 0.26);
    return (
      <Box height={middle} flexShrink={0}>
        {partitionsFrame}
        {chartWidth === 0 ? null : <Frame title={chartTitle} width={chartWidth} height={middle} lines={lineChart} />}
        <Frame title={interceptsTitle} width={columns - left - chartWidth} height={middle} lines={panel(interceptsTable)} />
      </Box>
    );
  }
  const [first, second, third] = narrow ? [0.34, 0.32, 0.34] : [0.25, 0.21, 0.25];
  const widths = [Math.floor(columns * first!), Math.floor(columns * second!), Math.floor(columns * third!)];
  const used = widths.reduce((sum, width) => sum + width, 0);
  if (narrow) widths[2]! += columns - used;
  return (
    <>
      <Box height={middle} flexShrink={0}>
        {partitionsFrame}
        <Frame title={chartTitle} width={columns - left} height={middle} lines={lineChart} />
      </Box>
      <Box height={bottom} flexShrink={0}>
        <Frame title={interceptsTitle} width={widths[0]!} height={bottom} lines={panel(interceptsTable)} />
        <Frame title={`interrupts${ofPartition}`} width={widths[1]!} height={bottom} lines={panel(interruptsTable)} />
        <Frame title={`vTLB${ofPartition}`} width={widths[2]!} height={bottom} lines={panel(vtlbTable)} />
        {narrow ? null : <Frame title={`load${ofPartition}`} width={columns - used} height={bottom} lines={panel(loadTable)} />}
      </Box>
    </>
  );
}

/** The page of the vTLB: chart and counters, and beside them what each LP does and what the vTLB of one partition holds. A small screen has no chart. */
function VtlbPage({ dashboard, columns, screen, middle, bottom, chartTitle, lineChart }: PageProps): React.ReactElement {
  const panel = (of: Panel) => (width: number, height: number) => of(dashboard, screen, width, height);
  const total = middle + bottom;
  const beside = Math.min(BESIDE_COLUMNS, Math.floor(columns / 2));
  const chart = bottom === 0 ? 0 : Math.max(9, Math.min(14, Math.floor(total * 0.4)));
  const lps = bottom === 0 ? Math.min((dashboard.stats?.lps.length ?? 4) + 3, Math.floor(total / 2)) : chart;
  const target = spacesTarget(screen, dashboard.stats);
  return (
    <Box height={total} flexShrink={0}>
      <Box flexDirection="column">
        {chart === 0 ? null : <Frame title={chartTitle} width={columns - beside} height={chart} lines={lineChart} />}
        <Frame title="vTLB per second" width={columns - beside} height={total - chart} lines={panel(vtlbMatrix)} />
      </Box>
      <Box flexDirection="column">
        <Frame title="vTLB by LP" width={beside} height={lps} lines={panel(vtlbLpsTable)} />
        <Frame
          title={`tables and spaces${target === undefined ? '' : ` · ${target}`}`}
          width={beside}
          height={total - lps}
          lines={panel(vtlbSpacesPanel)}
        />
      </Box>
    </Box>
  );
}

interface PageProps extends Pick<BodyProps, 'dashboard' | 'columns' | 'screen' | 'middle' | 'bottom'> {
  readonly chartTitle: string;
  readonly lineChart: (width: number, height: number) => readonly string[];
}

/** The page of interrupts: over the matrix the chart, sources and ends, and the synthetic controllers; beside it the log of a VP. A small screen has sums in their place. */
function Interrupts({ dashboard, columns, screen, middle, bottom, chartTitle, lineChart }: PageProps): React.ReactElement {
  const panel = (of: Panel) => (width: number, height: number) => of(dashboard, screen, width, height);
  const ofPartition = screen.partition === undefined ? '' : ` · ${screen.partition}`;
  const target = logTarget(screen, dashboard.stats);
  const logTitle = target === undefined ? 'last interrupts' : `last interrupts · ${target.partition}/${target.vp} (v)`;
  const total = middle + bottom;
  const top = bottom === 0 ? 0 : Math.max(13, Math.min(16, Math.floor(total * 0.5)));
  const summary = bottom === 0 && total >= SUMMARY_LINES + 10 ? SUMMARY_LINES + 2 : 0;
  const logWidth = Math.max(42, Math.min(64, Math.floor(columns * 0.475)));
  const [sources, sints] = [34, 47];
  const rest = columns - sources - sints;
  return (
    <>
      {top === 0 ? null : (
        <Box height={top} flexShrink={0}>
          {rest < 24 ? null : <Frame title={chartTitle} width={rest} height={top} lines={lineChart} />}
          <Frame
            title={`sources and ends${ofPartition}`}
            width={rest < 24 ? columns - sints : sources}
            height={top}
            lines={panel(sourcesPanel)}
          />
          <Frame title={`synthetic interrupts${ofPartition}`} width={sints} height={top} lines={panel(sintsPanel)} />
        </Box>
      )}
      <Box height={total - top - summary} flexShrink={0}>
        <Frame title="interrupts per second" width={columns - logWidth} height={total - top - summary} lines={panel(vectorMatrix)} />
        <Frame title={logTitle} width={logWidth} height={total - top - summary} lines={panel(interruptLogPanel)} />
      </Box>
      {summary === 0 ? null : (
        <Frame title={`sources and ends${ofPartition}`} width={columns} height={summary} lines={panel(interruptSummary)} />
      )}
    </>
  );
}

interface FrameProps {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly lines: (width: number, height: number) => readonly string[];
}

/** A border with its title in it, around a painted region. */
function Frame({ title, width, height, lines }: FrameProps): React.ReactElement {
  const text = ` ${title} `.slice(0, Math.max(0, width - 4));
  return (
    <Box borderStyle="round" borderColor="gray" width={width} height={height} flexShrink={0}>
      <Box position="absolute" marginTop={-1} marginLeft={1} width={text.length}>
        <Text bold wrap="truncate">
          {text}
        </Text>
      </Box>
      <Region lines={lines} width={Math.max(0, width - 2)} height={Math.max(0, height - 2)} />
    </Box>
  );
}
