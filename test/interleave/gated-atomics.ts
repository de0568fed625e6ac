// Code that calls Atomics itself, as the virtual APIC does on words of the VP block, goes by the gate too: on the words that a scenario names, and while the gate is closed.
// Why only those: every other operation of the same thread (locks of what a scenario is not about) would multiply the schedules.
import type { Views } from '../../shared/layout/struct.js';
import type { Gate } from './gate.js';

const OPERATIONS = ['load', 'store', 'and', 'or', 'add', 'exchange', 'compareExchange'] as const;
type Operation = (words: Int32Array, index: number, ...values: number[]) => number;

/** For the life of this thread. Returns a function that says which words, by their addresses in the partition, are gated from now on. */
export const gateAtomics = (gate: Gate, partition: Views): ((addresses: readonly number[]) => void) => {
  const gated = new Set<number>();
  for (const name of OPERATIONS) {
    const real = Atomics[name] as Operation;
    const stepped: Operation = (words, index, ...values) => {
      if (gate.closed && gated.has(index * 4) && words.buffer === partition.i32.buffer) gate.step(0, index * 4);
      return real(words, index, ...values);
    };
    Reflect.set(Atomics, name, stepped);
  }
  return (addresses) => {
    gated.clear();
    for (const address of addresses) gated.add(address);
  };
};
