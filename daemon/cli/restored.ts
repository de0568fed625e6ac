// Options beside --restore: the machine is what the snapshot says, and an option that says something else is refused.
import { HvdError } from '../../shared/protocol/errors.js';
import type { MachineConfig } from '../../shared/protocol/messages.js';
import { type SnapshotScan, scanSnapshot } from '../root/snapshot/scan.js';
import { type MachineFlags, withFlags } from './options.js';

const SAME = ['lps', 'nodes', 'clock', 'seed', 'quantumCycles'] as const;

/** Throws snapshot.*, before anything has been started. */
export const restored = (file: string, flags: MachineFlags): { readonly restore: SnapshotScan; readonly config: MachineConfig } => {
  const restore = scanSnapshot(file);
  const { machine } = restore.head;
  const config = withFlags(machine, { nodes: String(machine.nodes), ...flags });
  for (const field of SAME)
    if (config[field] !== machine[field])
      throw new HvdError('snapshot.field', { file, field, why: `it is ${machine[field]} there, and ${config[field]} is asked for` });
  if (restore.isOtherBuild)
    process.stderr.write(
      `hvd: ${file}: taken by another build of this version: code is translated anew, and the course may be another one\n`,
    );
  return { restore, config };
};
