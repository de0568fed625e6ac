// MMX: the instructions of 64 bits on the x87's significands, done with the micro-ops of 128. Each leaves TOP = 0 and all tags valid, EMMS TOP = 0 and all empty,
// and all wait for a pending x87 exception as x87 instructions do. References: SDM 1 9.5, 9.6; SDM 2A/2B by mnemonic.
import { Register } from 'iced-x86';
import { FloatShape, VectorFloat } from '../../../../shared/layout/vector-float.js';
import { ExtendedState, Slot, VectorSlot } from '../../../../shared/layout/vp.js';
import { REGISTER_SLOT } from '../../decode/registers.js';
import type { Width } from '../../micro-op.js';
import type { Operand } from '../../operand.js';
import type { VectorName } from '../../vector-builder.js';
import type { Families, Family, InstructionContext } from '../instruction-context.js';
import {
  halfOf,
  immediate8,
  mmxFormFamilies,
  type Operation,
  source,
  target,
  type VectorFamily,
  type VectorForm,
  writeGeneral,
} from './form.js';
import { INTEGER } from './integer.js';
import { maskedStore } from './moves.js';
import { SHIFTS } from './shifts.js';

const { ZERO } = VectorSlot;
/** The low halves of two vectors, side by side. */
const BOTH_LOW = 0x5410;

const mmNumber = (x: InstructionContext, n: number): number => x.register(n) - Register.MM0;
const isMm = (register: Register): boolean => register >= Register.MM0 && register <= Register.MM7;

const enter = (x: InstructionContext): void => {
  x.builder.usable(ExtendedState.MMX);
  x.builder.raiseBy(Slot.FPU_FAULT);
};
/** 64 bits of an MM or memory operand. */
const value64 = (x: InstructionContext, n: number): Operand => (x.isMemory(n) ? x.read(n, 3) : x.builder.mmx(mmNumber(x, n)));
const vectorOf = (x: InstructionContext, n: number): number => x.builder.vectorFrom('vfrom64', value64(x, n));
/** The instruction's last step: MM register := value. */
const finish = (x: InstructionContext, n: number, value: Operand): void => {
  x.builder.setMmx(mmNumber(x, n), value);
  x.builder.mmxState(true);
};
const finishVector = (x: InstructionContext, n: number, vector: number): void => finish(x, n, x.builder.fromVector('vgetl', vector));

/** mm := f(mm, mm/m64), in the low halves. */
const binary =
  (f: Operation): VectorFamily =>
  (x, form) => {
    enter(x);
    // PUNPCKL's memory operand has 32 bits.
    const b = form.operands[1] === 'mmm32' && x.isMemory(1) ? x.builder.vectorFrom('vfrom64', x.read(1, 2)) : vectorOf(x, 1);
    const a = x.builder.vectorFrom('vfrom64', x.builder.mmx(mmNumber(x, 0)));
    const d = x.builder.vectorTemp();
    f(x, a, b, d, form);
    finishVector(x, 0, d);
  };
const shuffled = (name: 'vshuf16' | 'vshuf32', lanes: number): VectorFamily =>
  binary((x, a, b, d) => x.builder.vector(name, a, b, d, lanes));
const packed = (name: VectorName): VectorFamily =>
  binary((x, a, b, d) => {
    const both = x.builder.vector('vshuf32', a, b, undefined, BOTH_LOW);
    x.builder.vector(name, both, both, d);
  });
const highBytes = binary((x, a, b, d) => {
  const all = x.builder.vector('vzipl8', a, b);
  x.builder.vector('vshuf32', all, all, d, 0x3232);
});
const horizontal = (name: VectorName, bits: 16 | 32): VectorFamily =>
  binary((x, a, b, d) => {
    const shuffle = bits === 16 ? 'vshuf16' : 'vshuf32';
    const even = x.builder.vector(shuffle, a, b, undefined, bits === 16 ? 0xa820 : 0x40);
    const odd = x.builder.vector(shuffle, a, b, undefined, bits === 16 ? 0xb931 : 0x51);
    x.builder.vector(name, even, odd, d);
  });
/** PSHUFB: three bits of each index count. */
const pickBytes = binary((x, a, b, d) => {
  const { builder } = x;
  const indexes = builder.vector('vand', b, builder.vectorConstant(0x87878787 | 0, 0x87878787 | 0));
  builder.vector('vpick8', a, indexes, d);
});
const align: VectorFamily = binary((x, a, b, d, form) => {
  const both = x.builder.vector('vshuf32', b, a, undefined, BOTH_LOW);
  x.builder.vector('valign', both, ZERO, d, Math.min(immediate8(x, form), 16));
});
const shuffleWords: VectorFamily = (x, form) => {
  enter(x);
  const i = immediate8(x, form);
  const b = vectorOf(x, 1);
  let lanes = 0;
  for (let n = 0; n < 4; n++) lanes |= ((i >> (2 * n)) & 3) << (4 * n);
  finishVector(x, 0, x.builder.vector('vshuf16', b, b, undefined, lanes));
};
const shift =
  (name: (typeof SHIFTS)[keyof typeof SHIFTS]): VectorFamily =>
  (x, form) => {
    enter(x);
    const { builder } = x;
    const count = form.operands[1] === 'imm8' ? builder.constant(immediate8(x, form)) : value64(x, 1);
    finishVector(x, 0, builder.vectorShift(name, builder.vectorFrom('vfrom64', builder.mmx(mmNumber(x, 0))), count));
  };

/** MOVD and MOVQ between MM registers, general registers and memory. */
const move: VectorFamily = (x, form) => {
  enter(x);
  const { builder } = x;
  const [to, from] = form.operands;
  const width: Width = /64/.test(to + from) ? 3 : 2;
  if (from === 'mm') {
    const value = builder.mmx(mmNumber(x, 1));
    if (x.isMemory(0)) builder.store(width, x.address(1 << width, true), value);
    else if (isMm(x.register(0))) builder.setMmx(mmNumber(x, 0), value);
    else writeGeneral(x, 0, value);
    builder.mmxState(true);
    return;
  }
  const general = !x.isMemory(1) && !isMm(x.register(1));
  finish(x, 0, builder.zeroExtended(width, general ? REGISTER_SLOT[x.register(1)] : width === 3 ? value64(x, 1) : x.read(1, 2)));
};
const insertWord: VectorFamily = (x, form) => {
  enter(x);
  const { builder } = x;
  const at = (immediate8(x, form) & 3) * 16;
  const value = builder.zeroExtended(1, x.read(1, 1));
  const turned = builder.value('rotr64', builder.mmx(mmNumber(x, 0)), builder.constant(at));
  const cleared = builder.value('and64', turned, builder.constant(-0x1_0000));
  finish(x, 0, builder.value('rotl64', builder.value('or64', cleared, value), builder.constant(at)));
};
const extractWord: VectorFamily = (x, form) => {
  enter(x);
  const { builder } = x;
  const at = (immediate8(x, form) & 3) * 16;
  writeGeneral(x, 0, builder.zeroExtended(1, builder.value('shr64', builder.mmx(mmNumber(x, 1)), builder.constant(at))));
  builder.mmxState(true);
};
const signs: VectorFamily = (x) => {
  enter(x);
  writeGeneral(x, 0, x.builder.fromVector('vmask8', vectorOf(x, 1)));
  x.builder.mmxState(true);
};
const maskMove: VectorFamily = (x) => {
  enter(x);
  maskedStore(x, vectorOf(x, 1), vectorOf(x, 2));
  x.builder.mmxState(true);
};

/** Between MM and XMM: the SSE state must be usable as well. */
const withSse =
  (f: (x: InstructionContext, form: VectorForm) => void): VectorFamily =>
  (x, form) => {
    x.builder.usable(ExtendedState.SSE);
    f(x, form);
  };
const toXmm: VectorFamily = withSse((x) => {
  enter(x);
  x.builder.vectorFrom('vfrom64', x.builder.mmx(mmNumber(x, 1)), target(x));
  x.builder.mmxState(true);
});
const fromXmm: VectorFamily = withSse((x) => {
  enter(x);
  finishVector(x, 0, halfOf(x, 1, 0));
});
/** CVTPI2PS, CVTPI2PD: only an MM register makes it an MMX instruction, and memory does not with doubles (SDM 2A). */
const fromIntegers = (double: boolean): VectorFamily =>
  withSse((x) => {
    const { builder } = x;
    // From memory no MMX register is looked at, and processors leave the x87's state alone.
    const mmx = !x.isMemory(1);
    if (mmx) enter(x);
    const b = vectorOf(x, 1);
    if (double) builder.vector('vi32f64', b, 0, target(x));
    else builder.vector('vshuf32', target(x), builder.vectorFloat(VectorFloat.FROM_INTEGERS, b, b), target(x), 0x3254);
    if (mmx) builder.mmxState(true);
  });
const toIntegers = (operation: number, double: boolean): VectorFamily =>
  withSse((x, form) => {
    enter(x);
    const { builder } = x;
    const [whole] = source(x, form, 1);
    const b = double ? whole : builder.vector('vshuf32', whole, ZERO, undefined, BOTH_LOW);
    finishVector(x, 0, builder.vectorFloat(operation | (double ? FloatShape.DOUBLE : 0), b, b));
  });

const empty: Family = (x) => {
  enter(x);
  x.builder.mmxState(false);
};

export const mmxFamilies: Families = {
  ...mmxFormFamilies({
    ...Object.fromEntries(Object.entries(INTEGER).map(([mnemonic, f]) => [mnemonic, binary(f)])),
    ...Object.fromEntries(Object.entries(SHIFTS).map(([mnemonic, name]) => [mnemonic, shift(name)])),
    punpcklbw: binary((x, a, b, d) => x.builder.vector('vzipl8', a, b, d)),
    punpcklwd: shuffled('vshuf16', 0x9180),
    punpckldq: shuffled('vshuf32', 0x40),
    punpckhbw: highBytes,
    punpckhwd: shuffled('vshuf16', 0xb3a2),
    punpckhdq: shuffled('vshuf32', 0x51),
    packsswb: packed('vpack16s'),
    packuswb: packed('vpack16u'),
    packssdw: packed('vpack32s'),
    phaddw: horizontal('vadd16', 16),
    phaddd: horizontal('vadd32', 32),
    phaddsw: horizontal('vaddsat16s', 16),
    phsubw: horizontal('vsub16', 16),
    phsubd: horizontal('vsub32', 32),
    phsubsw: horizontal('vsubsat16s', 16),
    pshufb: pickBytes,
    palignr: align,
    pshufw: shuffleWords,
    movd: move,
    movq: move,
    movntq: move,
    pinsrw: insertWord,
    pextrw: extractWord,
    pmovmskb: signs,
    maskmovq: maskMove,
    movq2dq: toXmm,
    movdq2q: fromXmm,
    cvtpi2ps: fromIntegers(false),
    cvtpi2pd: fromIntegers(true),
    cvtps2pi: toIntegers(VectorFloat.TO_INTEGERS, false),
    cvttps2pi: toIntegers(VectorFloat.TRUNCATE_TO_INTEGERS, false),
    cvtpd2pi: toIntegers(VectorFloat.TO_INTEGERS, true),
    cvttpd2pi: toIntegers(VectorFloat.TRUNCATE_TO_INTEGERS, true),
  }),
  Emms: empty,
};
