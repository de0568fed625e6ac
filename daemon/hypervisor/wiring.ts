// What an LP gives to each partition that it runs: its identity, clock and costs, and the ways out of the partition.
import type { Observe } from '../../shared/layout/observation.js';
import type { Views } from '../../shared/layout/struct.js';
import type { CodeCacheOptions } from '../machine/code-cache.js';

export interface GuestWiring {
  readonly lp: number;
  readonly machine: Views;
  readonly slot: number;
  readonly memory: WebAssembly.Memory;
  readonly name: string;
  readonly frequencyHz: number;
  readonly realtime: boolean;
  hostCycles(): number;
  /** Root has left a command that the LP must not keep waiting: asked when the VP that runs is kicked. */
  isWanted(): boolean;
  /** Which tiers run guest code; tests choose. */
  readonly tiers?: CodeCacheOptions['tiers'];
  readonly costs: Readonly<Record<string, number>>;
  /** Work for VPs of another LP (or this one): it leaves guest code or wakes. `clock`: now, in cycles. */
  signal(lp: number, clock: number): void;
  /** What root wants to know of this partition beyond its counters. */
  readonly observe: Observe | undefined;
  event(clock: number, kind: number, vp: number, a: number, b: number): void;
}
