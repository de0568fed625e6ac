// A guest between two moments of virtual time: what it did there, whatever was before. Deterministic clock: the same numbers each time, on every host.
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { JobArea } from '../../daemon/root/loads/job-area.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { stopAtClock } from '../../shared/layout/gate.js';
import { latencyQuantile } from '../../shared/layout/job-page.js';

export interface RunRequest {
  readonly vps: number;
  readonly lps: number;
  /** Command line of the workload guest. */
  readonly append: string;
  readonly policies: Readonly<Record<string, string>>;
  /** Cycles of the machine's start. */
  readonly from: number;
  readonly to: number;
}
/** Of each VP. */
export interface Counted {
  readonly operations: readonly number[];
  readonly instructions: readonly number[];
  readonly holderPreemptions: readonly number[];
  readonly latencyP99: readonly number[];
}

/** Places of the course are no bound here: far more than a run has. */
const FAR = 2 ** 30;
/** LPs take turns of an eighth of it: short ones, for VPs wait for one another. */
const QUANTUM_CYCLES = 32_000;

export const countBetween = async ({ vps, lps, append, policies, from, to }: RunRequest): Promise<Counted> => {
  const config = {
    ...defaultMachine(),
    lps,
    pin: false,
    idle: 'skip',
    clock: 'deterministic',
    quantumCycles: QUANTUM_CYCLES,
    policies,
  } as const;
  const machine = await Machine.start({ config, log: silentLog() });
  try {
    const { gate, memory } = machine;
    gate.isExact = true;
    const looks: Look[] = [];
    const done = new Promise<void>((resolve) => {
      gate.onLimit = async ({ clock }) => {
        if (clock < (looks.length === 0 ? from : to)) return 'unchanged';
        looks.push(lookAt(machine));
        stopAtClock(memory.views, to);
        if (looks.length === 1) return 'unchanged';
        resolve();
        return 'stays';
      };
    });
    stopAtClock(memory.views, from);
    gate.limit(FAR);
    await machine.add({ name: 'guest', image: resolveImage('workload64', ''), vps, memory: 32 << 20, hv: { features: 'linux' }, append });
    await done;
    const [before, after] = looks as [Look, Look];
    const difference = (name: 'operations' | 'instructions' | 'holderPreemptions'): number[] =>
      after[name].map((value, vp) => value - before[name][vp]!);
    return {
      operations: difference('operations'),
      instructions: difference('instructions'),
      holderPreemptions: difference('holderPreemptions'),
      latencyP99: after.latencies.map((counts, vp) =>
        latencyQuantile(
          counts.map((count, n) => count - before.latencies[vp]![n]!),
          0.99,
        ),
      ),
    };
  } finally {
    await machine.stop();
  }
};

type Look = Omit<Counted, 'latencyP99'> & { readonly latencies: readonly Uint32Array[] };
const lookAt = (machine: Machine): Look => {
  const [partition] = machine.stats().partitions;
  const { vps, load } = partition!;
  return {
    operations: load.map(({ operations }) => operations),
    instructions: vps.map(({ instructions }) => instructions),
    holderPreemptions: vps.map(({ spin }) => spin.holderPreemptions ?? 0),
    latencies:
      JobArea.of(machine.partitions.all[0]!.body)
        ?.latencies()
        .map((counts) => counts.slice()) ?? [],
  };
};
