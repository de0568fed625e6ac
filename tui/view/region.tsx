// A box that Ink lays out and leaves blank, and that the painter fills.
import { Box, type DOMElement } from 'ink';
import { createContext, useContext, useLayoutEffect, useRef } from 'react';
import type { Dashboard } from '../model/dashboard.js';
import type { Painter, Place } from '../terminal/painter.js';
import type { ScreenState } from './screen-state.js';

/** What a click does, at a cell of a region of `width` x `height`; undefined: nothing. */
export type Hit = (
  state: ScreenState,
  dashboard: Dashboard,
  at: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
) => ScreenState | undefined;

export interface Surroundings {
  readonly painter: Painter;
  /** Changes what has been chosen. */
  readonly change: (how: (state: ScreenState, dashboard: Dashboard) => ScreenState | undefined) => void;
}
export const SurroundingsContext = createContext<Surroundings | undefined>(undefined);

export interface RegionProps {
  readonly lines: (width: number, height: number) => readonly string[];
  readonly width: number;
  readonly height: number;
  readonly hit?: Hit | undefined;
}

export function Region({ lines, width, height, hit }: RegionProps): React.ReactElement {
  const surroundings = useContext(SurroundingsContext);
  const element = useRef<DOMElement>(null);
  const newest = useRef({ lines, hit });
  newest.current = { lines, hit };
  useLayoutEffect(() => {
    if (surroundings === undefined) return;
    const { painter, change } = surroundings;
    const region = {
      place: () => placeOf(element.current),
      lines: (columns: number, rows: number) => newest.current.lines(columns, rows),
      press: (x: number, y: number, place: Place) => {
        const at = { x, y, width: place.width, height: place.height };
        change((state, dashboard) => newest.current.hit?.(state, dashboard, at));
      },
    };
    painter.add(region);
    return () => painter.remove(region);
  }, [surroundings]);
  return <Box ref={element} width={width} height={height} flexShrink={0} />;
}

/** Sums the offsets up to the root: Yoga's are relative to the parent. */
function placeOf(element: DOMElement | null): Place | undefined {
  if (element?.yogaNode === undefined) return undefined;
  let x = 0;
  let y = 0;
  for (let node: DOMElement | undefined = element; node?.yogaNode !== undefined; node = node.parentNode) {
    x += node.yogaNode.getComputedLeft();
    y += node.yogaNode.getComputedTop();
  }
  return { x, y, width: inner(element.yogaNode.getComputedWidth()), height: inner(element.yogaNode.getComputedHeight()) };
}

const inner = (cells: number): number => (Number.isFinite(cells) ? Math.floor(cells) : 0);
