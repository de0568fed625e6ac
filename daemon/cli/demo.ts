#!/usr/bin/env node
// `npm start`: at a terminal the daemon (left running) and its live screen; elsewhere a bounded demonstration with a plain summary.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../shared/client/client.js';

import { HvdError } from '../../shared/protocol/errors.js';
import { readMachineFile } from '../root/config/machine-file.js';
import { startDaemon } from '../root/daemon.js';
import { createLog } from '../root/log.js';
import { packageRoot } from '../root/package-root.js';
import { formatStats } from './commands/stats.js';
import { runTop } from './commands/top.js';
import { complain } from './complain.js';

import { printLine } from './output.js';
import { onSignal } from './signals.js';
import { detach } from './start/start-daemon.js';

const MACHINE = join(packageRoot(), 'configs/machines/default.yaml');
const DEMO_MS = Number(process.env.HVD_DEMO_MS ?? 10_000);
const STEP_MS = 2_000;

const atTerminal = async (): Promise<number> => {
  if (!(await isRunning())) await detach({ machine: MACHINE });
  const status = await runTop([]);
  printLine('The daemon goes on; npx hvd stop ends it.');
  return status;
};

const isRunning = async (): Promise<boolean> => {
  try {
    await (await connect()).close();
    return true;
  } catch (error) {
    if (error instanceof HvdError && error.code === 'daemon.absent') return false;
    throw error;
  }
};

const withoutTerminal = async (): Promise<void> => {
  const startedAt = performance.now();
  const socket = join(tmpdir(), `hvd-demo-${process.pid}.sock`);
  const daemon = await startDaemon({ config: readMachineFile(MACHINE), log: createLog('warn'), socket });
  const abort = new AbortController();
  const unlisten = onSignal(() => abort.abort());
  try {
    const hvd = await connect({ socket });
    printLine(
      `hvd: ${daemon.machine.config.lps} LPs up after ${Math.round(performance.now() - startedAt)} ms; running for ${DEMO_MS / 1000} s`,
    );
    const end = performance.now() + DEMO_MS;
    while (performance.now() < end && !abort.signal.aborted) {
      await sleep(Math.min(STEP_MS, Math.max(1, end - performance.now())), undefined, { signal: abort.signal }).catch(() => {});
      const { partitions } = await hvd.request('stats', {});
      const done = partitions.map(
        ({ name, state, load }) => `${name} ${state} ${load.reduce((total, job) => total + job.operations, 0)} operations`,
      );
      printLine(done.join(', '));
    }
    printLine(formatStats(await hvd.request('stats', {})));
    await hvd.close();
  } finally {
    unlisten();
    await daemon.stop();
  }
};

try {
  if (process.stdout.isTTY && process.stdin.isTTY) process.exitCode = await atTerminal();
  else await withoutTerminal();
} catch (error) {
  process.exitCode = complain(error);
}
