// Page 8: what the daemon did, as its log has it.
import { Frame } from '../frame.js';
import { logKey } from '../log-choice.js';
import { logPanel } from '../log-panel.js';
import type { BodyProps, Page } from '../page.js';
import { linesOf } from '../panel.js';

function Log(props: BodyProps): React.ReactElement {
  const { dashboard, columns, screen, middle, bottom } = props;
  const { back, warnings } = screen.log;
  const title = `log (UTC)${warnings ? ' · warnings' : ''}${back > 0 ? ` · ${back} below` : ''}${dashboard.log.lost > 0 ? ` · ${dashboard.log.lost} lost` : ''}`;
  return <Frame title={title} width={columns} height={middle + bottom} lines={linesOf(props)(logPanel)} />;
}

export const logPage: Page = {
  name: 'log',
  lanes: false,
  keys: [
    ['↑ ↓', 'scroll (page up and down: by 20 lines)'],
    ['g G', 'to the oldest record kept, to the newest'],
    ['w', 'warnings and errors alone; again: all'],
  ],
  onKey: logKey,
  Body: Log,
};
