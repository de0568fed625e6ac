// The commands of hvd as plain data, walked out of commander's tree: one source for --help, completion and manual pages.
import type { Command } from 'commander';

export interface OptionNode {
  /** `--memory`, and `-o` where there is one. */
  readonly long: string;
  readonly short: string | undefined;
  /** As --help writes it: `-o, --out <file>`. */
  readonly flags: string;
  readonly description: string;
  /** It takes a value, which must be there. */
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly isFile: boolean;
}
export interface ArgumentNode {
  readonly name: string;
  /** As --help writes it: `<name>`, `[what...]`. */
  readonly usage: string;
  readonly description: string;
  readonly choices: readonly string[];
  readonly isFile: boolean;
  /** The name of a partition of the daemon. */
  readonly isPartition: boolean;
}
export interface CommandNode {
  /** Words after `hvd`. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly OptionNode[];
  readonly arguments: readonly ArgumentNode[];
  readonly commands: readonly CommandNode[];
}

const FILES = /^(file|path|folder|dir|what|image|snapshot|where|symbols)$|file|path/i;
/** Words of arguments and values that stand for a partition. */
const PARTITIONS: ReadonlySet<string> = new Set(['partition']);
/** Groups whose argument `name` is a partition's. */
const OF_PARTITIONS: ReadonlySet<string> = new Set(['vm', 'console', 'port', 'load']);

const wordOf = (flags: string): string => /[<[]([^>\],[ ]+)/.exec(flags)?.[1]?.replace(/\.\.\.$/, '') ?? '';

export const commandTree = (command: Command, path: readonly string[] = []): CommandNode => {
  const help = command.createHelp();
  const options = help.visibleOptions(command).map((option): OptionNode => {
    const word = wordOf(option.flags);
    return {
      long: option.long ?? option.short ?? '',
      short: option.long === undefined ? undefined : option.short,
      flags: option.flags,
      description: help.optionDescription(option),
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
      isFile: FILES.test(word),
    };
  });
  return {
    path,
    description: command.description(),
    options,
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      usage: usageOf(argument.name(), argument.required, argument.variadic),
      description: argument.description,
      choices: argument.argChoices ?? [],
      isFile: FILES.test(argument.name()),
      isPartition: PARTITIONS.has(argument.name()) || (argument.name() === 'name' && OF_PARTITIONS.has(path[0] ?? '')),
    })),
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== 'help')
      .map((child) => commandTree(child, [...path, child.name()])),
  };
};

const usageOf = (name: string, required: boolean, variadic: boolean): string => {
  const word = `${name}${variadic ? '...' : ''}`;
  return required ? `<${word}>` : `[${word}]`;
};

/** The node and all below it, each before those below it. */
export function* walk(node: CommandNode): Iterable<CommandNode> {
  yield node;
  for (const child of node.commands) yield* walk(child);
}
