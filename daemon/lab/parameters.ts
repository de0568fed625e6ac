// `$name` in a file stands for the value of a parameter of that name: the whole value keeps its kind (`hold: $hold` is a number), within text it is text (`job=spinlock:hold=$hold`).

export type ParameterValue = number | string | boolean;
export type Parameters = Readonly<Record<string, ParameterValue>>;

export const PARAMETER_NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

/** `value` with all parameters in their places. `unknown` hears of names that are none, with where they stand. */
export const substitute = (
  value: unknown,
  parameters: Parameters,
  unknown: (path: readonly (string | number)[], name: string) => void,
  path: readonly (string | number)[] = [],
): unknown => {
  if (typeof value === 'string') return substituteText(value, parameters, (name) => unknown(path, name));
  if (Array.isArray(value)) return value.map((item, index) => substitute(item, parameters, unknown, [...path, index]));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      // A partition's or a policy's name may be a parameter too.
      String(substituteText(key, parameters, (name) => unknown([...path, key], name))),
      substitute(item, parameters, unknown, [...path, key]),
    ]),
  );
};

const substituteText = (text: string, parameters: Parameters, unknown: (name: string) => void): ParameterValue => {
  const find = (name: string): ParameterValue | undefined => {
    if (Object.hasOwn(parameters, name)) return parameters[name]!;
    unknown(name);
    return undefined;
  };
  const whole = /^\$([A-Za-z][A-Za-z0-9_]*)$/.exec(text);
  if (whole !== null) return find(whole[1]!) ?? text;
  return text.replace(/\$([A-Za-z][A-Za-z0-9_]*)/g, (all, name: string) => String(find(name) ?? all));
};
