// Rates of interrupts, from two successive answers about them.
import type { InterruptsInspect, PhysicalInterrupts, SintInspect } from '../../shared/protocol/messages.js';
import { addCounters, counterRate, counterRates } from './counter-rate.js';

export interface SintRates {
  readonly now: SintInspect;
  readonly messages: number;
  readonly events: number;
}
/** All per host second. Of the partitions chosen, or of all together; of LPs always all. */
export interface InterruptRates {
  readonly bySource: Readonly<Record<string, number>>;
  readonly ends: Readonly<Record<string, number>>;
  readonly sints: readonly SintRates[];
  readonly eoms: number;
  readonly lps: readonly { readonly id: number; readonly byVector: Readonly<Record<string, number>> }[];
  readonly physicalEois: number;
}
/** Totals of the same. */
export interface InterruptTotals {
  readonly bySource: Record<string, number>;
  readonly ends: Record<string, number>;
  readonly byVector: Record<string, number>;
  readonly physical: PhysicalInterrupts;
}

/** `before` absent or not before: all rates are 0. `partition`: that one alone. */
export const interruptRates = (before: InterruptsInspect | undefined, now: InterruptsInspect, partition?: string): InterruptRates => {
  const previous = before !== undefined && before.at < now.at ? before : undefined;
  const seconds = previous === undefined ? 0 : (now.at - previous.at) / 1000;
  const bySource: Record<string, number> = {};
  const ends: Record<string, number> = {};
  const sints = new Map<number, SintRates>();
  let eoms = 0;
  for (const current of now.partitions) {
    if (partition !== undefined && current.name !== partition) continue;
    const earlier = previous?.partitions.find(({ name }) => name === current.name);
    addCounters(bySource, counterRates(earlier?.bySource, current.bySource, seconds));
    addCounters(ends, counterRates(earlier?.ends, current.ends, seconds));
    eoms += counterRate(earlier?.eoms, current.eoms, seconds);
    for (const sint of current.sints) {
      const old = earlier?.sints.find((other) => other.sint === sint.sint);
      addSint(sints, sint, counterRate(old?.messages, sint.messages, seconds), counterRate(old?.events, sint.events, seconds));
    }
  }
  const sumOf = ({ eois, specificEois }: PhysicalInterrupts): number => eois + specificEois;
  return {
    bySource,
    ends,
    sints: [...sints.values()].sort((a, b) => a.now.sint - b.now.sint),
    eoms,
    lps: now.lps.map(({ id, byVector }) => ({ id, byVector: counterRates(lpOf(previous, id)?.byVector, byVector, seconds) })),
    physicalEois: now.lps.reduce((sum, { id, physical }) => {
      const old = lpOf(previous, id);
      return sum + counterRate(old && sumOf(old.physical), sumOf(physical), seconds);
    }, 0),
  };
};

const lpOf = (view: InterruptsInspect | undefined, id: number): InterruptsInspect['lps'][number] | undefined =>
  view?.lps.find((lp) => lp.id === id);

const addSint = (sints: Map<number, SintRates>, now: SintInspect, messages: number, events: number): void => {
  const before = sints.get(now.sint);
  if (before === undefined) {
    sints.set(now.sint, { now, messages, events });
    return;
  }
  const total: SintInspect = { ...now };
  for (const name of ['busy', 'pending', 'waiting', 'flags', 'messages', 'events', 'interrupts'] as const) total[name] += before.now[name];
  sints.set(now.sint, { now: total, messages: messages + before.messages, events: events + before.events });
};

export const interruptTotals = (now: InterruptsInspect, partition?: string): InterruptTotals => {
  const bySource: Record<string, number> = {};
  const ends: Record<string, number> = {};
  const byVector: Record<string, number> = {};
  for (const { name, bySource: sources, ends: kinds } of now.partitions) {
    if (partition !== undefined && name !== partition) continue;
    addCounters(bySource, sources);
    addCounters(ends, kinds);
  }
  const physical: PhysicalInterrupts = { eois: 0, specificEois: 0, deferredNow: 0, deferredTotal: 0, deferredMax: 0, revoked: 0 };
  for (const lp of now.lps) {
    addCounters(byVector, lp.byVector);
    for (const name of ['eois', 'specificEois', 'deferredNow', 'deferredTotal', 'revoked'] as const) physical[name] += lp.physical[name];
    physical.deferredMax = Math.max(physical.deferredMax, lp.physical.deferredMax);
  }
  return { bySource, ends, byVector, physical };
};
