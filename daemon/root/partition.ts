// One partition as root knows it: its configuration and files, its memory while it has one, and what its header says about it.

import type { Observe } from '../../shared/layout/observation.js';
import type { LoadSpec, PartitionConfig } from '../../shared/protocol/messages.js';
import type { BackEnds } from './back-ends.js';
import type { PartitionBody } from './partition-body.js';

/** The files of a partition, read once: `start` after `stop` boots the same bytes again. */
export interface PartitionFiles {
  readonly image: Uint8Array;
  /** With a BIOS, which takes no initrd: its video BIOS. */
  readonly initrd: Uint8Array | undefined;
}

export class Partition {
  /** What it was created from, with what has been changed of its share since. */
  config: PartitionConfig;
  readonly files: PartitionFiles;
  /** Slot number by which LPs know it. */
  readonly slot: number;
  /** Behind its virtio devices. */
  readonly backEnds: BackEnds | undefined;
  /** What LPs are asked to find out about it. */
  readonly observe: Observe | undefined;
  /** Memory, rebuilt at each boot. */
  body: PartitionBody;
  /** Verbs on the partition go one at a time. */
  turn: Promise<unknown> = Promise.resolve();
  /** Loads that wait until the guest takes jobs, oldest first. */
  pendingLoads: LoadSpec[] = [];
  /** Loads that waited for this boot's guest, which takes jobs but knows none of that name. */
  refusedLoads: readonly LoadSpec[] = [];
  /** State that the watcher has reported already. */
  reportedState = -1;
  /** Crash reports of the guest that the watcher has seen. */
  reportedCrashes = 0;
  /** What of the boot with that memory the watcher has told about loads, once: that they wait, that they are refused. */
  readonly reportedLoads: { waiting: PartitionBody | undefined; refused: PartitionBody | undefined } = {
    waiting: undefined,
    refused: undefined,
  };

  constructor(config: PartitionConfig, files: PartitionFiles, slot: number, body: PartitionBody, backEnds?: BackEnds, observe?: Observe) {
    this.config = config;
    this.files = files;
    this.slot = slot;
    this.body = body;
    this.backEnds = backEnds;
    this.observe = observe;
  }

  get name(): string {
    return this.config.name;
  }
}
