// Which part of an instruction's bytes each operand kind of iced-x86's tables is in.
import { OpCodeOperandKind } from 'iced-x86';

const K = OpCodeOperandKind;

export const REG_KINDS = new Set<number>([
  K.r8_reg,
  K.r16_reg,
  K.r32_reg,
  K.r64_reg,
  K.mm_reg,
  K.xmm_reg,
  K.ymm_reg,
  K.r16_reg_mem,
  K.r32_reg_mem,
  K.r64_reg_mem,
]);
export const RM_REGISTER = new Set<number>([K.r16_rm, K.r32_rm, K.r64_rm, K.mm_rm, K.xmm_rm, K.ymm_rm]);
export const RM_EITHER = new Set<number>([K.r8_or_mem, K.r16_or_mem, K.r32_or_mem, K.r64_or_mem, K.mm_or_mem, K.xmm_or_mem, K.ymm_or_mem]);
export const OPCODE_REGISTER = new Set<number>([K.r8_opcode, K.r16_opcode, K.r32_opcode, K.r64_opcode, K.sti_opcode]);
export const VVVV = new Set<number>([K.xmm_vvvv, K.ymm_vvvv, K.r32_vvvv, K.r64_vvvv]);
export const IS4 = new Set<number>([K.xmm_is4, K.ymm_is4]);
export const RM_MEMORY = new Set<number>([K.mem]);
export const OTHER_REG = new Set<number>([K.cr_reg, K.dr_reg, K.seg_reg]);
/** Immediate and displacement bytes by kind. */
export const IMMEDIATE = new Map<number, number>([
  [K.imm8, 1],
  [K.imm8sex16, 1],
  [K.imm8sex32, 1],
  [K.imm8sex64, 1],
  [K.imm16, 2],
  [K.imm32, 4],
  [K.imm32sex64, 4],
  [K.imm64, 8],
]);
export const BRANCH = new Map<number, number>([
  [K.br16_1, 1],
  [K.br32_1, 1],
  [K.br64_1, 1],
  [K.br16_2, 2],
  [K.br32_4, 4],
  [K.br64_4, 4],
]);
/** Operands that no byte of their own names. */
const IMPLIED = [
  K.al,
  K.ax,
  K.eax,
  K.rax,
  K.cl,
  K.dx,
  K.es,
  K.cs,
  K.ss,
  K.ds,
  K.fs,
  K.gs,
  K.st0,
  K.imm8_const_1,
  K.es_rDI,
  K.seg_rSI,
  K.seg_rDI,
  K.seg_rBX_al,
  K.mem_offs,
];
/** Forms with other operands (VSIB, far pointers, test registers) are not encoded here. */
export const ENCODED_OPERANDS: ReadonlySet<number> = new Set([
  ...REG_KINDS,
  ...RM_EITHER,
  ...RM_REGISTER,
  ...RM_MEMORY,
  ...OPCODE_REGISTER,
  ...VVVV,
  ...IS4,
  ...OTHER_REG,
  ...IMMEDIATE.keys(),
  ...BRANCH.keys(),
  ...IMPLIED,
]);
