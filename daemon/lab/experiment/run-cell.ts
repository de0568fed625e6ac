// One cell: a private machine, the script, the numbers.
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { withPaths } from '../../root/config/machine-file.js';
import { hvdVersion } from '../../root/version.js';
import { type Assertion, type Outcome, play } from '../script/play.js';
import { MachineStage } from '../stage/machine-stage.js';
import type { Cell } from './matrix.js';

export interface CellResult {
  readonly id: string;
  readonly version: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly seed: number;
  /** `timeout` and `failed` are not results: such a cell is done again. */
  readonly state: 'done' | 'timeout' | 'failed';
  readonly why?: string;
  readonly measured: Readonly<Record<string, number | boolean>>;
  readonly assertions: readonly Assertion[];
  /** Of all events of all LPs: equal where the course was the same. */
  readonly traceHash: string;
  /** What the host took, ms: nothing of it is a result. */
  readonly host: { readonly startMs: number; readonly runMs: number };
}

/** Never rejects. */
export const runCell = async (cell: Cell, workerFile?: string): Promise<CellResult> => {
  const base = { id: cell.id, version: hvdVersion(), settings: cell.settings, seed: cell.seed };
  const startedAt = performance.now();
  let stage: MachineStage | undefined;
  let timer: NodeJS.Timeout | undefined;
  let startMs = 0;
  const host = (): CellResult['host'] => ({ startMs: Math.round(startMs), runMs: Math.round(performance.now() - startedAt - startMs) });
  try {
    stage = await MachineStage.start(cell.machine, workerFile);
    startMs = performance.now() - startedAt;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new HvdError('cell.timeout', { ms: cell.limitMs })), cell.limitMs);
    });
    const partitions = cell.script.partitions.map((partition) => withPaths(partition, '/'));
    const outcome: Outcome = await Promise.race([play({ ...cell.script, partitions }, stage), late]);
    const defect = stage.defect();
    if (defect !== undefined) throw new HvdError('cell.defect', { why: defect });
    return {
      ...base,
      state: 'done',
      measured: outcome.measured,
      assertions: outcome.assertions,
      traceHash: stage.traceHash(),
      host: host(),
    };
  } catch (error) {
    const state = error instanceof HvdError && error.code === 'cell.timeout' ? 'timeout' : 'failed';
    return { ...base, state, why: reasonOf(error), measured: {}, assertions: [], traceHash: '', host: host() };
  } finally {
    clearTimeout(timer);
    await stage?.stop();
  }
};
