// Runs random programs on the host's processor (where there is one) and three ways on the simulated one: all must end in the same state.
// Without a host the three ways are compared with each other: the check of everything that is optimised over more than one instruction.
// Why regions of some programs only: compiling one takes ten times as long as all the rest of a program, so in the same time a sample sees more.
import { Chance } from './chance.js';
import { ENDLESS, type HostProcessor } from './host-processor.js';
import { type Bits, codeBase } from './layout.js';
import { type Assembled, assemble, type Item, type Program, programGroup, programStart, randomProgram } from './program.js';
import { type Piece, pieces } from './program-parts.js';
import { NO_END, SimulatedProcessor, WAYS, type Way } from './simulated-processor.js';
import { caseLine, difference, type End, type Start } from './state.js';

const POOL = 3000;
/** Programs of one pool of pieces, and of one run of the real processor. */
const BATCH = 1000;
const STARTS = 3;
const STATUS = 0x8d5;
const BREAKPOINT = 3;
/** Attempts at making a failing program smaller. */
const SHRINKS_MAX = 2500;

export interface FuzzOptions {
  readonly bits: Bits;
  readonly seed: number;
  readonly programs: number;
  readonly host: HostProcessor | undefined;
  readonly mismatchesMax?: number;
  /** One program in so many is run as regions, too. */
  readonly regionsOf?: number;
  /** Changes the ends of compiled code: shows that the comparison sees it. */
  readonly sabotage?: (end: End) => void;
  readonly onProgress?: (programs: number, mismatches: number) => void;
}
export interface FuzzMismatch {
  readonly what: string;
  readonly line: string;
}
export interface FuzzResult {
  readonly programs: number;
  /** Those that were run as regions, too. */
  readonly regions: number;
  readonly mismatches: readonly FuzzMismatch[];
  /** Programs that reached their end, not a fault. */
  readonly completed: number;
}

type Simulated = readonly SimulatedProcessor[];

/** What is wrong with the program, and from which of the starts; or null. `hosts`: what the real processor did. */
const examine = (
  simulated: Simulated,
  bits: Bits,
  made: Assembled,
  starts: readonly Start[],
  hosts: readonly End[] | undefined,
  budget: number,
  sabotage?: (end: End) => void,
): { readonly what: string; readonly at: number } | null => {
  const wanted: (End | string | undefined)[] = starts.map((_, at) => hosts?.[at]);
  let from = hosts === undefined ? '' : 'host';
  for (const p of simulated) {
    p.load(made.code, made.blocks[0], made.blocks);
    for (const [at, start] of starts.entries()) {
      const got = p.run(start, p.way === 'hot' ? budget : undefined);
      if (p.way === 'hot' && typeof got !== 'string') sabotage?.(got);
      const other = wanted[at];
      if (other === undefined) wanted[at] = got;
      else {
        const what = disagreement(got, other, bits, made);
        if (what !== null) return { what: `${p.way} and ${from} differ: ${what}`, at };
      }
    }
    if (from === '') from = p.way;
  }
  return null;
};
const disagreement = (got: End | string, other: End | string, bits: Bits, made: Assembled): string | null => {
  if (typeof got !== 'string' && typeof other !== 'string')
    return difference(got, other, made.undefinedAt(Number(other.rip) - codeBase(bits)), bits);
  if (got === other || (got === NO_END && typeof other !== 'string' && other.vector === ENDLESS)) return null;
  return `${typeof got === 'string' ? got : 'ended'}, not so the other`;
};

/** Takes items away as long as the rest still fails. */
const shrink = (
  program: Program,
  fails: (made: Assembled) => string | null,
): { readonly made: Assembled; readonly what: string } | undefined => {
  let items: readonly Item[] = program.items;
  let best: { readonly made: Assembled; readonly what: string } | undefined;
  let tries = 0;
  for (let size = items.length >> 1; size >= 1 && tries < SHRINKS_MAX; ) {
    let smaller = false;
    for (let at = 0; at < items.length && tries < SHRINKS_MAX; ) {
      const candidate = [...items.slice(0, at), ...items.slice(at + size)];
      const made = assemble(program.bits, candidate);
      tries++;
      const what = made === undefined ? null : fails(made);
      if (made !== undefined && what !== null) {
        items = candidate;
        best = { made, what };
        smaller = true;
      } else at += size;
    }
    if (!smaller || size > 1) size = size === 1 ? 0 : size >> 1;
  }
  return best;
};

export const programLine = (bits: Bits, made: Assembled, start: Start, end: End | undefined): string => {
  const undefinedFlags = end === undefined ? STATUS : made.undefinedAt(Number(end.rip) - codeBase(bits));
  return `${caseLine(bits, made.code, made.blocks[0], start)} blocks=${made.blocks.map((b) => b.toString(16)).join(',')} u=${undefinedFlags.toString(16)}`;
};

export const fuzz = (options: FuzzOptions): FuzzResult => {
  const { bits, seed, programs, host, mismatchesMax = 10, regionsOf = 1 } = options;
  const all = WAYS.map((way: Way) => new SimulatedProcessor(bits, way));
  const uncompiled = all.filter((p) => p.way !== 'hot');
  const mismatches: FuzzMismatch[] = [];
  let done = 0;
  let regions = 0;
  let completed = 0;
  for (let round = 0; done < programs && mismatches.length < mismatchesMax; round++) {
    const chance = new Chance(seed, round * 64 + bits);
    const pool: readonly Piece[] = pieces(chance, bits, POOL);
    const batch: { readonly program: Program; readonly made: Assembled; readonly starts: readonly Start[] }[] = [];
    while (batch.length < Math.min(BATCH, programs - done)) {
      const program = randomProgram(chance, bits, pool, chance.between(20, 200));
      const made = assemble(bits, program.items);
      if (made === undefined) continue;
      batch.push({ program, made, starts: Array.from({ length: STARTS }, () => programStart(chance, bits)) });
    }
    const ends = host?.run(
      bits,
      batch.map((b) => programGroup(bits, b.made, b.starts)),
    );
    for (const [i, { program, made, starts }] of batch.entries()) {
      const simulated = done % regionsOf === 0 ? all : uncompiled;
      done++;
      if (simulated === all) regions++;
      const budget = chance.one(3) ? chance.between(1, 300) : 20_000;
      const hosts = ends?.[i];
      for (const end of hosts ?? []) if (end.vector === BREAKPOINT) completed++;
      const wrong = examine(simulated, bits, made, starts, hosts, budget, options.sabotage);
      if (wrong !== null) {
        const start = starts[wrong.at];
        let last: End | undefined = hosts?.[wrong.at];
        const small = shrink(program, (candidate) => {
          const real = host?.run(bits, [programGroup(bits, candidate, [start])])[0];
          const found = examine(simulated, bits, candidate, [start], real, budget, options.sabotage);
          if (found !== null) last = real?.[0];
          return found?.what ?? null;
        });
        const shown = small ?? { made, what: wrong.what };
        mismatches.push({ what: shown.what, line: programLine(bits, shown.made, start, last) });
      }
      if (mismatches.length >= mismatchesMax) break;
    }
    options.onProgress?.(done, mismatches.length);
  }
  return { programs: done, regions, mismatches, completed };
};
