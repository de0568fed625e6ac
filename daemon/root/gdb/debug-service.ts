// What a debugger's session gets of the machine.
import { PartitionState } from '../../../shared/layout/partition.js';
import type { Log } from '../log.js';
import type { Machine } from '../machine.js';
import type { Partition } from '../partition.js';
import type { DebugControl } from './debug-control.js';
import type { Bits } from './register-set.js';

export interface DebugService {
  readonly control: DebugControl;
  readonly log: Log;
  /** The partition that a debugger which says nothing else gets. */
  readonly pick: () => Partition | undefined;
  readonly find: (name: string) => Partition | undefined;
  readonly names: () => string[];
  /** The debugger has come to it. */
  readonly attached: (partition: Partition) => Promise<void>;
  readonly kill: (partition: Partition) => Promise<void>;
  /** What GDB is to take the processor for; undefined: whatever VP 0 is when the debugger comes. */
  readonly bits: Bits | undefined;
}

export interface DebugChoice {
  /** The partition that debuggers get first; the oldest one if absent. */
  readonly partition?: string | undefined;
  readonly bits?: Bits | undefined;
}

/** `attached`: what happens when the debugger has come. */
export const debugServiceOf = (
  machine: Machine,
  log: Log,
  choice: DebugChoice,
  attached: (partition: Partition) => Promise<void> = async () => {},
): DebugService => {
  const { debug, partitions } = machine;
  const find = (name: string): Partition | undefined => partitions.all.find((one) => one.name === name);
  return {
    control: debug,
    log,
    pick: () => (choice.partition === undefined ? partitions.all[0] : find(choice.partition)),
    find,
    names: () => partitions.all.map(({ name }) => name),
    attached,
    kill: async ({ name, body }) => {
      if (body.state === PartitionState.RUNNING || body.state === PartitionState.PAUSED) await machine.enter('vm.stop', { name });
    },
    bits: choice.bits,
  };
};
