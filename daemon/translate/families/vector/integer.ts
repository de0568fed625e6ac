// Packed integer arithmetic, comparison and logic: instructions that are one micro-op for each 128 bits, and those that are two or three.
// References: SDM 2B, by mnemonic.
import { VectorSlot } from '../../../../shared/layout/vp.js';
import type { VectorName } from '../../vector-builder.js';
import type { Families } from '../instruction-context.js';
import { lanewiseFamilies, type Operation, vectorFamilies } from './form.js';

const one =
  (name: VectorName): Operation =>
  (x, a, b, d) =>
    x.builder.vector(name, a, b, d);
const ofSecond =
  (name: VectorName): Operation =>
  (x, _, b, d) =>
    x.builder.vector(name, b, 0, d);

/** PSIGN: lanes of a negated, cleared or kept by the sign of b's. */
const sign =
  (subtract: VectorName, greater: VectorName): Operation =>
  (x, a, b, d) => {
    const { builder } = x;
    const { ZERO } = VectorSlot;
    const negative = builder.vector(greater, ZERO, b);
    const positive = builder.vector(greater, b, ZERO);
    const negated = builder.vector('vand', builder.vector(subtract, ZERO, a), negative);
    builder.vector('vor', negated, builder.vector('vand', a, positive), d);
  };

/** Neighbouring lanes added or subtracted: a's results, then b's. */
const horizontal =
  (name: VectorName, bits: 16 | 32): Operation =>
  (x, a, b, d) => {
    const { builder } = x;
    const shuffle = bits === 16 ? 'vshuf16' : 'vshuf32';
    const even = builder.vector(shuffle, a, b, undefined, bits === 16 ? 0xeca86420 | 0 : 0x6420);
    const odd = builder.vector(shuffle, a, b, undefined, bits === 16 ? 0xfdb97531 | 0 : 0x7531);
    builder.vector(name, even, odd, d);
  };

/** What is the same for 64 bits of an MMX register. */
export const INTEGER: Readonly<Record<string, Operation>> = {
  paddb: one('vadd8'),
  paddw: one('vadd16'),
  paddd: one('vadd32'),
  paddq: one('vadd64'),
  psubb: one('vsub8'),
  psubw: one('vsub16'),
  psubd: one('vsub32'),
  psubq: one('vsub64'),
  paddsb: one('vaddsat8s'),
  paddsw: one('vaddsat16s'),
  paddusb: one('vaddsat8u'),
  paddusw: one('vaddsat16u'),
  psubsb: one('vsubsat8s'),
  psubsw: one('vsubsat16s'),
  psubusb: one('vsubsat8u'),
  psubusw: one('vsubsat16u'),
  pminsb: one('vmin8s'),
  pminub: one('vmin8u'),
  pminsw: one('vmin16s'),
  pminuw: one('vmin16u'),
  pminsd: one('vmin32s'),
  pminud: one('vmin32u'),
  pmaxsb: one('vmax8s'),
  pmaxub: one('vmax8u'),
  pmaxsw: one('vmax16s'),
  pmaxuw: one('vmax16u'),
  pmaxsd: one('vmax32s'),
  pmaxud: one('vmax32u'),
  pavgb: one('vavg8'),
  pavgw: one('vavg16'),
  pcmpeqb: one('veq8'),
  pcmpeqw: one('veq16'),
  pcmpeqd: one('veq32'),
  pcmpeqq: one('veq64'),
  pcmpgtb: one('vgt8'),
  pcmpgtw: one('vgt16'),
  pcmpgtd: one('vgt32'),
  pcmpgtq: one('vgt64'),
  pmullw: one('vmul16'),
  pmulld: one('vmul32'),
  pmulhw: one('vmulh16s'),
  pmulhuw: one('vmulh16u'),
  pmulhrsw: one('vmulr16'),
  pmuldq: one('vmulw32s'),
  pmuludq: one('vmulw32u'),
  pmaddwd: one('vdot16'),
  pmaddubsw: one('vdot8'),
  psadbw: one('vsad8'),
  pand: one('vand'),
  pandn: one('vandn'),
  por: one('vor'),
  pxor: one('vxor'),
  pabsb: ofSecond('vabs8'),
  pabsw: ofSecond('vabs16'),
  pabsd: ofSecond('vabs32'),
  psignb: sign('vsub8', 'vgt8'),
  psignw: sign('vsub16', 'vgt16'),
  psignd: sign('vsub32', 'vgt32'),
};

/** Neighbouring lanes, of which an MMX register has fewer. */
const HORIZONTAL: Readonly<Record<string, Operation>> = {
  phaddw: horizontal('vadd16', 16),
  phaddd: horizontal('vadd32', 32),
  phaddsw: horizontal('vaddsat16s', 16),
  phsubw: horizontal('vsub16', 16),
  phsubd: horizontal('vsub32', 32),
  phsubsw: horizontal('vsubsat16s', 16),
};

export const vectorIntegerFamilies: Families = vectorFamilies(
  lanewiseFamilies({
    ...INTEGER,
    ...HORIZONTAL,
    // The same bits for floats.
    andps: one('vand'),
    andpd: one('vand'),
    andnps: one('vandn'),
    andnpd: one('vandn'),
    orps: one('vor'),
    orpd: one('vor'),
    xorps: one('vxor'),
    xorpd: one('vxor'),
  }),
);
