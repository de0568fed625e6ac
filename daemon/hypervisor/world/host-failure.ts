// The LP itself cannot go on: a machine check, not the end of one partition.
export class HostFailure extends Error {}

export function requireHost(condition: unknown, message: string): asserts condition {
  if (!condition) throw new HostFailure(message);
}
