// A broken invariant of hvd's own (never a guest's or an operator's doing): the caller's partition is stopped and the message says what to look at.

export class BrokenInvariant extends Error {
  constructor(message: string) {
    super(`broken invariant: ${message}`);
    this.name = 'BrokenInvariant';
  }
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BrokenInvariant(message);
}

export const unreachable = (value: never, what: string): never => {
  throw new BrokenInvariant(`${what}: unexpected ${String(value)}`);
};
