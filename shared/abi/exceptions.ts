// Exception vectors and what the architecture says about each: numbers only.
// Why apart from behaviour: the processor raises them, the hypervisor reflects them, the tools name them. References: SDM 3A 6.3.1, table 6-1.

export const Vector = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
  VE: 20,
  CP: 21,
} as const;

/** Mnemonics by vector, '' where the vector is reserved. */
export const VECTOR_NAMES: readonly string[] = [
  '#DE',
  '#DB',
  'NMI',
  '#BP',
  '#OF',
  '#BR',
  '#UD',
  '#NM',
  '#DF',
  '',
  '#TS',
  '#NP',
  '#SS',
  '#GP',
  '#PF',
  '',
  '#MF',
  '#AC',
  '#MC',
  '#XM',
  '#VE',
  '#CP',
];

const set = (...vectors: readonly number[]): number => vectors.reduce((bits, v) => bits | (1 << v), 0);
const WITH_ERROR_CODE = set(Vector.DF, Vector.TS, Vector.NP, Vector.SS, Vector.GP, Vector.PF, Vector.AC, Vector.CP);
const FAULTS = set(
  Vector.DE,
  Vector.BR,
  Vector.UD,
  Vector.NM,
  Vector.TS,
  Vector.NP,
  Vector.SS,
  Vector.GP,
  Vector.PF,
  Vector.MF,
  Vector.AC,
  Vector.XM,
  Vector.VE,
  Vector.CP,
);
const CONTRIBUTORY = set(Vector.DE, Vector.TS, Vector.NP, Vector.SS, Vector.GP, Vector.CP);

/** The exception pushes an error code (outside real mode). */
export const hasErrorCode = (vector: number): boolean => vector < 32 && ((WITH_ERROR_CODE >>> vector) & 1) !== 0;
/** Fault class: the saved RIP is that of the instruction, and RF is set in the saved RFLAGS (SDM 3B 17.3.1.1). */
export const isFault = (vector: number): boolean => vector < 32 && ((FAULTS >>> vector) & 1) !== 0;
/** Contributory class of the double-fault table (SDM 3A table 6-4). */
export const isContributory = (vector: number): boolean => vector < 32 && ((CONTRIBUTORY >>> vector) & 1) !== 0;

/** Bits of a selector error code: event external to the program, in the IDT, in the LDT (SDM 3A 6.13). */
export const SelectorError = { EXT: 1, IDT: 2, TI: 4 } as const;
/** Bits of a page-fault error code (SDM 3A 4.7). */
export const PageFaultError = { P: 1, W: 2, U: 4, RSVD: 8, I: 16 } as const;
