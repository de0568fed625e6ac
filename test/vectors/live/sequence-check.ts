// Checks short sequences, made from a seed, against the host's processor: far transfers and segment loads (segment-cases.ts), state images (image-cases.ts).
import { Chance } from './chance.js';
import { ENDLESS, type HostProcessor } from './host-processor.js';
import { imageSequence } from './image-cases.js';
import { type Bits, ENTRY } from './layout.js';
import { type Sequence, segmentSequence } from './segment-cases.js';
import { NO_END, SimulatedProcessor, WAYS } from './simulated-processor.js';
import { caseLine, difference, type End, type Group } from './state.js';

/** What sequences are made of. `segments` needs the host's descriptor tables. */
export const SUBJECTS = {
  segments: { make: segmentSequence, tables: true },
  images: { make: imageSequence, tables: false },
} as const;
export type SequenceSubject = keyof typeof SUBJECTS;

/** Sequences in one run of the real processor. */
const BATCH = 2000;
const BREAKPOINT = 3;

export interface SequenceMismatch {
  readonly way: string;
  readonly what: string;
  readonly line: string;
}
export interface SequenceResult {
  readonly cases: number;
  /** By the vector that they ended with. */
  readonly ends: ReadonlyMap<number, number>;
  readonly mismatches: readonly SequenceMismatch[];
}
export interface SequenceOptions {
  readonly subject: SequenceSubject;
  readonly bits: Bits;
  readonly seed: number;
  readonly cases: number;
  readonly mismatchesMax?: number;
  /** One case in so many is run compiled, too: compiling takes most of the time. */
  readonly compiledOf?: number;
}

/**
 * An image that is refused half-way: CR2 names some byte of an absent page; FNSAVE may have initialised the unit, XRSTOR may have loaded some components before
 * it finds MXCSR wrong. They can be run again all the same.
 */
const isHalfDone = (subject: SequenceSubject, got: End, wanted: End): boolean =>
  subject === 'images' &&
  wanted.vector !== BREAKPOINT &&
  got.vector === wanted.vector &&
  got.error === wanted.error &&
  got.rip === wanted.rip;

export const checkSequences = (host: HostProcessor, options: SequenceOptions): SequenceResult => {
  const { subject, bits, seed, cases, mismatchesMax = 25, compiledOf = 8 } = options;
  const { make, tables } = SUBJECTS[subject];
  const processors = WAYS.map((way) => new SimulatedProcessor(bits, way, tables));
  const mismatches: SequenceMismatch[] = [];
  const ends = new Map<number, number>();
  let ran = 0;
  for (let round = 0; ran < cases && mismatches.length < mismatchesMax; round++) {
    const chance = new Chance(seed, round * 64 + bits);
    const made: Sequence[] = Array.from({ length: Math.min(BATCH, cases - ran) }, () => make(chance, bits));
    const groups: Group[] = made.map(({ code, start }) => ({ bits, code, entry: ENTRY, starts: [start] }));
    const real = host.run(bits, groups);
    for (const [i, { code, start }] of made.entries()) {
      const [wanted] = real[i];
      ran++;
      ends.set(wanted.vector, (ends.get(wanted.vector) ?? 0) + 1);
      for (const p of processors) {
        if (mismatches.length >= mismatchesMax || (p.way === 'hot' && i % compiledOf !== 0)) break;
        p.load(code, ENTRY);
        const got = p.run(start);
        if (got === NO_END && wanted.vector === ENDLESS) continue;
        const what = typeof got === 'string' ? got : isHalfDone(subject, got, wanted) ? null : difference(got, wanted, 0, bits);
        if (what === null) continue;
        mismatches.push({ way: p.way, what, line: `${caseLine(bits, code, ENTRY, start)}${tables ? ' tables=1' : ''}` });
        break;
      }
    }
  }
  return { cases: ran, ends, mismatches };
};
