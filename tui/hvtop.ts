#!/usr/bin/env node
// The program: reads the command line, then prints snapshots or opens the screen.
// Why imports at run time: React must see NODE_ENV=production when it is loaded, and snapshots need not load it at all (0.7 s).
import { HvdError, reasonOf } from '../shared/protocol/errors.js';
import { type Arguments, parseArguments, USAGE } from './arguments.js';
import { snapshots } from './snapshots.js';
import { capabilitiesOf, filterOf } from './terminal/capabilities.js';

const EXIT_USAGE = 64;
const EXIT_FAILED = 1;

async function main(): Promise<number> {
  let args: Arguments;
  try {
    args = parseArguments(process.argv.slice(2));
  } catch (error) {
    return complain(EXIT_USAGE, reasonOf(error).split('\n')[0]!, 'hvtop --help');
  }
  if (args.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (args.count !== undefined || !process.stdout.isTTY) return await print(args);
  if (!process.stdin.isTTY) return complain(EXIT_USAGE, 'the live screen needs a terminal for its keys', 'hvtop --once');
  process.env.NODE_ENV = 'production';
  // Ink draws nothing where it believes to be in a CI job; a terminal is there, so draw.
  process.env.CI = 'false';
  process.env.CONTINUOUS_INTEGRATION = 'false';
  const { live } = await import('./live.js');
  return await live(args);
}

async function print(args: Arguments): Promise<number> {
  // A reader that has seen enough (`hvtop --once | head`) is not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT_FAILED));
  try {
    const { utf8 } = capabilitiesOf(process.env, args.characters);
    const filter = filterOf({ colour: false, utf8 });
    for await (const text of snapshots(args)) await new Promise<void>((resolve) => process.stdout.write(filter(text), () => resolve()));
    return 0;
  } catch (error) {
    const hint = error instanceof HvdError && error.code !== 'daemon.absent' ? error.hint : 'npx hvd start';
    return complain(EXIT_FAILED, reasonOf(error), hint);
  }
}

function complain(status: number, message: string, hint: string | undefined): number {
  process.stderr.write(`hvtop: ${message}${hint === undefined ? '' : ` (try: ${hint})`}\n`);
  return status;
}

process.exitCode = await main();
