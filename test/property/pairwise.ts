// Rows of choices in which every pair of choices of any two dimensions comes together (a covering array of strength 2; D. Cohen et al., IEEE TSE 1997: AETG).
// Why not all combinations: faults that take three settings at once are rare, and there are tens of thousands of those.

/** `sizes`: how many choices each dimension has. Greedy, the same rows each time. */
export const pairwise = (sizes: readonly number[]): number[][] => {
  const missing = new Set<string>();
  const key = (i: number, a: number, j: number, b: number): string => (i < j ? `${i}:${a},${j}:${b}` : `${j}:${b},${i}:${a}`);
  for (let i = 0; i < sizes.length; i++)
    for (let j = i + 1; j < sizes.length; j++)
      for (let a = 0; a < sizes[i]!; a++) for (let b = 0; b < sizes[j]!; b++) missing.add(key(i, a, j, b));
  const rows: number[][] = [];
  while (missing.size > 0) {
    // Begins with a pair that is missing, then takes for each dimension the choice that makes up most others.
    const row: number[] = new Array(sizes.length).fill(-1);
    const [first] = missing;
    for (const part of first!.split(',')) {
      const [dimension, choice] = part.split(':').map(Number) as [number, number];
      row[dimension] = choice;
    }
    for (let i = 0; i < sizes.length; i++) {
      if (row[i] !== -1) continue;
      let best = -1;
      for (let choice = 0; choice < sizes[i]!; choice++) {
        const made = row.filter((other, j) => other !== -1 && missing.has(key(i, choice, j, other))).length;
        if (made <= best) continue;
        best = made;
        row[i] = choice;
      }
    }
    for (let i = 0; i < row.length; i++) for (let j = i + 1; j < row.length; j++) missing.delete(key(i, row[i]!, j, row[j]!));
    rows.push(row);
  }
  return rows;
};
