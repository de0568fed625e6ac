// Holds values against a JSON Schema (draft 7): as much of it as the schemas of configs/schemas use, and an error for the rest.

type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS: ReadonlySet<string> = new Set(['$schema', '$id', 'title', 'description', 'default', 'examples']);

const typeOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
};
const isType = (value: unknown, type: string): boolean => typeOf(value) === type || (type === 'number' && typeof value === 'number');

type Check = (operand: never, value: unknown, schema: Schema) => boolean;
const isObject = (value: unknown): value is Record<string, unknown> => typeOf(value) === 'object';
const CHECKS: Readonly<Record<string, Check>> = {
  type: (types: string | string[], value) => [types].flat().some((type) => isType(value, type)),
  enum: (values: unknown[], value) => values.includes(value),
  const: (wanted: unknown, value) => value === wanted,
  minimum: (limit: number, value) => typeof value !== 'number' || value >= limit,
  maximum: (limit: number, value) => typeof value !== 'number' || value <= limit,
  minLength: (limit: number, value) => typeof value !== 'string' || value.length >= limit,
  maxLength: (limit: number, value) => typeof value !== 'string' || value.length <= limit,
  pattern: (pattern: string, value) => typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
  minItems: (limit: number, value) => !Array.isArray(value) || value.length >= limit,
  maxItems: (limit: number, value) => !Array.isArray(value) || value.length <= limit,
  // A list of schemas: of the first item, the second …
  items: (items: Schema | Schema[], value) =>
    !Array.isArray(value) || value.every((item, index) => matches(Array.isArray(items) ? (items[index] ?? {}) : items, item)),
  additionalItems: (rest: boolean | Schema, value, { items }) =>
    !Array.isArray(value) ||
    !Array.isArray(items) ||
    value.slice(items.length).every((item) => (typeof rest === 'boolean' ? rest : matches(rest, item))),
  required: (keys: string[], value) => !isObject(value) || keys.every((key) => Object.hasOwn(value, key)),
  properties: (properties: Record<string, Schema>, value) =>
    !isObject(value) || Object.entries(value).every(([key, item]) => !Object.hasOwn(properties, key) || matches(properties[key]!, item)),
  propertyNames: (names: Schema, value) => !isObject(value) || Object.keys(value).every((key) => matches(names, key)),
  additionalProperties: (rest: boolean | Schema, value, { properties = {} }) =>
    !isObject(value) ||
    Object.entries(value).every(
      ([key, item]) => Object.hasOwn(properties as object, key) || (typeof rest === 'boolean' ? rest : matches(rest, item)),
    ),
  anyOf: (schemas: Schema[], value) => schemas.some((schema) => matches(schema, value)),
  oneOf: (schemas: Schema[], value) => schemas.filter((schema) => matches(schema, value)).length === 1,
  allOf: (schemas: Schema[], value) => schemas.every((schema) => matches(schema, value)),
};

/** Whether the value is what the schema says. Throws for a keyword that is not known here. */
export const matches = (schema: Schema, value: unknown): boolean =>
  Object.entries(schema).every(([keyword, operand]) => {
    if (ANNOTATIONS.has(keyword)) return true;
    const check = CHECKS[keyword];
    if (check === undefined) throw new Error(`unknown keyword ${keyword}`);
    return check(operand as never, value, schema);
  });
