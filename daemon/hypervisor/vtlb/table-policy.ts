// The policies of how shadow tables are kept (`vtlb.flush`, `reclaim`, `pages`, `pervp`, `protect`, `numa`, `share`, `coalesce`), as they are wished for just now.
// Why no mode in force beside the wish: each operation reads its policy once, and what any setting leaves behind is right under every other.
import { MachineLayout } from '../../../shared/layout/machine.js';
import { findPolicy } from '../../../shared/protocol/policies.js';
import type { SharedWords } from '../../machine/shared-words.js';

const wordOf = (name: string): number => MachineLayout.at.policies + findPolicy(name).word * 4;
const FLUSH = wordOf('vtlb.flush');
const RECLAIM = wordOf('vtlb.reclaim');
const PAGES = wordOf('vtlb.pages');
const PER_VP = wordOf('vtlb.pervp');
const PROTECT = wordOf('vtlb.protect');
const SHARE = wordOf('vtlb.share');
const NUMA = wordOf('vtlb.numa');
const COALESCE = wordOf('vtlb.coalesce');
/** `all` is no bound. */
const BOUNDS = findPolicy('vtlb.pages').values.map((value) => (value === 'all' ? Number.POSITIVE_INFINITY : Number(value)));

/** `off` is no number of tables. */
const PERIODS = findPolicy('vtlb.coalesce').values.map((value) => Number(value) || 0);

/** Numbers of `vtlb.numa`. */
export const NumaMode = { LOCAL: 0, INSTANCE: 1, OFF: 2 } as const;

export class TablePolicy {
  readonly #machine: SharedWords;

  constructor(machine: SharedWords) {
    this.#machine = machine;
  }

  /** A flush of everything clears every entry. */
  get flushWalks(): boolean {
    return this.#machine.read(FLUSH) === 1;
  }
  /** Each SPT is freed after a shootdown of its own. */
  get reclaimsAtOnce(): boolean {
    return this.#machine.read(RECLAIM) === 1;
  }
  /** Most SPTs in use. */
  get pages(): number {
    return BOUNDS[this.#machine.read(PAGES)] ?? Number.POSITIVE_INFINITY;
  }
  /** Each guest table is protected after a shootdown of its own. */
  get protectsAtOnce(): boolean {
    return this.#machine.read(PROTECT) === 1;
  }
  /** Level at which tables are shared; 0 none. */
  get share(): number {
    const setting = this.#machine.read(SHARE);
    return setting === 1 ? 2 : setting === 2 ? 3 : 0;
  }
  /** Tables that are made between two passes that merge equal ones; 0 no pass. */
  get coalesce(): number {
    return PERIODS[this.#machine.read(COALESCE)] ?? 0;
  }
  /** NumaMode. */
  get numa(): number {
    return this.#machine.read(NUMA);
  }
  /** Each VP has SASes of its own. */
  get perVp(): boolean {
    return this.#machine.read(PER_VP) === 1;
  }
}
