// Code that calls Atomics itself, as the virtual APIC does on words of the VP block, goes by the gate too: on the words that a scenario names, and while the gate is closed.
// Why only those: every other operation of the same thread (locks of what a scenario is not about) would multiply the schedules.
import type { Views } from '../../shared/layout/struct.js';
import { type Gate, ThreadState } from './gate.js';

const OPERATIONS = ['load', 'store', 'and', 'or', 'add', 'exchange', 'compareExchange'] as const;
type Operation = (words: Int32Array, index: number, ...values: number[]) => number;

/** Addresses in the partition's memory, and in the machine's. */
export type GatedAddresses = readonly [partition: readonly number[], machine: readonly number[]];

/**
 * For the life of this thread. Returns a function that says which words are gated from now on. Waits for them have no time limit: who is never notified is stuck.
 */
export const gateAtomics = (gate: Gate, partition: Views, machine: Views): ((addresses: GatedAddresses) => void) => {
  const gated = [new Set<number>(), new Set<number>()];
  const buffers: readonly ArrayBufferLike[] = [partition.i32.buffer, machine.i32.buffer];
  /** Number of the memory, -1: it is not gated. */
  const memoryOf = (words: Int32Array, index: number): number => {
    const memory = gate.closed ? buffers.indexOf(words.buffer) : -1;
    return memory >= 0 && gated[memory]?.has(index * 4) ? memory : -1;
  };
  for (const name of OPERATIONS) {
    const real = Atomics[name] as Operation;
    const stepped: Operation = (words, index, ...values) => {
      const memory = memoryOf(words, index);
      if (memory >= 0) gate.step(memory, index * 4);
      return real(words, index, ...values);
    };
    Reflect.set(Atomics, name, stepped);
  }
  const { wait, notify } = Atomics;
  Reflect.set(Atomics, 'wait', (words: Int32Array, index: number, value: number, ms?: number) => {
    const memory = memoryOf(words, index);
    if (memory < 0) return wait(words, index, value, ms);
    gate.step(memory, index * 4);
    if (words[index] !== value) return 'not-equal';
    gate.block(ThreadState.SLEEPING, memory, index * 4, value);
    return 'ok';
  });
  Reflect.set(Atomics, 'notify', (words: Int32Array, index: number, count?: number) => {
    const memory = memoryOf(words, index);
    if (memory < 0) return notify(words, index, count);
    gate.step(memory, index * 4);
    gate.notify(memory, index * 4);
    return 0;
  });
  return (addresses) => {
    for (const [memory, words] of gated.entries()) {
      words.clear();
      for (const address of addresses[memory] ?? []) words.add(address);
    }
  };
};
