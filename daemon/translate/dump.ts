// Micro-ops as text, for tests and for people: `add32 rax, rax, 5`.
import { Slot, VectorSlot } from '../../shared/layout/vp.js';
import { FLOAT_FUNCTIONS } from './float-functions.js';
import {
  IMMEDIATE_FORM,
  MICRO_OP_NAMES,
  MICRO_OPS,
  OP_MASK,
  Op,
  SysOp,
  sysA,
  sysAddressWidth,
  sysB,
  sysLength,
  sysMemory,
  sysOp,
  sysRep,
  sysRepne,
  sysSegment,
  sysWidth,
} from './micro-op.js';
import type { MicroOps } from './micro-op-buffer.js';

const SLOT_NAMES = new Map<number, string>(Object.entries(Slot).map(([name, slot]) => [slot, name.toLowerCase()]));
const SYS_NAMES = new Map<number, string>(Object.entries(SysOp).map(([name, op]) => [op, name]));

const slotName = (slot: number): string =>
  slot >= Slot.TEMP && slot < Slot.READ_LIMIT ? `t${slot - Slot.TEMP}` : (SLOT_NAMES.get(slot) ?? `s${slot}`);
const vectorName = (slot: number): string => {
  if (slot < VectorSlot.YMM_HIGH) return `xmm${slot}`;
  if (slot < VectorSlot.TEMP) return `ymm${slot - VectorSlot.YMM_HIGH}h`;
  return slot === VectorSlot.ZERO ? 'vzero' : `v${slot - VectorSlot.TEMP}`;
};
const number = (lo: number, hi: number): string => {
  const value = (BigInt(hi) << 32n) | BigInt(lo >>> 0);
  return value > -1024n && value < 1024n ? `${value}` : value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
};
const sysText = (d: number): string =>
  `${SYS_NAMES.get(sysOp(d))} length=${sysLength(d)} width=${8 << sysWidth(d)} address=${8 << sysAddressWidth(d)} a=${sysA(d)} b=${sysB(d)} segment=${sysSegment(d)}` +
  (sysRep(d) ? ' rep' : '') +
  (sysRepne(d) ? ' repne' : '') +
  (sysMemory(d) ? ' memory' : '');

/** One line per micro-op. Temporaries are named in the order in which they appear, so that texts do not depend on which one was free. */
export const dumpMicroOps = (ops: MicroOps): string[] => {
  const seen = new Map<string, string>();
  const name = (slot: number, own = slotName(slot)): string => {
    if (!/^[tv]\d+$/.test(own)) return own;
    if (!seen.has(own)) seen.set(own, `${own[0]}${seen.size}`);
    return seen.get(own) as string;
  };
  const lines: string[] = [];
  for (let i = 0; i < ops.count; i++) {
    const op = ops.op[i] & OP_MASK;
    const lo = ops.lo[i];
    if (op === Op.sys || op === Op.cpuid) {
      lines.push(`${MICRO_OP_NAMES[op]} ${sysText(lo)}`);
      continue;
    }
    if (op === Op.call) {
      lines.push(`call ${name(ops.d[i])}, ${name(ops.a[i])}, ${name(ops.b[i])}, ${FLOAT_FUNCTIONS[lo]}`);
      continue;
    }
    if (op === Op.branch) {
      lines.push(`branch ${name(ops.a[i])}, +${lo}, else +${ops.hi[i]}`);
      continue;
    }
    const operands: string[] = [];
    const immediate = number(lo, ops.hi[i]);
    const shape = MICRO_OPS[MICRO_OP_NAMES[op]];
    for (const letter of shape) {
      if (letter === 'd') operands.push(name(ops.d[i]));
      else if (letter === 'a') operands.push(name(ops.a[i]));
      else if (letter === 'b') operands.push(name(ops.b[i]));
      else if (letter === 'B') operands.push(ops.op[i] & IMMEDIATE_FORM ? immediate : name(ops.b[i]));
      else if (letter === 'c') operands.push(name(lo & 0xff));
      else if (letter === 'D') operands.push(name(0, vectorName(ops.d[i])));
      else if (letter === 'X') operands.push(name(0, vectorName(ops.a[i])));
      else if (letter === 'Y') operands.push(name(0, vectorName(ops.b[i])));
      else if (letter === 'Z') operands.push(name(0, vectorName(lo & 0xff)));
      else operands.push(immediate);
    }
    lines.push(`${MICRO_OP_NAMES[op]} ${operands.join(', ')}`.trim());
  }
  return lines;
};
