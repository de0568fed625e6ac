// A box that Ink lays out and leaves blank, and that the painter fills.
import { Box, type DOMElement } from 'ink';
import { createContext, useContext, useLayoutEffect, useRef } from 'react';
import type { Painter, Place } from '../terminal/painter.js';

export const PainterContext = createContext<Painter | undefined>(undefined);

export interface RegionProps {
  readonly lines: (width: number, height: number) => readonly string[];
  readonly width: number;
  readonly height: number;
}

export function Region({ lines, width, height }: RegionProps): React.ReactElement {
  const painter = useContext(PainterContext);
  const element = useRef<DOMElement>(null);
  const newest = useRef(lines);
  newest.current = lines;
  useLayoutEffect(() => {
    if (painter === undefined) return;
    const region = { place: () => placeOf(element.current), lines: (columns: number, rows: number) => newest.current(columns, rows) };
    painter.add(region);
    return () => painter.remove(region);
  }, [painter]);
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
