// What most panels are: lines made of what the screen knows and what has been chosen.
import type { Dashboard, Quantity } from '../model/dashboard.js';
import { QUANTITY_TITLES } from './chart-panel.js';
import type { BodyProps } from './page.js';
import type { ScreenState } from './screen-state.js';

/** At most `height` lines, each `width` columns wide. */
export type Panel = (dashboard: Dashboard, screen: ScreenState, width: number, height: number) => string[];

/** Of a page's panels: their lines as its frames want them. */
export const linesOf =
  ({ dashboard, screen }: BodyProps) =>
  (panel: Panel) =>
  (width: number, height: number): string[] =>
    panel(dashboard, screen, width, height);

/** The chart of a quantity, of all partitions or the chosen one: title and lines. */
export const chartOf = (
  { chart, dashboard, screen: { partition } }: BodyProps,
  quantity: Quantity,
): { title: string; lines: (width: number, height: number) => readonly string[] } => ({
  title: `${QUANTITY_TITLES[quantity]}${ofPartition(partition)}`,
  lines: (width, height) => chart.draw(dashboard, quantity, partition, width, height),
});

/** For titles. */
export const ofPartition = (partition: string | undefined): string => (partition === undefined ? '' : ` · ${partition}`);
