// Scripts that complete hvd's commands in bash, zsh and fish. Commands, options and choices are in the script; names of partitions are asked of the daemon.
import { type CommandNode, walk } from './command-tree.js';
import type { Shell } from './shells.js';

export const completionOf = (shell: Shell, tree: CommandNode): string => SCRIPTS[shell](tree);

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const keyOf = ({ path }: CommandNode): string => path.join(' ');
const namesOf = (node: CommandNode): string[] => node.commands.map(({ path }) => path.at(-1)!);
const optionWords = (node: CommandNode): string[] =>
  node.options.flatMap(({ long, short }) => (short === undefined ? [long] : [long, short]));
/** Alternatives of a `case` for options with a value, in all that is said of them alike. */
const optionPatterns = (node: CommandNode, wanted: (option: CommandNode['options'][number]) => boolean): string[] =>
  node.options
    .filter((option) => option.takesValue && wanted(option))
    .flatMap(({ long, short }) => (short === undefined ? [long] : [long, short]));

const PARTITION_NAMES = "hvd vm list 2>/dev/null | awk 'NR > 1 { print $1 }'";

/** What the words before lead to: the command's path in `path`, the number of its arguments so far in `count`, the option that waits for a value in `value`. */
const bashCase = (node: CommandNode): string => {
  const lines = [`    ${quoted(keyOf(node))})`];
  const cases: string[] = [];
  for (const option of node.options)
    if (option.choices.length > 0) {
      const names = [option.long, ...(option.short === undefined ? [] : [option.short])];
      cases.push(`        ${names.join('|')}) words=${quoted(option.choices.join(' '))}; return ;;`);
    }
  const files = optionPatterns(node, ({ choices, isFile }) => choices.length === 0 && isFile);
  if (files.length > 0) cases.push(`        ${files.join('|')}) files=1; return ;;`);
  const others = optionPatterns(node, ({ choices, isFile }) => choices.length === 0 && !isFile);
  if (others.length > 0) cases.push(`        ${others.join('|')}) return ;;`);
  if (cases.length > 0) lines.push('      case "$value" in', ...cases, '      esac');
  lines.push(`      options=${quoted(optionWords(node).join(' '))}`);
  if (node.commands.length > 0) lines.push(`      words=${quoted(namesOf(node).join(' '))}`);
  node.arguments.forEach((argument, index) => {
    const variadic = argument.usage.includes('...');
    const here = variadic ? `[ "$count" -ge ${index} ]` : `[ "$count" = ${index} ]`;
    if (argument.choices.length > 0) lines.push(`      ${here} && words=${quoted(argument.choices.join(' '))}`);
    if (argument.isPartition) lines.push(`      ${here} && words=$(${PARTITION_NAMES})`);
    if (argument.isFile) lines.push(`      ${here} && files=1`);
  });
  lines.push('      ;;');
  return lines.join('\n');
};

/** Shell code that goes through the words typed so far: which command, how many arguments, which option waits for its value. bash and zsh both run it. */
const walkFunction = (tree: CommandNode): string => {
  const commands = [...walk(tree)].filter(({ path }) => path.length > 0).map((node) => quoted(keyOf(node)));
  const valued = [...walk(tree)].flatMap((node) => optionPatterns(node, () => true).map((option) => quoted(`${keyOf(node)} ${option}`)));
  return `_hvd_walk() {
  path='' count=0 value=''
  local word
  for word in "$@"; do
    if [ -n "$value" ]; then value=''; continue; fi
    case "$word" in
      -*) case "$path $word" in ${valued.join('|')}) value=$word ;; esac; continue ;;
    esac
    case "\${path:+$path }$word" in
      ${commands.join('|')}) path="\${path:+$path }$word"; count=0 ;;
      *) count=$((count + 1)) ;;
    esac
  done
}
_hvd_offer() {
  words='' options='' files=''
  case "$path" in
${[...walk(tree)].map(bashCase).join('\n')}
  esac
}`;
};

const bash = (tree: CommandNode): string => `# Completion of hvd in bash: source <(hvd completion bash)
${walkFunction(tree)}
_hvd() {
  local path count value words options files current="\${COMP_WORDS[COMP_CWORD]}"
  _hvd_walk "\${COMP_WORDS[@]:1:COMP_CWORD-1}"
  _hvd_offer
  case "$current" in -*) words=$options; [ -n "$value" ] && words='' ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
}
complete -F _hvd hvd
`;

const zsh = (tree: CommandNode): string => `#compdef hvd
# Completion of hvd in zsh: source <(hvd completion zsh), or as _hvd in a folder of $fpath
${walkFunction(tree)}
_hvd() {
  emulate -L zsh
  local path count value options files current=\${words[CURRENT]}
  local -a typed=("\${(@)words[2,CURRENT-1]}")
  local words
  _hvd_walk "\${typed[@]}"
  _hvd_offer
  [[ $current == -* && -z $value ]] && words=$options
  local -a offered=(\${=words})
  (( \${#offered} )) && compadd -a offered
  [[ -n $files ]] && _files
  return 0
}
if [[ \${funcstack[1]} == _hvd ]]; then _hvd; else compdef _hvd hvd; fi
`;

const fish = (tree: CommandNode): string => {
  const lines: string[] = [];
  for (const node of walk(tree)) {
    const here = `-n ${quoted(`test (__hvd_path) = ${quoted(keyOf(node))}`)}`;
    for (const child of node.commands)
      lines.push(`complete -c hvd ${here} -f -a ${quoted(child.path.at(-1)!)} -d ${quoted(child.description)}`);
    for (const { long, short, description, takesValue, choices, isFile } of node.options)
      lines.push(
        [
          `complete -c hvd ${here} ${long.startsWith('--') ? `-l ${long.slice(2)}` : `-s ${long.slice(1)}`}`,
          ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
          ...(takesValue ? [choices.length > 0 ? `-x -a ${quoted(choices.join(' '))}` : isFile ? '-r -F' : '-x'] : ['-f']),
          `-d ${quoted(description)}`,
        ].join(' '),
      );
    for (const argument of node.arguments) {
      if (argument.choices.length > 0) lines.push(`complete -c hvd ${here} -f -a ${quoted(argument.choices.join(' '))}`);
      if (argument.isPartition) lines.push(`complete -c hvd ${here} -f -a ${quoted(`(${PARTITION_NAMES})`)}`);
      if (argument.isFile) lines.push(`complete -c hvd ${here} -F`);
    }
  }
  const commands = [...walk(tree)].filter(({ path }) => path.length > 0).map((node) => quoted(keyOf(node)));
  return `# Completion of hvd in fish: hvd completion fish | source
function __hvd_path
  set -l path
  for word in (commandline -opc)[2..]
    set -l next (string join ' ' $path $word)
    contains -- "$next" ${commands.join(' ')}; and set -a path $word
  end
  string join ' ' $path; or echo
end
complete -c hvd -f
${lines.join('\n')}
`;
};

const SCRIPTS: Readonly<Record<Shell, (tree: CommandNode) => string>> = { bash, zsh, fish };
