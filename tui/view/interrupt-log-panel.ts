// The last interrupts of one VP, newest first: how long each has waited from raise to delivery, and how long it was served until its EOI.
import type { InterruptLog, MachineStats } from '../../shared/protocol/messages.js';
import { Line } from './line.js';
import type { Panel } from './panel.js';
import type { ScreenState } from './screen-state.js';
import { type Style, style } from './style.js';

/** The VP whose log is shown: of the chosen partition or the first one, and which of its VPs has been chosen. */
export const logTarget = (screen: ScreenState, stats: MachineStats | undefined): { partition: string; vp: number } | undefined => {
  const partition = stats?.partitions.find(({ name }) => name === screen.partition) ?? stats?.partitions[0];
  return partition && { partition: partition.name, vp: Math.min(screen.vp, partition.vps.length - 1) };
};

export const interruptLogPanel: Panel = ({ interrupts, stats }, screen, width, height) => {
  const target = logTarget(screen, stats);
  const log = interrupts?.log;
  // An answer about another VP is one that was asked for before the last key.
  if (log == null || stats === undefined || log.partition !== target?.partition || log.vp !== target.vp)
    return height < 1 ? [] : [new Line(width).put('…', style.dim).end()];
  return logLines(log, stats.frequencyHz, width, height);
};

export const logLines = (log: InterruptLog, frequencyHz: number, width: number, height: number): string[] => {
  const us = 1e6 / frequencyHz;
  const clock = width >= CLOCK + 41;
  const head = new Line(width);
  if (clock) head.right('delivered', CLOCK, style.heading).put(' ');
  head
    .left('vec', 5, style.heading)
    .left('source', 7, style.heading)
    .right('waited', TIME, style.heading)
    .right('served', TIME, style.heading);
  const lines = [head.put('  ').put('end', style.heading).end()];
  for (const record of log.records.slice(-Math.max(0, height - 1)).reverse()) {
    const line = new Line(width);
    if (clock) line.right(`${(record.delivered / frequencyHz).toFixed(6)} s`, CLOCK, style.dim).put(' ');
    line.left(`0x${record.vector.toString(16).padStart(2, '0')}`, 5, style.bold).left(record.kind, 7, KINDS[record.kind] ?? style.dim);
    line.right(micros(record.waitCycles * us), TIME, record.waitCycles * us >= 1000 ? style.wait : style.number);
    line.right(record.servedCycles === null ? '-' : micros(record.servedCycles * us), TIME, style.label).put('  ');
    lines.push(line.put(record.state, ENDS[record.state] ?? style.label).end());
  }
  if (log.records.length === 0 && height > 1) lines.push(new Line(width).put('none yet', style.dim).end());
  return lines.slice(0, height);
};

const CLOCK = 13;
const TIME = 8;
const KINDS: Readonly<Record<string, Style>> = { device: style.wait, ipi: style.busy, sint: style.odd, timer: style.good };
const ENDS: Readonly<Record<string, Style>> = {
  'in service': style.wait,
  exit: style.label,
  assist: style.good,
  auto: style.busy,
  specific: style.odd,
};

/** `120 ns`, `1.20 µs`, `12.3 µs`, `4.56 ms`, `7.89 s`. */
export const micros = (us: number): string => {
  if (us < 0.9995) return `${(us * 1000).toFixed(0)} ns`;
  if (us < 999.5) return `${three(us)} µs`;
  if (us < 999_500) return `${three(us / 1000)} ms`;
  return `${three(us / 1e6)} s`;
};
const three = (value: number): string => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
