// hvd vm: the life of partitions, and what they show.
import type { Command } from 'commander';
import type { InterruptLog, LoadSpec, PartitionInspect, VmbusInspect } from '../../../shared/protocol/messages.js';
import { formatSize } from '../../root/config/size.js';
import type { CreateFlags } from '../create-flags.js';
import { deviceOptions } from '../device-flags.js';
import { formatCount, printJson, printLine, printTable } from '../output.js';
import { printVtlb } from '../print-vtlb.js';
import { type ClientFlags, listingOptions, socketOption, withDaemon } from '../with-daemon.js';
import { addConsole } from './console.js';
import { addSchedule } from './vm-schedule.js';

export const addVm = (program: Command): void => {
  const vm = program.command('vm').description('create, run and look at partitions');
  deviceOptions(socketOption(vm.command('create <what>')))
    .description('create a partition from a YAML file, or with --image one of that name')
    .option('--image <file>', 'image: a file, or workload64, workload32, bench64, bench32')
    .option('--name <name>', 'another name than the file says')
    .option('--vps <n>', 'virtual processors, 1 to 64')
    .option('--memory <size>', 'guest RAM, e.g. 64M')
    .option('--cpu <model>', 'processor, e.g. x86-64-v2,+aes,-smap; everything that there is by default')
    .option('--hv <features>', 'Hyper-V interface, e.g. linux,-ref-tsc,spin-retries=100; presets: off, minimal, linux, all')
    .option('--append <text>', 'command line')
    .option('--initrd <file>', 'initial RAM disk')
    .option('--load <job>', 'job to start with (workload guests)')
    .option('--start', 'start it at once')
    .action(async (what: string, flags: CreateFlags) => {
      const { partitionOf } = await import('../create-flags.js');
      const config = partitionOf(what, flags);
      const { name } = await withDaemon(flags, (hvd) => hvd.request('vm.create', config));
      printLine(name);
    });
  listingOptions(vm.command('list'))
    .description('all partitions')
    .action(async (flags: ClientFlags) => {
      const list = await withDaemon(flags, (hvd) => hvd.request('vm.list', {}));
      if (flags.json === true) return printJson(list);
      printTable(
        ['PARTITION', 'STATE', 'VPS', 'MEMORY', 'IMAGE', 'REASON'],
        list.map((p) => [p.name, p.state, p.vps, formatSize(p.memory), p.image, p.reason ?? '']),
      );
    });
  for (const [verb, text] of VERBS) {
    socketOption(vm.command(`${verb} <name>`))
      .description(text)
      .action(async (name: string, flags: ClientFlags) => {
        await withDaemon(flags, (hvd) => hvd.request(`vm.${verb}`, { name }));
      });
  }
  addConsole(vm);
  addSchedule(vm);
  listingOptions(vm.command('screen <name>'))
    .description('the VGA text screen')
    .action(async (name: string, flags: ClientFlags) => {
      const screen = await withDaemon(flags, (hvd) => hvd.request('vm.screen', { name }));
      if (flags.json === true) printJson(screen);
      else for (const line of screen.lines) printLine(line.trimEnd());
    });
  listingOptions(vm.command('inspect <name>'))
    .description('registers, counters, instructions that are not there; or what --path names')
    .option(
      '--path <path>',
      "vtlb, vtlb/sas/N or vtlb/spt/N: shadow page tables beside the guest's own; interrupts/VP: the last ones of a VP",
    )
    .action(async (name: string, flags: ClientFlags & { path?: string }) => {
      const { path } = flags;
      const vp = /^interrupts\/(\d+)$/.exec(path ?? '')?.[1];
      if (vp !== undefined) {
        const { log } = await withDaemon(flags, (hvd) => hvd.request('interrupts', { log: { partition: name, vp: Number(vp) } }));
        if (flags.json === true) printJson(log);
        else printInterrupts(log!);
        return;
      }
      if (path !== undefined) {
        const vtlb = await withDaemon(flags, (hvd) => hvd.request('vm.inspect.vtlb', { name, path }));
        if (flags.json === true) printJson(vtlb);
        else printVtlb(vtlb);
        return;
      }
      const inspect = await withDaemon(flags, (hvd) => hvd.request('vm.inspect', { name }));
      if (flags.json === true) printJson(inspect);
      else printInspect(inspect);
    });
};

const VERBS = [
  ['start', 'boot it; one that has ended boots again'],
  ['pause', 'stop its processors; memory and devices stay'],
  ['resume', 'go on after pause'],
  ['stop', 'end it at once'],
  ['destroy', 'end it and give its memory back'],
] as const;

const printInspect = (p: PartitionInspect): void => {
  printLine(`${p.name}: ${p.state}${p.reason === null ? '' : ` (${p.reason})`}, ${formatSize(p.memory)}`);
  printLine(`processor ${p.processor.name}: ${p.processor.features.join(' ')}`);
  printTable(
    ['VP', 'STATE', 'LP', 'MODE', 'CPL', 'RIP', 'CR3', 'INSTRUCTIONS'],
    p.vps.map((vp) => {
      const r = p.registers[vp.id]!;
      return [vp.id, vp.state, vp.lp ?? '-', r.mode, r.cpl, r.rip, r.cr3, formatCount(vp.instructions)];
    }),
  );
  for (const device of p.devices) {
    printLine(`${device.kind} ${device.address}: ${device.of}; driver ${device.state}`);
    printCounts('  passed', device.counters);
  }
  printCounts('vTLB', p.vtlb);
  printCounts('translated code', p.code);
  printCounts('VP counters', total(p.vps.map((vp) => vp.counters)));
  printCounts('spin waits', total(p.vps.map((vp) => vp.spin)));
  printCounts('interrupts', p.interrupts.byKind);
  printCounts('vectors', p.interrupts.byVector);
  const sints = p.synic.flatMap(({ vp, sints: all }) => all.map((sint) => ({ vp, ...sint })));
  if (sints.length > 0)
    printTable(
      ['VP', 'SINT', 'VECTOR', 'MESSAGES', 'EVENTS', 'INTERRUPTS', 'SLOT', 'QUEUE', 'FLAGS'],
      sints.map(({ vp, sint, vector, masked, messages, events, interrupts, busy, pending, waiting, flags }) => [
        vp,
        sint,
        masked ? 'masked' : `0x${vector.toString(16)}`,
        formatCount(messages),
        formatCount(events),
        formatCount(interrupts),
        busy ? (pending ? 'busy, pending' : 'busy') : 'empty',
        waiting,
        flags,
      ]),
    );
  if (p.vmbus !== null) printLine(vmbusText(p.vmbus));
  printLoads('jobs that wait until the guest takes some', p.waitingLoads);
  printLoads('jobs that the guest does not know', p.refusedLoads);
  if (p.crash !== null) {
    const { times, vp, parameters, message } = p.crash;
    printLine(`the guest has reported a crash (${times === 1 ? 'once' : `${times} times`}), VP ${vp}: ${parameters.join(' ')}`);
    if (message !== '') printLine(message.trimEnd().replaceAll(/^/gm, '  '));
  }
  if (p.unknownInstructions.length > 0)
    printCounts('instructions that are not there', Object.fromEntries(p.unknownInstructions.map((u) => [u.mnemonic, u.count])));
};

const vmbusText = ({ version, refused }: VmbusInspect): string => {
  const state = version === null ? 'no contact' : `version ${version}, nothing is offered`;
  return `VMBus: ${state}${refused === 0 ? '' : `; versions refused: ${refused}`}`;
};

const printLoads = (title: string, loads: readonly LoadSpec[]): void => {
  if (loads.length > 0)
    printLine(`${title}: ${loads.map(({ job, vps }) => `${job}${vps === undefined ? '' : ` (VPs ${vps.join(', ')})`}`).join(', ')}`);
};

const printInterrupts = ({ records }: InterruptLog): void =>
  printTable(
    ['DELIVERED', 'VECTOR', 'SOURCE', 'WAITED', 'SERVED', 'END'],
    records.map((r) => [
      formatCount(r.delivered),
      `0x${r.vector.toString(16)}`,
      r.kind,
      `${formatCount(r.waitCycles)} cycles`,
      r.servedCycles === null ? '-' : `${formatCount(r.servedCycles)} cycles`,
      r.state,
    ]),
  );

const printCounts = (title: string, counts: Readonly<Record<string, number>>): void => {
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  if (shown.length > 0) printLine(`${title}: ${shown.map(([name, count]) => `${name} ${formatCount(count)}`).join(', ')}`);
};

const total = (records: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const record of records) for (const [name, count] of Object.entries(record)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
};
