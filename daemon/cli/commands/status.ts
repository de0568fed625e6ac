// hvd status: is there a daemon, what machine is it, what runs on it.
import type { Command } from 'commander';
import { formatSize } from '../../root/config/size.js';
import { printJson, printLine, printTable } from '../output.js';
import { type ClientFlags, listingOptions, withDaemon } from '../with-daemon.js';

export const addStatus = (program: Command): void => {
  listingOptions(program.command('status'))
    .description('show the daemon, its machine and its partitions')
    .action(async (flags: ClientFlags) => {
      const status = await withDaemon(flags, (hvd) => hvd.request('status', {}));
      if (flags.json === true) return printJson(status);
      const { machine } = status;
      printLine(`hvd ${status.version}, pid ${status.pid}, up ${Math.round(status.uptimeMs / 1000)} s, ${status.socket}`);
      printLine(`${machine.lps} LPs on ${machine.nodes} nodes, clock ${machine.clock}`);
      printTable(
        ['PARTITION', 'STATE', 'VPS', 'MEMORY', 'REASON'],
        status.partitions.map((p) => [p.name, p.state, p.vps, formatSize(p.memory), p.reason ?? '']),
      );
    });
};
