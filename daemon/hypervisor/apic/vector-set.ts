// Sets of 256 vectors, eight 32-bit words in partition memory, as IRR, ISR and TMR are (SDM 3A 11.8.4). Plain accesses: for the owner LP only.

/** Highest vector of the set at byte address `at` but for `except`, or -1. */
export const highestVector = (words: Int32Array, at: number, except = -1): number => {
  const first = at >>> 2;
  for (let word = 7; word >= 0; word--) {
    const bits = except >>> 5 === word ? words[first + word] & ~(1 << (except & 31)) : words[first + word];
    if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
  }
  return -1;
};

export const hasVector = (words: Int32Array, at: number, vector: number): boolean =>
  (words[(at >>> 2) + (vector >>> 5)] & (1 << (vector & 31))) !== 0;

export const addVector = (words: Int32Array, at: number, vector: number): void => {
  words[(at >>> 2) + (vector >>> 5)] |= 1 << (vector & 31);
};

export const removeVector = (words: Int32Array, at: number, vector: number): void => {
  words[(at >>> 2) + (vector >>> 5)] &= ~(1 << (vector & 31));
};
