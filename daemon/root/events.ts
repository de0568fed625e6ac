// Reads the event rings of the LPs: what happened since the last look, in each LP's order. One reader for all who have subscribed (control/telemetry.ts).
import { EVENT_RING, EVENT_SIZE, EventType, eventRingAt, LpLayout } from '../../shared/layout/machine.js';
import type { Events } from '../../shared/protocol/messages.js';
import type { MachineMemory } from './machine-memory.js';
import type { Partition } from './partition.js';

export type MachineEvent = Events['events'][number];

const KINDS: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(EventType).map(([name, number]) => [number, name.toLowerCase().replaceAll('_', '-')]),
);
/** An EventType by its name. */
export const eventKind = (kind: number): string => KINDS[kind] ?? `event ${kind}`;
/** Events one `take` gives at most: keeps a frame far below its limit. The rest is lost, and counted. */
export const EVENTS_MAX = 4096;
const CLOCK_LOW = 2 ** 32;

export class EventReader {
  readonly #memory: MachineMemory;
  readonly #next: number[];

  /** Starts at what happens from now on. */
  constructor(memory: MachineMemory) {
    this.#memory = memory;
    this.#next = memory.lps.map((_, lp) => this.#head(lp));
  }

  /** New events; `lost` were overwritten before they could be read. */
  take(partitions: readonly Partition[]): { events: MachineEvent[]; lost: number } {
    const events: MachineEvent[] = [];
    const names = new Map(partitions.map((partition) => [partition.slot, partition.name]));
    let lost = 0;
    for (const lp of this.#memory.lps.keys()) {
      const head = this.#head(lp);
      // One record less than the ring: the LP may be writing the oldest.
      const behind = Math.min((head - this.#next[lp]!) >>> 0, EVENT_RING - 1, EVENTS_MAX - events.length);
      lost += ((head - this.#next[lp]!) >>> 0) - behind;
      for (let n = head - behind; n !== head; n++) events.push(this.#event(lp, n, names));
      this.#next[lp] = head;
    }
    return { events, lost };
  }

  #head(lp: number): number {
    return Atomics.load(this.#memory.views.i32, (this.#memory.lps[lp]!.base + LpLayout.at.eventHead) >>> 2);
  }

  #event(lp: number, number: number, names: ReadonlyMap<number, string>): MachineEvent {
    const { u32 } = this.#memory.views;
    const at = (eventRingAt(lp, this.#memory.lps.length) + ((number >>> 0) % EVENT_RING) * EVENT_SIZE) >>> 2;
    const what = u32[at + 1]!;
    return {
      lp,
      clock: this.#fullClock(lp, u32[at]!),
      kind: eventKind(what & 0xff),
      partition: names.get((what >>> 8) & 0xff) ?? '',
      vp: (what >>> 16) & 0xff,
      a: u32[at + 2]!,
      b: u32[at + 3]!,
    };
  }

  // A record holds the low 32 bits of the clock; it is not older than 2^32 cycles.
  #fullClock(lp: number, low: number): number {
    const now = this.#memory.lps[lp]!.clockNum;
    const full = Math.floor(now / CLOCK_LOW) * CLOCK_LOW + low;
    return full > now ? Math.max(low, full - CLOCK_LOW) : full;
  }
}
