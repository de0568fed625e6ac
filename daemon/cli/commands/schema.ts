// hvd schema: what YAML files may say, as JSON Schema for editors.
import type { Command } from 'commander';
import { printLine, printTable } from '../output.js';

export const addSchema = (program: Command): void => {
  program
    .command('schema [kind]')
    .description('what a kind of YAML file may say, as JSON Schema; without a kind: which there are')
    .option('--out <folder>', 'write all of them there, KIND.json each')
    .action(async (kind: string | undefined, flags: { readonly out?: string }) => {
      const { schemaText, writeSchemas, YAML_FILES } = await import('../yaml-files.js');
      if (kind !== undefined) process.stdout.write(schemaText(kind));
      else if (flags.out !== undefined) for (const file of writeSchemas(flags.out)) printLine(file);
      else
        printTable(
          ['KIND', 'WHAT'],
          Object.entries(YAML_FILES).map(([name, { title }]) => [name, title]),
        );
    });
};
