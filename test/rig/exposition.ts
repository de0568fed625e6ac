// Reads the text-based exposition format of Prometheus, version 0.0.4, and throws at whatever is not that.
// https://prometheus.io/docs/instrumenting/exposition_formats/

export interface Family {
  readonly type: string;
  readonly help: string;
  /** Values by labels, as `a=1,b=x` in the order of their names. */
  readonly samples: Map<string, number>;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y;

const labelsOf = (text: string, line: string): string => {
  const labels: string[] = [];
  for (LABEL.lastIndex = 0; LABEL.lastIndex < text.length; ) {
    const [, name, value] = LABEL.exec(text) ?? [];
    if (name === undefined) throw new Error(`labels: ${line}`);
    labels.push(`${name}=${value}`);
  }
  if (new Set(labels.map((label) => label.split('=', 1)[0])).size !== labels.length) throw new Error(`a label twice: ${line}`);
  return labels.sort().join(',');
};

export const parseExposition = (text: string): Map<string, Family> => {
  if (!text.endsWith('\n')) throw new Error('no line feed at the end');
  const families = new Map<string, Family>();
  const help = new Map<string, string>();
  let current: string | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (!NAME.test(name!) || help.has(name!)) throw new Error(`HELP: ${line}`);
      help.set(name!, rest!);
    } else if (kind === 'TYPE') {
      if (families.has(name!) || !['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(rest!)) throw new Error(`TYPE: ${line}`);
      families.set(name!, { type: rest!, help: help.get(name!) ?? '', samples: new Map() });
      current = name;
    } else {
      const [, metric, labels = '', value] = SAMPLE.exec(line) ?? [];
      // Those of a family come together, after its type.
      if (metric === undefined || metric !== current) throw new Error(`sample: ${line}`);
      const { samples } = families.get(metric)!;
      const key = labelsOf(labels, line);
      const number = value === 'NaN' || value === '+Inf' || value === '-Inf' ? Number.NaN : Number(value);
      if (samples.has(key) || !Number.isFinite(number)) throw new Error(`value: ${line}`);
      samples.set(key, number);
    }
  }
  return families;
};
