// Scripts in files: YAML, with parameters in their places and paths made absolute.
import { basename, dirname, extname, resolve } from 'node:path';
import { z } from 'zod';
import { HvdError } from '../../../shared/protocol/errors.js';
import { withPaths } from '../../root/config/machine-file.js';
import { readYaml } from '../../root/config/yaml-file.js';
import { type Parameters, type ParameterValue, substitute } from '../parameters.js';
import { type Script, scriptSchema } from './script.js';

/** Puts parameters in their places before `schema` looks: the file's own, with `values` in place of some. */
export const withParameters = <T>(schema: z.ZodType<T>, values: Parameters): z.ZodType<T> =>
  z
    .unknown()
    .transform((raw, context): unknown => {
      if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw;
      const { parameters, ...rest } = raw as Record<string, unknown>;
      const own = typeof parameters === 'object' && parameters !== null ? (parameters as Parameters) : {};
      const all = { ...own, ...values };
      const filled = substitute(rest, all, (path, name) =>
        context.addIssue({
          code: 'custom',
          path: [...path],
          message: `expected a parameter of the file, got $${name}; there are ${Object.keys(all).join(', ') || 'none'}`,
        }),
      ) as Record<string, unknown>;
      return parameters === undefined ? filled : { ...filled, parameters: typeof parameters === 'object' ? all : parameters };
    })
    .pipe(schema as z.ZodType<T, unknown>);

/** Throws config.*, script.parameter. `values`: in place of the file's own. */
export const readScript = (file: string, values: Parameters = {}): Script => {
  const name = basename(file, extname(file))
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 32);
  const own = readYaml(file, withParameters(scriptSchema(name), {}));
  const unknown = Object.keys(values).find((key) => !Object.hasOwn(own.parameters, key));
  if (unknown !== undefined)
    throw new HvdError('script.parameter', { file, name: unknown, names: Object.keys(own.parameters).join(', ') || 'none' });
  const script = Object.keys(values).length === 0 ? own : readYaml(file, withParameters(scriptSchema(name), values));
  return { ...script, partitions: script.partitions.map((partition) => withPaths(partition, dirname(resolve(file)))) };
};

/** `hold=200`: a number, true, false, or text. Throws usage. */
export const parseParameter = (word: string): [string, ParameterValue] => {
  const match = /^([A-Za-z][A-Za-z0-9_]*)=(.*)$/.exec(word);
  if (match === null) throw new HvdError('usage', { what: `${JSON.stringify(word)}: expected a parameter as in hold=200` });
  const [, name, value] = match;
  if (/^-?\d+(\.\d+)?$/.test(value!)) return [name!, Number(value)];
  return [name!, value === 'true' ? true : value === 'false' ? false : value!];
};
