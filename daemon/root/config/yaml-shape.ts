// What a YAML file must be before and after it is parsed, so that no file keeps the parser busy: how deep it may nest, and keys that are said once. The parser's own way of
// finding repeated keys compares each with each, and what nests without end costs it the square of its length, or the stack.
import { CST, type Document, isScalar, Lexer, visit } from 'yaml';

/** Lists and maps inside each other; nothing that hvd reads has a fifth of it. */
export const NESTING_MAX = 64;

export interface Mistake {
  /** Position in the text. */
  readonly at: number;
  readonly why: string;
}

/** Where the text nests too deep: by brackets, by `-` and `?` in a row, by indentation, or all of them together. */
export const tooDeep = (text: string): Mistake | undefined => {
  /** Indentation of the lines that the present one may stand in. */
  const indents: number[] = [];
  let at = 0;
  let flow = 0;
  let marks = 0;
  let indent = 0;
  let isLineStart = true;
  for (const source of new Lexer().lex(text)) {
    const type = CST.tokenType(source);
    // Marks of the lexer's own, which are no characters of the text.
    if (type === 'doc-mode' || type === 'flow-error-end' || type === 'byte-order-mark' || (type === 'scalar' && source === CST.SCALAR))
      continue;
    if (type === 'newline') {
      isLineStart = true;
      indent = 0;
      if (flow === 0) marks = 0;
    } else if (type === 'space' && isLineStart) indent = source.length;
    else if (type !== 'comment') {
      if (isLineStart && flow === 0) {
        while (indents.length > 0 && indents.at(-1)! >= indent) indents.pop();
        indents.push(indent);
      }
      isLineStart = false;
      if (type === 'flow-seq-start' || type === 'flow-map-start') flow++;
      else if (type === 'flow-seq-end' || type === 'flow-map-end') flow = Math.max(0, flow - 1);
      else if (type === 'seq-item-ind' || type === 'explicit-key-ind') marks++;
      if (flow + marks + indents.length > NESTING_MAX) return { at, why: `it nests deeper than ${NESTING_MAX}` };
    }
    at += source.length;
  }
  return undefined;
};

/** The first key that a map has twice. */
export const repeatedKey = (document: Document): Mistake | undefined => {
  let mistake: Mistake | undefined;
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<string>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const name = `${typeof key.value} ${String(key.value)}`;
        if (seen.has(name)) {
          mistake = { at: key.range?.[0] ?? 0, why: `the key ${JSON.stringify(String(key.value).slice(0, 60))} is there twice` };
          return visit.BREAK;
        }
        seen.add(name);
      }
      return undefined;
    },
  });
  return mistake;
};
