// Numbers that look random and are the same in every run.

/** Draws whole numbers from 0 to below a bound (a linear congruential generator, its upper bits). */
export const seeded = (seed: number): ((below: number) => number) => {
  // Seeds that follow each other are to begin far apart.
  let state = Math.imul(seed + 0x9e3779b9, 0x85ebca6b) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};
