// What must hold of every block whatever its bytes: nothing throws, records are well formed, and faults are precise.
import test from 'ava';
import fc from 'fast-check';
import { BlockBuilder } from '../../daemon/translate/block-builder.js';
import type { CodeMode } from '../../daemon/translate/code-mode.js';
import { dumpMicroOps } from '../../daemon/translate/dump.js';
import {
  BLOCK_INSTRUCTIONS_MAX,
  BLOCK_MICRO_OPS_MAX,
  IMMEDIATE_FORM,
  MICRO_OP_NAMES,
  MICRO_OPS,
  OP_MASK,
  SysOp,
  sysOp,
} from '../../daemon/translate/micro-op.js';
import { Slot, TEMPS, VECTOR_TEMPS, VectorSlot } from '../../shared/layout/vp.js';
import { FLAT32, LONG, REAL, translateBytes } from './translate-support.js';

const MODES: readonly CodeMode[] = [
  LONG,
  FLAT32,
  REAL,
  { ...FLAT32, flat: false },
  { ...FLAT32, stackBits: 16 },
  { ...REAL, stackBits: 32, flat: true },
  { ...LONG, plainLocks: true },
  { ...REAL, plainLocks: true },
];
const FAULTS = /^(ldw?|st|xadd|xchg|aand|aor|axor|cas)(8|16|32|64)$|^(segcheck|trapif|usable|raiseby|buslock|vfloat[gi]?)$|^v(ld|st)128a?$/;
const SETS_FLAGS = /^f(add|sub|logic|inc|dec|cmp|sum|aux|auxif)\d+$|^fset$|^fmerge$/;
const ENDS = /^(jump|jumpr|branch)$/;
const isTemp = (slot: number): boolean => slot >= Slot.TEMP && slot < Slot.TEMP + TEMPS;
const isVectorTemp = (slot: number): boolean => slot >= VectorSlot.TEMP && slot < VectorSlot.TEMP + VECTOR_TEMPS;
const isArchitectural = (slot: number): boolean => slot < Slot.SCRATCH && slot !== Slot.RIP;

const broken = (b: BlockBuilder): string | null => {
  if (b.count === 0 || b.count > BLOCK_MICRO_OPS_MAX) return `${b.count} micro-ops`;
  if (b.instructions === 0 || b.instructions > BLOCK_INSTRUCTIONS_MAX) return `${b.instructions} instructions`;
  if (!ENDS.test(MICRO_OP_NAMES[b.op[b.count - 1] & OP_MASK])) return 'does not end in a jump';
  const written = new Set<number>();
  const writtenVectors = new Set<number>();
  let changed = -1;
  for (let i = 0; i < b.count; i++) {
    const name = MICRO_OP_NAMES[b.op[i] & OP_MASK];
    if (name === undefined) return `op ${b.op[i]}`;
    const shape = MICRO_OPS[name];
    const immediate = (b.op[i] & IMMEDIATE_FORM) !== 0;
    if (immediate && !shape.includes('B')) return `${name} has no immediate form`;
    if (i < b.count - 1 && ENDS.test(name) && MICRO_OP_NAMES[b.op[i + 1] & OP_MASK] !== 'jump') return `${name} in the middle`;
    const sources = [];
    if (shape.includes('a')) sources.push(b.a[i]);
    if (/b/i.test(shape) && !immediate) sources.push(b.b[i]);
    if (shape.includes('c')) sources.push(b.lo[i] & 0xff);
    const vectorSources = [];
    if (shape.includes('X')) vectorSources.push(b.a[i]);
    if (shape.includes('Y')) vectorSources.push(b.b[i]);
    if (shape.includes('Z')) vectorSources.push(b.lo[i] & 0xff);
    for (const s of vectorSources)
      if (isVectorTemp(s) && !writtenVectors.has(s)) return `${name} reads vector temporary ${s} before it is written`;
    if (shape.startsWith('D')) {
      if (isVectorTemp(b.d[i])) writtenVectors.add(b.d[i]);
      else if (
        b.d[i] >= VectorSlot.TEMP &&
        b.d[i] !== VectorSlot.SCRATCH &&
        b.d[i] !== VectorSlot.SCRATCH + 1 &&
        b.d[i] !== VectorSlot.RESULT
      )
        return `${name} writes vector slot ${b.d[i]}`;
    }
    for (const s of sources) if (isTemp(s) && !written.has(s)) return `${name} reads temporary ${s} before it is written`;
    if (shape.startsWith('d')) {
      if (isTemp(b.d[i])) written.add(b.d[i]);
      else if ((b.d[i] >= Slot.TEMP + TEMPS && b.d[i] !== Slot.FPU_OFFSET) || b.d[i] === Slot.ZERO || b.d[i] === Slot.RIP)
        return `${name} writes slot ${b.d[i]}`;
    }
    if (b.left[i] < 1 || b.left[i] > b.instructions) return `${name} has ${b.left[i]} instructions left`;
    if (i > 0 && b.ripOffset[i] < b.ripOffset[i - 1]) return 'instruction offsets fall';
    // Precise faults: whatever of this instruction may fault comes before its first lasting change.
    if (i === 0 || b.left[i] !== b.left[i - 1]) changed = -1;
    if (FAULTS.test(name) && changed >= 0) return `${name} at ${i} may fault after the change at ${changed}`;
    if (
      changed < 0 &&
      (SETS_FLAGS.test(name) || (shape.startsWith('d') && isArchitectural(b.d[i])) || (shape.startsWith('D') && b.d[i] < VectorSlot.TEMP))
    )
      changed = i;
  }
  return null;
};

const prefix = fc.constantFrom(
  [],
  [],
  [],
  [0x66],
  [0x67],
  [0xf0],
  [0xf3],
  [0xf2],
  [0x64],
  [0x2e],
  [0x48],
  [0x4d],
  [0x66, 0x67],
  [0xf0, 0x48],
);
const instruction = fc
  .tuple(prefix, fc.constantFrom([], [], [0x0f]), fc.uint8Array({ minLength: 1, maxLength: 9 }))
  .map(([p, map, rest]) => [...p, ...map, ...rest]);
const code = fc.array(instruction, { minLength: 1, maxLength: 24 }).map((parts) => Uint8Array.from(parts.flat()));

test('any bytes in any mode make a well-formed block with precise faults', (t) => {
  const builder = new BlockBuilder();
  fc.assert(
    fc.property(code, fc.constantFrom(...MODES), fc.uint8Array({ minLength: 14, maxLength: 14 }), (bytes, mode, following) => {
      const block = translateBytes(builder, bytes, mode, following);
      const complaint = broken(builder);
      if (complaint !== null) throw new Error(`${complaint}\n${dumpMicroOps(builder).join('\n')}`);
      if (block.bytes < 1 || block.bytes > bytes.length + 14) throw new Error(`${block.bytes} bytes`);
      if (mode.plainLocks && dumpMicroOps(builder).some((l) => /^(buslock|xadd\d|xchg\d|cas\d|aand|aor\d|axor)/.test(l)))
        throw new Error('atomic with the bus locked');
    }),
    { numRuns: 6000 },
  );
  t.pass();
});

test('every two-byte opcode with every kind of ModRM translates in every mode', (t) => {
  const builder = new BlockBuilder();
  const unknown = new Set<number>();
  for (const mode of MODES) {
    for (const map of [[], [0x0f]]) {
      for (let opcode = 0; opcode < 256; opcode++) {
        for (const modrm of [0x00, 0x0d, 0x15, 0x44, 0x5c, 0x84, 0xa0, 0xbe, 0xc0, 0xc9, 0xd2, 0xdb, 0xe4, 0xed, 0xf6, 0xff]) {
          const bytes = Uint8Array.from([...map, opcode, modrm, 0x24, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90]);
          translateBytes(builder, bytes, mode);
          const complaint = broken(builder);
          t.is(complaint, null, `${mode.bits}: ${[...bytes].map((x) => x.toString(16)).join(' ')}\n${dumpMicroOps(builder).join('\n')}`);
          for (let i = 0; i < builder.count; i++)
            if (MICRO_OP_NAMES[builder.op[i]] === 'sys' && sysOp(builder.lo[i]) === SysOp.UD) unknown.add(opcode);
        }
      }
    }
  }
  t.true(unknown.size > 20, 'x87 and SSE raise #UD');
});

test('a dead flag producer and a dead copy leave no micro-op, a live one does', (t) => {
  const builder = new BlockBuilder();
  // add eax, 5; add eax, ebx; ret
  translateBytes(builder, Uint8Array.from([0x83, 0xc0, 5, 0x01, 0xd8, 0xc3]), LONG);
  t.deepEqual(
    dumpMicroOps(builder).map((line) => line.split(' ')[0]),
    ['add32', 'fsum32', 'add32', 'ld64', 'shl64', 'sar64', 'xor64', 'trapif', 'add64', 'jumpr'],
  );
});

test('every operation of the slow half has a number of its own', (t) => {
  const byNumber = new Map<number, string[]>();
  for (const [name, op] of Object.entries(SysOp)) byNumber.set(op, [...(byNumber.get(op) ?? []), name]);
  t.deepEqual(
    [...byNumber.values()].filter((names) => names.length > 1),
    [],
  );
});
