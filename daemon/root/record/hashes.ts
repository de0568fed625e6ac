// What two runs are compared by: what the LPs did, and what the guest's memory holds at the end.
import { createHash } from 'node:crypto';
import { PartitionMap } from '../../../shared/layout/partition.js';
import type { MachineMemory } from '../machine-memory.js';
import type { Partition } from '../partition.js';

/** SHA-256 over each LP's running hash of its events, in LP order. */
export const traceHash = ({ lps }: MachineMemory): string => {
  const words = new Uint32Array(lps.flatMap((lp) => [lp.traceLo, lp.traceHi]));
  return createHash('sha256').update(words).digest('hex');
};

const CHUNK = 1 << 20;

/** SHA-256 of guest RAM. */
export const memoryHash = ({ body, config }: Partition): string => {
  const hash = createHash('sha256');
  for (let at = 0; at < config.memory; at += CHUNK) {
    const start = PartitionMap.RAM + at;
    // A copy: digest code must not read memory that is shared.
    hash.update(body.views.u8.slice(start, start + Math.min(CHUNK, config.memory - at)));
  }
  return hash.digest('hex');
};
