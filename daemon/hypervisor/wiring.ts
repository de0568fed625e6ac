// What an LP gives to each partition that it runs: its identity, clock and costs, and the ways out of the partition.
import type { Observe } from '../../shared/layout/observation.js';
import type { Views } from '../../shared/layout/struct.js';
import type { CodeCacheOptions } from '../machine/code-cache.js';
import type { PortDirectory } from './synic/port-directory.js';

export interface DeviceWires {
  /** A VP on this LP has ended a vector that is a device's. */
  finished(vp: number, vector: number): void;
  /** The guest tells the device with that vector to lower its line. */
  lower(vector: number): void;
  /** Highest vector of a device whose line is high, 0 none. */
  asserted(): number;
}

export interface GuestWiring {
  readonly lp: number;
  readonly machine: Views;
  readonly slot: number;
  readonly memory: WebAssembly.Memory;
  readonly name: string;
  readonly frequencyHz: number;
  readonly realtime: boolean;
  hostCycles(): number;
  /** Something else must not wait until the VP that runs, and has since `began`, has used up its time: asked when it is kicked. In cycles. */
  isWanted(began: number, now: number): boolean;
  /** Which tiers run guest code; tests choose. */
  readonly tiers?: CodeCacheOptions['tiers'];
  readonly costs: Readonly<Record<string, number>>;
  /** Work for VPs of another LP (or this one): it leaves guest code or wakes. `clock`: now, in cycles. */
  signal(lp: number, clock: number): void;
  /** What root wants to know of this partition beyond its counters. */
  readonly observe: Observe | undefined;
  /** The machine's devices that are passed through to the partition. */
  readonly devices: DeviceWires;
  /** Does something with the ports of another partition, by its name. Undefined: there is none of that name that runs. `clock`: now, in cycles. */
  withPartner<T>(name: string, clock: number, action: (ports: PortDirectory) => T): T | undefined;
  event(clock: number, kind: number, vp: number, a: number, b: number): void;
}
