// Vector instructions that are done by a function of daemon/float: AES, SHA, GFNI, carry-less products, strings, and the few that are rare.
// References: SDM 2A/2B by mnemonic.
import { IMPLICIT_LENGTHS, VectorInteger } from '../../../../shared/layout/vector-integer.js';
import { Slot, VectorSlot } from '../../../../shared/layout/vp.js';
import type { Operand } from '../../operand.js';
import type { Families, InstructionContext } from '../instruction-context.js';
import { Alignment, assign, clearUpper, immediate8, source, target, type VectorFamily, type VectorForm, vectorFamilies } from './form.js';

const V = VectorInteger;
type Argument = (x: InstructionContext, form: VectorForm, half: number) => number;
const none: Argument = () => 0;
const immediate: Argument = (x, form) => immediate8(x, form);

/** The function's general result; its vector result is in the slot RESULT until the next call. */
export const callVectorInteger = (x: InstructionContext, what: number, a: number, b: number, second?: Operand): Operand => {
  const { builder } = x;
  builder.vector('vmov', a, 0, VectorSlot.SCRATCH);
  builder.vector('vmov', b, 0, VectorSlot.SCRATCH + 1);
  return builder.call('vectorInteger', builder.constant(what), second);
};

const binary =
  (operation: number, argument: Argument = none): VectorFamily =>
  (x, form) => {
    const b = source(x, form, form.count - 1);
    const a = source(x, form, form.count - 2);
    const results = b.map((slot, half) => {
      callVectorInteger(x, operation | (argument(x, form, half) << 8), a[half], slot);
      return x.builder.vector('vmov', VectorSlot.RESULT);
    });
    assign(x, form, results);
  };
const unary =
  (operation: number, argument: Argument = none): VectorFamily =>
  (x, form) => {
    const b = source(x, form, form.count - 1);
    const results = b.map((slot, half) => {
      callVectorInteger(x, operation | (argument(x, form, half) << 8), slot, slot);
      return x.builder.vector('vmov', VectorSlot.RESULT);
    });
    assign(x, form, results);
  };

/** An explicit length: its magnitude, 16 at most (which is more than any string has). */
const length = (x: InstructionContext, register: number, wide: boolean): Operand => {
  const { builder } = x;
  const value = builder.signExtended(wide ? 3 : 2, register);
  const sign = builder.value('sar64', value, builder.constant(63));
  const magnitude = builder.value('sub64', builder.value('xor64', value, sign), sign);
  return builder.select(builder.value('ltu', magnitude, builder.constant(16)), magnitude, builder.constant(16));
};
/** PCMPxSTRI gives the index in ECX, PCMPxSTRM the mask in XMM0. `explicit`: lengths are in EAX and EDX, or RAX and RDX. */
const strings =
  (explicit: 'implicit' | 'dwords' | 'qwords', index: boolean): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const [b] = source(x, form, 1, Alignment.NEVER);
    const [a] = source(x, form, 0);
    const wide = explicit === 'qwords';
    const lengths =
      explicit === 'implicit'
        ? builder.constant(IMPLICIT_LENGTHS)
        : builder.value('or64', length(x, Slot.RAX, wide), builder.value('shl64', length(x, Slot.RDX, wide), builder.constant(8)));
    const result = callVectorInteger(x, V.STRINGS | (immediate8(x, form) << 8), a, b, lengths);
    builder.flags('set', 2, Slot.ZERO, Slot.ZERO, builder.value('and64', result, builder.constant(0xffff)));
    if (index) builder.value('shr64', result, builder.constant(16), Slot.RCX);
    else {
      builder.vector('vmov', VectorSlot.RESULT, 0, VectorSlot.XMM);
      if (form.vex) builder.vector('vmov', VectorSlot.ZERO, 0, VectorSlot.YMM_HIGH);
    }
  };

/** Each half of VMPSADBW has three bits of the immediate. */
const perHalf: Argument = (x, form, half) => (immediate8(x, form) >> (3 * half)) & 7;
const scalarApproximation =
  (operation: number): VectorFamily =>
  (x, form) => {
    const [b] = source(x, form, form.count - 1);
    const [a] = source(x, form, form.count - 2);
    callVectorInteger(x, operation | (1 << 8), a, b);
    x.builder.vector('vmov', VectorSlot.RESULT, 0, target(x));
    clearUpper(x, form, 1);
  };

/** The words of two rounds are in XMM0. */
const sha256Rounds: VectorFamily = (x, form) => {
  const [b] = source(x, form, 1);
  callVectorInteger(x, V.SHA256_ROUNDS, target(x), b, x.builder.fromVector('vgetl', VectorSlot.XMM));
  x.builder.vector('vmov', VectorSlot.RESULT, 0, target(x));
};

export const vectorSpecialFamilies: Families = vectorFamilies({
  aesenc: binary(V.AES_ENCRYPT),
  aesenclast: binary(V.AES_ENCRYPT_LAST),
  aesdec: binary(V.AES_DECRYPT),
  aesdeclast: binary(V.AES_DECRYPT_LAST),
  aesimc: unary(V.AES_INVERSE_MIX),
  aeskeygenassist: unary(V.AES_KEY, immediate),
  pclmulqdq: binary(V.CARRYLESS, immediate),
  mpsadbw: binary(V.SUMS_OF_DIFFERENCES, perHalf),
  phminposuw: unary(V.LEAST_WORD),
  sha1rnds4: binary(V.SHA1_ROUNDS, immediate),
  sha1nexte: binary(V.SHA1_NEXT),
  sha1msg1: binary(V.SHA1_MESSAGE1),
  sha1msg2: binary(V.SHA1_MESSAGE2),
  sha256rnds2: sha256Rounds,
  sha256msg1: binary(V.SHA256_MESSAGE1),
  sha256msg2: binary(V.SHA256_MESSAGE2),
  gf2p8mulb: binary(V.GALOIS_PRODUCT),
  gf2p8affineqb: binary(V.GALOIS_MAP, immediate),
  gf2p8affineinvqb: binary(V.GALOIS_INVERSE_MAP, immediate),
  pcmpistri: strings('implicit', true),
  pcmpistrm: strings('implicit', false),
  pcmpestri: strings('dwords', true),
  pcmpestrm: strings('dwords', false),
  pcmpestri64: strings('qwords', true),
  pcmpestrm64: strings('qwords', false),
  rcpps: unary(V.RECIPROCAL),
  rsqrtps: unary(V.RECIPROCAL_ROOT),
  rcpss: scalarApproximation(V.RECIPROCAL),
  rsqrtss: scalarApproximation(V.RECIPROCAL_ROOT),
});
