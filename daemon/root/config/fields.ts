// The kinds of values in configuration files: what each takes, how it refuses the rest (expected what, got what), and what an editor is told of it (JSON Schema).
import { z } from 'zod';
import { formatSize, parseSize } from './size.js';

export const NAME_MAX = 32;

export const show = (value: unknown): string => (value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value)).slice(0, 60));

/** Bytes: `64M`, or a number. */
export const size = (min: number, max: number, step: number) =>
  z
    .unknown()
    .transform((value, context): number => {
      const bytes = parseSize(value);
      if (bytes !== undefined && bytes >= min && bytes <= max && bytes % step === 0) return bytes;
      context.addIssue({
        code: 'custom',
        message: `expected a size from ${formatSize(min)} to ${formatSize(max)} in steps of ${formatSize(step)}, got ${show(value)}`,
      });
      return z.NEVER;
    })
    .meta({
      type: ['string', 'integer'],
      pattern: '^\\d+ ?([kKmMgG]([iI]?[bB])?)?$',
      description: `A size from ${formatSize(min)} to ${formatSize(max)} in steps of ${formatSize(step)}`,
      examples: [formatSize(min), formatSize(max)],
    });

export const integer = (min: number, max: number) =>
  z
    .custom<number>((value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max, {
      error: (issue) => `expected a whole number from ${min} to ${max}, got ${show(issue.input)}`,
    })
    .meta({ type: 'integer', minimum: min, maximum: max });

export const choice = <const T extends string>(values: readonly T[]) =>
  z
    .custom<T>((value) => values.includes(value as T), { error: (issue) => `expected ${values.join(' or ')}, got ${show(issue.input)}` })
    .meta({ enum: [...values] });

export const text = (max: number) =>
  z
    .custom<string>((value) => typeof value === 'string' && value.length > 0 && Buffer.byteLength(value) <= max && !/\p{Cc}/u.test(value), {
      error: (issue) => `expected text of 1 to ${max} bytes without control characters, got ${show(issue.input)}`,
    })
    .meta({ type: 'string', minLength: 1, maxLength: max });

export const flag = z.boolean({ error: (issue) => `expected true or false, got ${show(issue.input)}` });

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
export const nameSchema = z
  .custom<string>((value) => typeof value === 'string' && NAME.test(value) && value.length <= NAME_MAX, {
    error: (issue) => `expected a name of 1 to ${NAME_MAX} letters, digits, '.', '_' or '-', got ${show(issue.input)}`,
  })
  .meta({ type: 'string', pattern: NAME.source, maxLength: NAME_MAX });

export const list = <T extends z.ZodType>(item: T, max: number) =>
  z.array(item, { error: (issue) => `expected a list, got ${show(issue.input)}` }).max(max, { error: `expected at most ${max} entries` });

export const strict = <S extends z.ZodRawShape>(shape: S) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown key ${(issue.keys as string[]).join(', ')}; there are ${Object.keys(shape).join(', ')}`
        : `expected keys and values, got ${show(issue.input)}`,
  });

/** `partitions[1].memory`; `(all)` for the whole. */
export const formatPath = (path: readonly PropertyKey[]): string => {
  const joined = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return joined === '' ? '(all)' : joined.replace(/^\./, '');
};

/** Text that `pattern` matches; `expected` says what it is. */
export const patterned = (pattern: RegExp, expected: string, isMeant: (text: string) => boolean = () => true) =>
  z
    .custom<string>((value) => typeof value === 'string' && pattern.test(value) && isMeant(value), {
      error: (issue) => `expected ${expected}, got ${show(issue.input)}`,
    })
    .meta({ type: 'string', pattern: pattern.source });
