// Puts measured tables into a document, between two marks that name the command, with the day and the machine.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../daemon/root/package-root.js';

export interface Place {
  /** From the package's root. */
  readonly file: string;
  /** The command that measures: stands in the first mark. */
  readonly command: string;
}
export const PROCESSOR_TABLES: Place = { file: 'daemon/PROCESSOR.md', command: 'npm run bench -- --markdown' };
export const VTLB_TABLES: Place = { file: 'daemon/SPECIFICATION.md', command: 'npm run bench -- --suite vtlb --markdown' };
export const POLICY_TABLES: Place = { file: 'daemon/SPECIFICATION.md', command: 'npm run bench -- --suite policies --markdown' };
export const SPIN_TABLES: Place = { file: 'daemon/SPECIFICATION.md', command: 'npm run bench -- --suite spin --markdown' };
export const SYNIC_TABLES: Place = { file: 'daemon/SPECIFICATION.md', command: 'npm run bench -- --suite synic --markdown' };
export const WORLD_TABLES: Place = { file: 'daemon/SPECIFICATION.md', command: 'npm run bench -- --suite world --markdown' };
export const SOCKET_TABLES: Place = { file: 'daemon/SPECIFICATION.md', command: 'npm run bench -- --suite socket --markdown' };
export const EOI_TABLES: Place = { file: 'daemon/SPECIFICATION.md', command: 'npm run bench -- --suite eoi --markdown' };

const END = '<!-- bench: end -->';

/** Day and machine, and how busy it was: for numbers of the host's clock. */
export const hostText = (): string => {
  const cores = cpus();
  const machine = `${cores.length} x ${cores[0]?.model.trim() ?? 'unknown processor'}, Node ${process.versions.node}`;
  return `Measured on ${new Date().toISOString().slice(0, 10)}, ${machine}. The host's load average was ${loadavg()[1]!.toFixed(1)}: above the number of its cores, single rows say little.`;
};

/** The document, and where in it the tables are. */
const find = ({ file, command }: Place): { path: string; text: string; from: number; to: number } => {
  const path = join(packageRoot(), file);
  const begin = `<!-- bench: begin (${command}) -->`;
  const text = readFileSync(path, 'utf8');
  const at = text.indexOf(begin);
  const to = text.indexOf(END, at);
  if (at < 0 || to < 0) throw new Error(`${path} has no ${begin} … ${END}`);
  return { path, text, from: at + begin.length, to };
};

export const readTables = (place: Place): string => {
  const { text, from, to } = find(place);
  return text.slice(from, to);
};

/** Returns the file's name. `paragraphs`: what the numbers are, and the tables. */
export const writeTables = (place: Place, paragraphs: readonly string[]): string => {
  const { path, text, from, to } = find(place);
  writeFileSync(path, `${text.slice(0, from)}\n${paragraphs.join('\n\n')}\n\n${text.slice(to)}`);
  return path;
};
