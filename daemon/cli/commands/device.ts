// hvd device: the machine's test devices, whose interrupts are passed through to partitions.
import type { Command } from 'commander';
import { numeric } from '../options.js';
import { formatCount, printJson, printTable } from '../output.js';
import { type ClientFlags, listingOptions, socketOption, withDaemon } from '../with-daemon.js';

export const addDevice = (program: Command): void => {
  const device = program.command('device').description('test devices whose interrupts are passed through to partitions');
  listingOptions(device.command('list'))
    .description('all devices with their counters')
    .action(async (flags: ClientFlags) => {
      const devices = await withDaemon(flags, (hvd) => hvd.request('device.list', {}));
      if (flags.json === true) return printJson(devices);
      printTable(
        ['DEVICE', 'LP', 'VECTOR', 'TRIGGER', 'FOR', 'AS', 'STATE', 'RAISED', 'TAKEN', 'ENDED', 'SERVED', 'DEFERRED'],
        devices.map((d) => [
          d.name,
          d.lp,
          `0x${d.vector.toString(16)}`,
          d.trigger,
          `${d.partition}/${d.vp}`,
          `0x${d.guestVector.toString(16)}`,
          [d.asserted ? 'high' : 'low', ...(d.serving ? ['in service'] : []), ...(d.masked ? ['masked'] : [])].join(', '),
          formatCount(d.raised),
          formatCount(d.taken),
          formatCount(d.ended),
          `${formatCount(Math.round(d.servedCycles / Math.max(1, d.ended)))} cycles`,
          `${formatCount(Math.round(d.deferredCycles / Math.max(1, d.ended)))} cycles`,
        ]),
      );
    });
  for (const [verb, text] of [
    ['raise', 'raise its line: an edge, or a level until it is lowered'],
    ['lower', 'lower its line'],
  ] as const)
    socketOption(device.command(`${verb} <name>`))
      .description(text)
      .action(async (name: string, flags: ClientFlags) => {
        await withDaemon(flags, (hvd) => hvd.request(`device.${verb}`, { name }));
      });
  socketOption(device.command('period <name> <cycles>'))
    .description('let it rise every so many cycles of its LP; 0: no more')
    .action(async (name: string, cycles: string, flags: ClientFlags) => {
      await withDaemon(flags, (hvd) => hvd.request('device.period', { name, cycles: numeric(cycles) as number }));
    });
};
