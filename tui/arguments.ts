// The command line of hvtop.
import { parseArgs } from 'node:util';
import { defaultSocket } from '../shared/client/socket-path.js';

export interface Arguments {
  readonly socket: string;
  readonly hz: number;
  /** Snapshots to print, Infinity: until it is ended; undefined: the live screen, where there is a terminal. */
  readonly count: number | undefined;
  /** Between two snapshots. */
  readonly seconds: number;
  readonly json: boolean;
  readonly characters: 'ascii' | 'utf8' | undefined;
  readonly mouse: boolean;
  readonly help: boolean;
}

export const HZ_MIN = 0.1;
export const HZ_MAX = 20;
export const SECONDS_MIN = 0.1;
export const SECONDS_MAX = 3600;

export const USAGE = `usage: hvtop [--socket PATH] [--hz N] [--once | -n N] [-d S] [--json] [--ascii | --utf8] [--no-mouse]

Shows a running hvd machine live: lanes of its logical processors, partitions, the vTLB, interrupts, spin waits, policies, loads, the log.
Where standard output is no terminal it prints one snapshot as text.

  --socket PATH   control socket of the daemon (default: where hvd start puts it)
  --hz N          samples a second, ${HZ_MIN} to ${HZ_MAX} (default 2)
  --once          print one snapshot and exit; as -n 1
  -n, --count N   print N snapshots; 0: until it is ended
  -d, --delay S   seconds between two snapshots, which their rates are of, ${SECONDS_MIN} to ${SECONDS_MAX} (default 2; of one alone 0.5)
  --json          print samples as JSON: one alone indented, several one a line
  --ascii         no character beyond ASCII; --utf8: boxes, Braille charts (default: as the locale says)
  --no-mouse      leave the mouse to the terminal
  --help          this text

Colours are left out if NO_COLOR is set. Keys: q quit, ? help (each page has its own), 1-8 and tab pages, p pause, , . < > through the last 10 minutes.
`;

/** Throws an Error whose message is one line for the operator. */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      socket: { type: 'string' },
      hz: { type: 'string', default: '2' },
      once: { type: 'boolean', default: false },
      count: { type: 'string', short: 'n' },
      delay: { type: 'string', short: 'd' },
      json: { type: 'boolean', default: false },
      ascii: { type: 'boolean', default: false },
      utf8: { type: 'boolean', default: false },
      'no-mouse': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const { once, count, delay, ascii, utf8 } = values;
  if (once && count !== undefined) throw new Error('--once: not with -n');
  if (ascii && utf8) throw new Error('--ascii: not with --utf8');
  const number = (flag: string, text: string, min: number, max: number): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) throw new Error(`${flag}: ${text} is not a number from ${min} to ${max}`);
    return value;
  };
  if (count !== undefined && !/^\d{1,9}$/.test(count)) throw new Error(`-n: ${count} is not a whole number`);
  const snapshots = once
    ? 1
    : count === undefined
      ? delay === undefined
        ? undefined
        : Number.POSITIVE_INFINITY
      : Number(count) || Number.POSITIVE_INFINITY;
  return {
    socket: values.socket ?? defaultSocket(),
    hz: number('--hz', values.hz, HZ_MIN, HZ_MAX),
    count: values.json ? (snapshots ?? 1) : snapshots,
    seconds: delay === undefined ? (snapshots === undefined || snapshots === 1 ? 0.5 : 2) : number('-d', delay, SECONDS_MIN, SECONDS_MAX),
    json: values.json,
    characters: ascii ? 'ascii' : utf8 ? 'utf8' : undefined,
    mouse: !values['no-mouse'],
    help: values.help,
  };
}
