// Counters that lie behind each other, read into a record by name.

/**
 * Reads u32 counters from word `at` on; `names` are theirs in their order. `more`: names of values that are given, behind them.
 * Why from text: a record of a literal has its shape from the start. With one that grows by a key at a time, or is put together of two, statistics of 64 LPs and 128 VPs took three
 * times as long.
 */
export const countsReader = <N extends string, M extends string = never>(
  names: readonly N[],
  more: readonly M[] = [],
): ((words: Uint32Array, at: number, ...values: number[]) => Record<N | M, number>) => {
  const counts = names.map((name, i) => `${JSON.stringify(name)}: words[at + ${i}]`);
  const given = more.map((name, i) => `${JSON.stringify(name)}: v${i}`);
  return new Function('words', 'at', ...more.map((_, i) => `v${i}`), `return { ${[...counts, ...given].join(', ')} }`) as (
    words: Uint32Array,
    at: number,
    ...values: number[]
  ) => Record<N | M, number>;
};
