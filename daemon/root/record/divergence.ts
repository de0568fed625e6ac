// What is said of a machine that does not take the recorded course.
import type { EventTape, TapeEvent } from '../../../shared/layout/event-tape.js';
import { gateWord } from '../../../shared/layout/gate.js';
import { LpLayout, LpState, MachineLayout } from '../../../shared/layout/machine.js';
import { eventKind } from '../events.js';
import type { Place } from '../gate/gate.js';
import type { Machine } from '../machine.js';
import type { MachineMemory } from '../machine-memory.js';

export interface Divergence {
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

export const eventText = ({ partitions }: Machine, { clock, what, a, b }: TapeEvent): string => {
  const slot = (what >>> 8) & 0xff;
  const name = partitions.bySlot(slot)?.name ?? String(slot);
  return `${eventKind(what & 0xff)} of VP ${name}/${(what >>> 16) & 0xff} at cycle ${clock} (${a}, ${b})`;
};

export const placeText = ({ course, lp, clock }: Pick<Place, 'course' | 'lp' | 'clock'>): string =>
  lp < 0 ? `place ${course}, at rest` : `place ${course}, LP ${lp}, cycle ${clock}`;

/** The earliest event that has not come. */
export const firstExpected = (machine: Machine, tapes: readonly EventTape[]): { readonly where: string; readonly expected: string } => {
  let first: { readonly lp: number; readonly event: TapeEvent } | undefined;
  for (const [lp, tape] of tapes.entries())
    if (tape.waiting > 0 && (first === undefined || tape.peek().clock < first.event.clock)) first = { lp, event: tape.peek() };
  if (first === undefined) return { where: 'the machine', expected: 'that it goes on' };
  return { where: `LP ${first.lp}, event ${tapes[first.lp]!.load('tail') >>> 0}`, expected: eventText(machine, first.event) };
};

/** No LP awaits anything, nor stands at the gate: their words as they were at one moment (lp/turn). */
export const isAtRest = ({ views, header, lps }: MachineMemory): boolean => {
  const changes = (header.base + MachineLayout.at.turnChanges) >>> 2;
  const before = Atomics.load(views.i32, changes);
  const rests = lps.every((lp) => lp.state === LpState.DEAD || (Atomics.load(views.i32, (lp.base + LpLayout.at.turn) >>> 2) & 1) !== 0);
  return rests && gateWord.of(views) === 0 && Atomics.load(views.i32, changes) === before;
};
