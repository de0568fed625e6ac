// What each request does: one entry a method, typed by the protocol. Sessions add what belongs to a connection (hello, subscribe).
import { isAbsolute } from 'node:path';
import { PartitionMap } from '../../../shared/layout/partition.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { Method, PartitionConfig, Requests } from '../../../shared/protocol/messages.js';
import { readTextScreen, SCREEN_COLUMNS, SCREEN_ROWS } from '../../platform/text-screen.js';
import { GUEST_NAMES, resolveImage } from '../config/images.js';
import { readConsole } from '../console.js';
import { inspectPartition } from '../inspect.js';
import type { LogRing } from '../log-ring.js';
import type { Machine } from '../machine.js';
import { listPorts } from '../ports.js';
import { schedulingOf } from '../scheduling.js';
import { inspectVtlb } from '../vtlb-view/tables.js';
import type { Keyboards } from './keyboards.js';
import type { Telemetry } from './telemetry.js';

export interface Service {
  readonly machine: Machine;
  readonly socket: string;
  readonly version: string;
  readonly keyboards: Keyboards;
  readonly telemetry: Telemetry;
  readonly recent: LogRing;
  /** Begins the end of the daemon; the caller's answer is sent first. */
  readonly shutdown: () => void;
}

type MachineMethod = Exclude<Method, 'hello' | 'subscribe' | 'load.progress' | 'trace' | 'vm.console.attach' | 'vm.console.write'>;
type Handlers = { readonly [M in MachineMethod]: (service: Service, params: Requests[M][0]) => Requests[M][1] | Promise<Requests[M][1]> };

export const HANDLERS: Handlers = {
  status: ({ machine, socket, version }) => ({
    pid: process.pid,
    uptimeMs: machine.uptimeMs,
    socket,
    version,
    machine: { lps: machine.config.lps, nodes: machine.config.nodes, clock: machine.config.clock },
    partitions: machine.partitions.all.map(({ name, body, config }) => ({
      name,
      state: body.stateName,
      vps: config.vps,
      memory: config.memory,
      reason: body.reason,
    })),
  }),
  stats: ({ machine }) => machine.stats(),
  shutdown: ({ shutdown }) => {
    shutdown();
    return {};
  },
  'vm.create': async ({ machine }, params) => ({ name: (await machine.add(absolute(params))).name }),
  'vm.list': ({ machine }) =>
    machine.partitions.all.map(({ name, body, config }) => ({
      name,
      state: body.stateName,
      vps: config.vps,
      memory: config.memory,
      image: config.image,
      reason: body.reason,
    })),
  'vm.start': async ({ machine }, { name }) => done(machine.enter('vm.start', { name })),
  'vm.pause': async ({ machine }, { name }) => done(machine.enter('vm.pause', { name })),
  'vm.resume': async ({ machine }, { name }) => done(machine.enter('vm.resume', { name })),
  'vm.stop': async ({ machine }, { name }) => done(machine.enter('vm.stop', { name })),
  'vm.destroy': async ({ machine }, { name }) => done(machine.enter('vm.destroy', { name })),
  'vm.schedule': ({ machine }, { name, ...change }) =>
    Object.values(change).every((value) => value === undefined)
      ? schedulingOf(machine.partitions.get(name), machine.config.lps)
      : machine.enter('vm.schedule', { name, change }),
  'vm.inspect': ({ machine }, { name }) => inspectPartition(machine.partitions.get(name), machine.memory, machine.partitions.all),
  'vm.inspect.vtlb': ({ machine }, { name, path }) => inspectVtlb(machine.partitions.get(name).body.views, machine.memory, path),
  interrupts: ({ machine }, { log }) => machine.interrupts(log),
  'vm.screen': ({ machine }, { name }) => {
    const { body } = machine.partitions.get(name);
    return { columns: SCREEN_COLUMNS, rows: SCREEN_ROWS, lines: [...readTextScreen(body.views, PartitionMap.RAM).lines] };
  },
  'vm.console.read': ({ machine }, { name, position }) => {
    const chunk = readConsole(machine.partitions.get(name), position);
    return { data: chunk.bytes, position: chunk.next };
  },
  'vm.console.size': ({ machine }, params) => done(machine.enter('console.size', params)),
  snapshot: ({ machine }, { file }) => machine.snapshot(file),
  'policy.list': ({ machine }) => machine.listPolicies(),
  'policy.get': ({ machine }, { name, vm }) => machine.getPolicy(name, vm),
  'policy.set': ({ machine }, params) => machine.enter('policy', params),
  'device.list': ({ machine }) => machine.devices.list(),
  'device.raise': ({ machine }, params) => done(machine.enter('device.raise', params)),
  'device.lower': ({ machine }, params) => done(machine.enter('device.lower', params)),
  'device.period': ({ machine }, params) => done(machine.enter('device.period', params)),
  'port.list': ({ machine }, { name }) => listPorts(machine.partitions.get(name)),
  'port.open': async ({ machine }, { name, port }) => done(machine.enter('ports', { name, change: { open: 'port', port } })),
  'port.close': async ({ machine }, { name, id }) => done(machine.enter('ports', { name, change: { close: 'port', id } })),
  'connection.open': async ({ machine }, { name, connection }) =>
    done(machine.enter('ports', { name, change: { open: 'connection', connection } })),
  'connection.close': async ({ machine }, { name, id }) => done(machine.enter('ports', { name, change: { close: 'connection', id } })),
  'load.set': ({ machine }, { name, ...load }) => done(machine.enter('load.set', { name, load })),
  'load.stop': ({ machine }, params) => done(machine.enter('load.stop', params)),
};

const done = async (verb: Promise<unknown>): Promise<Record<string, never>> => {
  await verb;
  return {};
};

// The client's working folder is not the daemon's: a relative name would mean another file here.
const absolute = (config: PartitionConfig): PartitionConfig => {
  for (const key of ['bios', 'video-bios'] as const)
    if (config[key] !== undefined && !isAbsolute(config[key])) throw relative(key, 'an absolute path');
  const image = resolveImage(config.image, '');
  if (!isAbsolute(config.image) && !GUEST_NAMES.includes(config.image))
    throw relative('image', `an absolute path or one of ${GUEST_NAMES.join(', ')}`);
  if (config.initrd !== undefined && !isAbsolute(config.initrd)) throw relative('initrd', 'an absolute path');
  for (const [index, device] of (config.devices ?? []).entries())
    if (device.kind === 'disk' && !isAbsolute(device.file)) throw relative(`devices[${index}].file`, 'an absolute path');
  return { ...config, image };
};

const relative = (path: string, expected: string): HvdError =>
  new HvdError('request.invalid', { method: 'vm.create', path, why: `expected ${expected}` });
