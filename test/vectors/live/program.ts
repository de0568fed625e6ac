// Random programs: blocks of pieces joined by branches of every kind; backward ones count down, so that all programs end.
// Nothing may read a flag that is undefined: taint is followed through the code, and where it would matter a comparison defines all flags anew.
import { DATA_PAGE } from '../load.js';
import type { Chance } from './chance.js';
import { registerValue } from './chance.js';
import { type Bits, CODE_BYTES, codeBase, INITIAL_FLAGS, PAGES, stackAt } from './layout.js';
import { DATA_END, type Piece, POINTER_OFFSET, POINTERS, pointed } from './program-parts.js';
import type { Group, Start } from './state.js';
import { VECTOR_SEEDS } from './vector-state.js';

const RSP = 4;
const AF = 0x10;
const STATUS = 0x8d5;
/** What may be undefined at the beginning and end of every block. */
const AT_EDGES = AF;
/** Flags that each even condition code reads. */
const CONDITION_READS = [0x800, 1, 0x40, 0x41, 0x80, 4, 0x880, 0x8c0];
/** Word of the data page that backward branches count down. */
const COUNTER_WORD = 510;
export const PROGRAM_ENTRY = 0x100;

export type Item =
  | { readonly kind: 'piece'; readonly piece: Piece }
  /** Jumps over the piece on a condition, by a short branch. */
  | { readonly kind: 'skip'; readonly condition: number; readonly piece: Piece }
  | { readonly kind: 'label'; readonly name: number }
  /** CMP of two registers: defines all flags. */
  | { readonly kind: 'compare'; readonly registers: number }
  | { readonly kind: 'branch'; readonly condition: number; readonly to: number }
  | { readonly kind: 'jump' | 'indirect' | 'call' | 'counted' | 'back'; readonly to: number }
  | { readonly kind: 'return' | 'end' };

export interface Assembled {
  readonly code: Uint8Array;
  /** Offsets in the code pages where blocks begin. */
  readonly blocks: readonly number[];
  /** Flags that may be undefined when the instruction at an offset in the code pages faults or stops. */
  undefinedAt(offset: number): number;
}

const low = (value: number, bytes: number): number[] => Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);

/** Bytes of the items; undefined when something would read an undefined flag, or a label is missing. */
export const assemble = (bits: Bits, items: readonly Item[]): Assembled | undefined => {
  const near = bits === 16 ? 2 : 4;
  const code: number[] = [];
  const places = new Map<number, number>();
  const fixes: { readonly at: number; readonly to: number; readonly absolute: boolean }[] = [];
  const blocks: number[] = [PROGRAM_ENTRY];
  /** By offset in the code, which flags may be undefined there. */
  const taints: number[] = [];
  const here = (): number => PROGRAM_ENTRY + code.length;
  let taint = 0;
  let valid = true;
  const emit = (...bytes: number[]): void => {
    taints[code.length] = taint;
    for (const b of bytes) code.push(b);
  };
  const relative = (to: number): void => {
    fixes.push({ at: code.length, to, absolute: false });
    code.push(...low(0, near));
  };
  const add = (p: Piece): void => {
    if ((p.reads & taint) !== 0) valid = false;
    // Inside a piece of several instructions a fault may stand anywhere.
    for (const b of p.code) {
      taints[code.length] = taint | p.undefined;
      code.push(b);
    }
    taint = (p.keeps ? taint : taint & ~p.writes) | p.undefined;
  };
  const edge = (): void => {
    if ((taint & ~AT_EDGES) !== 0) valid = false;
  };
  const begin = (): void => {
    taint = AT_EDGES;
    blocks.push(here());
  };
  for (const item of items) {
    switch (item.kind) {
      case 'piece':
        add(item.piece);
        break;
      case 'skip': {
        if ((CONDITION_READS[item.condition >> 1] & taint) !== 0 || item.piece.code.length > 120) valid = false;
        emit(0x70 | item.condition, item.piece.code.length);
        blocks.push(here());
        const before = taint;
        add(item.piece);
        taint |= before;
        blocks.push(here());
        break;
      }
      case 'label':
        edge();
        places.set(item.name, here());
        begin();
        break;
      case 'compare': {
        const a = item.registers & 7;
        const b = (item.registers >> 3) & 7;
        emit(0x39, 0xc0 | (a << 3) | b);
        taint = 0;
        break;
      }
      case 'branch':
        if ((CONDITION_READS[item.condition >> 1] & taint) !== 0) valid = false;
        edge();
        emit(0x0f, 0x80 | item.condition);
        relative(item.to);
        begin();
        break;
      case 'jump':
        edge();
        emit(0xe9);
        relative(item.to);
        begin();
        break;
      case 'call':
        edge();
        emit(0xe8);
        relative(item.to);
        begin();
        break;
      case 'indirect':
        edge();
        // MOV eAX, target; JMP rAX.
        emit(0xb8);
        fixes.push({ at: code.length, to: item.to, absolute: true });
        code.push(...low(0, near));
        emit(0xff, 0xe0);
        begin();
        break;
      case 'counted':
        // JrCXZ over a short jump, or not; either way to the same label or on.
        edge();
        emit(0xe3, bits === 16 ? 2 : 2);
        blocks.push(here());
        emit(0xeb, near + 1);
        blocks.push(here());
        emit(0xe9);
        relative(item.to);
        begin();
        break;
      case 'back': {
        edge();
        const pointer = POINTERS[bits][0];
        emit(0x83, ...pointed(bits, 5, pointer, COUNTER_WORD * 8 - POINTER_OFFSET), 1);
        taint = 0;
        emit(0x0f, 0x89);
        relative(item.to);
        taint = 0;
        blocks.push(here());
        break;
      }
      case 'return':
        edge();
        emit(0xc3);
        begin();
        break;
      case 'end':
        emit(0xcc);
        begin();
        break;
    }
  }
  for (const { at, to, absolute } of fixes) {
    const place = places.get(to);
    if (place === undefined) return undefined;
    const value = absolute ? codeBase(bits) + place : place - (PROGRAM_ENTRY + at + near);
    for (let i = 0; i < near; i++) code[at + i] = (value >> (8 * i)) & 0xff;
  }
  if (!valid || code.length === 0 || PROGRAM_ENTRY + code.length > CODE_BYTES - 64) return undefined;
  return {
    code: Uint8Array.from(code),
    blocks,
    undefinedAt: (offset) => taints[offset - PROGRAM_ENTRY] ?? STATUS,
  };
};

/** Puts comparisons where flags would be undefined: what `assemble` refuses is made right. */
const sanitized = (chance: Chance, items: readonly Item[]): Item[] => {
  const out: Item[] = [];
  let taint = 0;
  const define = (mask: number): void => {
    if ((taint & mask) === 0) return;
    out.push({ kind: 'compare', registers: chance.below(64) });
    taint = 0;
  };
  for (const item of items) {
    if (item.kind === 'piece' || item.kind === 'skip') {
      const { piece } = item;
      const condition = item.kind === 'skip' ? CONDITION_READS[item.condition >> 1] : 0;
      define(piece.reads | condition);
      const before = taint;
      taint = (piece.keeps ? taint : taint & ~piece.writes) | piece.undefined;
      if (item.kind === 'skip') taint |= before;
      out.push(item);
      continue;
    }
    if (item.kind === 'branch') define(CONDITION_READS[item.condition >> 1] | ~AT_EDGES);
    else if (item.kind !== 'compare' && item.kind !== 'end') define(~AT_EDGES);
    out.push(item);
    taint = item.kind === 'back' || item.kind === 'compare' ? 0 : AT_EDGES;
  }
  return out;
};

export interface Program {
  readonly bits: Bits;
  readonly items: readonly Item[];
}

/** A program of about `size` instructions. */
export const randomProgram = (chance: Chance, bits: Bits, pool: readonly Piece[], size: number): Program => {
  const items: Item[] = [];
  const blockCount = chance.between(2, Math.max(3, size >> 3));
  const functions = chance.below(3);
  const functionLabel = (n: number): number => 1000 + n;
  const piece = (): Item =>
    chance.one(10) ? { kind: 'skip', condition: chance.below(16), piece: chance.pick(pool) } : { kind: 'piece', piece: chance.pick(pool) };
  for (let b = 0; b < blockCount; b++) {
    items.push({ kind: 'label', name: b });
    for (let n = chance.below(Math.ceil((size * 2) / blockCount)); n >= 0; n--) items.push(piece());
    const forward = (): number => chance.between(b + 1, blockCount);
    switch (chance.below(9)) {
      case 0:
      case 1:
      case 2:
        items.push({ kind: 'branch', condition: chance.below(16), to: forward() });
        break;
      case 3:
        items.push({ kind: 'jump', to: forward() });
        break;
      case 4:
        items.push({ kind: 'indirect', to: forward() });
        break;
      case 5:
        items.push({ kind: 'counted', to: forward() });
        break;
      case 6:
        if (functions > 0) items.push({ kind: 'call', to: functionLabel(chance.below(functions)) });
        break;
      default:
        items.push({ kind: 'back', to: chance.below(b + 1) });
    }
  }
  items.push({ kind: 'label', name: blockCount }, { kind: 'end' });
  for (let f = 0; f < functions; f++) {
    items.push({ kind: 'label', name: functionLabel(f) });
    for (let n = chance.below(6); n >= 0; n--) items.push(piece());
    items.push({ kind: 'return' });
  }
  return { bits, items: sanitized(chance, items) };
};

/** A state to run programs from. */
export const programStart = (chance: Chance, bits: Bits): Start => {
  const registers = new BigUint64Array(16);
  const width = bits === 64 ? 64 : 32;
  for (let i = 0; i < (bits === 64 ? 16 : 8); i++) registers[i] = BigInt.asUintN(width, registerValue(chance));
  const base = bits === 16 ? 0 : DATA_PAGE;
  for (const pointer of POINTERS[bits]) registers[pointer] = BigInt(base + POINTER_OFFSET);
  registers[RSP] = BigInt(stackAt(bits, DATA_END + 0x200 + 8 * chance.below(16)));
  return {
    registers,
    flags: chance.u32() & INITIAL_FLAGS & ~0x400,
    page: chance.below(PAGES),
    patchWord: COUNTER_WORD,
    patchValue: BigInt(chance.between(0, 20)),
    vectorSeed: chance.below(VECTOR_SEEDS),
  };
};

export const programGroup = (bits: Bits, assembled: Assembled, starts: readonly Start[]): Group => ({
  bits,
  code: assembled.code,
  entry: PROGRAM_ENTRY,
  starts,
});
