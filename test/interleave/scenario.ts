// A race as two or three short threads and a condition.
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import type { SharedWords } from '../../daemon/machine/shared-words.js';
import type { WatchedCode } from '../../daemon/machine/watched-code.js';
import type { ApicParts } from './apic-mutants.js';
import type { LpParts } from './small-lp.js';
import type { SmallMachine } from './small-machine.js';
import type { SynicMutant } from './synic-mutants.js';

export const PAGES = 64;
/** Threads that are prepared for every scenario, and the last of them: the first load of a VP purges the SAS, so it fills beforehand. */
export const THREADS = 3;
export const LAST = THREADS - 1;

export interface ScenarioThread {
  readonly lp: LpMmu;
  readonly words: SharedWords;
  readonly machine: SmallMachine;
  readonly index: number;
  /** The fault that scenarios of the synthetic interrupt controller are to have. */
  readonly synic?: SynicMutant | undefined;
  /** As posting to virtual APICs is to be. */
  readonly apic?: ApicParts | undefined;
  /** As LPs are to rest and wake. */
  readonly lpParts?: LpParts | undefined;
  /** As it is to be in scenarios of translated code. */
  readonly WatchedCode?: typeof WatchedCode | undefined;
}

export interface Scenario {
  readonly name: string;
  /** Most schedules in order in a short run; else many. */
  readonly limit?: number;
  /** Size of the SPT pool. */
  readonly spts: number;
  /** Addresses of words in the partition whose own Atomics are gated. */
  readonly atomics?: readonly number[];
  /** As above, in the machine's memory. */
  readonly machineAtomics?: readonly number[];
  /** Guest memory and registers. */
  setup(machine: SmallMachine): void;
  /** Each LP, ungated, in the order of threads. */
  prepare?(thread: ScenarioThread): void;
  readonly threads: readonly ((thread: ScenarioThread) => void)[];
  /** After all threads have ended. */
  check(machine: SmallMachine): string | null;
}
