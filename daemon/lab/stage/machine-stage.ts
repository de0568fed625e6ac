// A private machine as a stage: in `deterministic` mode everything happens at a place of its course, and the same script gives the same numbers each time.

import { PartitionState } from '../../../shared/layout/partition.js';
import type { Deed, MachineConfig } from '../../../shared/protocol/messages.js';
import { deliverDueLoads, type Enter, Timetable } from '../../root/gate/timetable.js';
import { silentLog } from '../../root/log.js';
import { Machine } from '../../root/machine.js';
import { traceHash } from '../../root/record/hashes.js';
import type { Hands, Stage } from './stage.js';

/** Between two looks whether a guest has come up that a load waits for, seconds of the machine's time. */
const DELIVER_S = 0.001;

export class MachineStage implements Stage {
  readonly #machine: Machine;
  readonly #timetable: Timetable;
  readonly frequencyHz: number;
  #now = 0;

  /** Its partitions are made by the script. */
  static async start(config: MachineConfig, workerFile?: string): Promise<MachineStage> {
    const machine = await Machine.start({ config: { ...config, partitions: [] }, log: silentLog(), isTimed: true, workerFile });
    return new MachineStage(machine);
  }

  private constructor(machine: Machine) {
    this.#machine = machine;
    this.frequencyHz = machine.config.frequencyHz;
    this.#timetable = new Timetable(machine);
  }

  async at<T>(cycle: number, act: (hands: Hands) => Promise<T>): Promise<T> {
    const step = Math.max(1, Math.round(this.frequencyHz * DELIVER_S));
    while (this.#machine.partitions.all.some(({ pendingLoads }) => pendingLoads.length > 0) && this.#now + step < cycle) {
      this.#now += step;
      await this.#timetable.at(this.#now, (enter) => deliverDueLoads(this.#machine, enter));
    }
    this.#now = cycle;
    return this.#timetable.at(cycle, (enter) =>
      act({ stats: async () => this.#machine.stats(), carryOut: (deed) => carryOut(enter, deed) }),
    );
  }

  /** Why its numbers are none: an LP or a guest has gone down, or a guest has never taken its job. */
  defect(): string | undefined {
    const { workers, memory, partitions } = this.#machine;
    if (workers.alive.length < memory.lps.length) return `LP ${memory.lps.findIndex((_, lp) => !workers.isAlive(lp))} has stopped`;
    for (const { name, body, pendingLoads, refusedLoads } of partitions.all) {
      if (body.state === PartitionState.CRASHED) return `${name} has crashed: ${body.reason}`;
      if (pendingLoads.length > 0) return `${name} has not taken its job: its guest announces no job page`;
      if (refusedLoads.length > 0) return `${name} has not taken its job: its guest knows no ${refusedLoads[0]!.job}`;
    }
    return undefined;
  }

  /** Of all that has happened. The machine stands still: before `stop`, after an act. */
  traceHash(): string {
    return traceHash(this.#machine.memory);
  }

  async stop(): Promise<void> {
    this.#timetable.end();
    await this.#machine.stop();
  }
}

const carryOut = async (enter: Enter, deed: Deed): Promise<void> => {
  switch (deed.kind) {
    case 'create':
      await enter('vm.create', { config: deed.config });
      return;
    case 'verb':
      await enter(`vm.${deed.verb}`, { name: deed.vm });
      return;
    case 'policy':
      await enter('policy', { name: deed.name, value: deed.value, ...(deed.vm === undefined ? {} : { vm: deed.vm }) });
      return;
    case 'load':
      await enter('load.set', { name: deed.vm, load: deed.load });
      return;
    case 'idle':
      await enter('load.stop', { name: deed.vm });
  }
};
