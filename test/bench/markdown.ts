// Puts measured tables into daemon/PROCESSOR.md, between two marks, with the day and the machine.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../daemon/root/package-root.js';

const FILE = join(packageRoot(), 'daemon/PROCESSOR.md');
const BEGIN = '<!-- bench: begin (npm run bench -- --markdown) -->';
const END = '<!-- bench: end -->';

/** Returns the file's name. */
export const writeTables = (tables: readonly string[]): string => {
  const text = readFileSync(FILE, 'utf8');
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${FILE} has no ${BEGIN} … ${END}`);
  const cores = cpus();
  const machine = `${cores.length} x ${cores[0]?.model.trim() ?? 'unknown processor'}, Node ${process.versions.node}`;
  const head = `Measured on ${new Date().toISOString().slice(0, 10)}, ${machine}. The host's load average was ${loadavg()[1]!.toFixed(1)}: above the number of its cores, single rows say little. Seconds are of the host's clock; ratios are the peer's seconds over hvd's (above 1: hvd is faster).`;
  writeFileSync(FILE, `${text.slice(0, from) + BEGIN}\n${[head, ...tables].join('\n\n')}\n\n${text.slice(to)}`);
  return FILE;
};
