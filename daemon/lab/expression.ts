// Expressions over metrics, in the Common Expression Language: `phase.partitions.a.operationsPerSecond >= 0.9 * phases["off"].operations`. It has no loops and no side effects:
// whatever a file says ends, and touches nothing.
import { Environment } from '@marcbachmann/cel-js';
import { reasonOf } from '../../shared/protocol/errors.js';
import type { Metrics } from './window.js';

/** What names stand for. */
export type Scope = Readonly<Record<string, Metrics>>;

/** Longest that is read, characters. */
export const EXPRESSION_MAX = 1000;

const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
};

/** CEL keeps whole numbers and others apart; who writes `2 * rate` means a number. */
const environmentOf = (names: readonly string[]): Environment => {
  const environment = new Environment();
  for (const name of names) environment.registerVariable(name, 'map');
  for (const [operator, act] of Object.entries(arithmetic))
    for (const [left, right] of [
      ['int', 'double'],
      ['double', 'int'],
    ])
      environment.registerOperator(`${left} ${operator} ${right}: double`, (a: unknown, b: unknown) => act(Number(a), Number(b)));
  environment.registerFunction('min(double, double): double', Math.min);
  environment.registerFunction('max(double, double): double', Math.max);
  return environment;
};

export interface Expression {
  readonly text: string;
  /** Throws an Error with one line: a name that is not there, a value of another kind. */
  readonly value: (scope: Scope) => number | boolean;
}

/** Throws an Error whose message is one line with the column. `names`: those that a scope will have. */
export const parseExpression = (text: string, names: readonly string[]): Expression => {
  if (text.length > EXPRESSION_MAX) throw new Error(`expected at most ${EXPRESSION_MAX} characters, got ${text.length}`);
  let program: ReturnType<Environment['parse']>;
  try {
    program = environmentOf(names).parse(text);
    const { valid, error } = program.check();
    if (!valid) throw error ?? new Error('it makes no sense');
  } catch (error) {
    throw new Error(`${JSON.stringify(text)}: ${lineOf(error)}`);
  }
  return {
    text,
    value: (scope) => {
      let result: unknown;
      try {
        result = program(scope);
      } catch (error) {
        throw new Error(`${JSON.stringify(text)}: ${lineOf(error)}`);
      }
      if (typeof result === 'bigint') return Number(result);
      if (typeof result === 'number' || typeof result === 'boolean') return result;
      throw new Error(`${JSON.stringify(text)}: expected a number, or true or false, got ${typeof result}`);
    },
  };
};

/** The library's message has a picture of the place under it. */
const lineOf = (error: unknown): string => {
  const [first, ...picture] = reasonOf(error).split('\n');
  const caret = picture.findIndex((line) => /^\s*\^/.test(line));
  if (caret < 1) return first!;
  const margin = /^>\s*\d+ \| /.exec(picture[caret - 1]!)?.[0].length ?? 0;
  return `${first} at column ${picture[caret]!.indexOf('^') - margin + 1}`;
};
