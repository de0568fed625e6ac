// hvd port, hvd connection: the synthetic ports of partitions, and their connections to ports of others.
import type { Command } from 'commander';
import type { ConnectionConfig } from '../../../shared/protocol/messages.js';
import { strict } from '../../root/config/fields.js';
import { connectionShape, portId, portSchema } from '../../root/config/schema.js';
import { checkOptions, numeric } from '../options.js';
import { formatCount, printJson, printTable } from '../output.js';
import { type ClientFlags, listingOptions, socketOption, withDaemon } from '../with-daemon.js';

interface PortFlags extends ClientFlags {
  readonly sint: string;
  readonly vp: string;
  readonly flags?: string;
  readonly firstFlag?: string;
}

const connectionSchema = strict(connectionShape);
const closeSchema = strict({ id: portId });
/** Fields that are no options of the same name. */
const NAMES = { id: 'id', port: 'port', vm: '--to' } as const;

const printConnections = (name: string, connections: readonly ConnectionConfig[]): void =>
  printTable(
    ['CONNECTION', 'TO', 'PORT'],
    connections.map(({ id, vm, port: to }) => [id, vm ?? name, to]),
  );

export const addPort = (program: Command): void => {
  const port = program.command('port').description('synthetic ports of partitions, by which guests reach them');
  listingOptions(port.command('list <vm>'))
    .description('ports and connections of a partition')
    .action(async (name: string, flags: ClientFlags) => {
      const { ports, connections } = await withDaemon(flags, (hvd) => hvd.request('port.list', { name }));
      if (flags.json === true) return printJson({ ports, connections });
      printTable(
        ['PORT', 'FOR', 'SINT', 'VP', 'ACCEPTED', 'REFUSED'],
        ports.map(({ id, sint, vp, flags: count, firstFlag, accepted, refused }) => [
          id,
          count === undefined ? 'messages' : `flags ${firstFlag} to ${(firstFlag ?? 0) + count - 1}`,
          sint,
          vp,
          formatCount(accepted),
          formatCount(refused),
        ]),
      );
      printConnections(name, connections);
    });
  socketOption(port.command('open <vm> <id>'))
    .description('open a port: for messages, or for event flags')
    .requiredOption('--sint <n>', 'SINT that tells of what comes in')
    .option('--vp <n>', 'VP that it goes to', 'any')
    .option('--flags <n>', 'so many event flags in place of messages')
    .option('--first-flag <n>', 'the first of them')
    .action(async (name: string, id: string, { sint, vp, flags, firstFlag, ...client }: PortFlags) => {
      const config = checkOptions(
        portSchema,
        {
          id: numeric(id),
          sint: numeric(sint),
          vp: numeric(vp),
          ...(flags === undefined ? {} : { flags: numeric(flags) }),
          ...(firstFlag === undefined ? {} : { firstFlag: numeric(firstFlag) }),
        },
        NAMES,
      );
      await withDaemon(client, (hvd) => hvd.request('port.open', { name, port: config }));
    });
  const connection = program.command('connection').description("connections of partitions to ports, others' or their own");
  listingOptions(connection.command('list <vm>'))
    .description('connections of a partition')
    .action(async (name: string, flags: ClientFlags) => {
      const { connections } = await withDaemon(flags, (hvd) => hvd.request('port.list', { name }));
      if (flags.json === true) printJson({ connections });
      else printConnections(name, connections);
    });
  socketOption(connection.command('open <vm> <id> <port>'))
    .description('open a connection to a port')
    .option('--to <vm>', 'the partition that has the port')
    .action(async (name: string, id: string, to: string, { to: vm, ...client }: ClientFlags & { readonly to?: string }) => {
      const config = checkOptions(connectionSchema, { id: numeric(id), port: numeric(to), ...(vm === undefined ? {} : { vm }) }, NAMES);
      await withDaemon(client, (hvd) => hvd.request('connection.open', { name, connection: config }));
    });
  for (const [group, what] of [
    [port, 'port'],
    [connection, 'connection'],
  ] as const)
    socketOption(group.command('close <vm> <id>'))
      .description(`close a ${what}`)
      .action(async (name: string, id: string, flags: ClientFlags) => {
        const checked = checkOptions(closeSchema, { id: numeric(id) }, NAMES);
        await withDaemon(flags, (hvd) => hvd.request(`${what}.close`, { name, ...checked }));
      });
};
