// Ink's part of the screen: where the panels are, their frames and titles; and the keys, which change what has been chosen.

import { Box, Text, useApp, useInput } from 'ink';
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef } from 'react';
import type { Command, Watch } from '../link.js';
import type { Dashboard } from '../model/dashboard.js';
import { mouseOf } from '../terminal/mouse.js';
import type { Painter } from '../terminal/painter.js';
import { afterStroke } from './after-stroke.js';
import type { ChartPanel } from './chart-panel.js';
import { footerHit, footerPanel } from './footer-panel.js';
import { Frame } from './frame.js';
import { headerPanel, type LinkFacts } from './header-panel.js';
import { HELP_COLUMNS, helpPanel, helpRows } from './help-panel.js';
import { type Stroke, strokeOf, strokesOf } from './keys.js';
import { lanesHit, lanesPanel, lanesTitle } from './lanes-panel.js';
import { fits, layout, MIN_COLUMNS, MIN_ROWS } from './layout.js';
import type { Order, Page } from './page.js';
import { pages } from './pages/index.js';
import { partitionRows } from './partitions-panel.js';
import { Region, type Surroundings, SurroundingsContext } from './region.js';
import { FIRST_SCREEN, reconcile, type ScreenState } from './screen-state.js';

export interface AppProps {
  readonly dashboard: Dashboard;
  readonly link: LinkFacts;
  readonly painter: Painter;
  readonly chart: ChartPanel;
  readonly columns: number;
  readonly rows: number;
  /** Changes with the number of LPs, partitions and VPs. */
  readonly shape: string;
  readonly watch: (watch: Watch) => void;
  readonly command: (command: Command) => void;
}

export function App(props: AppProps): React.ReactElement {
  const { dashboard, painter, columns, rows, watch } = props;
  const { exit } = useApp();
  // Not React's state: several keys may come between two frames, and each is to see what the one before has done.
  const chosen = useRef<ScreenState>(FIRST_SCREEN);
  const [, drawAgain] = useReducer((n: number) => n + 1, 0);
  const carryOut = (order: Order): void => {
    if (order.kind === 'quit') exit();
    else if (order.kind === 'pause') dashboard.setPaused(!dashboard.paused);
    else if (order.kind === 'back') dashboard.goBack(order.ms);
    else if (order.kind === 'say') dashboard.notice = { text: order.text, bad: true };
    else props.command(order.command);
  };
  const press = (stroke: Stroke): void => {
    dashboard.notice = undefined;
    const { state, order } = afterStroke(reconcile(chosen.current, dashboard.stats), stroke, dashboard, pages);
    chosen.current = state;
    if (order !== undefined) carryOut(order);
  };
  useInput((event, modifiers) => {
    const mouse = mouseOf(event);
    if (mouse === 'other') return;
    if (mouse === undefined) for (const stroke of strokesOf(event, modifiers)) press(stroke);
    else if (mouse.kind === 'press') painter.press(mouse.x, mouse.y);
    else press(strokeOf(mouse.kind === 'wheel up' ? 'upArrow' : 'downArrow'));
    drawAgain();
  });
  const surroundings = useMemo(
    (): Surroundings => ({
      painter,
      change: (how) => {
        dashboard.notice = undefined;
        chosen.current = how(reconcile(chosen.current, dashboard.stats), dashboard) ?? chosen.current;
      },
    }),
    [painter, dashboard],
  );
  const screen = reconcile(chosen.current, dashboard.stats);
  const page = pages.find(({ name }) => name === screen.page)!;
  const watched = JSON.stringify((screen.help ? undefined : page.watch?.(screen, dashboard)) ?? {});
  useEffect(() => watch(JSON.parse(watched) as Watch), [watched, watch]);
  // What a key has changed shows at once, not with the next sample.
  useLayoutEffect(() => painter.forget());
  if (!fits(columns, rows))
    return <Text wrap="truncate">{`hvtop needs ${MIN_COLUMNS}x${MIN_ROWS}; this terminal is ${columns}x${rows}`}</Text>;
  const parts = layout(rows, page.lanes ? (dashboard.stats?.lps.length ?? 4) : undefined, partitionRows(dashboard));
  return (
    <SurroundingsContext.Provider value={surroundings}>
      <Box flexDirection="column" width={columns} height={rows - 1}>
        <Region width={columns} height={parts.header} lines={(width, height) => headerPanel(dashboard, props.link, width, height)} />
        {screen.help ? (
          <Help page={page} />
        ) : (
          <>
            {parts.lanes === 0 ? null : (
              <Frame
                title={lanesTitle(dashboard, screen.lp, parts.lanes - 2)}
                width={columns}
                height={parts.lanes}
                lines={(width, height) => lanesPanel(dashboard, screen.lp, width, height)}
                hit={lanesHit}
              />
            )}
            <page.Body {...{ dashboard, chart: props.chart, screen, columns, middle: parts.middle, bottom: parts.bottom }} />
          </>
        )}
        <Region width={columns} height={1} lines={(width) => footerPanel(dashboard, screen, width)} hit={footerHit} />
      </Box>
    </SurroundingsContext.Provider>
  );
}

function Help({ page }: { readonly page: Page }): React.ReactElement {
  return (
    <Box flexGrow={1} alignItems="center" justifyContent="center">
      <Frame title="help" width={HELP_COLUMNS + 2} height={helpRows(page) + 2} lines={(width, height) => helpPanel(page, width, height)} />
    </Box>
  );
}
