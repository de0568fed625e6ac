// A guest of one VP on one LP, run in slices by the test itself until it ends. Intercepts are free, so its time does not depend on what they are for.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPartition } from '../../daemon/boot/build-partition.js';
import { Guest } from '../../daemon/hypervisor/guest.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { MachineHeader, machineMemorySize } from '../../shared/layout/machine.js';
import { PartitionHeader, PartitionMap, PartitionState } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { POLICIES, writePolicy } from '../../shared/protocol/policies.js';
import { NO_DEVICES } from './no-devices.js';

const RAM = 32 << 20;
/** Cycles. */
const SLICE = 20_000;
const SLICES_MAX = 20_000;

export type Settings = Readonly<Record<string, string>>;
export interface LoneRun {
  readonly ended: boolean;
  /** SHA-256 of guest RAM at the end. */
  readonly hash: string;
  readonly counters: ReturnType<typeof vtlbCounters>;
}

/** `change`: settings that alternate with the first ones while it runs. `after`: told of the counters after each slice. */
export const runAlone = (
  image: string,
  commandLine: string,
  settings: Settings,
  { change, after }: { readonly change?: Settings; readonly after?: (counters: LoneRun['counters']) => void } = {},
): LoneRun => {
  const pages = (PartitionMap.RAM + RAM) / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const views = viewsOf(memory.buffer);
  const bytes = readFileSync(join(packageRoot(), image));
  buildPartition(views, {
    id: 1,
    name: 'g',
    vpCount: 1,
    lpCount: 1,
    nodeCount: 1,
    ramSize: RAM,
    seed: 1,
    image: bytes,
    imageName: 'g',
    commandLine,
  });
  const machine = viewsOf(new SharedArrayBuffer(machineMemorySize(1)));
  const policies = new MachineHeader(machine, 0);
  const set = (wanted: Settings): void => {
    for (const policy of POLICIES) writePolicy(policies, policy, wanted[policy.name] ?? policy.default);
  };
  set(settings);
  const header = new PartitionHeader(views, PartitionMap.HEADER);
  header.state = PartitionState.RUNNING;
  const nothing = (): void => undefined;
  const guest = new Guest({
    lp: 0,
    machine,
    slot: 0,
    memory,
    name: 'g',
    frequencyHz: 1_000_000_000,
    realtime: false,
    hostCycles: () => 0,
    isWanted: () => false,
    costs: {},
    devices: NO_DEVICES,
    withPartner: () => undefined,
    observe: undefined,
    signal: nothing,
    event: nothing,
  });
  let clock = 0;
  for (let slice = 0; slice < SLICES_MAX && header.state === PartitionState.RUNNING; slice++) {
    guest.advance(clock);
    if (guest.runnable(0)) clock += guest.run(0, clock, SLICE);
    else clock = Math.max(clock + 1, guest.deadline());
    after?.(vtlbCounters(views));
    if (change !== undefined && slice % 50 === 49) set(slice % 100 === 99 ? settings : change);
  }
  return {
    ended: header.state !== PartitionState.RUNNING,
    hash: createHash('sha256').update(views.u8.slice(PartitionMap.RAM)).digest('hex'),
    counters: vtlbCounters(views),
  };
};
