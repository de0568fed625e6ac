// hvd snapshot: what the whole machine is, in a file; it goes on meanwhile as if nothing had been.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { connect } from '../../../shared/client/client.js';
import { formatCount, printJson, printLine } from '../output.js';
import { type ClientFlags, listingOptions } from '../with-daemon.js';

interface SnapshotFlags extends ClientFlags {
  readonly output: string;
}

/** The guests' memory is written at some 100 MB a second. */
const LIMIT_MS = 600_000;

export const addSnapshot = (program: Command): void => {
  listingOptions(program.command('snapshot'))
    .description('write the whole machine to a file, for `hvd start --restore` and `hvd run --restore`; it goes on')
    .requiredOption('-o, --output <file>', 'the snapshot')
    .action(async (flags: SnapshotFlags) => {
      const hvd = await connect({ socket: flags.socket, timeoutMs: LIMIT_MS });
      try {
        const file = resolve(flags.output);
        const report = await hvd.request('snapshot', { file });
        if (flags.json === true) printJson(report);
        else printLine(`${flags.output}: cycle ${report.cycle}, ${formatCount(report.pages)} pages, ${formatCount(report.bytes)} bytes`);
      } finally {
        await hvd.close();
      }
    });
};
