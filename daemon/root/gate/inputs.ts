// All that enters a machine, one entry a kind: its parameters, and what it does. Everything goes through `Machine.enter`, so that a recording has it with its place.
// A new way in is a new entry here: parameters that msgpack can carry, an act that finishes while the machine stands still, and nothing taken from the host but them.
import type { Observe } from '../../../shared/layout/observation.js';
import type { LoadSpec, PartitionConfig, PolicyInfo, SchedulingChange, SchedulingInfo } from '../../../shared/protocol/messages.js';
import { sizeConsole, watchConsole, writeConsole } from '../console.js';
import { checkLoad, deliverPendingLoads, setLoad, stopLoad } from '../loads/loads.js';
import type { Machine } from '../machine.js';
import type { Exchange } from '../network/user/user-port.js';
import type { Partition, PartitionFiles } from '../partition.js';
import { changePorts, type PortChange } from '../ports.js';

interface Named {
  readonly name: string;
}
export interface NewPartition {
  readonly config: PartitionConfig;
  /** The text on COM1, and the partition's time in ns, that end it. */
  readonly until?: string | undefined;
  readonly endNs?: number | undefined;
}

/** What enters, by kind. */
export interface Inputs {
  'vm.create': NewPartition;
  'vm.start': Named;
  'vm.pause': Named;
  'vm.resume': Named;
  'vm.stop': Named;
  'vm.destroy': Named;
  'vm.schedule': { readonly name: string; readonly change: SchedulingChange };
  console: { readonly name: string; readonly data: Uint8Array };
  'console.size': { readonly name: string; readonly columns: number; readonly rows: number };
  /** What comes from the world outside to a network device; what the guest has sent there by now goes out. */
  'network.user': { readonly name: string; readonly device: number; readonly frames: readonly Uint8Array[] };
  policy: { readonly name: string; readonly value: string; readonly vm?: string | undefined };
  'device.raise': Named;
  'device.lower': Named;
  'device.period': { readonly name: string; readonly cycles: number };
  ports: { readonly name: string; readonly change: PortChange };
  'load.set': { readonly name: string; readonly load: LoadSpec };
  'load.stop': { readonly name: string; readonly vps?: number[] | undefined };
  /** Loads that waited for a guest that takes jobs, which it does now. */
  'load.deliver': Named;
}
export type InputKind = keyof Inputs;

interface Results {
  'vm.create': Partition;
  'vm.schedule': SchedulingInfo;
  policy: PolicyInfo;
  'network.user': Exchange;
}
export type ResultOf<K extends InputKind> = K extends keyof Results ? Results[K] : unknown;

/** What goes along and changes nothing of the course: it is not recorded. */
export interface Aside {
  readonly observe?: Observe | undefined;
  /** A new partition's, where somebody has read them already. */
  readonly files?: PartitionFiles | undefined;
}

const NOTHING: Exchange = { taken: 0, sent: [] };

type Acts = { readonly [K in InputKind]: (machine: Machine, params: Inputs[K], aside: Aside) => ResultOf<K> | Promise<ResultOf<K>> };

export const ACTS: Acts = {
  'vm.create': (machine, params, aside) => create(machine, params, aside),
  'vm.start': ({ partitions }, { name }) => partitions.start(name),
  'vm.pause': ({ partitions }, { name }) => partitions.pause(name),
  'vm.resume': ({ partitions }, { name }) => partitions.resume(name),
  'vm.stop': ({ partitions }, { name }) => partitions.stop(name),
  'vm.destroy': ({ partitions }, { name }) => partitions.destroy(name),
  'vm.schedule': ({ partitions }, { name, change }) => partitions.schedule(name, change),
  console: ({ partitions, signals }, { name, data }) => writeConsole(partitions.get(name), data, signals),
  'console.size': ({ partitions, signals }, { name, columns, rows }) => sizeConsole(partitions.get(name), columns, rows, signals),
  'network.user': ({ partitions }, { name, device, frames }) => partitions.get(name).backEnds?.exchange(device, frames) ?? NOTHING,
  policy: (machine, { name, value, vm }) => {
    const policy = vm === undefined ? machine.setPolicy(name, value) : machine.setPolicyOf(vm, name, value);
    machine.signals.ringAll();
    return policy;
  },
  'device.raise': ({ devices }, { name }) => devices.raise(name),
  'device.lower': ({ devices }, { name }) => devices.lower(name),
  'device.period': ({ devices }, { name, cycles }) => devices.setPeriod(name, cycles),
  ports: ({ partitions }, { name, change }) => changePorts(partitions, name, change),
  'load.set': ({ partitions }, { name, load }) => setLoad(partitions, name, load),
  'load.stop': ({ partitions }, { name, vps }) => stopLoad(partitions, name, vps),
  'load.deliver': ({ partitions }, { name }) => deliverPendingLoads(partitions, name),
};

/** Creates a partition, sets its load and starts it unless its configuration says otherwise. All or nothing. */
const create = async ({ partitions }: Machine, { config, until, endNs }: NewPartition, { observe, files }: Aside): Promise<Partition> => {
  if (config.load !== undefined) checkLoad(config, config.load);
  const partition = await partitions.create(config, observe, files);
  try {
    if (until !== undefined) watchConsole(partition, Buffer.from(until));
    if (endNs !== undefined) partition.body.header.endNsNum = endNs;
    if (config.load !== undefined) await setLoad(partitions, config.name, config.load);
    if (config.autostart !== false) await partitions.start(config.name);
    return partition;
  } catch (error) {
    await partitions.destroy(config.name);
    throw error;
  }
};
