// Arrows from the raise of an interrupt to its delivery to its end. An arrow is drawn when all of it is known: each has both its ends.
// Its parts come from several LPs, whose clocks may be apart: the delivery can be told of before the raise.

export interface Moment {
  readonly lp: number;
  readonly clock: number;
}
interface Known {
  raised?: Moment;
  delivered?: Moment;
  ended?: Moment;
}
export type Arrow = Required<Pick<Known, 'raised' | 'delivered'>> & Pick<Known, 'ended'>;

/** Interrupts of which a part is known. Those that never end, or whose other parts were lost, are given up, oldest first. */
export const FLOWS_MAX = 1 << 16;

export class InterruptFlows {
  readonly #known = new Map<string, Known>();

  /** One more part of the interrupt with that key; the arrow if that was the last. */
  add(key: string, part: keyof Known, moment: Moment): Arrow | undefined {
    const known: Known = this.#known.get(key) ?? {};
    known[part] = moment;
    const { raised, delivered, ended } = known;
    if (raised !== undefined && delivered !== undefined && ended !== undefined) {
      this.#known.delete(key);
      return { raised, delivered, ended };
    }
    this.#known.set(key, known);
    if (this.#known.size > FLOWS_MAX) for (const oldest of this.#known.keys()) return void this.#known.delete(oldest);
    return undefined;
  }

  /** Those that were still in service when the trace ended. */
  rest(): Arrow[] {
    return [...this.#known.values()].flatMap(({ raised, delivered }) => (raised && delivered ? [{ raised, delivered }] : []));
  }
}
