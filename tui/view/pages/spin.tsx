// Page 5: spin waits: how many are found and by which means, extensions and their debt, express picks, preempted holders; by partition, and by VP.
import { Box } from 'ink';
import { Frame } from '../frame.js';
import type { BodyProps, Page } from '../page.js';
import { chartOf, linesOf } from '../panel.js';
import { spinMatrix, spinVpsTable } from '../spin-panels.js';

const BESIDE_COLUMNS = 62;

function Spin(props: BodyProps): React.ReactElement {
  const { columns, middle, bottom } = props;
  const panel = linesOf(props);
  if (bottom === 0) {
    const width = Math.floor(columns * 0.58);
    return (
      <Box height={middle} flexShrink={0}>
        <Frame title="spin waits per second" width={width} height={middle} lines={panel(spinMatrix)} />
        <Frame title="spin waits by VP" width={columns - width} height={middle} lines={panel(spinVpsTable)} />
      </Box>
    );
  }
  const height = Math.max(9, Math.min(14, Math.floor((middle + bottom) * 0.45)));
  const chartWidth = Math.max(columns - BESIDE_COLUMNS, Math.floor(columns / 2));
  return (
    <>
      <Box height={height} flexShrink={0}>
        <Frame {...chartOf(props, 'spins')} width={chartWidth} height={height} />
        <Frame title="spin waits by VP" width={columns - chartWidth} height={height} lines={panel(spinVpsTable)} />
      </Box>
      <Frame title="spin waits per second" width={columns} height={middle + bottom - height} lines={panel(spinMatrix)} />
    </>
  );
}

export const spinPage: Page = { name: 'spin', lanes: true, keys: [], Body: Spin };
