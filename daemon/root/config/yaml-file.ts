// Reads one YAML file against a schema; the first thing wrong becomes `file.yaml:5 partitions[1].memory: expected …`.
import { closeSync, openSync, readSync } from 'node:fs';
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { formatPath } from './fields.js';
import { type Mistake, repeatedKey, tooDeep } from './yaml-shape.js';

/** Longest configuration that is read, bytes. */
export const YAML_MAX = 1 << 18;

/** The checked content of `file`. Throws HvdError config.unreadable, config.syntax or config.invalid. */
export const readYaml = <T>(file: string, schema: z.ZodType<T>): T => parseYaml(readText(file), file, schema);

export const parseYaml = <T>(text: string, file: string, schema: z.ZodType<T>): T => {
  const lines = new LineCounter();
  const deep = tooDeep(text);
  if (deep !== undefined) throw new HvdError('config.syntax', { file, line: text.slice(0, deep.at).split('\n').length, why: deep.why });
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const [broken] = document.errors;
  const mistake: Mistake | undefined = broken === undefined ? repeatedKey(document) : { at: broken.pos[0], why: broken.message };
  if (mistake !== undefined) throw new HvdError('config.syntax', { file, line: lines.linePos(mistake.at).line, why: mistake.why });
  const content = contentOf(document, file);
  const result = schema.safeParse(content);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  throw new HvdError('config.invalid', {
    file,
    line: lines.linePos(offsetOf(document, issue.path, key)).line,
    path: formatPath(issue.path),
    why: issue.message,
  });
};

const readText = (file: string): string => {
  try {
    return readBounded(file).toString('utf8');
  } catch (error) {
    throw new HvdError('config.unreadable', { file, why: reasonOf(error) }, error);
  }
};

// Pipes are welcome (`--machine <(generator)`), but what never ends, like /dev/zero, is not read for ever.
const readBounded = (file: string): Buffer => {
  const bytes = Buffer.allocUnsafe(YAML_MAX + 1);
  const from = openSync(file, 'r');
  try {
    let length = 0;
    for (let got = 1; got > 0 && length < bytes.length; length += got) got = readSync(from, bytes, length, bytes.length - length, null);
    if (length > YAML_MAX) throw new Error(`it is longer than ${YAML_MAX} bytes`);
    return bytes.subarray(0, length);
  } finally {
    closeSync(from);
  }
};

// An empty file is a machine of defaults. Aliases are limited by the library ("billion laughs").
const contentOf = (document: Document, file: string): unknown => {
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    throw new HvdError('config.syntax', { file, line: 1, why: reasonOf(error) }, error);
  }
};

// Byte offset of the node at `path` (or of the unknown key in it), or of the deepest node above it that exists.
const offsetOf = (document: Document, path: readonly PropertyKey[], key: string | undefined): number => {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : (document.getIn(path.slice(0, depth), true) as Node | undefined);
    if (node === undefined || node === null || typeof node !== 'object') continue;
    if (key !== undefined && depth === path.length && isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (pair !== undefined && isScalar(pair.key)) return pair.key.range?.[0] ?? 0;
    }
    return node.range?.[0] ?? 0;
  }
  return 0;
};
