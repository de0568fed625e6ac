// Page 1: the LPs' lanes, and under them what the machine does: partitions, the chart of instructions, the busiest counters; or intercepts by LP.
import { Box } from 'ink';
import { interceptsMatrix, interceptsTable, interruptsTable, vtlbTable } from '../counter-panels.js';
import { Frame } from '../frame.js';
import { loadTable } from '../load-panel.js';
import type { BodyProps, Page } from '../page.js';
import { chartOf, linesOf, ofPartition } from '../panel.js';
import { partitionsPanel } from '../partitions-panel.js';

/** Columns below which a row of panels has one less. */
const NARROW = 112;

function Machine(props: BodyProps): React.ReactElement {
  return props.screen.byLp ? <Intercepts {...props} /> : <Tables {...props} />;
}

function Tables(props: BodyProps): React.ReactElement {
  const { dashboard, columns, screen, middle, bottom } = props;
  const panel = linesOf(props);
  const chart = chartOf(props, 'instructions');
  const of = ofPartition(screen.partition);
  const narrow = columns < NARROW;
  const left = Math.floor(columns * (narrow ? 0.56 : bottom === 0 ? 0.48 : 0.54));
  const rows = (width: number, height: number): string[] => partitionsPanel(dashboard, screen.partition, width, height);
  const partitions = <Frame title={`partitions${of}`} width={left} height={middle} lines={rows} />;
  const interceptsTitle = `intercepts${screen.lp === undefined ? '' : ` · LP ${screen.lp}`}`;
  if (bottom === 0) {
    const chartWidth = narrow ? 0 : Math.floor(columns * 0.26);
    return (
      <Box height={middle} flexShrink={0}>
        {partitions}
        {chartWidth === 0 ? null : <Frame {...chart} width={chartWidth} height={middle} />}
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
        {partitions}
        <Frame {...chart} width={columns - left} height={middle} />
      </Box>
      <Box height={bottom} flexShrink={0}>
        <Frame title={interceptsTitle} width={widths[0]!} height={bottom} lines={panel(interceptsTable)} />
        <Frame title={`interrupts${of}`} width={widths[1]!} height={bottom} lines={panel(interruptsTable)} />
        <Frame title={`vTLB${of}`} width={widths[2]!} height={bottom} lines={panel(vtlbTable)} />
        {narrow ? null : <Frame title={`load${of}`} width={columns - used} height={bottom} lines={panel(loadTable)} />}
      </Box>
    </>
  );
}

/** The matrix with the chart over it, or beside it on a small screen. */
function Intercepts(props: BodyProps): React.ReactElement {
  const { columns, middle, bottom } = props;
  const matrix = linesOf(props)(interceptsMatrix);
  const chart = chartOf(props, 'intercepts');
  if (bottom === 0) {
    const width = Math.floor(columns * 0.58);
    return (
      <Box height={middle} flexShrink={0}>
        <Frame title="intercepts per second" width={width} height={middle} lines={matrix} />
        <Frame {...chart} width={columns - width} height={middle} />
      </Box>
    );
  }
  const height = Math.max(9, Math.min(14, Math.floor((middle + bottom) * 0.45)));
  return (
    <>
      <Frame {...chart} width={columns} height={height} />
      <Frame title="intercepts per second" width={columns} height={middle + bottom - height} lines={matrix} />
    </>
  );
}

export const machinePage: Page = {
  name: 'machine',
  lanes: true,
  keys: [['i', 'intercepts by LP in place of the tables; again: the tables']],
  onKey: (state, { input }) => (input === 'i' ? { state: { ...state, byLp: !state.byLp } } : undefined),
  Body: Machine,
};
