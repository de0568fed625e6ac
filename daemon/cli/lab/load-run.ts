// hvd load run: plays a script on a running daemon and tells how it went.
import { extname } from 'node:path';
import { connect } from '../../../shared/client/client.js';
import { RunExit } from '../../../shared/protocol/errors.js';
import { formatSeconds } from '../../lab/duration.js';
import { formatNumber } from '../../lab/report/numbers.js';
import { type Outcome, play, type Stretch } from '../../lab/script/play.js';
import { parseParameter, readScript } from '../../lab/script/script-file.js';
import { LiveStage } from '../../lab/stage/live-stage.js';
import { complain } from '../complain.js';
import { formatTable, printJson, printLine } from '../output.js';
import { onSignal } from '../signals.js';
import type { ClientFlags } from '../with-daemon.js';
import { runProgram } from './script-program.js';
import { numberAt, ShownProgress } from './script-progress.js';

export interface LoadRunFlags extends ClientFlags {
  readonly set?: readonly string[];
  readonly keep?: boolean;
}

/** An assertion did not hold. */
const FAILED = RunExit.FAILED;
const PROGRAMS = ['.ts', '.mts', '.js', '.mjs'];

/** Exit status: 0, 1 where an assertion did not hold, 130 after a signal. */
export const loadRun = async (file: string, flags: LoadRunFlags): Promise<number> => {
  if (PROGRAMS.includes(extname(file))) return runProgram(file, flags);
  const script = readScript(file, Object.fromEntries((flags.set ?? []).map(parseParameter)));
  const controller = new AbortController();
  const stopListening = onSignal(() => controller.abort());
  const hvd = await connect({ socket: flags.socket });
  let stage: LiveStage | undefined;
  try {
    stage = await LiveStage.join(hvd, controller.signal, script);
    const isShown = flags.json !== true;
    const progress = new ShownProgress(hvd, script, stage.frequencyHz, isShown);
    stage.onPassed = (cycle) => progress.passed(cycle);
    let end: 'passed' | 'failed' | 'stopped' = 'stopped';
    try {
      const outcome = await play(script, stage, progress);
      end = outcome.assertions.every(({ holds }) => holds) ? 'passed' : 'failed';
      if (isShown) summarize(outcome);
      else printJson({ script: script.name, ...outcome });
    } finally {
      await progress.end(end);
    }
    return end === 'passed' ? 0 : FAILED;
  } catch (error) {
    if (controller.signal.aborted) return RunExit.INTERRUPTED;
    throw error;
  } finally {
    stopListening();
    // A daemon that is gone has taken everything with it.
    if (flags.keep !== true && !hvd.closed) for (const failure of (await stage?.restore()) ?? []) complain(failure);
    await hvd.close();
  }
};

const rowOf = ({ phase, step, steps, window }: Stretch): string[] => [
  steps === 1 ? phase : `${phase} ${step + 1}/${steps}`,
  formatSeconds(numberAt(window, 'seconds')),
  formatNumber(numberAt(window, 'operations')),
  formatNumber(numberAt(window, 'operationsPerSecond')),
  formatNumber(numberAt(window, 'instructions')),
  formatNumber(numberAt(window, 'interceptCount')),
  `${Math.round(100 * numberAt(window, 'busy'))} %`,
];
const HEAD = ['phase', 'time', 'operations', 'a second', 'instructions', 'intercepts', 'LPs busy'];

const summarize = ({ stretches, measured, assertions }: Outcome): void => {
  printLine(formatTable(HEAD, stretches.map(rowOf)));
  for (const [name, value] of Object.entries(measured)) printLine(`${name}: ${typeof value === 'number' ? formatNumber(value) : value}`);
  if (assertions.length > 0) printLine(`${assertions.filter(({ holds }) => holds).length} of ${assertions.length} assertions hold`);
};
