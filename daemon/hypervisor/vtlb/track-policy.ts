// `vtlb.tags`, `vtlb.track` and `vtlb.untracked` as they are wished for just now. Why apart: what holds in a partition changes only when discovery.ts makes it so.
import { MachineLayout } from '../../../shared/layout/machine.js';
import { TrackMode } from '../../../shared/layout/vtlb.js';
import { findPolicy } from '../../../shared/protocol/policies.js';
import type { SharedWords } from '../../machine/shared-words.js';

class NumericPolicy {
  readonly #words: SharedWords;
  readonly #address: number;
  readonly #values: readonly number[];

  constructor(words: SharedWords, name: string) {
    const policy = findPolicy(name);
    this.#words = words;
    this.#address = MachineLayout.at.policies + policy.word * 4;
    this.#values = policy.values.map(Number);
  }
  get value(): number {
    return this.#values[this.#words.read(this.#address)] ?? this.#values[0];
  }
}

export class TrackPolicy {
  readonly #words: SharedWords;
  readonly #tags: NumericPolicy;
  readonly #untracked: NumericPolicy;
  readonly #track: number;

  /** `machine`: machine memory. */
  constructor(machine: SharedWords) {
    this.#words = machine;
    this.#tags = new NumericPolicy(machine, 'vtlb.tags');
    this.#untracked = new NumericPolicy(machine, 'vtlb.untracked');
    this.#track = MachineLayout.at.policies + findPolicy('vtlb.track').word * 4;
  }

  /** Address spaces that keep their translations; 1: none does. */
  get tags(): number {
    return this.#tags.value;
  }
  /** Visits to untracked tables before all mappings are purged. */
  get untracked(): number {
    return this.#untracked.value;
  }
  /** TrackMode wished for. */
  get mode(): number {
    if (this.tags === 1) return TrackMode.OFF;
    const track = this.#words.read(this.#track);
    return track === 1 ? TrackMode.RMAP : track === 2 ? TrackMode.WRITE : TrackMode.MAPPING;
  }
}
