// A trace as the Chrome trace-event format has it ("JSON Array Format"; Perfetto and chrome://tracing read it): one event a line, a track for each LP.
// Why an array: its end may be missing, so what has been written is a trace at every moment.
// Why events of a track wait for the end of the VP's slice: they lie in it, and readers want the outer one of two that begin at once first.
import { INTERRUPT_KIND_NAMES, INTERRUPT_STATE_NAMES } from '../../../shared/layout/interrupt-log.js';
import { INTERCEPTS, SUPER_MODE_NAMES } from '../../../shared/layout/machine.js';
import { SpinKind } from '../../../shared/layout/schedule.js';
import { SLICE_END_NAMES, SliceEnd, TRACE_WAIT_NAMES, TraceKind } from '../../../shared/layout/trace.js';
import type { Requests, TraceFrame } from '../../../shared/protocol/messages.js';
import { type Arrow, InterruptFlows } from './interrupt-flows.js';
import type { Told } from './trace-order.js';

type Fields = Readonly<Record<string, unknown>>;
interface Pending {
  readonly ts: number;
  end: number;
  readonly fields: Fields;
}
interface Slice {
  readonly partition: number;
  readonly vp: number;
  readonly began: number;
  end: number;
  cycles: number;
  reason: number;
}

/** All tracks are those of one process, the machine. */
const PID = 1;
/** Reserved colour names of the format, by SliceEnd. */
const COLOURS: readonly string[] = ['bad', 'thread_state_running', 'good', 'terrible', 'yellow', 'grey'];
const SPINS: Readonly<Record<number, string>> = { [SpinKind.SHORT]: 'short', [SpinKind.LONG]: 'long' };

export class TraceDocument {
  readonly #machine: Requests['trace'][1];
  readonly #write: (text: string) => void;
  readonly #flows = new InterruptFlows();
  readonly #slices: (Slice | undefined)[];
  readonly #pending: Pending[][];
  readonly #origin: number;
  /** Names of partitions by slot, as they were last. */
  readonly #names = new Map<number, string>();
  /** Only what concerns that partition. */
  readonly #only: string | undefined;
  #arrows = 0;
  #isFirst = true;
  events = 0;
  lost = 0;

  constructor(machine: Requests['trace'][1], write: (text: string) => void, only: string | undefined) {
    this.#machine = machine;
    this.#write = write;
    this.#only = only;
    this.#slices = machine.lps.map(() => undefined);
    this.#pending = machine.lps.map(() => []);
    this.#origin = machine.clockMode === 'realtime' ? machine.start : 0;
    this.#print({ name: 'process_name', ph: 'M', pid: PID, tid: 0, args: { name: `hvd machine, clock ${machine.clockMode}` } });
    for (const { id, node } of machine.lps) {
      this.#print({ name: 'thread_name', ph: 'M', pid: PID, tid: id, args: { name: `LP ${id} (node ${node})` } });
      this.#print({ name: 'thread_sort_index', ph: 'M', pid: PID, tid: id, args: { sort_index: id } });
    }
  }

  names(partitions: TraceFrame['partitions']): void {
    for (const { slot, name } of partitions) this.#names.set(slot, name);
  }
  policies(changes: TraceFrame['policies']): void {
    for (const { clock, name, value, partition } of changes) {
      const args = partition === null ? { value } : { value, partition };
      this.#print({ name: `policy ${name}`, cat: 'policy', ph: 'i', s: 'g', pid: PID, tid: 0, ts: this.#time(clock), args });
    }
  }

  /** In the order of TraceOrder. */
  add(told: Told): void {
    if (told.kind === TraceKind.IDLE) {
      this.#close(told.lp);
      if (told.clock > told.began) this.#span(told.lp, told.began, told.clock, { name: 'idle', cat: 'idle', cname: 'rail_idle' });
      this.#flush(told.lp, told.clock);
    } else if (told.kind === TraceKind.RUN) this.#run(told);
    else if (this.#only === undefined || this.#names.get(told.partition) === this.#only) this.#tell(told);
  }

  /** What is open is closed; the array, too. */
  finish(why: string): void {
    for (const lp of this.#slices.keys()) this.#close(lp);
    for (const arrow of this.#flows.rest()) this.#arrow(arrow);
    for (const lp of this.#slices.keys()) this.#flush(lp, Number.POSITIVE_INFINITY);
    const { start, frequencyHz, clockMode } = this.#machine;
    this.#print({
      name: 'trace',
      ph: 'M',
      pid: PID,
      tid: 0,
      args: { lost: this.lost, end: why, clock: clockMode, frequencyHz, startCycles: start, originCycles: this.#origin },
    });
    this.#write('\n]\n');
  }

  #run({ lp, partition, vp, began, clock, a: reason, b: cycles }: Told): void {
    let open = this.#slices[lp];
    if (open !== undefined && (open.partition !== partition || open.vp !== vp || open.end !== began)) {
      this.#close(lp);
      open = undefined;
    }
    if (this.#only === undefined || this.#names.get(partition) === this.#only) {
      open ??= { partition, vp, began, end: began, cycles: 0, reason };
      open.end = clock;
      open.cycles += cycles;
      open.reason = reason;
      this.#slices[lp] = open;
    }
    if (reason !== SliceEnd.CONTINUES) this.#close(lp);
  }
  #close(lp: number): void {
    const open = this.#slices[lp];
    if (open === undefined) return;
    this.#slices[lp] = undefined;
    const { partition, vp, began, end, cycles, reason } = open;
    const realtime = this.#machine.clockMode === 'realtime' ? { hostMs: (end * 1000) / this.#machine.frequencyHz } : {};
    this.#span(lp, began, end, {
      name: `${this.#names.get(partition) ?? partition}/${vp}`,
      cat: 'vp',
      cname: COLOURS[reason],
      args: { vp, cycles, end: SLICE_END_NAMES[reason], ...realtime },
    });
    this.#flush(lp, end);
  }

  #tell(told: Told): void {
    const { kind, lp, vp, began, clock, a, b } = told;
    const vector = a & 0xff;
    const source = INTERRUPT_KIND_NAMES[a >>> 8];
    const interrupt = (name: string, args: Fields, part: 'raised' | 'delivered' | 'ended'): void => {
      this.#span(lp, clock, clock, { name: `${name} 0x${vector.toString(16)}`, cat: 'interrupt', args: { vp, ...args } });
      const arrow = this.#flows.add(`${told.partition}/${vp}/${vector}/${b}`, part, { lp, clock });
      if (arrow !== undefined) this.#arrow(arrow);
    };
    if (kind === TraceKind.INTERCEPT)
      this.#span(lp, began, clock, { name: INTERCEPTS[a], cat: 'intercept', args: { vp, cycles: clock - began } });
    else if (kind === TraceKind.RAISED) interrupt('raise', { source }, 'raised');
    else if (kind === TraceKind.DELIVERED) interrupt('deliver', { source }, 'delivered');
    else if (kind === TraceKind.ENDED) interrupt('end', { how: INTERRUPT_STATE_NAMES[a >>> 8] }, 'ended');
    else if (kind === TraceKind.WAIT)
      this.#span(lp, began, clock, {
        name: `wait: ${TRACE_WAIT_NAMES[a]}`,
        cat: 'vtlb',
        cname: 'terrible',
        args: { vp, cycles: clock - began },
      });
    else if (kind === TraceKind.SPIN)
      this.#span(lp, began, clock, { name: 'spin', cat: 'spin', cname: 'olive', args: { vp, kind: SPINS[a], cycles: b } });
    else if (kind === TraceKind.WORLD)
      this.#span(lp, began, clock, { name: `to ${SUPER_MODE_NAMES[a]} super-mode`, cat: 'world', cname: 'yellow', args: { vp } });
    else if (kind === TraceKind.KICK)
      this.#later(lp, clock, { name: 'kick', cat: 'kick', ph: 'i', s: 't', args: { by: vp, vp: a, lp: b } });
  }

  #arrow({ raised, delivered, ended }: Arrow): void {
    const id = ++this.#arrows;
    const last = ended ?? delivered;
    const at = (ph: string, { lp, clock }: Arrow['raised'], more: Fields = {}): void =>
      this.#later(lp, clock, { name: 'interrupt', cat: 'interrupt', ph, id, ...more });
    // An LP may be a little behind the one that told it: time goes forward along an arrow.
    at('s', { lp: raised.lp, clock: Math.min(raised.clock, delivered.clock) });
    if (ended !== undefined) at('t', delivered);
    at('f', last, { bp: 'e' });
  }

  #span(lp: number, began: number, end: number, fields: Fields): void {
    this.#pending[lp]!.push({ ts: this.#time(began), end: this.#time(end), fields: { ...fields, ph: 'X' } });
  }
  #later(lp: number, clock: number, fields: Fields): void {
    const ts = this.#time(clock);
    this.#pending[lp]!.push({ ts, end: ts, fields });
  }
  /**
   * Of the LP's track, what begins before `clock`, outer ones first, each within the one that it began in. Within a run the LP's clock counts a block's instructions when it is
   * entered, and takes back those that were not run: what happens there may seem to end a few cycles after what is around it, or after the begin of what follows.
   */
  #flush(lp: number, clock: number): void {
    const limit = this.#time(clock);
    const pending = this.#pending[lp]!;
    const due = pending
      .filter(({ ts }) => ts < limit)
      .sort((one, other) => one.ts - other.ts || other.end - one.end || rank(one) - rank(other));
    this.#pending[lp] = pending.filter(({ ts }) => ts >= limit);
    const open: Pending[] = [];
    for (const one of due) {
      while (open.length > 0 && open.at(-1)!.end <= one.ts) open.pop();
      const outer = open.at(-1);
      if (outer !== undefined && one.end > outer.end) {
        if (isTurn(outer)) one.end = outer.end;
        else {
          outer.end = one.ts;
          open.pop();
          const turn = open.at(0);
          if (turn !== undefined) one.end = Math.min(one.end, turn.end);
        }
      }
      if (one.end > one.ts) open.push(one);
    }
    for (const { ts, end, fields } of due) {
      const dur = fields.ph === 'X' ? { dur: Number((end - ts).toFixed(6)) } : {};
      this.#line(JSON.stringify({ ...fields, pid: PID, tid: lp, ts, ...dur }));
    }
  }

  #time(clock: number): number {
    return Number((((clock - this.#origin) * 1e6) / this.#machine.frequencyHz).toFixed(6));
  }
  #print(event: Fields): void {
    this.#line(JSON.stringify(event));
  }
  #line(text: string): void {
    this.#write(`${this.#isFirst ? '[\n' : ',\n'}${text}`);
    this.#isFirst = false;
    this.events++;
  }
}

/** What the LP does with its time, in which all else happens. */
const isTurn = ({ fields }: Pending): boolean => fields.cat === 'vp' || fields.cat === 'idle';
/** Of what is at one moment: spans, then arrows, which lead to spans. */
const rank = ({ fields }: Pending): number => (fields.ph === 'X' ? 0 : 1);
