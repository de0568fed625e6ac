// What root has behind the virtio devices of a partition: opened once, when it is created, and joined to the memory of each of its boots.
import { basename } from 'node:path';
import type { VirtualDeviceSpec } from '../../shared/devices/partition-devices.js';
import { DeviceClockLayout, DeviceMap, PlatformRequest } from '../../shared/layout/devices.js';
import { ClockMode } from '../../shared/layout/machine.js';
import { VirtualDevice, virtualDeviceAt } from '../../shared/layout/virtual-devices.js';
import { VpLayout } from '../../shared/layout/vp.js';
import { reasonOf } from '../../shared/protocol/errors.js';
import type { PartitionConfig, VirtualDeviceConfig } from '../../shared/protocol/messages.js';
import { checkFloppy, type Disk, openDisk } from './disks/disk.js';
import { DiskClaims } from './disks/disk-claims.js';
import { DiskServer } from './disks/disk-server.js';
import type { Log } from './log.js';
import type { LpSignals } from './lp-signals.js';
import type { MachineMemory } from './machine-memory.js';
import { defaultMac, macOf } from './network/mac.js';
import { Switch, SwitchPort } from './network/switch.js';
import { SwitchServer } from './network/switch-server.js';
import { ForwardServers } from './network/user/forward-servers.js';
import { type Exchange, UserPort } from './network/user/user-port.js';
import { UserServer } from './network/user/user-server.js';
import type { PartitionBody } from './partition-body.js';

/** Failures of one disk in one boot that are logged: its guest may go on for ever. */
const FAILURES_LOGGED = 3;
const REQUESTS = (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2;

interface BackEnd {
  readonly spec: VirtualDeviceSpec;
  readonly disk?: Disk;
  readonly network?: string;
  readonly user?: true;
  readonly forwards?: ForwardServers | undefined;
}
interface Server {
  /** It is at work for the guest. */
  readonly isBusy: boolean;
  end(): Promise<void>;
}

/** Of a machine: what the back ends of all its partitions share. */
export class BackEndHost {
  readonly claims = new DiskClaims();
  readonly signals: LpSignals;
  readonly networks: Map<string, Switch>;
  /** A switch does its work, at the gate. */
  readonly carry: (network: Switch) => Promise<void>;
  /** Frames come in from outside and go out, at the gate. Absent: whoever plays a recording lets them. */
  readonly exchange: ((name: string, device: number, frames: readonly Uint8Array[]) => Promise<Exchange>) | undefined;
  readonly log: Log;
  /** Otherwise devices wait for root, and look at what is due by themselves. */
  readonly tellsDevices: boolean;

  constructor(
    memory: MachineMemory,
    signals: LpSignals,
    log: Log,
    networks: Map<string, Switch>,
    carry: (network: Switch) => Promise<void>,
    exchange: ((name: string, device: number, frames: readonly Uint8Array[]) => Promise<Exchange>) | undefined,
  ) {
    this.exchange = exchange;
    this.networks = networks;
    this.carry = carry;
    this.signals = signals;
    this.log = log;
    this.tellsDevices = memory.header.clockMode !== ClockMode.DETERMINISTIC;
  }

  /** The partition's virtio devices look for what root has left. */
  tell({ views, vps }: PartitionBody): void {
    Atomics.or(views.i32, REQUESTS, PlatformRequest.VIRTIO);
    const [boot] = vps;
    if (boot !== undefined) this.signals.ring(Atomics.load(views.i32, (boot.base + VpLayout.at.lp) >>> 2));
  }
}

export class BackEnds {
  readonly #host: BackEndHost;
  readonly #name: string;
  readonly #all: readonly BackEnd[];
  #servers: Server[] = [];
  /** Devices to the world outside, by their index. */
  readonly #users = new Map<number, UserPort>();

  private constructor(host: BackEndHost, name: string, all: readonly BackEnd[]) {
    this.#host = host;
    this.#name = name;
    this.#all = all;
  }

  /** Throws HvdError with nothing left open. */
  static async open(host: BackEndHost, { name, devices = [] }: PartitionConfig): Promise<BackEnds> {
    const all: BackEnd[] = [];
    const backEnds = new BackEnds(host, name, all);
    try {
      for (const [index, device] of devices.entries()) all.push(await open(device, host, defaultMac(name, index)));
      return backEnds;
    } catch (error) {
      await backEnds.close();
      throw error;
    }
  }

  get specs(): readonly VirtualDeviceSpec[] {
    return this.#all.map(({ spec }) => spec);
  }

  get isBusy(): boolean {
    return this.#servers.some(({ isBusy }) => isBusy);
  }
  /** The disks, by number of the device. */
  get disks(): ReadonlyMap<number, Disk> {
    return new Map(this.#all.flatMap(({ disk }, index) => (disk === undefined ? [] : [[index, disk]])));
  }

  /** A boot begins in this memory. */
  begin(body: PartitionBody): void {
    for (const [index, { disk, network, user, forwards }] of this.#all.entries()) {
      if (disk !== undefined) this.#servers.push(this.#serveDisk(body, index, disk));
      if (network !== undefined) this.#servers.push(this.#joinSwitch(body, index, network));
      if (user !== undefined) this.#joinWorld(body, index, forwards);
    }
  }
  #serveDisk(body: PartitionBody, index: number, disk: Disk): Server {
    const { buffer } = new VirtualDevice(body.views, virtualDeviceAt(index));
    let failures = 0;
    return new DiskServer(body.views, buffer, disk, {
      done: () => {
        if (this.#host.tellsDevices) this.#host.tell(body);
      },
      failed: (error) => {
        if (failures++ >= FAILURES_LOGGED) return;
        this.#host.log.warn({ name: this.#name, device: index, reason: reasonOf(error) }, 'disk request failed');
      },
    });
  }
  #joinSwitch(body: PartitionBody, index: number, name: string): Server {
    const { networks, carry } = this.#host;
    const network = networks.get(name) ?? new Switch();
    networks.set(name, network);
    const port = new SwitchPort(this.#name, body.views, index, () => this.#host.tell(body));
    // Where devices are told, what is sent is carried when root comes to it.
    port.calls = !this.#host.tellsDevices;
    const server = new SwitchServer(body.views, network, port, () => carry(network));
    return {
      // What it carries waits in memory.
      isBusy: false,
      end: async () => {
        await server.end();
        if (network.isEmpty) networks.delete(name);
      },
    };
  }
  #joinWorld(body: PartitionBody, index: number, forwards: ForwardServers | undefined): void {
    const { exchange } = this.#host;
    const port = new UserPort(body.views, index, () => this.#host.tell(body));
    this.#users.set(index, port);
    if (exchange === undefined) return;
    const server = new UserServer(port, (frames) => exchange(this.#name, index, frames));
    if (forwards !== undefined) forwards.network = server.network;
    this.#servers.push({
      // What is outside the machine is not saved with it.
      isBusy: false,
      end: async () => {
        if (forwards !== undefined) forwards.network = undefined;
        await server.end();
      },
    });
  }
  /** At the gate: frames from the world outside for a device, and those that it has sent there. */
  exchange(device: number, frames: readonly Uint8Array[]): Exchange | undefined {
    return this.#users.get(device)?.exchange(frames);
  }
  /** That boot is over, and no LP is at work for it. */
  async end(): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    this.#users.clear();
    await Promise.all(servers.map((server) => server.end()));
  }
  /** Before another boot. */
  async renew(): Promise<void> {
    for (const { disk } of this.#all) await disk?.renew();
  }
  async close(): Promise<void> {
    await this.end();
    for (const { disk, forwards } of this.#all) {
      forwards?.close();
      await disk?.close();
    }
  }
}

const open = async (device: VirtualDeviceConfig, host: BackEndHost, mac: Uint8Array): Promise<BackEnd> => {
  if (device.kind === 'console') return { spec: { kind: 'console' } };
  if (device.kind === 'network') {
    const spec = { kind: 'network', mac: device.mac === undefined ? mac : macOf(device.mac) } as const;
    if (device.to !== 'user') return { network: device.to, spec };
    return { user: true, spec, forwards: host.exchange && (await ForwardServers.open(device.forward ?? [])) };
  }
  const { file, access = 'persistent', bus = 'virtio' } = device;
  const disk = await openDisk(file, access, host.claims, bus === 'floppy' ? checkFloppy : undefined);
  return {
    disk,
    spec: { kind: bus === 'virtio' ? 'disk' : bus, sectors: disk.sectors, readOnly: access === 'read-only', serial: basename(file) },
  };
};
