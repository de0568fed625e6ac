// Page 3: chart and counters of the vTLBs, and beside them what each LP does and what the vTLB of one partition holds. A small screen has no chart.
import { Box } from 'ink';
import { vtlbMatrix } from '../counter-panels.js';
import { Frame } from '../frame.js';
import type { BodyProps, Page } from '../page.js';
import { chartOf, linesOf } from '../panel.js';
import { vtlbLpsTable } from '../vtlb-lps-panel.js';
import { spacesTarget, vtlbSpacesPanel } from '../vtlb-spaces-panel.js';

const BESIDE_COLUMNS = 62;

function Vtlb(props: BodyProps): React.ReactElement {
  const { dashboard, columns, screen, middle, bottom } = props;
  const panel = linesOf(props);
  const total = middle + bottom;
  const beside = Math.min(BESIDE_COLUMNS, Math.floor(columns / 2));
  const chart = bottom === 0 ? 0 : Math.max(9, Math.min(14, Math.floor(total * 0.4)));
  const lps = bottom === 0 ? Math.min((dashboard.stats?.lps.length ?? 4) + 3, Math.floor(total / 2)) : chart;
  const target = spacesTarget(screen, dashboard.stats);
  return (
    <Box height={total} flexShrink={0}>
      <Box flexDirection="column">
        {chart === 0 ? null : <Frame {...chartOf(props, 'fills')} width={columns - beside} height={chart} />}
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

export const vtlbPage: Page = {
  name: 'vtlb',
  lanes: true,
  keys: [],
  watch: (screen, { stats }) => ({ spaces: spacesTarget(screen, stats) }),
  Body: Vtlb,
};
