// Page 6: policies, and what a change of one does.
import { Box } from 'ink';
import { Frame } from '../frame.js';
import type { BodyProps, Page } from '../page.js';
import { chartOf, linesOf } from '../panel.js';
import { chosenPolicy, policiesKey } from '../policies-choice.js';
import { POLICY_ROWS, policiesHit, policiesTable, policyPanel } from '../policies-panel.js';

/** Rows of the chosen policy where it shares them with a chart, and where there is no room for one. */
const BESIDE_CHART = 13;
const SMALL = 8;
const BESIDE_COLUMNS = 62;

function Policies(props: BodyProps): React.ReactElement {
  const { columns, screen, middle, bottom } = props;
  const panel = linesOf(props);
  const total = middle + bottom;
  const withChart = total >= BESIDE_CHART + SMALL && columns >= BESIDE_COLUMNS + 40;
  const under = total - Math.min(POLICY_ROWS + 2, total - (withChart ? BESIDE_CHART : SMALL));
  const beside = withChart ? BESIDE_COLUMNS : columns;
  return (
    <>
      <Frame title="policies" width={columns} height={total - under} lines={panel(policiesTable)} hit={policiesHit} />
      <Box height={under} flexShrink={0}>
        {withChart ? <Frame {...chartOf(props, screen.policies.quantity)} width={columns - beside} height={under} /> : null}
        <Frame title={chosenPolicy(screen).name} width={beside} height={under} lines={panel(policyPanel)} />
      </Box>
    </>
  );
}

export const policiesPage: Page = {
  name: 'policies',
  lanes: false,
  keys: [
    ['↑ ↓', 'choose a policy'],
    ['enter', 'change it: ← → choose a setting, enter sets it, esc does not'],
    ['space', 'of a set: puts the word in or takes it out'],
    ['b d', 'set it to its baseline, to its default'],
    ['← →', 'choose a partition: policies that allow it are set for it alone'],
    ['c', 'another quantity in the chart; ┊ marks each change of a policy'],
  ],
  onKey: policiesKey,
  Body: Policies,
};
