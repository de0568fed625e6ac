// All that the screen knows: the newest sample, its rates, lanes, chart lines and the connection. Pure: no terminal, no socket, no clock of its own.
import type { Events, InterruptsInspect, LpStats, MachineStats, PartitionInspect, VtlbInspect } from '../../shared/protocol/messages.js';
import { ChartHistory } from './chart-history.js';
import { ConsoleTail } from './console-tail.js';
import { LaneCell, type LaneSwitch, laneColumns, widenClock } from './lane-columns.js';
import { LaneHistory } from './lane-history.js';
import { LogLines } from './log-lines.js';
import { type MachineRates, machineRates } from './machine-rates.js';
import { PolicyChanges } from './policy-changes.js';
import { VpMarks } from './vp-marks.js';

/** Host time of one lane column. */
export const LANE_COLUMN_MS = 250;
/** Schedule events kept per LP between two samples; an LP that has more is drawn from samples alone. */
export const SWITCHES_MAX = 8192;

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'connected' }
  | { readonly state: 'disconnected'; readonly reason: string };

/** Least host time between two answers that a rate is taken from. */
const RATE_MS_MIN = 200;

/** Charted quantities; a line is `quantity` (the machine) or `quantity:partition`. */
export const QUANTITIES = ['instructions', 'intercepts', 'interrupts', 'fills', 'operations', 'spins'] as const;
export type Quantity = (typeof QUANTITIES)[number];

type MachineEvent = Events['events'][number];

export class Dashboard {
  connection: Connection = { state: 'connecting' };
  stats: MachineStats | undefined;
  /** The sample that the rates are taken from, too. */
  before: MachineStats | undefined;
  rates: MachineRates | undefined;
  /** The newest answer about interrupts, and the one before: of whoever looks at their page. */
  interrupts: InterruptsInspect | undefined;
  interruptsBefore: InterruptsInspect | undefined;
  /** The newest answer about a partition's vTLB: of whoever looks at that page. */
  vtlb: { readonly partition: string; readonly view: Extract<VtlbInspect, { kind: 'vtlb' }> } | undefined;
  /** The newest answer about a partition in full, and the end of its console. */
  vm: { readonly name: string; readonly inspect: PartitionInspect; readonly console: ConsoleTail } | undefined;
  paused = false;
  /** What is to be said to who has just pressed a key. */
  notice: { readonly text: string; readonly bad: boolean } | undefined;
  /** Frames that the daemon could not send because this reader was slow. */
  dropped = 0;
  readonly marks = new VpMarks();
  readonly lanes = new LaneHistory();
  readonly chart = new ChartHistory();
  readonly changes = new PolicyChanges();
  readonly log = new LogLines();
  #events = new Map<number, MachineEvent[]>();
  /** Set while a gap must be shown before the next columns. */
  #gap = false;

  connected(): void {
    this.connection = { state: 'connected' };
    this.vm = undefined;
    // What is kept of it comes again, from the beginning.
    this.log.clear();
    this.#events.clear();
    this.#gap = this.stats !== undefined;
  }

  disconnected(reason: string): void {
    this.connection = { state: 'disconnected', reason };
    this.#events.clear();
  }

  /** A paused screen takes nothing in; what it missed is a gap in the lanes and one long sample in the rates. */
  setPaused(paused: boolean): void {
    if (this.paused && !paused) this.#gap = true;
    this.paused = paused;
    this.#events.clear();
  }

  accept(next: MachineStats): void {
    if (this.paused) return;
    let before = this.stats;
    if (before !== undefined && (before.pid !== next.pid || next.at <= before.at)) {
      before = undefined;
      this.lanes.clear();
      this.chart.clear();
      this.changes.clear();
      this.#events.clear();
      this.#gap = false;
    }
    this.marks.learn(next);
    this.rates = machineRates(before, next);
    if (before !== undefined) {
      const ms = next.at - before.at;
      for (const lp of next.lps)
        this.#extendLane(
          before.lps.find((other) => other.id === lp.id),
          lp,
          ms,
        );
      this.#gap = false;
      this.changes.learn(before, next, this.chart.end);
      this.chart.push(chartValues(this.rates), ms);
    }
    this.before = before;
    this.stats = next;
  }

  acceptInterrupts(next: InterruptsInspect): void {
    if (this.paused) return;
    const { interrupts } = this;
    // Two answers that are next to each other give no rate.
    if (interrupts !== undefined && next.at > interrupts.at && next.at - interrupts.at < RATE_MS_MIN) {
      this.interrupts = { ...next, at: interrupts.at, lps: interrupts.lps, partitions: interrupts.partitions };
      return;
    }
    this.interruptsBefore = interrupts !== undefined && interrupts.at < next.at ? interrupts : undefined;
    this.interrupts = next;
  }

  acceptVtlb(partition: string, view: VtlbInspect): void {
    if (!this.paused && view.kind === 'vtlb') this.vtlb = { partition, view };
  }

  acceptVm(inspect: PartitionInspect, said: Uint8Array): void {
    const { name } = inspect;
    const console = this.vm?.name === name ? this.vm.console : new ConsoleTail();
    console.put(said);
    this.vm = { name, inspect, console };
  }

  acceptEvents(events: Events['events']): void {
    if (this.paused || this.stats === undefined) return;
    for (const event of events) {
      // A partition that is gone by now has no name.
      if (!isSwitch(event.kind) || (isScheduleIn(event.kind) && event.partition === '')) continue;
      const list = this.#events.get(event.lp);
      if (list === undefined) this.#events.set(event.lp, [event]);
      else if (list.length < SWITCHES_MAX) list.push(event);
    }
  }

  acceptDropped(count: number): void {
    this.dropped += count;
    this.#events.clear();
  }

  #extendLane(before: LpStats | undefined, now: LpStats, ms: number): void {
    const end = this.#cellOf(now);
    const events = this.#events.get(now.id) ?? [];
    const later: MachineEvent[] = [];
    const switches: LaneSwitch[] = [];
    for (const event of events) {
      const clock = widenClock(event.clock, now.clock);
      if (clock > now.clock) later.push(event);
      else switches.push({ clock, code: isScheduleIn(event.kind) ? this.marks.code(event.partition, event.vp) : LaneCell.IDLE });
    }
    this.#events.set(now.id, later);
    if (this.#gap || before === undefined) this.lanes.push(now.id, [LaneCell.GAP]);
    if (this.#gap || before === undefined || now.state === 'dead') {
      this.lanes.push(now.id, [end]);
      return;
    }
    const count = Math.min(40, Math.max(1, Math.round(ms / LANE_COLUMN_MS)));
    const usable = events.length < SWITCHES_MAX ? switches : [];
    this.lanes.push(now.id, laneColumns(before.clock, now.clock, this.#cellOf(before), usable, count, end));
  }

  #cellOf(lp: LpStats): number {
    if (lp.state === 'dead') return LaneCell.DEAD;
    return lp.vp === null ? LaneCell.IDLE : this.marks.codeOf(lp.vp);
  }
}

const plain = (kind: string): string => kind.toLowerCase().replace(/[^a-z]/g, '');
const isScheduleIn = (kind: string): boolean => plain(kind) === 'schedulein';
const isSwitch = (kind: string): boolean => plain(kind).startsWith('schedule');

function chartValues(rates: MachineRates): Map<string, number> {
  const values = new Map<string, number>();
  for (const quantity of QUANTITIES) values.set(quantity, rates[quantity]);
  for (const partition of rates.partitions) {
    for (const quantity of QUANTITIES) if (quantity !== 'intercepts') values.set(`${quantity}:${partition.name}`, partition[quantity]);
  }
  return values;
}
