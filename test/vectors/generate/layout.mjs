// Where code and data of every vector stand, and what the data page holds before it runs. test/vectors/load.ts has the same constants for readers.

export const CODE_ENTRY = 0x00400800;
export const DATA_PAGE = 0x10000000;
export const READ_ONLY_PAGE = 0x10002000;
export const SEGMENT_BASE = DATA_PAGE + 0x100;
export const PAGE = 4096;
export const STACK_TOP = DATA_PAGE + 0x800;
export const PATTERNS = 4;

/** Fill of the data page: zeros, ones, then two pseudo-random ones. */
export const pattern = (number) => {
  const page = new Uint8Array(PAGE);
  if (number === 1) page.fill(0xff);
  if (number > 1) {
    let x = number;
    for (let i = 0; i < PAGE; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      page[i] = x >>> 24;
    }
  }
  return page;
};

/** Value that register `number` has when a vector does not say otherwise. RSP points into the data page. */
export const initialRegister = (number, mode) => {
  if (number === 4) return BigInt(STACK_TOP);
  const value = (BigInt(number + 1) * 0x0123456789abcdefn) ^ 0xf0f0f0f00f0f0f0fn;
  return BigInt.asUintN(mode, value);
};
