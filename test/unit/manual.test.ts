// What shells and man(1) are told: completion scripts that are run in their shells, manual pages that man(1) takes without a warning, the table of exit statuses.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { commandTree, walk } from '../../daemon/cli/manual/command-tree.js';
import { completionOf } from '../../daemon/cli/manual/completion.js';
import { manPages } from '../../daemon/cli/manual/man-page.js';
import { SHELLS } from '../../daemon/cli/manual/shells.js';
import { createProgram } from '../../daemon/cli/program.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { ERRORS, RunExit } from '../../shared/protocol/errors.js';
import { EXIT_STATUSES } from '../../shared/protocol/exit-statuses.js';

const program = createProgram();
const tree = commandTree(program);
const pages = manPages(tree, '1.2.3');
const has = (command: string): boolean => spawnSync(command, ['--version']).error === undefined;

test('the tree has every command and option of --help', (t) => {
  const paths = [...walk(tree)].map(({ path }) => path.join(' '));
  for (const path of ['vm create', 'console', 'policy set', 'images fetch', 'completion', 'man', 'doctor', 'schema'])
    t.true(paths.includes(path), path);
  const create = [...walk(tree)].find(({ path }) => path.join(' ') === 'vm create')!;
  t.true(create.options.some(({ long, takesValue }) => long === '--memory' && takesValue));
  t.true(create.options.some(({ long, takesValue }) => long === '--start' && !takesValue));
  t.true(create.arguments[0]!.isFile);
  t.is([...walk(tree)].find(({ path }) => path.join(' ') === 'vm start')!.arguments[0]!.isPartition, true);
});

/** What bash offers for a line, the last word of which is being typed. */
const offered = (line: string): string[] => {
  const words = line.split(' ');
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const script = `${completionOf('bash', tree)}\nhvd() { printf 'PARTITION STATE\\nguest running\\n'; }\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _hvd; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' });
  if (status !== 0 || stderr !== '') throw new Error(`bash: ${stderr}`);
  return stdout.split('\n').filter((word) => word !== '');
};

test('bash completes commands, options, choices, partitions and files', (t) => {
  if (!has('bash')) return t.pass('bash is not installed');
  t.true(offered('hvd ').includes('run'));
  t.deepEqual(offered('hvd vm cr'), ['create']);
  t.deepEqual(offered('hvd start --cl'), ['--clock']);
  t.deepEqual(offered('hvd start --clock '), ['deterministic', 'quantum', 'realtime']);
  t.deepEqual(offered('hvd start --lps 4 --clock q'), ['quantum']);
  t.deepEqual(offered('hvd start --lps '), []);
  t.deepEqual(offered('hvd vm start '), ['guest']);
  t.deepEqual(offered('hvd completion '), [...SHELLS]);
  t.true(offered(`hvd start --machine ${packageRoot()}/package`).some((name) => name.endsWith('package.json')));
  t.deepEqual(offered('hvd vm start guest mo'), []);
});

test('zsh and fish find nothing wrong with their scripts', (t) => {
  for (const shell of ['zsh', 'fish'] as const) {
    const script = completionOf(shell, tree);
    for (const { path } of walk(tree)) t.true(script.includes(path.join(' ')), `${shell}: ${path.join(' ')}`);
    t.true(script.includes('deterministic quantum realtime'), shell);
    if (!has(shell)) {
      t.log(`${shell} is not installed: its script is not run`);
      continue;
    }
    const { status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
    t.is(status, 0, `${shell}: ${stderr}`);
  }
});

test('there is a page of hvd and one of each command, with all that --help says', (t) => {
  t.deepEqual(pages.map(({ file }) => file).sort(), ['hvd.1', ...tree.commands.map(({ path }) => `hvd-${path[0]}.1`)].sort());
  const plain = (text: string): string => text.replaceAll('\\-', '-').replaceAll('\\&', '').replaceAll('\\e', '\\');
  for (const node of walk(tree)) {
    if (node.commands.length > 0 || node.path.length === 0) continue;
    const page = plain(pages.find(({ file }) => file === `hvd-${node.path[0]}.1`)!.text);
    t.true(page.includes(`hvd ${node.path.join(' ')}`));
    for (const { flags, description } of node.options)
      t.true(page.includes(flags) && page.includes(description), `${node.path.join(' ')} ${flags}`);
  }
  const main = plain(pages[0]!.text);
  for (const { meaning } of EXIT_STATUSES) t.true(main.includes(meaning));
  for (const { file, text } of pages) {
    t.regex(text, /^\.TH "HVD[A-Z\\-]*" "1" "" "hvd 1\.2\.3" "hvd"\n\.SH NAME\n/, file);
    // Every line that begins with a dot is a request that is meant.
    for (const line of text.split('\n')) t.regex(line, /^(\.(TH|SH|TP|B|BR|br)( |$)|[^.'])|^$/, `${file}: ${line}`);
  }
});

test('man(1) shows every page without a warning', (t) => {
  if (!has('groff') && !has('mandoc')) return t.pass('neither groff nor mandoc is installed');
  for (const { file, text } of pages) {
    const [command, ...flags] = has('mandoc') ? ['mandoc', '-T', 'lint', '-W', 'warning'] : ['groff', '-man', '-Tutf8', '-ww', '-z'];
    const { stdout, stderr } = spawnSync(command!, flags, { input: text, encoding: 'utf8' });
    t.is(`${stdout}${stderr}`, '', file);
  }
  if (has('groff')) {
    const shown = spawnSync('groff', ['-man', '-Tascii', '-P-cbou'], { input: pages[0]!.text, encoding: 'utf8' }).stdout;
    t.regex(shown, /EXIT STATUS\n +0 +done;/);
  }
});

test('each exit status has its meaning, and README and manual have the same table', (t) => {
  const known = new Set(EXIT_STATUSES.map(({ status }) => status));
  t.is(known.size, EXIT_STATUSES.length);
  const used = new Set<number>([...Object.values(ERRORS).map(({ exit }) => exit), ...Object.values(RunExit)]);
  for (const status of used) t.true(known.has(status), `${status} has no meaning`);
  for (const status of known) t.true(used.has(status), `${status} is not used`);
  const rows = EXIT_STATUSES.map(({ status, name, meaning }) => `| ${status} | ${name === '' ? '' : `\`${name}\``} | ${meaning} |`);
  t.true(readFileSync(join(packageRoot(), 'README.md'), 'utf8').includes(rows.join('\n')), `README's table is to be:\n${rows.join('\n')}`);
});
