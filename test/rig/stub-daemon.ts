// A daemon whose LPs are stubs, in this process, on a socket of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { type Daemon, startDaemon } from '../../daemon/root/daemon.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import type { MachineConfig, PartitionConfig } from '../../shared/protocol/messages.js';

export const STUB_LP = fileURLToPath(new URL('./stub-lp.js', import.meta.url));
const MIB = 1 << 20;

export const stubConfig = (changes: Partial<MachineConfig> = {}): MachineConfig => ({
  ...defaultMachine(),
  lps: 2,
  pin: false,
  ...changes,
});

export const stubPartition = (name: string, changes: Partial<PartitionConfig> = {}): PartitionConfig => ({
  name,
  image: resolveImage('workload64', ''),
  vps: 1,
  memory: 8 * MIB,
  ...changes,
});

/** A machine of stub LPs, with partitions given without a file path. */
export const startStubMachine = (changes: Partial<MachineConfig> = {}, answerLimitMs?: number): Promise<Machine> =>
  Machine.start({ config: stubConfig(changes), log: silentLog(), workerFile: STUB_LP, answerLimitMs });

export interface StubDaemon extends Daemon {
  readonly folder: string;
  readonly end: () => Promise<void>;
}

export const startStubDaemon = async (changes: Partial<MachineConfig> = {}, answerLimitMs?: number): Promise<StubDaemon> => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const daemon = await startDaemon({
    config: stubConfig(changes),
    log: silentLog(),
    workerFile: STUB_LP,
    socket: join(folder, 'hvd.sock'),
    answerLimitMs,
  });
  const end = async (): Promise<void> => {
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...daemon, folder, end };
};
