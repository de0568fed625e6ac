// What `hvd run --profile` says at the end: the blocks and functions in which instructions were retired, and stacks in the folded form that flame-graph tools read.
import type { ObservationReport } from '../../../shared/layout/observation.js';
import type { GuestSymbols } from '../../boot/symbols.js';
import { formatTable } from '../output.js';

export interface ProfileEntry {
  /** `symbol+0x12`, or the address. */
  readonly place: string;
  readonly address: string;
  readonly executions: number;
  readonly instructions: number;
}

export interface Profile {
  readonly instructions: number;
  readonly functions: Readonly<Record<string, number>>;
  /** Most instructions first. */
  readonly blocks: readonly ProfileEntry[];
  /** Lines of `outer;inner count`. */
  readonly folded: readonly string[];
}

/** Rows of the printed tables, and blocks of the object. */
const TABLE_ROWS = 20;
const BLOCKS_MAX = 1000;
const NOT_LISTED = '[not listed]';

const hex = (address: number): string => `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;

export const profileOf = (report: ObservationReport, symbols: GuestSymbols): Profile => {
  const functions = new Map<string, number>();
  for (const [linear, , retired] of report.blocks) {
    const name = nameOf(linear, symbols);
    functions.set(name, (functions.get(name) ?? 0) + retired);
  }
  if (report.elsewhere > 0) functions.set(NOT_LISTED, report.elsewhere);
  return {
    instructions: report.retired,
    functions: Object.fromEntries([...functions].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))),
    blocks: report.blocks
      .slice(0, BLOCKS_MAX)
      .map(([linear, executions, instructions]) => ({ place: placeOf(linear, symbols), address: hex(linear), executions, instructions })),
    folded: fold(report.stacks, symbols),
  };
};

export const formatProfile = (profile: Profile): string => {
  const share = (n: number): string => (profile.instructions === 0 ? '-' : ((n * 100) / profile.instructions).toFixed(1));
  return [
    formatTable(
      ['%', 'INSTRUCTIONS', 'FUNCTION'],
      Object.entries(profile.functions)
        .slice(0, TABLE_ROWS)
        .map(([name, n]) => [share(n), n, name]),
    ),
    formatTable(
      ['%', 'INSTRUCTIONS', 'EXECUTIONS', 'BLOCK', 'ADDRESS'],
      profile.blocks.slice(0, TABLE_ROWS).map((b) => [share(b.instructions), b.instructions, b.executions, b.place, b.address]),
    ),
  ].join('\n\n');
};

/** Stacks come innermost first; tools want the outermost first. Frames are functions, so stacks that differ in addresses only are one. */
const fold = (stacks: ObservationReport['stacks'], symbols: GuestSymbols): string[] => {
  const folded = new Map<string, number>();
  for (const [weight, ...addresses] of stacks) {
    const frames = addresses.map((address) => nameOf(address, symbols)).reverse();
    const line = frames.length > 0 ? frames.join(';') : NOT_LISTED;
    folded.set(line, (folded.get(line) ?? 0) + weight!);
  }
  return [...folded].sort(([a], [b]) => (a < b ? -1 : 1)).map(([line, weight]) => `${line} ${weight}`);
};

// Names come from the image: what separates fields must not be in them.
const nameOf = (address: number, symbols: GuestSymbols): string => symbols.find(address)?.name.replace(/[;\s]/g, '_') ?? hex(address);
const placeOf = (address: number, symbols: GuestSymbols): string => {
  const found = symbols.find(address);
  if (found === undefined) return hex(address);
  return found.offset === 0 ? found.name : `${found.name}+0x${found.offset.toString(16)}`;
};
