// How results look on a terminal: aligned columns, or the same thing as JSON.

export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
};

export const printLine = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** A number, as it is or shortened; `-` where there is none. */
const NUMBER = /^(-?\d+(\.\d+)?[kMG]?|-)$/;

/** Columns as wide as their widest cell; numbers to the right. */
export const formatTable = (header: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => String(row[column]).length)));
  const numeric = header.map((_, column) => rows.length > 0 && rows.every((row) => NUMBER.test(String(row[column]))));
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, column) => (numeric[column] === true ? String(cell).padStart(widths[column]!) : String(cell).padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [line(header), ...rows.map(line)].join('\n');
};

export const printTable = (header: readonly string[], rows: readonly (readonly (string | number)[])[]): void =>
  printLine(formatTable(header, rows));

/** 12.3M: a count that a person can compare. */
export const formatCount = (count: number): string => {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const)
    if (count >= size) return `${(count / size).toFixed(1)}${unit}`;
  return String(count);
};
