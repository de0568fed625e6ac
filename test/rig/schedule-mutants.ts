// Values and steps of the scheduler's arithmetic, each changed in a copy of its compiled modules.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { RunQueue } from '../../daemon/lp/schedule/run-queue.js';

const MODULES = fileURLToPath(new URL('../../daemon/lp/schedule', import.meta.url));
/** As deep below the compiled program as the modules are, so that what they import is found. */
const COPIES = fileURLToPath(new URL('../mutants', import.meta.url));

export interface ScheduleMutant {
  readonly what: string;
  readonly file: 'spin' | 'entitlement' | 'discipline' | 'run-queue';
  /** Stands there once. */
  readonly from: string;
  readonly to: string;
}
const mutant = (file: ScheduleMutant['file'], what: string, from: string, to: string): ScheduleMutant => ({ file, what, from, to });

export const SCHEDULE_MUTANTS: readonly ScheduleMutant[] = [
  mutant('spin', 'a quarter of a period may be favour', 'PERIOD_CYCLES / 5', 'PERIOD_CYCLES / 4'),
  mutant('spin', 'shorter boosts', 'BOOST_MIN_CYCLES = 50_000', 'BOOST_MIN_CYCLES = 40_000'),
  mutant('spin', 'a lead in cycles, not in virtual time', 'FAVOUR_MAX * VIRTUAL_PER_CYCLE', 'FAVOUR_MAX'),
  mutant('spin', 'one extension more', 'record.extensions >= times', 'record.extensions > times'),
  mutant('spin', 'extensions beyond what a period allows', 'Math.min(cycles, FAVOUR_MAX - record.favouredNum)', 'cycles'),
  mutant('spin', 'extensions are not counted', 'record.extensions++;', ''),
  mutant('spin', 'extensions are no debt', 'record.debtNum += cycles;', ''),
  mutant(
    'spin',
    'extensions are no favour',
    'extendedCyclesNum += cycles;\n        record.favouredNum += cycles;',
    'extendedCyclesNum += cycles;',
  ),
  mutant('spin', 'a debt is paid with a whole slice', 'Math.floor(slice / 2)', 'slice'),
  mutant('spin', 'a debt is paid again and again', 'record.debtNum -= paid;', ''),
  mutant('spin', 'a debt is crossed out, not paid', 'return slice - paid;', 'return slice;'),
  mutant('spin', 'extensions of the slice before count', 'record.extensions = 0;', ''),
  mutant('spin', 'who spins is away for half of a slice', 'now + SLICE_CYCLES', 'now + SLICE_CYCLES / 2'),
  mutant('spin', 'all that spin are due', 'record.eligible ^= 1;', 'record.eligible = 1;'),
  mutant('spin', 'nobody is away who spins', 'return record.spinUntilNum > now;', 'return false;'),
  mutant('spin', 'boosts beyond what a period allows', 'one.record.favouredNum >= FAVOUR_MAX', 'false'),
  mutant('spin', 'a boost beyond what is left of the period', 'Math.max(1, FAVOUR_MAX - favouredNum)', 'Infinity'),
  mutant(
    'spin',
    'boosts are no favour',
    'expressCyclesNum += cycles;\n        record.favouredNum += cycles;',
    'expressCyclesNum += cycles;',
  ),
  mutant('spin', 'boosts to VPs of other partitions', 'one.guest !== guest || ', ''),
  mutant('spin', 'short spins favour whoever is ready', 'isLong ? CLASSES.length : KNOWN_CLASSES', 'CLASSES.length'),
  mutant('spin', 'of equals always the first', '(vp - this.#last - 1 + 2 * vpCount) % vpCount', 'vp'),
  mutant('spin', 'interrupts sent say nothing', 'return (((vp < 32 ? askedLow : askedHigh) >>> (vp & 31)) & 1) !== 0;', 'return false;'),
  mutant('spin', 'sections cut short are forgotten', 'critical && !spinning ? 1 : 0', '0'),
  mutant('spin', 'who spins in a section counts as its holder', 'critical && !spinning ? 1 : 0', 'critical ? 1 : 0'),
  mutant('spin', 'a section stays cut short', 'Atomics.store(record.views.i32, preemptedAt(record), 0);', ''),
  mutant('run-queue', 'a look at an extended VP every 20,000 cycles', 'EXTENDED_RUN_CYCLES = 10_000', 'EXTENDED_RUN_CYCLES = 20_000'),
  mutant('run-queue', 'a boost begins anew with each run', ': boosted === first;', ': false;'),
  mutant('run-queue', 'no bound on a lead', '+ LEAD_MAX', '+ Infinity'),
  mutant('run-queue', 'who slept has no credit', 'this.#floor - SLEEPER_CREDIT', 'this.#floor'),
  mutant(
    'run-queue',
    'what a boosted VP ran when it gives way is not counted',
    'if (this.#boost === chosen)',
    'if (this.#boost === chosen && guest.spinning === 0)',
  ),
  mutant('entitlement', 'runs are not counted in their period', 'record.usedNum += cycles;', ''),
  mutant(
    'entitlement',
    'a run weighs the same for all',
    '(cycles * VIRTUAL_PER_CYCLE * WEIGHT_DEFAULT) / weight',
    'cycles * VIRTUAL_PER_CYCLE',
  ),
  mutant('entitlement', 'favours of the period before count', 'record.favouredNum = 0;', ''),
  mutant(
    'entitlement',
    'a run with a limit goes on into the next period',
    'Math.min(share(record.limit) - record.usedNum, periodEnd(now) - now)',
    'share(record.limit) - record.usedNum',
  ),
  mutant('entitlement', 'reserves are even by half', '* reserve) / 100 + 1', '* reserve) / 200 + 1'),
  mutant(
    'entitlement',
    'a reserve is owed whole until it is had',
    'Math.max(0, share(reserve) - record.usedNum)',
    'record.usedNum < share(reserve) ? share(reserve) : 0',
  ),
  mutant('discipline', 'shorter least slices', 'SLICE_MIN_CYCLES = 50_000', 'SLICE_MIN_CYCLES = 40_000'),
  mutant('discipline', 'who wakes comes sooner', '200_000 * VIRTUAL_PER_CYCLE', '100_000 * VIRTUAL_PER_CYCLE'),
  mutant('discipline', 'reserves of those that wait are had too late', 'periodEnd(now) - needed;', 'periodEnd(now) - needed / 2;'),
];

export interface MutantCode {
  readonly Queue: typeof RunQueue;
  /** The copy is not needed any more. */
  readonly forget: () => void;
}
/** Throws when what is to be changed is not there, or there twice. */
export const loadMutant = async ({ what, file, from, to }: ScheduleMutant): Promise<MutantCode> => {
  mkdirSync(COPIES, { recursive: true });
  const copy = mkdtempSync(join(COPIES, 'schedule-'));
  for (const name of readdirSync(MODULES)) if (name.endsWith('.js')) cpSync(join(MODULES, name), join(copy, name));
  const path = join(copy, `${file}.js`);
  const text = readFileSync(path, 'utf8');
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${what}: ${JSON.stringify(from)} is ${parts.length - 1} times in ${file}`);
  writeFileSync(path, parts.join(to));
  const { RunQueue: Queue } = (await import(pathToFileURL(join(copy, 'run-queue.js')).href)) as { RunQueue: typeof RunQueue };
  return { Queue, forget: () => rmSync(copy, { recursive: true, force: true }) };
};
