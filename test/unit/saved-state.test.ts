// No field of an object of the LPs is forgotten by snapshots: it is saved, or it is written down why it need not be (test/rig/derived-state.ts).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { DERIVED, REASONS } from '../rig/derived-state.js';

const DAEMON = join(packageRoot(), 'daemon');
const FOLDERS = ['lp', 'hypervisor', 'machine', 'platform'];

/** Members as the formatter leaves them: `name = value;`, `name: Type;`; those that are never assigned again count where they are made as containers. */
const FIELD = /^ {2}(?:private |protected |public )?(readonly )?(#?[A-Za-z]\w*)[!?]?(?:: [^=(]*?(?:\(.*?)?)?(?: = (.*?))?;?$/;
const CONTAINER = /^new (?:Map|Set|WeakMap|Array|\w+Array)\b|^\[\]|^\{/;

interface ClassFile {
  readonly fields: readonly string[];
  /** Text of what saves, and of what takes up. */
  readonly saves: string;
  readonly restores: string;
}
const read = (text: string): ClassFile => {
  const lines = text.split('\n');
  const members = (begin: RegExp): string => {
    const found: string[] = [];
    let inside = false;
    for (const line of lines) {
      inside ||= begin.test(line);
      if (inside) found.push(line);
      if (line === '  }') inside = false;
    }
    return found.join('\n');
  };
  const fields: string[] = [];
  let inClass = false;
  for (const line of lines) {
    if (/^(?:export )?class /.test(line)) inClass = true;
    else if (line.startsWith('}')) inClass = false;
    if (!inClass || !line.endsWith(';')) continue;
    const [, isReadonly, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || (isReadonly !== undefined && !CONTAINER.test(value ?? ''))) continue;
    fields.push(name);
  }
  return { fields, saves: members(/^ {2}(?:get saved|save)\(/), restores: members(/^ {2}(?:set saved|restore)\(/) };
};
const names = (text: string, field: string): boolean => new RegExp(`(?<!\\w)#?${field.replace('#', '')}\\b`).test(text);

/** Fields that are neither saved nor taken up. */
const unsaved = ({ fields, saves, restores }: ClassFile): string[] =>
  fields.filter((field) => !names(saves, field) || !names(restores, field));

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(DAEMON, folder), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`),
);

test('every field is saved and taken up, or there is a reason why it need not be', (t) => {
  let saved = 0;
  for (const file of files) {
    const found = read(readFileSync(join(DAEMON, file), 'utf8'));
    const lost = unsaved(found);
    saved += found.fields.length - lost.length;
    t.deepEqual(
      lost.sort(),
      Object.values(DERIVED[file] ?? {})
        .flat()
        .sort(),
      file,
    );
  }
  t.true(saved > 40, `${saved} fields are saved`);
});

test('what is written down is about files that are there, for reasons that there are', (t) => {
  for (const [file, reasons] of Object.entries(DERIVED)) {
    t.true(files.includes(file), file);
    for (const reason of Object.keys(reasons)) t.true(Object.hasOwn(REASONS, reason), `${file}: ${reason}`);
  }
});

test('a field that is added, no longer saved, or no longer taken up is found', (t) => {
  const text = readFileSync(join(DAEMON, 'lp/schedule/run-queue.ts'), 'utf8');
  t.deepEqual(unsaved(read(text)), []);
  t.deepEqual(unsaved(read(text.replace('  #cursor = 0;', '  #cursor = 0;\n  #newest = 0;'))), ['#newest']);
  t.deepEqual(unsaved(read(text.replace('  #cursor = 0;', '  #cursor = 0;\n  readonly #seen = new Map<number, number>();'))), ['#seen']);
  t.deepEqual(unsaved(read(text.replace('cursor: this.#cursor,', ''))), ['#cursor']);
  t.deepEqual(unsaved(read(text.replace('this.#floor = s.floor;', ''))), ['#floor']);
});
