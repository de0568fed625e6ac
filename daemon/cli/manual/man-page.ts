// Manual pages (roff, man(7)) out of the same words as --help: one of hvd with exit statuses, environment and files, and one of each command.
import { EXIT_STATUSES, type ExitStatus } from '../../../shared/protocol/exit-statuses.js';
import { type CommandNode, walk } from './command-tree.js';

export interface Page {
  /** `hvd-vm.1` */
  readonly file: string;
  readonly text: string;
}

// A line that begins with a dot or an apostrophe would be a request; a hyphen is typed as it is printed.
const escaped = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
const titleOf = (path: readonly string[]): string => ['hvd', ...path.slice(0, 1)].join('-');
const spoken = ({ path }: CommandNode): string => ['hvd', ...path].join(' ');
const request = (name: string, ...words: readonly string[]): string =>
  [name, ...words.map((word) => `"${escaped(word).replaceAll('"', '\\(dq')}"`)].join(' ');

const synopsis = (node: CommandNode): string => {
  const rest = [
    ...(node.options.length > 0 ? ['[options]'] : []),
    ...(node.commands.length > 0 ? ['<command>'] : []),
    ...node.arguments.map(({ usage }) => usage),
  ];
  return `.B ${escaped(spoken(node))}\n${escaped(rest.join(' '))}`;
};
const tagged = (term: string, text: string): string => `.TP\n.B ${escaped(term)}\n${escaped(text === '' ? term : text)}`;
const optionLines = (node: CommandNode): string[] =>
  node.options.map(({ flags, description, choices }) =>
    tagged(flags, choices.length > 0 && !description.includes('choices') ? `${description} (${choices.join(', ')})` : description),
  );
const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;

const head = (title: string, description: string, version: string): string[] => [
  request('.TH', title.toUpperCase(), '1', '', `hvd ${version}`, 'hvd'),
  '.SH NAME',
  `${escaped(title)} \\- ${escaped(description)}`,
];

const commandPage = (node: CommandNode, version: string): Page => {
  const title = titleOf(node.path);
  const lines = [...head(title, node.description, version), '.SH SYNOPSIS'];
  const leaves = [...walk(node)].filter(({ commands }) => commands.length === 0);
  lines.push(leaves.map(synopsis).join('\n.br\n'));
  for (const leaf of leaves) {
    lines.push(leaves.length === 1 ? '.SH DESCRIPTION' : request('.SH', spoken(leaf)), escaped(sentence(leaf.description)));
    const described = leaf.arguments.filter(({ description, choices }) => description !== '' || choices.length > 0);
    for (const { usage, description, choices } of described)
      lines.push(
        tagged(
          usage,
          [description, ...(choices.length > 0 ? [`one of ${choices.join(', ')}`] : [])].filter((part) => part !== '').join(': '),
        ),
      );
    lines.push(...optionLines(leaf));
  }
  lines.push('.SH EXIT STATUS', 'As of', '.BR hvd (1).', '.SH SEE ALSO', '.BR hvd (1)');
  return { file: `${title}.1`, text: `${lines.join('\n')}\n` };
};

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['HVD_LOG', "Level of the daemon's log: trace, debug, info, warn, error, fatal or silent. JSON lines, or plain ones on a terminal."],
  ['HVD_IMAGES', "Folder of prepared images; else hvd/images in the user's data folder."],
  ['HVD_DEBUG', 'Errors are printed with their stack.'],
  ['NO_COLOR', 'No colours.'],
  ['XDG_RUNTIME_DIR', 'Folder of the control socket, hvd.sock; else it is hvd-UID.sock in the folder for temporary files.'],
  ['NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS', 'Set by systemd: readiness, watchdog and socket activation (configs/systemd).'],
];

const statusLine = ({ status, name, meaning }: ExitStatus): string =>
  tagged(String(status), name === '' ? meaning : `${meaning} (${name})`);

const mainPage = (tree: CommandNode, version: string): Page => {
  const lines = [
    ...head('hvd', tree.description, version),
    '.SH SYNOPSIS',
    synopsis(tree),
    '.SH COMMANDS',
    ...tree.commands.map((node) => `.TP\n.BR ${escaped(titleOf(node.path))} (1)\n${escaped(sentence(node.description))}`),
    '.SH OPTIONS',
    ...optionLines(tree),
    '.SH EXIT STATUS',
    ...EXIT_STATUSES.map(statusLine),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.map(([name, text]) => tagged(name, text)),
    '.SH FILES',
    tagged('configs/machines, configs/vms', 'Machines and partitions (YAML); their schemas are in configs/schemas.'),
    tagged('configs/costs.yaml', 'What things cost in virtual cycles.'),
    '.SH SEE ALSO',
    tree.commands.map((node) => `.BR ${escaped(titleOf(node.path))} (1)`).join(',\n'),
  ];
  return { file: 'hvd.1', text: `${lines.join('\n')}\n` };
};

export const manPages = (tree: CommandNode, version: string): Page[] => [
  mainPage(tree, version),
  ...tree.commands.map((node) => commandPage(node, version)),
];
