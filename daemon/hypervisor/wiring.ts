// What an LP gives to each partition that it runs: its identity, clock and costs, and the ways out of the partition.
import type { DebugBlock } from '../../shared/layout/debug.js';
import type { Observe } from '../../shared/layout/observation.js';
import type { Views } from '../../shared/layout/struct.js';
import type { CodeCacheOptions } from '../machine/code-cache.js';
import type { PortDirectory } from './synic/port-directory.js';
import type { TraceRing } from './trace-ring.js';
import type { WorldSwitch } from './world/world-switch.js';

export interface DeviceWires {
  /** A VP on this LP has ended a vector that is a device's. */
  finished(vp: number, vector: number): void;
  /** The guest tells the device with that vector to lower its line. */
  lower(vector: number): void;
  /** Highest vector of a device whose line is high, 0 none. */
  asserted(): number;
}

/** A debugger that may stop the machine (shared/layout/debug). */
export interface DebugWires {
  readonly block: DebugBlock;
  /** The machine is to stand still. */
  readonly isWanted: boolean;
  /** This partition is the one that is debugged. */
  readonly isTarget: boolean;
  /** DebugAction of the VP. */
  actionOf(vp: number): number;
  /** It has done what it was to do; until it is told more it does nothing. */
  done(vp: number): void;
  /** The LP stands still in the VP's run until the machine goes on. True: one instruction first, which it can run, to be answered by `stepped`. */
  stay(vp: number, canStep: () => boolean): boolean;
  /** The VP has come to something (DebugReason): all stand still. False: they do already, and this has not been noticed. */
  report(vp: number, reason: number, address: number, kind: number): boolean;
  stepped(vp: number, reason: number, address: number, kind: number): void;
  /** Linear address of the breakpoint that the VP has been reported at and has not passed. */
  reportedAt(vp: number): number;
  setReportedAt(vp: number, address: number | undefined): void;
}

export interface GuestWiring {
  readonly lp: number;
  readonly machine: Views;
  readonly slot: number;
  readonly memory: WebAssembly.Memory;
  readonly name: string;
  readonly frequencyHz: number;
  /** The LP's way into legacy super-mode. */
  readonly world?: WorldSwitch | undefined;
  readonly realtime: boolean;
  hostCycles(): number;
  /** Something else must not wait until the VP that runs, and has since `began`, has used up its time: asked when it is kicked. In cycles. */
  isWanted(began: number, now: number): boolean;
  /** Which tiers run guest code; tests choose. */
  readonly tiers?: CodeCacheOptions['tiers'];
  readonly hotRuns?: CodeCacheOptions['hotRuns'];
  /** Translated code can be saved as it is (machine/code-cache). */
  readonly keepsUnits?: boolean | undefined;
  readonly costs: Readonly<Record<string, number>>;
  /** Work for VPs of another LP (or this one): it leaves guest code or wakes. `clock`: now, in cycles. */
  signal(lp: number, clock: number): void;
  /** What root wants to know of this partition beyond its counters. */
  readonly observe: Observe | undefined;
  readonly debug?: DebugWires | undefined;
  /** The machine's devices that are passed through to the partition. */
  readonly devices: DeviceWires;
  /** Does something with the ports of another partition, by its name. Undefined: there is none of that name that runs. `clock`: now, in cycles. */
  withPartner<T>(name: string, clock: number, action: (ports: PortDirectory) => T): T | undefined;
  /** Where what happens is told while somebody traces; nobody does when absent. */
  readonly trace?: TraceRing | undefined;
  event(clock: number, kind: number, vp: number, a: number, b: number): void;
}
