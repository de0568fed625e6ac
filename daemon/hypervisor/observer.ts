// What an LP finds out about a partition that root observes: instruction counts, stack samples, trace. Its report is written once, when the partition is detached.
import { type ObservationReport, type Observe, REPORT_SIZE, reportAt } from '../../shared/layout/observation.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { InstructionCount } from '../machine/instruction-count.js';
import { InstructionTrace } from '../machine/instruction-trace.js';
import { StackSampler } from '../machine/stack-sampler.js';
import { Exit } from '../translate/micro-op.js';

/** Blocks of a report at most: the ones that retired most. */
const REPORT_BLOCKS_MAX = 65_536;
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

  /** As many blocks as there is room for. */
  #text(): Uint8Array {
    for (let blocks = REPORT_BLOCKS_MAX; ; blocks = blocks >>> 1) {
      const text = new TextEncoder().encode(JSON.stringify(this.#content(blocks)));
      if (text.length <= REPORT_SIZE - HEADER) return text;
    }
  }

  #content(most: number): ObservationReport {
    const { count, stacks } = this;
    const blocks = [...(count?.byAddress.values() ?? [])].sort((a, b) => b.retired - a.retired || a.linear - b.linear);
    const left = blocks.splice(most);
    return {
      retired: count?.retired ?? 0,
      classes: Object.fromEntries(count?.classes ?? []),
      mnemonics: Object.fromEntries(count?.mnemonics ?? []),
      exits: Object.fromEntries(Object.entries(Exit).map(([name, n]) => [name.toLowerCase().replaceAll('_', '-'), count?.exits[n] ?? 0])),
      blocks: blocks.map((b) => [b.linear, b.executions, b.retired] as const),
      elsewhere: left.reduce((sum, b) => sum + b.retired, count?.elsewhere ?? 0),
      stacks: [...(stacks?.stacks ?? [])].map(([addresses, weight]) => [weight, ...addresses.split(',').map(Number)]),
    };
  }
}
