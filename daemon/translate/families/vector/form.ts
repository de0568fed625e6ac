// Forms of vector instructions: one mnemonic exists for MM, XMM and, with VEX, for XMM and YMM registers; its meaning is stated once.
// Why from iced's code names: Paddb_mm_mmm64, Paddb_xmm_xmmm128, VEX_Vpaddb_ymm_ymm_ymmm256 say all that differs. References: SDM 2A 2.3, 2.4.
import { OpKind, Register } from 'iced-x86';
import { ExtendedState, VectorSlot } from '../../../../shared/layout/vp.js';
import { CODES } from '../../decode/forms.js';
import type { Width } from '../../micro-op.js';
import type { Operand } from '../../operand.js';
import type { Families, InstructionContext } from '../instruction-context.js';

export interface VectorForm {
  readonly vex: boolean;
  /** XMM registers hold one 128-bit half, YMM registers two. */
  readonly halves: 1 | 2;
  /** iced's names of the operands: xmm, xmmm128, rm32, imm8 ... */
  readonly operands: readonly string[];
  /** Operands before the immediate. */
  readonly count: number;
}
export type VectorFamily = (x: InstructionContext, form: VectorForm) => void;

/** Codes of extensions that do not exist here, whatever their mnemonics. */
const FOREIGN = /^(EVEX|XOP|D3NOW|MVEX)_|zmm|_k[rp]/;

const formOf = (name: string): { mnemonic: string; form: VectorForm } | undefined => {
  if (FOREIGN.test(name)) return undefined;
  const vex = name.startsWith('VEX_V');
  if (name.startsWith('VEX_') && !vex) return undefined;
  const [mnemonic, ...tokens] = (vex ? name.slice('VEX_V'.length) : name).split('_');
  // An encoding that iced tells apart by its opcode byte is the same instruction.
  const operands = tokens.filter((token) => !token.startsWith('0F'));
  const isImmediate = (token: string): boolean => token.startsWith('imm');
  const form = {
    vex,
    halves: operands.some((o) => o.startsWith('ymm')) ? 2 : 1,
    operands,
    count: operands.filter((o) => !isImmediate(o)).length,
  } as const;
  return { mnemonic: mnemonic.toLowerCase(), form };
};

/** Families of operations that are the same for every 128 bits. */
export const lanewiseFamilies = (operations: Readonly<Record<string, Operation>>): Readonly<Record<string, VectorFamily>> =>
  Object.fromEntries(Object.entries(operations).map(([mnemonic, f]) => [mnemonic, lanewise(f)]));

const hasMmx = (form: VectorForm): boolean => form.operands.some((o) => o === 'mm' || o.startsWith('mmm'));
const hasXmm = (form: VectorForm): boolean => !hasMmx(form) && form.operands.some((o) => /^[xy]mm/.test(o));

/** Families by full code name, from families by lower-case mnemonic (without the V of VEX forms), for the forms that are wanted. */
const formFamilies = (
  byMnemonic: Readonly<Record<string, VectorFamily>>,
  wanted: (form: VectorForm) => boolean,
  begin: (x: InstructionContext, form: VectorForm) => void,
): Families => {
  const families: Record<string, (x: InstructionContext) => void> = {};
  for (const name of CODES) {
    const found = formOf(name);
    if (found === undefined || !Object.hasOwn(byMnemonic, found.mnemonic) || !wanted(found.form)) continue;
    const family = byMnemonic[found.mnemonic];
    const { form } = found;
    families[name] = (x) => {
      begin(x, form);
      family(x, form);
    };
  }
  return families;
};
const requireUsable = (x: InstructionContext, form: VectorForm): void => x.builder.usable(form.vex ? ExtendedState.AVX : ExtendedState.SSE);

/** Forms with XMM and YMM registers. */
export const vectorFamilies = (byMnemonic: Readonly<Record<string, VectorFamily>>): Families =>
  formFamilies(byMnemonic, hasXmm, requireUsable);
/** Forms with a memory operand of 32 bits and nothing else: LDMXCSR and STMXCSR. */
export const controlFamilies = (byMnemonic: Readonly<Record<string, VectorFamily>>): Families =>
  formFamilies(byMnemonic, (form) => form.operands.join() === 'm32', requireUsable);
/** Forms with MM registers, which begin in a way of their own. */
export const mmxFormFamilies = (byMnemonic: Readonly<Record<string, VectorFamily>>): Families =>
  formFamilies(byMnemonic, hasMmx, () => undefined);

/** Number of an XMM or YMM register. */
export const vectorNumber = (register: Register): number =>
  register >= Register.YMM0 ? register - Register.YMM0 : register - Register.XMM0;
/** Slot of a half of a register operand. */
export const halfOf = (x: InstructionContext, n: number, half: number): number =>
  vectorNumber(x.register(n)) + (half === 0 ? VectorSlot.XMM : VectorSlot.YMM_HIGH);
/** The same for the destination. */
export const target = (x: InstructionContext, half = 0): number => halfOf(x, 0, half);

const bitsOf = (token: string): number => Number(/m(\d+)/.exec(token)?.[1] ?? 0);
const WIDTH_OF: Readonly<Record<number, Width>> = { 8: 0, 16: 1, 32: 2, 64: 3 };

/** #GP(0) unless the address is a multiple of the bytes. */
const requireAligned = (x: InstructionContext, address: Operand, bytes: number): void => {
  const { builder } = x;
  builder.trapIf(builder.value('and64', address, builder.constant(bytes - 1)), 13, 0);
};

/** `aligned`: the memory operand must be (MOVAPS and its like); otherwise that holds for 128-bit operands of legacy forms only. */
export const Alignment = { BY_ENCODING: 0, ALWAYS: 1, NEVER: 2 } as const;
export type Alignment = (typeof Alignment)[keyof typeof Alignment];

/** Value of a vector operand, one slot a half. Narrow memory operands are zero-extended. */
export const source = (x: InstructionContext, form: VectorForm, n: number, alignment: Alignment = Alignment.BY_ENCODING): number[] => {
  const { builder } = x;
  const token = form.operands[n];
  if (!x.isMemory(n)) return token.startsWith('ymm') ? [halfOf(x, n, 0), halfOf(x, n, 1)] : [halfOf(x, n, 0)];
  const bits = bitsOf(token);
  if (bits <= 64) return [builder.vectorFrom('vfrom64', x.read(n, WIDTH_OF[bits]))];
  const address = x.address(bits / 8, false);
  const aligned = alignment === Alignment.ALWAYS || (alignment === Alignment.BY_ENCODING && !form.vex);
  if (bits === 128) return [builder.loadVector(address, aligned)];
  if (aligned) requireAligned(x, address, 32);
  return [builder.loadVector(address, false), builder.loadVector(builder.value('add64', address, builder.constant(16)), false)];
};

/** Stores halves to memory operand 0. Nothing is written when any byte faults. */
export const storeHalves = (x: InstructionContext, values: readonly number[], aligned: boolean): void => {
  const { builder } = x;
  const address = x.address(values.length * 16, true);
  if (values.length === 1) {
    builder.storeVector(address, aligned, values[0]);
    return;
  }
  if (aligned) requireAligned(x, address, 32);
  const second = builder.value('add64', address, builder.constant(16));
  // The last byte is probed for writing before the first half is stored.
  builder.load(0, builder.value('add64', address, builder.constant(31)), true);
  builder.storeVector(address, false, values[0]);
  builder.storeVector(second, false, values[1]);
};

/** Legacy forms leave the upper half of a YMM register alone, VEX forms of 128 bits and scalars clear it. */
export const clearUpper = (x: InstructionContext, form: VectorForm, written: number): void => {
  if (form.vex && written === 1) x.builder.vector('vmov', VectorSlot.ZERO, 0, halfOf(x, 0, 1));
};
/** Destination register := the halves. */
export const assign = (x: InstructionContext, form: VectorForm, values: readonly number[]): void => {
  values.forEach((value, half) => {
    const d = target(x, half);
    if (d !== value) x.builder.vector('vmov', value, 0, d);
  });
  clearUpper(x, form, values.length);
};

/** The immediate byte, which is always last. */
export const immediate8 = (x: InstructionContext, form: VectorForm): number => {
  const { builder } = x;
  const kind = x.kind(form.operands.length - 1);
  return kind === OpKind.Immediate8 ? builder.constantLo(x.immediate(kind)) & 0xff : 0;
};

/** A general register := a value of 32 bits, zero-extended. */
export const writeGeneral = (x: InstructionContext, n: number, value: Operand): void => x.writeRegister(x.register(n), value);

/** What an instruction does to 128 bits: d = f(a, b). */
export type Operation = (x: InstructionContext, a: number, b: number, d: number, form: VectorForm) => void;
/** d = f(a, b) for every half: `a` is the first source (the destination in legacy forms), `b` the last operand before an immediate. */
export const lanewise =
  (f: Operation): VectorFamily =>
  (x, form) => {
    const b = source(x, form, form.count - 1);
    const a = source(x, form, form.count - 2);
    for (let half = 0; half < form.halves; half++) f(x, a[half], b[half], target(x, half), form);
    clearUpper(x, form, form.halves);
  };
/** d = f(b) for every half: one source, which is the last operand before an immediate. */
export const unary =
  (f: (x: InstructionContext, a: number, d: number, form: VectorForm) => void): VectorFamily =>
  (x, form) => {
    const a = source(x, form, form.count - 1);
    for (let half = 0; half < form.halves; half++) f(x, a[half], target(x, half), form);
    clearUpper(x, form, form.halves);
  };
