// Page 7: what the workload guests get done, by VP and job; jobs are started, changed and stopped here.
import { Frame } from '../frame.js';
import { loadsHit, loadsPanel } from '../load-panel.js';
import { loadsKey, loadsPrompt } from '../loads-choice.js';
import type { BodyProps, Page } from '../page.js';
import { chartOf, linesOf, ofPartition } from '../panel.js';

function Loads(props: BodyProps): React.ReactElement {
  const { columns, screen, middle, bottom } = props;
  const total = middle + bottom;
  const chart = total < 26 ? 0 : Math.max(9, Math.min(14, Math.floor(total * 0.4)));
  return (
    <>
      {chart === 0 ? null : <Frame {...chartOf(props, 'operations')} width={columns} height={chart} />}
      <Frame
        title={`operations by VP and job${ofPartition(screen.partition)}`}
        width={columns}
        height={total - chart}
        lines={linesOf(props)(loadsPanel)}
        hit={loadsHit}
      />
    </>
  );
}

export const loadsPage: Page = {
  name: 'loads',
  lanes: false,
  keys: [
    ['↑ ↓', 'choose a VP'],
    ['enter', 'start a job on it, or change it: spinlock hold=200 think=500'],
    ['a', 'the same on all VPs of its partition'],
    ['x X', 'stop its job; the jobs of all VPs of its partition'],
    ['+ -', 'give its job to one VP more of the partition, to one fewer'],
  ],
  onKey: loadsKey,
  onPrompt: loadsPrompt,
  Body: Loads,
};
