// A WebAssembly binary writer: instructions are appended to a growing byte buffer, sections are put round it at the end.
// Why own code: what is written is a few dozen opcodes on the hot path of translation; a general assembler package costs more than the translation itself.

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F64 = 0x7c;
export const F32 = 0x7d;
export const V128 = 0x7b;
export const VOID = 0x40;
export type ValueType = typeof I32 | typeof I64 | typeof F64 | typeof F32 | typeof V128;

/** Opcodes by their names in the WebAssembly specification, dots as underscores. */
export const PLAIN = {
  unreachable: 0x00, else: 0x05, end: 0x0b, return: 0x0f, drop: 0x1a, select: 0x1b,
  i32_eqz: 0x45, i32_eq: 0x46, i32_ne: 0x47, i32_lt_s: 0x48, i32_lt_u: 0x49, i32_gt_s: 0x4a, i32_le_s: 0x4c, i32_le_u: 0x4d,
  i64_eqz: 0x50, i64_eq: 0x51, i64_ne: 0x52, i64_lt_s: 0x53, i64_lt_u: 0x54, i64_gt_s: 0x55, i64_gt_u: 0x56, i64_le_s: 0x57, i64_le_u: 0x58,
  i32_add: 0x6a, i32_sub: 0x6b, i32_mul: 0x6c, i32_and: 0x71, i32_or: 0x72, i32_xor: 0x73, i32_shl: 0x74, i32_shr_s: 0x75, i32_shr_u: 0x76, i32_rotl: 0x77, i32_rotr: 0x78,
  i64_clz: 0x79, i64_ctz: 0x7a, i64_popcnt: 0x7b,
  i64_add: 0x7c, i64_sub: 0x7d, i64_mul: 0x7e, i64_div_s: 0x7f, i64_div_u: 0x80, i64_rem_s: 0x81, i64_rem_u: 0x82,
  i64_and: 0x83, i64_or: 0x84, i64_xor: 0x85, i64_shl: 0x86, i64_shr_s: 0x87, i64_shr_u: 0x88, i64_rotl: 0x89, i64_rotr: 0x8a,
  f32_ge: 0x60, f32_gt: 0x5e, f32_le: 0x5f, f32_lt: 0x5d, f32_eq: 0x5b, f64_ge: 0x66, f64_gt: 0x64, f64_le: 0x65, f64_lt: 0x63, f64_eq: 0x61,
  f32_nearest: 0x90, f32_sqrt: 0x91, f32_add: 0x92, f32_sub: 0x93, f32_mul: 0x94, f32_div: 0x95, f64_nearest: 0x9e, f64_sqrt: 0x9f, f64_add: 0xa0, f64_sub: 0xa1, f64_mul: 0xa2, f64_div: 0xa3,
  f32_convert_i64_s: 0xb4, f32_demote: 0xb6, f64_convert_i32_s: 0xb7, f64_promote: 0xbb,
  i32_wrap: 0xa7, i64_extend_i32_s: 0xac, i64_extend_i32_u: 0xad, f64_convert_i32_u: 0xb8, f64_convert_i64_s: 0xb9, i32_extend8_s: 0xc0, i32_extend16_s: 0xc1,
  i64_extend8_s: 0xc2, i64_extend16_s: 0xc3, i64_extend32_s: 0xc4,
} as const;
export type PlainName = keyof typeof PLAIN;

/** Loads and stores: opcode and natural alignment (log2). */
export const MEMORY = {
  i32_load: [0x28, 2], i64_load: [0x29, 3], i32_load8_u: [0x2d, 0], i32_load16_u: [0x2f, 1],
  i64_load8_u: [0x31, 0], i64_load16_u: [0x33, 0], i64_load32_u: [0x35, 0],
  i32_store: [0x36, 2], i64_store: [0x37, 0], i32_store8: [0x3a, 0], i32_store16: [0x3b, 0], i64_store8: [0x3c, 0], i64_store16: [0x3d, 0], i64_store32: [0x3e, 0],
} as const;
export type MemoryName = keyof typeof MEMORY;

/** Vector opcodes without immediates: 0xFD prefix (the fixed-width SIMD of WebAssembly 2.0, which is what Node 20's V8 has). */
const SIMD = {
  i8x16_swizzle: 0x0e, i8x16_splat: 0x0f, i16x8_splat: 0x10, i32x4_splat: 0x11, i64x2_splat: 0x12,
  i8x16_eq: 0x23, i8x16_gt_s: 0x27, i16x8_eq: 0x2d, i16x8_gt_s: 0x31, i32x4_eq: 0x37, i32x4_gt_s: 0x3b, i64x2_eq: 0xd6, i64x2_gt_s: 0xd9,
  v128_not: 0x4d, v128_and: 0x4e, v128_andnot: 0x4f, v128_or: 0x50, v128_xor: 0x51, v128_bitselect: 0x52, v128_any_true: 0x53,
  i8x16_abs: 0x60, i8x16_bitmask: 0x64, i8x16_narrow_i16x8_s: 0x65, i8x16_narrow_i16x8_u: 0x66,
  i8x16_add: 0x6e, i8x16_add_sat_s: 0x6f, i8x16_add_sat_u: 0x70, i8x16_sub: 0x71, i8x16_sub_sat_s: 0x72, i8x16_sub_sat_u: 0x73,
  i8x16_min_s: 0x76, i8x16_min_u: 0x77, i8x16_max_s: 0x78, i8x16_max_u: 0x79, i8x16_avgr_u: 0x7b,
  i16x8_extadd_pairwise_i8x16_u: 0x7d, i32x4_extadd_pairwise_i16x8_u: 0x7f,
  i16x8_abs: 0x80, i16x8_q15mulr_sat_s: 0x82, i16x8_narrow_i32x4_s: 0x85, i16x8_narrow_i32x4_u: 0x86, i16x8_extend_low_i8x16_s: 0x87, i16x8_extend_low_i8x16_u: 0x89,
  i16x8_shl: 0x8b, i16x8_shr_s: 0x8c, i16x8_shr_u: 0x8d, i16x8_add: 0x8e, i16x8_add_sat_s: 0x8f, i16x8_add_sat_u: 0x90, i16x8_sub: 0x91, i16x8_sub_sat_s: 0x92, i16x8_sub_sat_u: 0x93,
  i16x8_mul: 0x95, i16x8_min_s: 0x96, i16x8_min_u: 0x97, i16x8_max_s: 0x98, i16x8_max_u: 0x99, i16x8_avgr_u: 0x9b,
  i32x4_abs: 0xa0, i32x4_bitmask: 0xa4, i32x4_extend_low_i16x8_s: 0xa7, i32x4_extend_low_i16x8_u: 0xa9, i32x4_shl: 0xab, i32x4_shr_s: 0xac, i32x4_shr_u: 0xad,
  i32x4_add: 0xae, i32x4_sub: 0xb1, i32x4_mul: 0xb5, i32x4_min_s: 0xb6, i32x4_min_u: 0xb7, i32x4_max_s: 0xb8, i32x4_max_u: 0xb9, i32x4_dot_i16x8_s: 0xba,
  i32x4_extmul_low_i16x8_s: 0xbc, i32x4_extmul_high_i16x8_s: 0xbd, i32x4_extmul_low_i16x8_u: 0xbe, i32x4_extmul_high_i16x8_u: 0xbf,
  i64x2_bitmask: 0xc4, i64x2_extend_low_i32x4_s: 0xc7, i64x2_extend_low_i32x4_u: 0xc9, i64x2_shl: 0xcb, i64x2_shr_u: 0xcd, i64x2_add: 0xce, i64x2_sub: 0xd1,
  i64x2_extmul_low_i32x4_s: 0xdc, i64x2_extmul_low_i32x4_u: 0xde,
  f32x4_eq: 0x41, f32x4_ne: 0x42, f32x4_lt: 0x43, f32x4_gt: 0x44, f32x4_le: 0x45, f32x4_ge: 0x46, f64x2_eq: 0x47, f64x2_ne: 0x48, f64x2_lt: 0x49, f64x2_gt: 0x4a, f64x2_le: 0x4b, f64x2_ge: 0x4c,
  f32x4_nearest: 0x6a, f32x4_sqrt: 0xe3, f32x4_add: 0xe4, f32x4_sub: 0xe5, f32x4_mul: 0xe6, f32x4_div: 0xe7, f32x4_pmin: 0xea, f32x4_pmax: 0xeb,
  f64x2_sqrt: 0xef, f64x2_add: 0xf0, f64x2_sub: 0xf1, f64x2_mul: 0xf2, f64x2_div: 0xf3, f64x2_pmin: 0xf6, f64x2_pmax: 0xf7,
  i32x4_trunc_sat_f32x4_s: 0xf8, f32x4_convert_i32x4_s: 0xfa, f64x2_convert_low_i32x4_s: 0xfe,
} as const;
export type SimdName = keyof typeof SIMD;
/** Vector opcodes followed by a lane number. */
const LANE = {
  f32x4_extract: 0x1f, f32x4_replace: 0x20, f64x2_extract: 0x21, f64x2_replace: 0x22,
  i64x2_extract: 0x1d, i64x2_replace: 0x1e, i32x4_replace: 0x1c, i16x8_replace: 0x1a } as const;
export type LaneName = keyof typeof LANE;

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
  /** Branches of which it is known how they mostly go: offset << 1 | likely, in ascending order. */
  readonly hints: number[] = [];

  reset(): void {
    this.length = 0;
    this.depth = 0;
    this.hints.length = 0;
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
  /** memory.copy within the one memory. */
  memoryCopy(): void {
    this.byte(0xfc);
    this.byte(0x0a);
    this.byte(0x00);
    this.byte(0x00);
  }
  /** memory.fill. */
  memoryFill(): void {
    this.byte(0xfc);
    this.byte(0x0b);
    this.byte(0x00);
  }
  fence(): void {
    this.byte(0xfe);
    this.byte(0x03);
    this.byte(0x00);
  }
  simd(name: SimdName): void {
    this.byte(0xfd);
    this.unsigned(SIMD[name]);
  }
  lane(name: LaneName, n: number): void {
    this.byte(0xfd);
    this.byte(LANE[name]);
    this.byte(n);
  }
  f32(bytes: ArrayLike<number>): void {
    this.byte(0x43);
    for (let i = 0; i < 4; i++) this.byte(bytes[i]);
  }
  f64(bytes: ArrayLike<number>): void {
    this.byte(0x44);
    for (let i = 0; i < 8; i++) this.byte(bytes[i]);
  }
  /** i32 or i64.trunc_sat_s of a float. */
  truncate(from: 'f32' | 'f64', wide: boolean): void {
    this.byte(0xfc);
    this.byte((wide ? 4 : 0) + (from === 'f64' ? 2 : 0));
  }
  v128(bytes: ArrayLike<number>): void {
    this.byte(0xfd);
    this.byte(0x0c);
    for (let i = 0; i < 16; i++) this.byte(bytes[i]);
  }
  /** i8x16.shuffle: result byte i is byte lanes[i] of the two operands, numbered through. */
  shuffle(lanes: ArrayLike<number>): void {
    this.byte(0xfd);
    this.byte(0x0d);
    for (let i = 0; i < 16; i++) this.byte(lanes[i]);
  }
  load128(offset: number): void {
    this.byte(0xfd);
    this.byte(0x00);
    this.byte(0);
    this.unsigned(offset);
  }
  store128(offset: number): void {
    this.byte(0xfd);
    this.byte(0x0b);
    this.byte(0);
    this.unsigned(offset);
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
  /** Says of the `if` or `br_if` that comes next how its condition mostly is: what is unlikely is kept out of the way of registers. */
  hint(likely: boolean): void {
    this.hints.push((this.length << 1) | (likely ? 1 : 0));
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
  callIndirect(type: number, table = 0): void {
    this.byte(0x11);
    this.unsigned(type);
    this.unsigned(table);
  }
  append(other: Code): void {
    for (let i = 0; i < other.length; i++) this.byte(other.bytes[i]);
  }
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/** Locals of a function, numbered after its parameters in the order in which they are asked for. */
export class Locals {
  readonly #parameters: number;
  readonly #types: ValueType[] = [];
  constructor(parameters: number) {
    this.#parameters = parameters;
  }
  add(type: ValueType): number {
    return this.#parameters + this.#types.push(type) - 1;
  }
  /** As a function's head has them: how many of which type follow each other. */
  groups(): (readonly [count: number, type: ValueType])[] {
    const groups: [number, ValueType][] = [];
    for (const type of this.#types) {
      const last = groups.at(-1);
      if (last?.[1] === type) last[0]++;
      else groups.push([1, type]);
    }
    return groups;
  }
}

export interface FunctionType { readonly parameters: readonly ValueType[]; readonly results: readonly ValueType[]; }
export interface ImportedFunction { readonly name: string; readonly type: number; }
export interface DefinedFunction { readonly type: number; readonly locals: readonly (readonly [count: number, type: ValueType])[]; readonly body: Code; readonly exportAs?: string; }
export interface ModuleParts {
  readonly types: readonly FunctionType[];
  readonly imports: readonly ImportedFunction[];
  readonly functions: readonly DefinedFunction[];
  /** Tables of functions, imported from `env`, with the least number of their elements. */
  readonly tables?: readonly (readonly [name: string, least: number])[];
}

const localsOf = (f: DefinedFunction): Code => {
  const head = new Code();
  head.unsigned(f.locals.length);
  for (const [count, type] of f.locals) {
    head.unsigned(count);
    head.byte(type);
  }
  return head;
};

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
    c.unsigned(parts.imports.length + 1 + (parts.tables?.length ?? 0));
    text(c, 'env');
    text(c, 'memory');
    c.byte(0x02);
    c.byte(0x03); // shared, with maximum
    c.unsigned(1);
    c.unsigned(65536);
    for (const [name, least] of parts.tables ?? []) {
      text(c, 'env');
      text(c, name);
      c.byte(0x01);
      c.byte(0x70);
      c.byte(0x00);
      c.unsigned(least);
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
  // Branch hints (a custom section, between those of exports and code; offsets from the start of the function's locals).
  section(0, (c) => {
    text(c, 'metadata.code.branch_hint');
    const hinted = parts.functions.flatMap((f, i) => (f.body.hints.length > 0 ? [{ f, index: i + parts.imports.length }] : []));
    c.unsigned(hinted.length);
    for (const { f, index } of hinted) {
      c.unsigned(index);
      c.unsigned(f.body.hints.length);
      const head = localsOf(f).length;
      for (const hint of f.body.hints) {
        c.unsigned(head + (hint >>> 1));
        c.unsigned(1);
        c.byte(hint & 1);
      }
    }
  });
  section(10, (c) => {
    c.unsigned(parts.functions.length);
    for (const f of parts.functions) {
      const head = localsOf(f);
      c.unsigned(head.length + f.body.length);
      c.append(head);
      c.append(f.body);
    }
  });
  return out.bytes.slice(0, out.length) as Uint8Array<ArrayBuffer>;
};
