// The command line of hvtop.
import { parseArgs } from 'node:util';
import { defaultSocket } from '../shared/client/socket-path.js';

export interface Arguments {
  readonly socket: string;
  readonly hz: number;
  readonly once: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

export const HZ_MIN = 0.1;
export const HZ_MAX = 20;

export const USAGE = `usage: hvtop [--socket PATH] [--hz N] [--once [--json]]

Shows a running hvd machine live: a lane per logical processor, partitions, intercepts, interrupts, the vTLB.

  --socket PATH  control socket of the daemon (default: where hvd start puts it)
  --hz N         samples a second, ${HZ_MIN} to ${HZ_MAX} (default 2)
  --once         print one snapshot as text and exit
  --json         with --once: print it as one JSON object
  --help         this text

Keys: q quit, ? help, tab next page, p pause, arrows choose an LP or a partition, v a VP.
`;

/** Throws an Error whose message is one line for the operator. */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      socket: { type: 'string' },
      hz: { type: 'string', default: '2' },
      once: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const hz = Number(values.hz);
  if (!(hz >= HZ_MIN && hz <= HZ_MAX)) throw new Error(`--hz: ${values.hz} is not a number from ${HZ_MIN} to ${HZ_MAX}`);
  if (values.json && !values.once) throw new Error('--json: only with --once');
  return { socket: values.socket ?? defaultSocket(), hz, once: values.once, json: values.json, help: values.help };
}
