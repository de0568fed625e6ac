// How the rows of a terminal are shared out among the panels. Pure arithmetic; Ink then places the boxes.

export const MIN_COLUMNS = 80;
export const MIN_ROWS = 24;

export interface Layout {
  /** 1, or 2 with the line of policies. */
  readonly header: number;
  /** Heights with borders. 0: no lanes. */
  readonly lanes: number;
  readonly middle: number;
  /** 0: there is no room for a second row of panels. */
  readonly bottom: number;
}

export const fits = (columns: number, rows: number): boolean => columns >= MIN_COLUMNS && rows >= MIN_ROWS;

/** `partitionRows` is what the partitions panel would like to have inside its border; `lpCount` undefined: a page without lanes. The frame is rows - 1 high: Ink clears the screen for one that is not. */
export function layout(rows: number, lpCount: number | undefined, partitionRows: number): Layout {
  const height = rows - 1;
  const header = rows >= 34 ? 2 : 1;
  const body = height - header - 1;
  const lanesWanted = lpCount === undefined ? 0 : Math.max(1, lpCount) + 3;
  const lanes = Math.min(lanesWanted, Math.max(7, Math.floor(body * (body >= 30 ? 0.5 : 0.4))));
  const rest = body - lanes;
  if (rest < 22) return { header, lanes, middle: rest, bottom: 0 };
  const middle = Math.min(Math.max(partitionRows + 2, 11), Math.floor(rest * 0.58));
  return { header, lanes, middle, bottom: rest - middle };
}
