// What an LP finds out about a partition that root observes: instruction counts, stack samples, trace. Its report is written once, when the partition is detached.
import { type ObservationReport, type Observe, REPORT_SIZE, reportAt } from '../../shared/layout/observation.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { InstructionCount } from '../machine/instruction-count.js';
import { InstructionTrace } from '../machine/instruction-trace.js';
import { StackSampler } from '../machine/stack-sampler.js';
import { Exit } from '../translate/micro-op.js';

/** Blocks, and stacks, of a report at most: the ones that retired most. */
const REPORT_ENTRIES_MAX = 65_536;
const HEADER = 8;

export class Observer {
  readonly count: InstructionCount | undefined;
  readonly stacks: StackSampler | undefined;
  readonly trace: InstructionTrace | undefined;
  readonly #observe: Observe;
  readonly #lp: number;

  constructor(observe: Observe, lp: number, partition: Views, context: number) {
    this.#observe = observe;
    this.#lp = lp;
    this.count = observe.count ? new InstructionCount(partition, context) : undefined;
    this.stacks = observe.stackPeriod > 0 ? new StackSampler(observe.stackPeriod) : undefined;
    this.trace = observe.trace && new InstructionTrace(observe.memory, observe.trace);
  }

  /** Writes the report for root. */
  report(): void {
    this.count?.fold();
    this.stacks?.settle();
    const text = this.#text();
    const views = viewsOf(this.#observe.memory);
    const at = reportAt(this.#lp);
    views.u8.set(text, at + HEADER);
    Atomics.store(views.i32, at >>> 2, text.length);
  }

  /** As many entries as there is room for. */
  #text(): Uint8Array {
    for (let entries = REPORT_ENTRIES_MAX; ; entries = entries >>> 1) {
      const text = new TextEncoder().encode(JSON.stringify(this.#content(entries)));
      if (text.length <= REPORT_SIZE - HEADER) return text;
    }
  }

  #content(most: number): ObservationReport {
    const { count } = this;
    const blocks = [...(count?.byAddress.values() ?? [])].sort((a, b) => b.retired - a.retired || a.linear - b.linear);
    const left = blocks.splice(most);
    return {
      retired: count?.retired ?? 0,
      classes: Object.fromEntries(count?.classes ?? []),
      mnemonics: Object.fromEntries(count?.mnemonics ?? []),
      exits: Object.fromEntries(Object.entries(Exit).map(([name, n]) => [name.toLowerCase().replaceAll('_', '-'), count?.exits[n] ?? 0])),
      blocks: blocks.map((b) => [b.linear, b.executions, b.retired] as const),
      elsewhere: left.reduce((sum, b) => sum + b.retired, count?.elsewhere ?? 0),
      stacks: this.#stacksOf(most),
    };
  }

  #stacksOf(most: number): ObservationReport['stacks'] {
    const stacks = [...(this.stacks?.stacks ?? [])].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    const left = stacks.splice(most).reduce((sum, [, weight]) => sum + weight, 0);
    const listed = stacks.map(([addresses, weight]) => [weight, ...addresses.split(',').map(Number)]);
    return left > 0 ? [...listed, [left]] : listed;
  }
}
