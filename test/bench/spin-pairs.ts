// Two partitions of two VPs each on two LPs: where a gang can be scheduled together, for a partition has an LP for each of its VPs. Deterministic clock;
// what the guests are told, and when they are asked, is at moments of the host's, so that the last digit may be another one.
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { readConsole } from '../../daemon/root/console.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { waitUntil } from '../../daemon/root/wait-until.js';

export interface PairRow {
  readonly mechanism: string;
  readonly detector: string;
  /** Acquisitions of both against those of one that has the machine to itself. */
  readonly throughput: number;
  /** Jain's index of the partitions' acquisitions. */
  readonly fairness: number;
}

const SETTINGS = [
  ['none', 'off', {}],
  ['none', 'pause', { 'spin.detect': 'pause' }],
  ['both', 'pause', { 'spin.detect': 'pause', 'spin.extend': '1x100000', 'spin.express': 'on' }],
  ['gang', 'off', { 'sched.policy': 'gang' }],
  ['gang', 'pause', { 'sched.policy': 'gang', 'spin.detect': 'pause' }],
] as const;
const LIMIT_MS = 600_000;
const RUN_CYCLES = 40_000_000;

/** Acquisitions of each of so many partitions. */
const run = async (names: readonly string[], policies: Readonly<Record<string, string>>): Promise<number[]> => {
  const config = {
    ...defaultMachine(),
    lps: 2,
    pin: false,
    idle: 'skip',
    clock: 'deterministic',
    quantumCycles: 32_000,
    policies,
  } as const;
  const machine = await Machine.start({ config, log: silentLog() });
  try {
    // The boot of one is no work of the other's: all are told to begin when all are there.
    for (const name of names) await machine.add({ name, image: resolveImage('workload64', ''), vps: 2, memory: 32 << 20 });
    const isUp = (name: string): boolean => Buffer.from(readConsole(machine.partitions.get(name), 0).bytes).includes('READY');
    if (!(await waitUntil(() => names.every(isUp), LIMIT_MS))) throw new Error('a guest does not come up');
    for (const name of names) {
      const parameters = { kind: 0, hold: 1000, think: 6000, off: 1 };
      await machine.enter('load.set', { name, load: { job: 'spinlock', parameters } });
    }
    const clock = (): number => machine.memory.lps[0]!.clockNum;
    const from = clock();
    if (!(await waitUntil(() => clock() > from + RUN_CYCLES, LIMIT_MS))) throw new Error('the machine stands still');
    const { partitions } = await machine.gate.look(() => machine.stats());
    const cycles = clock() - from;
    return partitions.map(({ load }) => (load.reduce((all, { operations }) => all + operations, 0) * RUN_CYCLES) / cycles);
  } finally {
    await machine.stop();
  }
};

export const measurePairs = async (): Promise<PairRow[]> => {
  const [alone] = await run(['a'], {});
  const rows: PairRow[] = [];
  for (const [mechanism, detector, policies] of SETTINGS) {
    const each = await run(['a', 'b'], policies);
    const all = each.reduce((sum, one) => sum + one, 0);
    rows.push({
      mechanism,
      detector,
      throughput: all / alone!,
      fairness: all ** 2 / (each.length * each.reduce((sum, one) => sum + one * one, 0)),
    });
  }
  return rows;
};
