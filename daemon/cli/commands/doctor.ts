// hvd doctor: what this host can do.
import type { Command } from 'commander';
import { HvdError } from '../../../shared/protocol/errors.js';
import { printJson, printTable } from '../output.js';

export const addDoctor = (program: Command): void => {
  program
    .command('doctor')
    .description('what this host can do: processors, memory, Node, programs, each with a verdict and what it is for')
    .option('--json', 'print JSON')
    .action(async (flags: { readonly json?: boolean }) => {
      const { examine, worstOf } = await import('../doctor/examine.js');
      const findings = examine();
      if (flags.json === true) printJson({ verdict: worstOf(findings), findings });
      else
        printTable(
          ['WHAT', 'VERDICT', 'FOUND', 'FOR'],
          findings.map(({ what, verdict, found, purpose }) => [what, verdict, found, purpose]),
        );
      const bad = findings.filter(({ verdict }) => verdict === 'bad').map(({ what }) => what);
      if (bad.length > 0) throw new HvdError('host.unfit', { what: bad.join(', ') });
    });
};
