// What may be done to a partition, and in which states. Each verb says when it may be called; everything else is refused with the states that it needs.
import { PARTITION_STATE_NAMES, PartitionState } from '../../shared/layout/partition.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { Partition } from './partition.js';

const { CREATED, RUNNING, PAUSED, STOPPED, CRASHED, POWERED_OFF } = PartitionState;

export const VERB_STATES = {
  /** Boots; one that has ended boots again from its files, with fresh memory. */
  start: [CREATED, STOPPED, CRASHED, POWERED_OFF],
  pause: [RUNNING],
  resume: [PAUSED],
  stop: [RUNNING, PAUSED, CREATED],
  /** Gives the guest a job, or what it finds when it comes up. */
  load: [CREATED, RUNNING, PAUSED],
  /** Opens and closes ports and connections. */
  ports: [CREATED, RUNNING, PAUSED],
  /** Changes its share of the machine; of one that has ended, when it starts again. */
  schedule: [CREATED, RUNNING, PAUSED, STOPPED, CRASHED, POWERED_OFF],
  destroy: [CREATED, RUNNING, PAUSED, STOPPED, CRASHED, POWERED_OFF],
} as const satisfies Record<string, readonly number[]>;
export type Verb = keyof typeof VERB_STATES;

export const isAllowed = (verb: Verb, { body: { state } }: Partition): boolean => (VERB_STATES[verb] as readonly number[]).includes(state);

/** Throws vm.state unless the partition is in one of the verb's states. Returns the state. */
export const requireState = (verb: Verb, partition: Partition): number => {
  if (!isAllowed(verb, partition)) throw stateError(verb, partition);
  return partition.body.state;
};

export const stateError = (verb: Verb, partition: Partition): HvdError =>
  new HvdError('vm.state', {
    verb,
    name: partition.name,
    state: partition.body.stateName,
    needs: VERB_STATES[verb].map((state) => PARTITION_STATE_NAMES[state]).join(' or '),
  });
