// What a machine is at a place, in a few digests by name: two courses that tell of the same events may have taken in something else, and are told apart here.
// Guest RAM comes in pieces, one a digest, each in its turn: all of it every so often would cost more than the rest of a recording.
import { createHash } from 'node:crypto';
import { MachineLayout } from '../../../shared/layout/machine.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { MachineMemory } from '../machine-memory.js';
import type { Partition } from '../partition.js';

/** Digests by name: `policies`, and of each partition `name/part`. */
export type StateDigest = Readonly<Record<string, string>>;

const PIECE = 1 << 20;
/** Hex digits of a digest. */
export const DIGEST_DIGITS = 16;

/** Parts of a partition's memory that follow from its course alone. What LPs have translated or cached is not among them. */
const PARTS = {
  policies: [PartitionMap.HEADER + PartitionLayout.at.policies, PartitionMap.HEADER + PartitionLayout.at.policies + 64 * 4],
  processors: [PartitionMap.VPS, PartitionMap.SCHEDULE],
  schedule: [PartitionMap.SCHEDULE, PartitionMap.HYPERV],
  hyperv: [PartitionMap.HYPERV, PartitionMap.SYNIC],
  synic: [PartitionMap.SYNIC, PartitionMap.DEVICES],
  devices: [PartitionMap.DEVICES, PartitionMap.DEVICES_END],
} as const;

/** `turn`: which piece of each partition's RAM it is about, modulo how many there are. While no LP goes on. */
export const stateDigest = ({ views, header }: MachineMemory, partitions: readonly Partition[], turn: number): StateDigest => {
  const policies = header.base + MachineLayout.at.policies;
  const digests: Record<string, string> = { policies: digest(views.u8, policies, policies + 64 * 4) };
  for (const { name, body, config } of partitions) {
    const { u8 } = body.views;
    digests[`${name}/state`] = body.stateName;
    for (const [part, [from, to]] of Object.entries(PARTS)) digests[`${name}/${part}`] = digest(u8, from, to);
    const at = (turn % Math.ceil(config.memory / PIECE)) * PIECE;
    digests[`${name}/memory at ${at.toString(16)}`] = digest(
      u8,
      PartitionMap.RAM + at,
      PartitionMap.RAM + Math.min(at + PIECE, config.memory),
    );
  }
  return digests;
};

// A copy: digest code must not read memory that is shared.
const digest = (bytes: Uint8Array, from: number, to: number): string =>
  createHash('sha256').update(bytes.slice(from, to)).digest('hex').slice(0, DIGEST_DIGITS);

/** The first part that is not what it was. */
export const firstDifference = (
  expected: StateDigest,
  found: StateDigest,
): { readonly name: string; readonly expected: string; readonly found: string } | undefined => {
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)]))
    if (expected[name] !== found[name]) return { name, expected: expected[name] ?? 'nothing', found: found[name] ?? 'nothing' };
  return undefined;
};
