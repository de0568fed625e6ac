// Page 4: over the matrix of vectors the chart, sources and ends, and the synthetic controllers; beside it the log of a VP. A small screen has sums in their place.
import { Box } from 'ink';
import { Frame } from '../frame.js';
import { interruptLogPanel, logTarget } from '../interrupt-log-panel.js';
import { interruptSummary, SUMMARY_LINES, sintsPanel, sourcesPanel, vectorMatrix } from '../interrupt-panels.js';
import type { BodyProps, Page } from '../page.js';
import { chartOf, linesOf, ofPartition } from '../panel.js';
import { selectVp } from '../screen-state.js';

function Interrupts(props: BodyProps): React.ReactElement {
  const { dashboard, columns, screen, middle, bottom } = props;
  const panel = linesOf(props);
  const of = ofPartition(screen.partition);
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
          {rest < 24 ? null : <Frame {...chartOf(props, 'interrupts')} width={rest} height={top} />}
          <Frame title={`sources and ends${of}`} width={rest < 24 ? columns - sints : sources} height={top} lines={panel(sourcesPanel)} />
          <Frame title={`synthetic interrupts${of}`} width={sints} height={top} lines={panel(sintsPanel)} />
        </Box>
      )}
      <Box height={total - top - summary} flexShrink={0}>
        <Frame title="interrupts per second" width={columns - logWidth} height={total - top - summary} lines={panel(vectorMatrix)} />
        <Frame title={logTitle} width={logWidth} height={total - top - summary} lines={panel(interruptLogPanel)} />
      </Box>
      {summary === 0 ? null : <Frame title={`sources and ends${of}`} width={columns} height={summary} lines={panel(interruptSummary)} />}
    </>
  );
}

export const interruptsPage: Page = {
  name: 'interrupts',
  lanes: true,
  keys: [['v V', 'choose a VP, whose last interrupts are shown']],
  onKey: (state, { input }, { stats }) => {
    if (input === 'v') return { state: selectVp(state, stats, 1) };
    if (input === 'V') return { state: selectVp(state, stats, -1) };
    return undefined;
  },
  watch: (screen, { stats }) => ({ interrupts: logTarget(screen, stats) }),
  Body: Interrupts,
};
