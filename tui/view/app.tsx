// Ink's part of the screen: where the panels are, their frames and titles, the line of keys, and what the keys do.
import { Box, Text, useApp, useInput } from "ink";
import { useLayoutEffect, useState } from "react";
import type { Dashboard, Quantity } from "../model/dashboard.js";
import type { Painter } from "../terminal/painter.js";
import { type ChartPanel, QUANTITY_TITLES } from "./chart-panel.js";
import {
  interceptsMatrix,
  interceptsTable,
  interruptsMatrix,
  interruptsTable,
  type Panel,
  vtlbMatrix,
  vtlbTable,
} from "./counter-panels.js";
import { Footer } from "./footer.js";
import { headerPanel, type LinkFacts } from "./header-panel.js";
import { HELP_COLUMNS, HELP_ROWS, helpPanel } from "./help-panel.js";
import { lanesPanel } from "./lanes-panel.js";
import { fits, layout, MIN_COLUMNS, MIN_ROWS } from "./layout.js";
import { loadTable } from "./load-panel.js";
import { partitionRows, partitionsPanel } from "./partitions-panel.js";
import { PainterContext, Region } from "./region.js";
import { FIRST_SCREEN, PAGES, type Page, reconcile, type ScreenState, selectLp, selectPartition, turnPage } from "./screen-state.js";

export interface AppProps {
  readonly dashboard: Dashboard;
  readonly link: LinkFacts;
  readonly painter: Painter;
  readonly chart: ChartPanel;
  readonly columns: number;
  readonly rows: number;
  /** Changes with the number of LPs, partitions and VPs. */
  readonly shape: string;
}

const QUANTITY_OF: Readonly<Record<Page, Quantity>> = {
  overview: "instructions",
  intercepts: "intercepts",
  interrupts: "interrupts",
  vtlb: "fills",
  load: "operations",
};
const MATRIX_OF: Readonly<Record<Exclude<Page, "overview">, Panel>> = {
  intercepts: interceptsMatrix,
  interrupts: interruptsMatrix,
  vtlb: vtlbMatrix,
  load: loadTable,
};

export function App(props: AppProps): React.ReactElement {
  const { dashboard, painter, columns, rows } = props;
  const { exit } = useApp();
  const [chosen, choose] = useState<ScreenState>(FIRST_SCREEN);
  const [paused, setPaused] = useState(false);
  const screen = dashboard.stats === undefined ? chosen : reconcile(chosen, dashboard.stats);
  useInput((input, key) => {
    if (input === "q") exit();
    else if (input === "?") choose({ ...screen, help: !screen.help });
    else if (key.escape) choose(screen.help ? { ...screen, help: false } : { ...screen, lp: undefined, partition: undefined });
    else if (key.tab) choose(turnPage(screen, key.shift ? -1 : 1));
    else if (input >= "1" && input <= String(PAGES.length)) choose({ ...screen, help: false, page: PAGES[Number(input) - 1]! });
    else if (input === "p") {
      dashboard.setPaused(!dashboard.paused);
      setPaused(dashboard.paused);
    } else if (key.downArrow || input === "j") choose(selectLp(screen, dashboard.stats, 1));
    else if (key.upArrow || input === "k") choose(selectLp(screen, dashboard.stats, -1));
    else if (key.rightArrow || input === "l") choose(selectPartition(screen, dashboard.stats, 1));
    else if (key.leftArrow || input === "h") choose(selectPartition(screen, dashboard.stats, -1));
  });
  // What a key has changed shows at once, not with the next sample.
  useLayoutEffect(() => painter.forget());
  if (!fits(columns, rows))
    return <Text wrap="truncate">{`hvtop needs ${MIN_COLUMNS}x${MIN_ROWS}; this terminal is ${columns}x${rows}`}</Text>;
  const parts = layout(rows, dashboard.stats?.lps.length ?? 4, partitionRows(dashboard));
  return (
    <PainterContext.Provider value={painter}>
      <Box flexDirection="column" width={columns} height={rows - 1}>
        <Region height={parts.header} lines={(width, height) => headerPanel(dashboard, props.link, width, height)} />
        {screen.help ? (
          <Help />
        ) : (
          <>
            <Frame
              title="logical processors"
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
  const ofLp = screen.lp === undefined ? "" : ` · LP ${screen.lp}`;
  const ofPartition = screen.partition === undefined ? "" : ` · ${screen.partition}`;
  const chartTitle = `${QUANTITY_TITLES[quantity]} · 2 min`;
  if (screen.page !== "overview") {
    const matrix = panel(MATRIX_OF[screen.page]);
    const title =
      screen.page === "load" ? `operations by VP and job${ofPartition}` : `${screen.page === "vtlb" ? "vTLB" : screen.page} per second`;
    if (bottom === 0) return <Frame title={title} height={middle} lines={matrix} />;
    return (
      <>
        <Frame title={chartTitle} height={Math.max(9, Math.min(14, Math.floor((middle + bottom) * 0.45)))} lines={lineChart} />
        <Frame title={title} lines={matrix} />
      </>
    );
  }
  if (bottom === 0) {
    return (
      <Box height={middle}>
        <Frame title={`partitions${ofPartition}`} width={Math.floor(columns * 0.56)} lines={partitions} />
        <Frame title={`intercepts${ofLp}`} lines={panel(interceptsTable)} />
      </Box>
    );
  }
  const narrow = columns < 112;
  const left = Math.floor(columns * (narrow ? 0.5 : 0.54));
  return (
    <>
      <Box height={middle}>
        <Frame title={`partitions${ofPartition}`} width={left} lines={partitions} />
        <Frame title={chartTitle} lines={lineChart} />
      </Box>
      <Box height={bottom}>
        <Frame title={`intercepts${ofLp}`} width={Math.floor(columns * (narrow ? 0.34 : 0.27))} lines={panel(interceptsTable)} />
        <Frame title={`interrupts${ofPartition}`} width={Math.floor(columns * (narrow ? 0.32 : 0.22))} lines={panel(interruptsTable)} />
        <Frame title={`vTLB${ofPartition}`} {...(narrow ? {} : { width: Math.floor(columns * 0.25) })} lines={panel(vtlbTable)} />
        {narrow ? null : <Frame title={`load${ofPartition}`} lines={panel(loadTable)} />}
      </Box>
    </>
  );
}

interface FrameProps {
  readonly title: string;
  readonly width?: number;
  readonly height?: number;
  readonly lines: (width: number, height: number) => readonly string[];
}

/** A border with its title in it, around a painted region. Without a size it takes what is left. */
function Frame({ title, width, height, lines }: FrameProps): React.ReactElement {
  const size = { ...(width === undefined ? {} : { width, flexShrink: 0 }), ...(height === undefined ? {} : { height, flexShrink: 0 }) };
  return (
    <Box borderStyle="round" borderColor="gray" flexGrow={width === undefined || height === undefined ? 1 : 0} {...size}>
      <Box position="absolute" marginTop={-1} marginLeft={1}>
        <Text bold wrap="truncate">{` ${title} `}</Text>
      </Box>
      <Region lines={lines} />
    </Box>
  );
}
