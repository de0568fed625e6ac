// Machine memory in a snapshot: words by name. What is only about this process (threads, mailboxes, doorbells, the gate, traces) is not the machine's.
import { DEVICE_LINE_SIZE, DEVICE_LINES } from '../../../shared/layout/device-line.js';
import { deviceLineAt, EVENT_RING, EVENT_SIZE, eventRingAt, LpLayout, lpBlockAt, MachineLayout } from '../../../shared/layout/machine.js';
import type { MachineMemory } from '../machine-memory.js';

/** Of the header and of each LP's block what a snapshot does without. */
export const OWN_OF_PROCESS: {
  readonly header: readonly (keyof typeof MachineLayout.at)[];
  readonly lp: readonly (keyof typeof LpLayout.at)[];
} = {
  header: [
    'commandSequence',
    'stop',
    'gateWanted',
    'gateLimited',
    'gateLimit',
    'gateUntil',
    'gateStands',
    'gateAtRest',
    'gateUnchanged',
    'gateCalled',
    'tracing',
  ],
  lp: [
    'state',
    'doorbell',
    'hostThread',
    'hostCore',
    'mailSequence',
    'mailCommand',
    'mailArgs',
    'waitingForTurn',
    'deathReason',
    'traceHead',
    'traceTail',
    'traceLost',
  ],
};

interface Word {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

/** Everything of the machine's own that a snapshot has. */
export const machineWords = (lps: number): readonly Word[] => {
  const words: Word[] = [];
  const header = OWN_OF_PROCESS.header as readonly string[];
  for (const [name, at] of Object.entries(MachineLayout.at)) {
    if (header.includes(name)) continue;
    words.push({ name: `machine.${name}`, at, bytes: MachineLayout.fields[name as keyof typeof MachineLayout.at].bytes });
  }
  const own = OWN_OF_PROCESS.lp as readonly string[];
  for (let lp = 0; lp < lps; lp++) {
    for (const [name, at] of Object.entries(LpLayout.at)) {
      if (own.includes(name)) continue;
      words.push({ name: `LP ${lp}.${name}`, at: lpBlockAt(lp) + at, bytes: LpLayout.fields[name as keyof typeof LpLayout.at].bytes });
    }
    words.push({ name: `LP ${lp}.events`, at: eventRingAt(lp, lps), bytes: EVENT_RING * EVENT_SIZE });
  }
  words.push({ name: 'devices', at: deviceLineAt(0, lps), bytes: DEVICE_LINES * DEVICE_LINE_SIZE });
  return words;
};

/** By name. */
export type MachineFields = Readonly<Record<string, Uint8Array>>;

export const readMachineFields = ({ views, lps }: MachineMemory): MachineFields =>
  Object.fromEntries(machineWords(lps.length).map(({ name, at, bytes }) => [name, views.u8.slice(at, at + bytes)]));

/** The first that is not there, is not of that length, or is not known. */
export const badMachineField = (fields: MachineFields, lps: number): { readonly field: string; readonly why: string } | undefined => {
  const words = machineWords(lps);
  for (const { name, bytes } of words) {
    const found = fields[name];
    if (found === undefined) return { field: name, why: 'it is not there' };
    if (found.length !== bytes) return { field: name, why: `it has ${found.length} bytes, not ${bytes}` };
  }
  const known = new Set(words.map(({ name }) => name));
  const unknown = Object.keys(fields).find((name) => !known.has(name));
  return unknown === undefined ? undefined : { field: unknown, why: 'this hvd has no such field' };
};

/**
 * LPs await nothing. Whose turn it is they see as it is all the while: the one that comes first is told first, and to the others it looks as if they came later.
 */
export const writeMachineFields = ({ views, lps }: MachineMemory, fields: MachineFields): void => {
  const { i32, u8 } = views;
  const turns: { readonly at: number; readonly word: number }[] = [];
  for (const { name, at, bytes } of machineWords(lps.length)) {
    if (!name.endsWith('.turn')) u8.set(fields[name]!, at);
    else turns.push({ at: at >>> 2, word: new DataView(fields[name]!.slice().buffer, 0, bytes).getInt32(0, true) });
  }
  // Who might come to the gate before it is left goes on as if nobody had been there.
  i32[MachineLayout.at.gateUnchanged >>> 2] = 1;
  // Steps modulo 2^31, as lp/turn compares them; equal ones by number of the LP.
  const awaited = turns.filter(({ word }) => (word & 1) === 0).sort((a, b) => (a.word - b.word) | 0 || a.at - b.at);
  for (const { at, word } of awaited) {
    Atomics.store(i32, at, word);
    Atomics.add(i32, MachineLayout.at.turnChanges >>> 2, 1);
  }
};
