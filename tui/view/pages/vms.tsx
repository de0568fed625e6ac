// Page 2: the table of partitions, and the chosen one in full.
import { Box } from 'ink';
import { Frame } from '../frame.js';
import type { BodyProps, Page } from '../page.js';
import { linesOf } from '../panel.js';
import { vmConsolePanel, vmCountersPanel, vmRegistersPanel, vmVpsPanel } from '../vm-details-panel.js';
import { detailsOf, vmsKey, vmsPrompt } from '../vms-choice.js';
import { vmsHit, vmsTable } from '../vms-panel.js';

/** Rows from which on the table stands over the details, and not in their place. */
const BOTH = 30;
/** Registers as they stand in so many columns beside the counters. */
const REGISTER_COLUMNS = 52;
const REGISTER_ROWS = 14;

function Vms(props: BodyProps): React.ReactElement {
  const { dashboard, columns, screen, middle, bottom } = props;
  const panel = linesOf(props);
  const total = middle + bottom;
  const { filter, search } = screen.vms;
  const title = `partitions${filter === '' ? '' : ` · filter ${filter}`}${search === '' ? '' : ` · search ${search}`}`;
  const name = detailsOf(dashboard, screen);
  const details = screen.vms.details && name !== undefined;
  const count = dashboard.stats?.partitions.length ?? 0;
  const table = !details ? total : total < BOTH ? 0 : Math.min(count + 3, Math.floor(total * 0.3));
  return (
    <>
      {table === 0 ? null : <Frame title={title} width={columns} height={table} lines={panel(vmsTable)} hit={vmsHit} />}
      {details ? <Details {...props} name={name} rows={total - table} /> : null}
    </>
  );
}

function Details(props: BodyProps & { readonly name: string; readonly rows: number }): React.ReactElement {
  const { dashboard, columns, screen, name, rows } = props;
  const panel = linesOf(props);
  const vps = dashboard.stats?.partitions.find((one) => one.name === name)?.vps.length ?? 1;
  const vpRows = Math.min(vps + 3, Math.max(4, Math.floor(rows * 0.25)));
  const consoleRows = Math.max(5, Math.floor((rows - vpRows) * 0.35));
  const middle = rows - vpRows - consoleRows;
  const left = Math.min(REGISTER_COLUMNS, Math.floor(columns * 0.65));
  return (
    <>
      <Frame title={`${name} · VPs`} width={columns} height={vpRows} lines={panel(vmVpsPanel)} />
      <Box height={middle} flexShrink={0}>
        <Frame
          title={`registers · VP ${screen.vp} (v)`}
          width={left}
          height={Math.min(middle, REGISTER_ROWS)}
          lines={panel(vmRegistersPanel)}
        />
        <Frame title="intercepts and other counters" width={columns - left} height={middle} lines={panel(vmCountersPanel)} />
      </Box>
      <Frame title="console" width={columns} height={consoleRows} lines={panel(vmConsolePanel)} />
    </>
  );
}

export const vmsPage: Page = {
  name: 'vms',
  lanes: false,
  keys: [
    ['↑ ↓', 'choose a partition'],
    ['enter', 'its details: VPs, registers, intercepts, console; again: the table'],
    ['s S', 'sort by the next column, the other way round'],
    ['f', 'filter: rows whose name, state or job has these words; esc: all'],
    ['/ n N', 'search as you type; the next match, the one before'],
    ['v V', 'choose a VP, whose registers are shown'],
  ],
  onKey: vmsKey,
  onPrompt: (state, prompt, dashboard) => ({ state: vmsPrompt(state, prompt, dashboard) }),
  watch: (screen, dashboard) => ({ vm: screen.vms.details ? detailsOf(dashboard, screen) : undefined }),
  Body: Vms,
};
