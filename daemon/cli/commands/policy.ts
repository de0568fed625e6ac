// hvd policy: the mechanisms that can be switched while guests run.
import type { Command } from 'commander';
import type { PolicyInfo } from '../../../shared/protocol/messages.js';
import { printJson, printLine, printTable } from '../output.js';
import { type ClientFlags, listingOptions, withDaemon } from '../with-daemon.js';

type PolicyFlags = ClientFlags & { readonly vm?: string };

export const addPolicy = (program: Command): void => {
  const policy = program.command('policy').description('list and set policies');
  listingOptions(policy.command('list'))
    .description('all policies with their settings')
    .action(async (flags: ClientFlags) => {
      const policies = await withDaemon(flags, (hvd) => hvd.request('policy.list', {}));
      // The order of keys is part of the fixed form.
      if (flags.json === true)
        return printJson(policies.map(({ name, value, values, baseline, meaning }) => ({ name, value, values, baseline, meaning })));
      printTable(
        ['POLICY', 'VALUE', 'VALUES', 'BASELINE', 'MEANING'],
        policies.map((p) => [p.name, p.value, p.values.join('|'), p.baseline, p.meaning]),
      );
    });
  listingOptions(policy.command('get <name>'))
    .description('the setting of one policy')
    .option('--vm <name>', 'as it holds in that partition')
    .action(async (name: string, flags: PolicyFlags) =>
      print(await withDaemon(flags, (hvd) => hvd.request('policy.get', { name, vm: flags.vm })), flags),
    );
  listingOptions(policy.command('set <name> <value>'))
    .description('change a policy; guests go on')
    .option('--vm <name>', 'for that partition alone; the value `inherit` gives it the setting of the machine back')
    .action(async (name: string, value: string, flags: PolicyFlags) =>
      print(await withDaemon(flags, (hvd) => hvd.request('policy.set', { name, value, vm: flags.vm })), flags),
    );
};

const print = (policy: PolicyInfo, flags: ClientFlags): void => {
  if (flags.json === true) printJson(policy);
  else printLine(policy.value);
};
