// The loaders of YAML files against files that nobody meant: parts of good ones cut, doubled and changed, values of other kinds, nesting, aliases, bytes. Each is taken, or refused
// in one line that names the file; none hangs.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { YAML_FILES } from '../../daemon/cli/yaml-files.js';
import { parseYaml, YAML_MAX } from '../../daemon/root/config/yaml-file.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { seeded } from '../rig/seeded.js';

const CASES = Number(process.env.HVD_FUZZ_FILES ?? 1500);
const SEED = Number(process.env.HVD_SEED ?? 1) || 1;
/** Far more than any file may take, on a loaded host. */
const LIMIT_MS = 20_000;
const CODES = ['config.syntax', 'config.invalid'];

const CONFIGS = join(packageRoot(), 'configs');
const SOURCES = ['machines', 'vms'].flatMap((folder) =>
  readdirSync(join(CONFIGS, folder)).map((name) => readFileSync(join(CONFIGS, folder, name), 'utf8')),
);
SOURCES.push(readFileSync(join(CONFIGS, 'costs.yaml'), 'utf8'));

type Draw = (below: number) => number;
const one = <T>(draw: Draw, of: readonly T[]): T => of[draw(of.length)]!;
const TOKENS = [
  '~',
  '{}',
  '[]',
  '- ',
  ': ',
  '? ',
  '*a',
  '&a ',
  '<<: ',
  '!!set ',
  '!!js/function ',
  '!<x> ',
  '"',
  "'",
  '|',
  '>',
  '#',
  '%YAML 9.9\n',
  '---\n',
  '...\n',
  '\t',
  '\0',
  '\u2028',
  '1e999',
  '0x',
  '.nan',
  '-0',
  '9'.repeat(400),
  '__proto__: 1\n',
  'partitions: ',
  'x'.repeat(3000),
  '\ufeff',
  '\ud800',
];

const CHANGES: readonly ((text: string, draw: Draw) => string)[] = [
  (text, draw) => text.slice(0, draw(text.length + 1)),
  (text, draw) => {
    const at = draw(text.length + 1);
    return text.slice(0, at) + one(draw, TOKENS) + text.slice(at);
  },
  (text, draw) => {
    const at = draw(text.length + 1);
    return text.slice(0, at) + text.slice(at + 1 + draw(20));
  },
  (text, draw) => {
    const lines = text.split('\n');
    lines.splice(draw(lines.length), 0, one(draw, lines));
    return lines.join('\n');
  },
  (text, draw) => {
    const lines = text.split('\n');
    const at = draw(lines.length);
    lines[at] = ' '.repeat(draw(9)) + lines[at]!.trimStart();
    return lines.join('\n');
  },
  // Another value behind a key.
  (text, draw) => text.replace(/: [^\n]+/g, (value) => (draw(8) === 0 ? `: ${one(draw, TOKENS)}` : value)),
];

/** It is taken, or refused by its code, in one line, with the file's name and a line that it has. */
const check = (text: string, kind: string): string => {
  const startedAt = performance.now();
  let outcome = 'taken';
  try {
    parseYaml(text, 'file.yaml', YAML_FILES[kind]!.schema);
  } catch (error) {
    if (!(error instanceof HvdError) || !CODES.includes(error.code)) throw error;
    const line = /^file\.yaml:(\d+)[: ]/.exec(error.message)?.[1];
    if (line === undefined || /[\n\r]/.test(error.message)) throw new Error(`not one line with a place: ${JSON.stringify(error.message)}`);
    if (Number(line) < 1 || Number(line) > text.split('\n').length) throw new Error(`line ${line} is not there`);
    outcome = error.code;
  }
  if (performance.now() - startedAt > LIMIT_MS) throw new Error('it takes too long');
  return outcome;
};

test('files that were changed at random are taken or refused in a line', (t) => {
  const draw = seeded(SEED);
  const outcomes: Record<string, number> = {};
  for (let i = 0; i < CASES; i++) {
    let text = one(draw, SOURCES);
    for (let changes = 1 + draw(4); changes > 0; changes--) text = one(draw, CHANGES)(text, draw);
    const kind = one(draw, Object.keys(YAML_FILES));
    try {
      const outcome = check(text, kind);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    } catch (error) {
      t.fail(`HVD_SEED=${SEED}, case ${i} as ${kind}: ${error instanceof Error ? error.stack : error}\n${text.slice(0, 500)}`);
      return;
    }
  }
  // All three ways are gone often.
  for (const outcome of ['taken', ...CODES]) t.true((outcomes[outcome] ?? 0) > CASES / 100, `${outcome}: ${outcomes[outcome]}`);
});

const half = YAML_MAX >> 1;
for (const [what, text] of Object.entries({
  'lists in each other': '['.repeat(half),
  'lists in each other, closed': `${'['.repeat(half >> 1)}${']'.repeat(half >> 1)}`,
  'maps in each other': '{a: '.repeat(half >> 2),
  'dashes in a row': '- '.repeat(half >> 1),
  'keys in each other': Array.from({ length: 900 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
  'question marks': '? '.repeat(half >> 1),
  'anchors on anchors': `${Array.from({ length: 20 }, (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1}, *a${i - 1}, *a${i - 1}`}]`).join('\n')}\n`,
  'an alias of itself': 'a: &a [*a]',
  'a hundred thousand documents': '---\n'.repeat(half >> 2),
  'a hundred thousand errors': '}\n'.repeat(half >> 2),
  'a hundred thousand keys': Array.from({ length: 60_000 }, (_, i) => `k${i}: 1`).join('\n'),
  'the same key again and again': 'a: 1\n'.repeat(60_000),
  'one long line': `a: ${'x'.repeat(half)}`,
  quotes: '"'.repeat(half),
  tabs: '\t'.repeat(half),
  comments: '#\n'.repeat(half >> 1),
  tags: '!!a '.repeat(half >> 2),
  ampersands: '&a '.repeat(half >> 2),
  bytes: String.fromCharCode(...Array.from({ length: 5000 }, (_, i) => (i * 7919) & 0xff)),
}))
  test(`${what}: an answer, soon`, (t) => {
    t.notThrows(() => check(text, 'machine'));
  });
