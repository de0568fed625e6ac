// All that the screen knows: the newest sample, its rates, lanes, chart lines and the connection; and what it showed at any time of the last ten minutes.
// Pure: no terminal, no socket, no clock of its own.
import type { Events, InterruptsInspect, LpStats, MachineStats, PartitionInspect, VtlbInspect } from '../../shared/protocol/messages.js';
import { BUCKETS, ChartHistory } from './chart-history.js';
import { ConsoleTail } from './console-tail.js';
import { LaneCell, type LaneSwitch, laneColumns, widenClock } from './lane-columns.js';
import { LaneHistory } from './lane-history.js';
import { LogLines } from './log-lines.js';
import { type MachineRates, machineRates } from './machine-rates.js';
import { PolicyChanges } from './policy-changes.js';
import { type Place, type Sample, SampleRing } from './sample-ring.js';
import { VpMarks } from './vp-marks.js';

/** Host time of one lane column. */
export const LANE_COLUMN_MS = 250;
/** Schedule events kept per LP between two samples; an LP that has more is drawn from samples alone. */
export const SWITCHES_MAX = 8192;
/** Samples before one of the past among which the interrupts are looked for that its rates are taken from. */
const INTERRUPTS_BACK = 4;

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
type VtlbAnswer = NonNullable<Sample['vtlb']>;

/** What is shown: of now, or of a time in the past. */
interface Moment {
  readonly stats: MachineStats | undefined;
  /** The sample that the rates are taken from, too. */
  readonly before: MachineStats | undefined;
  readonly rates: MachineRates | undefined;
  /** The newest answer about interrupts, and the one before: of whoever looks at their page. */
  readonly interrupts: InterruptsInspect | undefined;
  readonly interruptsBefore: InterruptsInspect | undefined;
  /** The newest answer about a partition's vTLB: of whoever looks at that page. */
  readonly vtlb: VtlbAnswer | undefined;
}
const NOTHING: Moment = {
  stats: undefined,
  before: undefined,
  rates: undefined,
  interrupts: undefined,
  interruptsBefore: undefined,
  vtlb: undefined,
};

export class Dashboard {
  connection: Connection = { state: 'connecting' };
  /** What is to be said to who has just pressed a key. */
  notice: { readonly text: string; readonly bad: boolean } | undefined;
  /** Frames that the daemon could not send because this reader was slow. */
  dropped = 0;
  readonly marks = new VpMarks();
  readonly changes = new PolicyChanges();
  readonly log = new LogLines();
  readonly samples = new SampleRing();
  readonly #lanes = new LaneHistory();
  readonly #chart = new ChartHistory();
  #now: Moment = NOTHING;
  /** What is looked at while paused. */
  #past: { readonly moment: Moment; readonly place: Place } | undefined;
  #vm: { readonly name: string; readonly inspect: PartitionInspect; readonly console: ConsoleTail } | undefined;
  /** Answers that have come since the last sample. */
  #answers: Omit<Sample, 'stats'> = {};
  #events = new Map<number, MachineEvent[]>();
  /** Set while a gap must be shown before the next columns. */
  #gap = false;

  get #shown(): Moment {
    return this.#past?.moment ?? this.#now;
  }
  get stats(): Moment['stats'] {
    return this.#shown.stats;
  }
  get before(): Moment['before'] {
    return this.#shown.before;
  }
  get rates(): Moment['rates'] {
    return this.#shown.rates;
  }
  get interrupts(): Moment['interrupts'] {
    return this.#shown.interrupts;
  }
  get interruptsBefore(): Moment['interruptsBefore'] {
    return this.#shown.interruptsBefore;
  }
  get vtlb(): Moment['vtlb'] {
    return this.#shown.vtlb;
  }
  /** The newest answer about a partition in full, and the end of its console. Of the past there is none. */
  get vm(): { readonly name: string; readonly inspect: PartitionInspect; readonly console: ConsoleTail } | undefined {
    return this.ago > 0 ? undefined : this.#vm;
  }

  get paused(): boolean {
    return this.#past !== undefined;
  }
  /** Host milliseconds between what is shown and the newest sample. */
  get ago(): number {
    return this.#past === undefined ? 0 : (this.#now.stats?.at ?? 0) - this.#past.place.at;
  }
  /** The newest `count` columns of an LP's lane, oldest first. */
  lane(lp: number, count: number): number[] {
    return this.#lanes.last(lp, count, this.#past?.place.column);
  }
  /** The `count` newest buckets of a line of the chart, oldest first. */
  line(name: string, count = BUCKETS): number[] {
    return this.#chart.line(name, count, this.chartEnd);
  }
  get chart(): ChartHistory {
    return this.#chart;
  }
  /** Bucket of the chart before which everything is shown. */
  get chartEnd(): number {
    return this.#past?.place.bucket ?? this.#chart.end;
  }

  connected(): void {
    this.connection = { state: 'connected' };
    this.#vm = undefined;
    // What is kept of it comes again, from the beginning.
    this.log.clear();
    this.#events.clear();
    this.#gap = this.#now.stats !== undefined;
  }

  disconnected(reason: string): void {
    this.connection = { state: 'disconnected', reason };
    this.#events.clear();
  }

  /** A paused screen stands still; what happens meanwhile is kept all the same. */
  setPaused(paused: boolean): void {
    this.#past = paused && this.#now.stats !== undefined ? { moment: this.#now, place: this.#placeOf(this.#now.stats) } : undefined;
  }

  /** Shows what was `ms` before what is shown (after it, if negative), as far as samples are kept. */
  goBack(ms: number): void {
    if (this.#past === undefined) this.setPaused(true);
    if (this.#past === undefined) return;
    const index = this.samples.indexAt(this.#past.place.at - ms);
    const place = this.samples.place(index);
    if (place === undefined) return;
    // From sample to sample where they are further apart than what was asked for.
    const next = place.at === this.#past.place.at ? index - Math.sign(ms) : index;
    const there = this.samples.place(next);
    if (there !== undefined) this.#past = { moment: this.#momentOf(next), place: there };
  }

  accept(next: MachineStats): void {
    let before = this.#now.stats;
    if (before !== undefined && (before.pid !== next.pid || next.at <= before.at)) {
      before = undefined;
      this.#forget();
    }
    this.marks.learn(next);
    const rates = machineRates(before, next);
    if (before !== undefined) {
      const ms = next.at - before.at;
      for (const lp of next.lps)
        this.#extendLane(
          before.lps.find((other) => other.id === lp.id),
          lp,
          ms,
        );
      this.#gap = false;
      this.changes.learn(before, next, this.#chart.end);
      this.#chart.push(chartValues(rates), ms);
    }
    this.#now = { ...this.#now, stats: next, before, rates };
    this.samples.push(this.#placeOf(next), { ...this.#answers, stats: next });
    this.#answers = {};
  }

  acceptInterrupts(next: InterruptsInspect): void {
    const { interrupts } = this.#now;
    // Two answers that are next to each other give no rate.
    if (interrupts !== undefined && next.at > interrupts.at && next.at - interrupts.at < RATE_MS_MIN) {
      this.#now = { ...this.#now, interrupts: { ...next, at: interrupts.at, lps: interrupts.lps, partitions: interrupts.partitions } };
      return;
    }
    const interruptsBefore = interrupts !== undefined && interrupts.at < next.at ? interrupts : undefined;
    this.#now = { ...this.#now, interrupts: next, interruptsBefore };
    this.#answers = { ...this.#answers, interrupts: next };
  }

  acceptVtlb(partition: string, view: VtlbInspect): void {
    if (view.kind !== 'vtlb') return;
    this.#now = { ...this.#now, vtlb: { partition, view } };
    this.#answers = { ...this.#answers, vtlb: { partition, view } };
  }

  acceptVm(inspect: PartitionInspect, said: Uint8Array): void {
    const { name } = inspect;
    const console = this.#vm?.name === name ? this.#vm.console : new ConsoleTail();
    console.put(said);
    this.#vm = { name, inspect, console };
  }

  acceptEvents(events: Events['events']): void {
    if (this.#now.stats === undefined) return;
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

  /** Another daemon: what is known is of the one before. */
  #forget(): void {
    this.#lanes.clear();
    this.#chart.clear();
    this.changes.clear();
    this.samples.clear();
    this.#events.clear();
    this.#now = NOTHING;
    this.#past = undefined;
    this.#answers = {};
    this.#gap = false;
  }

  #placeOf({ at }: MachineStats): Place {
    return { at, column: this.#lanes.end, bucket: this.#chart.end };
  }

  #momentOf(index: number): Moment {
    const { stats, interrupts, vtlb } = this.samples.sample(index)!;
    const before = this.samples.sample(index - 1)?.stats;
    let interruptsBefore: InterruptsInspect | undefined;
    if (interrupts !== undefined)
      for (let i = index - 1; i >= Math.max(0, index - INTERRUPTS_BACK) && interruptsBefore === undefined; i--)
        interruptsBefore = this.samples.sample(i)?.interrupts;
    return { stats, before, rates: machineRates(before, stats), interrupts, interruptsBefore, vtlb };
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
    if (this.#gap || before === undefined) {
      this.#lanes.push(now.id, [LaneCell.GAP, end]);
      return;
    }
    // Every LP gets as many: a column of one is the same time as that column of another.
    const count = Math.min(40, Math.max(1, Math.round(ms / LANE_COLUMN_MS)));
    const usable = events.length < SWITCHES_MAX && now.state !== 'dead' ? switches : [];
    this.#lanes.push(now.id, laneColumns(before.clock, now.clock, this.#cellOf(before), usable, count, end));
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
