// The tests of a set of scenarios: no schedule breaks any of them, each mutant is found by those that must find it, and none is missing.
import test from 'ava';
import { type Exploration, Explorer } from './explorer.js';
import { THREADS } from './scenario.js';

interface Named {
  readonly name: string;
}
export interface Exploring {
  readonly scenarios: readonly Named[];
  readonly mutants: readonly Named[];
  /** Mutants that each scenario must find. */
  readonly mustFind: Readonly<Record<string, readonly string[]>>;
  /** Schedules of each, in order and by chance, in a short run: HVD_SCHEDULES and HVD_RANDOM say otherwise. */
  readonly schedules: number;
  readonly random: number;
}

/** Of a mutant's search. */
const SEARCH = { limit: 20_000, random: 2000, seed: 1 } as const;
const A_DAY_MS = 24 * 3600 * 1000;

export const toldOf = (e: Exploration): string => `${e.violation} after ${e.schedules} schedules; replay ${e.replay}`;
export const countOf = ({ schedules, exhausted }: Exploration): string =>
  `${schedules} schedules${exhausted ? ', all with two preemptions' : ''}`;

/** The explorer of the file's tests, from the first of them to the last. */
export const explorerOfTests = (): (() => Explorer) => {
  let explorer: Explorer;
  test.before(async () => {
    explorer = new Explorer(THREADS);
    await explorer.ready();
  });
  test.after.always(() => explorer.close());
  return () => explorer;
};

export const exploreAll = ({ scenarios, mutants, mustFind, ...defaults }: Exploring): void => {
  const explorer = explorerOfTests();
  const limit = Number(process.env.HVD_SCHEDULES ?? defaults.schedules);
  const random = Number(process.env.HVD_RANDOM ?? defaults.random);
  const seed = Number(process.env.HVD_SEED ?? 1);
  test('each mutant is found by a scenario', (t) => {
    t.deepEqual([...new Set(Object.values(mustFind).flat())].sort(), mutants.map(({ name }) => name).sort());
    t.deepEqual(
      Object.keys(mustFind).filter((name) => !scenarios.some((scenario) => scenario.name === name)),
      [],
    );
  });
  for (const { name } of scenarios) {
    test.serial(`${name}: no schedule breaks it`, (t) => {
      t.timeout(A_DAY_MS);
      const result = explorer().explore({ scenario: name, limit, random, seed });
      t.log(countOf(result));
      t.is(result.violation, null, toldOf(result));
    });
    for (const mutant of mustFind[name] ?? [])
      test.serial(`${name}: ${mutant} is found`, (t) => {
        const result = explorer().explore({ scenario: name, mutant, ...SEARCH });
        t.log(toldOf(result));
        t.not(result.violation, null);
      });
  }
};
