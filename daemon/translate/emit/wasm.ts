// A WebAssembly binary writer: instructions are appended to a growing byte buffer, sections are put round it at the end.
// Why own code: what is written is a few dozen opcodes on the hot path of translation; a general assembler package costs more than the translation itself.

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F64 = 0x7c;
export const VOID = 0x40;
export type ValueType = typeof I32 | typeof I64 | typeof F64;

/** Opcodes by their names in the WebAssembly specification, dots as underscores. */
const PLAIN = {
  unreachable: 0x00, else: 0x05, end: 0x0b, return: 0x0f, drop: 0x1a, select: 0x1b,
  i32_eqz: 0x45, i32_eq: 0x46, i32_ne: 0x47, i32_lt_s: 0x48, i32_lt_u: 0x49, i32_gt_s: 0x4a, i32_le_s: 0x4c, i32_le_u: 0x4d,
  i64_eqz: 0x50, i64_eq: 0x51, i64_ne: 0x52, i64_lt_s: 0x53, i64_lt_u: 0x54, i64_gt_s: 0x55, i64_gt_u: 0x56, i64_le_s: 0x57, i64_le_u: 0x58,
  i32_add: 0x6a, i32_sub: 0x6b, i32_mul: 0x6c, i32_and: 0x71, i32_or: 0x72, i32_xor: 0x73, i32_shl: 0x74, i32_shr_s: 0x75, i32_shr_u: 0x76, i32_rotl: 0x77, i32_rotr: 0x78,
  i64_clz: 0x79, i64_ctz: 0x7a, i64_popcnt: 0x7b,
  i64_add: 0x7c, i64_sub: 0x7d, i64_mul: 0x7e, i64_div_s: 0x7f, i64_div_u: 0x80, i64_rem_s: 0x81, i64_rem_u: 0x82,
  i64_and: 0x83, i64_or: 0x84, i64_xor: 0x85, i64_shl: 0x86, i64_shr_s: 0x87, i64_shr_u: 0x88, i64_rotl: 0x89, i64_rotr: 0x8a,
  i32_wrap: 0xa7, i64_extend_i32_s: 0xac, i64_extend_i32_u: 0xad, f64_convert_i64_s: 0xb9,
  i64_extend8_s: 0xc2, i64_extend16_s: 0xc3, i64_extend32_s: 0xc4,
} as const;
export type PlainName = keyof typeof PLAIN;

/** Loads and stores: opcode and natural alignment (log2). */
const MEMORY = {
  i32_load: [0x28, 2], i64_load: [0x29, 3], i32_load8_u: [0x2d, 0], i32_load16_u: [0x2f, 1],
  i64_load8_u: [0x31, 0], i64_load16_u: [0x33, 0], i64_load32_u: [0x35, 0],
  i32_store: [0x36, 2], i64_store: [0x37, 0], i64_store8: [0x3c, 0], i64_store16: [0x3d, 0], i64_store32: [0x3e, 0],
} as const;
export type MemoryName = keyof typeof MEMORY;

/** i64 read-modify-write atomics by operation; index = width (8, 16, 32, 64 bits). Threads proposal, 0xFE prefix. */
const ATOMIC_RMW = {
  add: [0x22, 0x23, 0x24, 0x1f], sub: [0x29, 0x2a, 0x2b, 0x26], and: [0x30, 0x31, 0x32, 0x2d], or: [0x37, 0x38, 0x39, 0x34],
  xor: [0x3e, 0x3f, 0x40, 0x3b], xchg: [0x45, 0x46, 0x47, 0x42], cmpxchg: [0x4c, 0x4d, 0x4e, 0x49],
} as const;
export type AtomicName = keyof typeof ATOMIC_RMW;

/** The body of one function. */
export class Code {
  bytes: Uint8Array = new Uint8Array(4096);
  length = 0;
  /** Blocks, loops and ifs that are open: a label is the depth just inside it, and `br` takes depth - label. */
  depth = 0;

  reset(): void {
    this.length = 0;
    this.depth = 0;
  }
  byte(b: number): void {
    if (this.length === this.bytes.length) {
      const grown = new Uint8Array(this.bytes.length * 2);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    this.bytes[this.length++] = b;
  }
  unsigned(n: number): void {
    n >>>= 0;
    while (n >= 0x80) {
      this.byte((n & 0x7f) | 0x80);
      n >>>= 7;
    }
    this.byte(n);
  }
  signed32(n: number): void {
    for (;;) {
      const b = n & 0x7f;
      n >>= 7;
      if ((n === 0 && !(b & 0x40)) || (n === -1 && b & 0x40)) {
        this.byte(b);
        return;
      }
      this.byte(b | 0x80);
    }
  }
  /** Signed LEB128 of a 64-bit value given as two 32-bit halves. */
  signed64(lo: number, hi: number): void {
    lo |= 0;
    hi |= 0;
    for (;;) {
      const b = lo & 0x7f;
      lo = (lo >>> 7) | (hi << 25);
      hi >>= 7;
      if ((lo === 0 && hi === 0 && !(b & 0x40)) || (lo === -1 && hi === -1 && b & 0x40)) {
        this.byte(b);
        return;
      }
      this.byte(b | 0x80);
    }
  }
  op(name: PlainName): void {
    if (name === 'end') this.depth--;
    this.byte(PLAIN[name]);
  }
  i32(value: number): void {
    this.byte(0x41);
    this.signed32(value | 0);
  }
  i64(lo: number, hi: number): void {
    this.byte(0x42);
    this.signed64(lo, hi);
  }
  /** A small constant as i64, sign-extended from 32 bits. */
  i64s(value: number): void {
    this.i64(value | 0, value < 0 ? -1 : 0);
  }
  get(local: number): void {
    this.byte(0x20);
    this.unsigned(local);
  }
  set(local: number): void {
    this.byte(0x21);
    this.unsigned(local);
  }
  tee(local: number): void {
    this.byte(0x22);
    this.unsigned(local);
  }
  memory(name: MemoryName, offset: number): void {
    const [op, align] = MEMORY[name];
    this.byte(op);
    this.unsigned(align);
    this.unsigned(offset);
  }
  atomic(name: AtomicName, width: number): void {
    this.byte(0xfe);
    this.unsigned(ATOMIC_RMW[name][width]);
    this.unsigned(width);
    this.unsigned(0);
  }
  /** i32.atomic.load, naturally aligned. */
  atomicLoad32(offset: number): void {
    this.byte(0xfe);
    this.unsigned(0x10);
    this.unsigned(2);
    this.unsigned(offset);
  }
  fence(): void {
    this.byte(0xfe);
    this.byte(0x03);
    this.byte(0x00);
  }
  /** Opens a block and returns its label. */
  block(type: number = VOID): number {
    this.byte(0x02);
    this.byte(type);
    return ++this.depth;
  }
  loop(type: number = VOID): number {
    this.byte(0x03);
    this.byte(type);
    return ++this.depth;
  }
  if(type: number = VOID): number {
    this.byte(0x04);
    this.byte(type);
    return ++this.depth;
  }
  br(label: number): void {
    this.byte(0x0c);
    this.unsigned(this.depth - label);
  }
  brIf(label: number): void {
    this.byte(0x0d);
    this.unsigned(this.depth - label);
  }
  brTable(labels: readonly number[], otherwise: number): void {
    this.byte(0x0e);
    this.unsigned(labels.length);
    for (const label of labels) this.unsigned(this.depth - label);
    this.unsigned(this.depth - otherwise);
  }
  call(index: number): void {
    this.byte(0x10);
    this.unsigned(index);
  }
  callIndirect(type: number): void {
    this.byte(0x11);
    this.unsigned(type);
    this.byte(0);
  }
  append(other: Code): void {
    for (let i = 0; i < other.length; i++) this.byte(other.bytes[i]);
  }
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

export interface FunctionType { readonly parameters: readonly ValueType[]; readonly results: readonly ValueType[]; }
export interface ImportedFunction { readonly name: string; readonly type: number; }
export interface DefinedFunction { readonly type: number; readonly locals: readonly (readonly [count: number, type: ValueType])[]; readonly body: Code; readonly exportAs?: string; }
export interface ModuleParts {
  readonly types: readonly FunctionType[];
  readonly imports: readonly ImportedFunction[];
  readonly functions: readonly DefinedFunction[];
  /** Imports `env.table` (funcref) when set. */
  readonly table?: boolean;
}

/** Assembles a module that imports `env.memory` (shared) and the functions from `env`. */
export const assemble = (parts: ModuleParts): Uint8Array<ArrayBuffer> => {
  const out = new Code();
  const section = (id: number, write: (c: Code) => void): void => {
    const c = new Code();
    write(c);
    out.byte(id);
    out.unsigned(c.length);
    out.append(c);
  };
  const text = (c: Code, s: string): void => {
    c.unsigned(s.length);
    for (let i = 0; i < s.length; i++) c.byte(s.charCodeAt(i));
  };
  for (const b of [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]) out.byte(b);
  section(1, (c) => {
    c.unsigned(parts.types.length);
    for (const t of parts.types) {
      c.byte(0x60);
      c.unsigned(t.parameters.length);
      for (const p of t.parameters) c.byte(p);
      c.unsigned(t.results.length);
      for (const r of t.results) c.byte(r);
    }
  });
  section(2, (c) => {
    c.unsigned(parts.imports.length + 1 + (parts.table ? 1 : 0));
    text(c, 'env');
    text(c, 'memory');
    c.byte(0x02);
    c.byte(0x03); // shared, with maximum
    c.unsigned(1);
    c.unsigned(65536);
    if (parts.table) {
      text(c, 'env');
      text(c, 'table');
      c.byte(0x01);
      c.byte(0x70);
      c.byte(0x00);
      c.unsigned(1);
    }
    for (const f of parts.imports) {
      text(c, 'env');
      text(c, f.name);
      c.byte(0x00);
      c.unsigned(f.type);
    }
  });
  section(3, (c) => {
    c.unsigned(parts.functions.length);
    for (const f of parts.functions) c.unsigned(f.type);
  });
  section(7, (c) => {
    const exported = parts.functions.map((f, i) => ({ name: f.exportAs, index: i + parts.imports.length })).filter((f) => f.name !== undefined);
    c.unsigned(exported.length);
    for (const e of exported) {
      text(c, e.name!);
      c.byte(0x00);
      c.unsigned(e.index);
    }
  });
  section(10, (c) => {
    c.unsigned(parts.functions.length);
    for (const f of parts.functions) {
      const head = new Code();
      head.unsigned(f.locals.length);
      for (const [count, type] of f.locals) {
        head.unsigned(count);
        head.byte(type);
      }
      c.unsigned(head.length + f.body.length);
      c.append(head);
      c.append(f.body);
    }
  });
  return out.bytes.slice(0, out.length) as Uint8Array<ArrayBuffer>;
};
