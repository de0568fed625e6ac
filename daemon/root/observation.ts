// Observing one partition of a private machine: the memory that its LPs answer in, and their reports put together.
import {
  ObservationLayout,
  type ObservationReport,
  type Observe,
  observationSize,
  reportAt,
  TRACE_CAPACITY,
  TRACE_QUEUE,
  type TraceSettings,
} from '../../shared/layout/observation.js';
import { ByteQueue } from '../../shared/layout/ring.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';

export interface ObservationRequest {
  readonly count: boolean;
  readonly stackPeriod: number;
  readonly trace: TraceSettings | undefined;
}

export class Observation {
  readonly observe: Observe;
  readonly #lps: number;
  readonly #views: Views;
  readonly #lines: ByteQueue;

  constructor(lps: number, request: ObservationRequest) {
    const memory = new SharedArrayBuffer(observationSize(lps));
    this.observe = { ...request, memory };
    this.#lps = lps;
    this.#views = viewsOf(memory);
    this.#lines = new ByteQueue(this.#views, TRACE_QUEUE, TRACE_CAPACITY);
  }

  /** What has been traced since the last call, as text. */
  takeTrace(): Uint8Array {
    return this.#lines.take();
  }
  /** Instructions traced. */
  get traced(): number {
    return Atomics.load(this.#views.i32, ObservationLayout.at.traced >>> 2);
  }
  /** Lines of the trace that found no room. */
  get traceLost(): number {
    return Atomics.load(this.#views.u32, ObservationLayout.at.traceLost >>> 2);
  }

  /** The reports of all LPs as one; to be called when the partition has been destroyed. A dead LP has reported nothing. */
  report(): ObservationReport {
    const reports: ObservationReport[] = [];
    for (let lp = 0; lp < this.#lps; lp++) {
      const at = reportAt(lp);
      const bytes = Atomics.load(this.#views.i32, at >>> 2);
      // A copy: text is not decoded from shared memory.
      if (bytes > 0) reports.push(JSON.parse(new TextDecoder().decode(this.#views.u8.slice(at + 8, at + 8 + bytes))) as ObservationReport);
    }
    return merge(reports);
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const sumByName = (all: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const one of all) for (const [name, n] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + n;
  return sums;
};

const merge = (reports: readonly ObservationReport[]): ObservationReport => {
  const blocks = new Map<number, [number, number, number]>();
  for (const [linear, executions, retired] of reports.flatMap((r) => r.blocks)) {
    const known = blocks.get(linear);
    if (known === undefined) blocks.set(linear, [linear, executions, retired]);
    else {
      known[1] += executions;
      known[2] += retired;
    }
  }
  const stacks = new Map<string, number>();
  for (const [weight, ...addresses] of reports.flatMap((r) => r.stacks))
    stacks.set(addresses.join(), (stacks.get(addresses.join()) ?? 0) + weight!);
  return {
    retired: sum(reports.map((r) => r.retired)),
    classes: sumByName(reports.map((r) => r.classes)),
    mnemonics: sumByName(reports.map((r) => r.mnemonics)),
    exits: sumByName(reports.map((r) => r.exits)),
    blocks: [...blocks.values()].sort((a, b) => b[2] - a[2] || a[0] - b[0]),
    elsewhere: sum(reports.map((r) => r.elsewhere)),
    stacks: [...stacks].map(([addresses, weight]) => [weight, ...(addresses === '' ? [] : addresses.split(',').map(Number))]),
  };
};
