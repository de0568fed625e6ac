// WebAssembly code as text, for golden files: one line for each statement, indented by depth; [likely] and [unlikely] are branch hints.
// Why own code: a general disassembler names nothing, spreads one expression over ten lines, and knows no hints.
import { MEMORY, PLAIN } from '../../daemon/translate/emit/wasm.js';

const PLAIN_NAMES = new Map<number, string>(Object.entries(PLAIN).map(([name, op]) => [op, name]));
const MEMORY_NAMES = new Map<number, string>(Object.entries(MEMORY).map(([name, [op]]) => [op, name]));
const BLOCKS: Readonly<Record<number, string>> = { 2: 'block', 3: 'loop', 4: 'if' };
const RESULTS: Readonly<Record<number, string>> = { 64: '', 127: ' i32', 126: ' i64' };
const ATOMICS: Readonly<Record<number, string>> = { 3: 'fence', 31: 'i64_xadd', 36: 'i64_xadd32' };

class Reader {
  at = 0;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  byte(): number {
    return this.bytes[this.at++];
  }
  unsigned(): number {
    return Number(BigInt.asUintN(32, this.signed(false)));
  }
  signed(sign = true): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = this.byte();
      value |= BigInt(b & 0x7f) << shift;
      if (b < 0x80) return sign && b & 0x40 ? value - (1n << (shift + 7n)) : value;
    }
  }
  text(): string {
    const length = this.unsigned();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }
}

/** Contents of the module's sections by number; of custom ones by name. */
const sections = (module: Uint8Array): Map<number | string, Uint8Array> => {
  const r = new Reader(module);
  r.at = 8;
  const found = new Map<number | string, Uint8Array>();
  while (r.at < module.length) {
    const id = r.byte();
    const content = module.subarray(r.at + 0, module.length);
    const inner = new Reader(content);
    const length = inner.unsigned();
    const body = content.subarray(inner.at, inner.at + length);
    r.at += inner.at + length;
    if (id > 0) found.set(id, body);
    else {
      const custom = new Reader(body);
      const name = custom.text();
      found.set(name, body.subarray(custom.at));
    }
  }
  return found;
};
const hintsOf = (section: Uint8Array | undefined): Map<number, string> => {
  const hints = new Map<number, string>();
  if (section === undefined) return hints;
  const r = new Reader(section);
  if (r.unsigned() === 0) return hints;
  r.unsigned();
  for (let n = r.unsigned(); n > 0; n--) {
    const offset = r.unsigned();
    r.unsigned();
    hints.set(offset, r.byte() ? ' [likely]' : ' [unlikely]');
  }
  return hints;
};

/** The module's first function. */
export const wasmText = (module: Uint8Array): string[] => {
  const found = sections(module);
  const hints = hintsOf(found.get('metadata.code.branch_hint'));
  const code = new Reader(found.get(10) ?? new Uint8Array());
  code.unsigned();
  const size = code.unsigned();
  const r = new Reader(code.bytes.subarray(code.at, code.at + size));
  for (let groups = r.unsigned(); groups > 0; groups--) {
    r.unsigned();
    r.byte();
  }
  const lines: string[] = [];
  let line: string[] = [];
  let depth = 0;
  const end = (): void => {
    if (line.length > 0) lines.push('  '.repeat(Math.max(0, depth)) + line.join(' '));
    line = [];
  };
  while (r.at < size) {
    const hint = hints.get(r.at) ?? '';
    const op = r.byte();
    const block = BLOCKS[op];
    const memory = MEMORY_NAMES.get(op);
    if (block !== undefined) {
      line.push(block + RESULTS[r.byte()] + hint);
      end();
      depth++;
    } else if (op === PLAIN.else || op === PLAIN.end) {
      end();
      depth--;
      line.push(op === PLAIN.else ? 'else' : 'end');
      end();
      if (op === PLAIN.else) depth++;
    } else if (op === 0x0c || op === 0x0d || op === 0x10) {
      line.push(`${op === 0x0c ? 'br' : op === 0x0d ? 'br_if' : 'call'} ${r.unsigned()}${hint}`);
      if (op !== 0x10) end();
    } else if (op === 0x20 || op === 0x21 || op === 0x22) {
      line.push(`${op === 0x20 ? '' : op === 0x21 ? 'set ' : 'tee '}$${r.unsigned()}`);
      if (op === 0x21) end();
    } else if (op === 0x41 || op === 0x42) line.push(`${r.signed()}${op === 0x42 ? 'L' : ''}`);
    else if (memory !== undefined) {
      r.unsigned();
      line.push(`${memory}+${r.unsigned()}`);
      if (memory.includes('store')) end();
    } else if (op === 0xfe) {
      const atomic = r.unsigned();
      line.push(ATOMICS[atomic] ?? `atomic${atomic}`);
      if (atomic === 3) r.byte();
      else {
        r.unsigned();
        r.unsigned();
      }
    } else {
      const name = PLAIN_NAMES.get(op);
      if (name === undefined) throw new RangeError(`opcode ${op} has no name`);
      line.push(name);
      if (op === PLAIN.return || op === PLAIN.unreachable) end();
    }
  }
  return lines;
};
