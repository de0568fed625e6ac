// The schemas of YAML files as JSON Schema (draft 7), which editors complete and check by. They say what a file may have; what two keys must be together is checked by hvd alone.
import { z } from 'zod';
import { costFile, machineFile, partitionFile } from './machine-file.js';

export interface YamlFile {
  readonly schema: z.ZodType;
  /** What such a file is for, in a line. */
  readonly title: string;
  /** `$NAME` may stand in place of any value: a parameter of the file. */
  readonly hasParameters?: true;
}

/** Kinds of files that make a machine. Those of the lab are beside them in daemon/cli/yaml-files. */
export const MACHINE_FILES: Readonly<Record<string, YamlFile>> = {
  machine: { schema: machineFile, title: 'A machine of hvd: processors, clock, partitions, policies, devices (hvd start --machine)' },
  vm: { schema: partitionFile, title: 'A partition of hvd (hvd vm create, hvd run)' },
  costs: { schema: costFile, title: 'What things cost in virtual cycles (configs/costs.yaml)' },
};

type JsonSchema = Record<string, unknown>;

/** The schema with a line for people, ready to be written to a file. */
export const jsonSchemaOf = (kind: string, { schema, title, hasParameters }: YamlFile): JsonSchema => {
  const { $schema, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input', unrepresentable: 'any' });
  return { $schema, $id: `hvd:${kind}`, title, ...(hasParameters === true ? withParameters(rest) : rest) };
};

const PARAMETER: JsonSchema = { type: 'string', pattern: '^\\$\\w+$', description: 'A parameter of the file' };
const isSchema = (value: unknown): value is JsonSchema => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same, where each value that is no map and no list may be a parameter too. */
const withParameters = (schema: JsonSchema): JsonSchema => {
  const inner = Object.fromEntries(
    Object.entries(schema).map(([keyword, operand]): [string, unknown] => {
      if (keyword === 'properties' && isSchema(operand))
        return [keyword, Object.fromEntries(Object.entries(operand).map(([key, value]) => [key, withParameters(value as JsonSchema)]))];
      if (['items', 'additionalProperties'].includes(keyword) && isSchema(operand)) return [keyword, withParameters(operand)];
      if (['items', 'anyOf', 'oneOf'].includes(keyword) && Array.isArray(operand)) return [keyword, operand.map(withParameters)];
      return [keyword, operand];
    }),
  );
  const isLeaf = 'enum' in schema || ('type' in schema && !['object', 'array'].includes(String(schema.type)));
  if (!isLeaf || 'const' in schema) return inner;
  const { description, default: usual, ...rest } = inner;
  return {
    ...(description === undefined ? {} : { description }),
    ...(usual === undefined ? {} : { default: usual }),
    anyOf: [rest, PARAMETER],
  };
};
