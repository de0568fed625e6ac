// The vector micro-ops: names, operands, meaning. They work on 128 bits; a YMM register is two of them (shared/layout/vp, VectorSlot).
// Why one by one as WebAssembly has them: what x86 and WebAssembly share is one micro-op, the rest is a short sequence of these.
//
// Shape letters beside those of micro-op.ts: D (vector destination in d), X, Y, Z (vector sources in a, b, c).
// Names: v + operation + lane width; s and u = signed and unsigned.

export const VECTOR_MICRO_OPS = {
  /**
   * Leaves with #UD or #NM at this instruction when the state it works on is not usable: imm = bit of ExtendedState (shared/layout/vp).
   * Once a block is enough: what it depends on changes only between blocks.
   */
  usable: 'i',
  vmov: 'DX',
  /** d = imm in both halves. */
  vconst: 'Di',
  // d = low half a, high half 0; a in every lane
  vfrom64: 'Da',
  vsplat8: 'Da',
  vsplat16: 'Da',
  vsplat32: 'Da',
  vsplat64: 'Da',
  // d = low, high half of a; a with its low, high half replaced by b
  vgetl: 'dX',
  vgeth: 'dX',
  vputl: 'DXb',
  vputh: 'DXb',
  // memory at linear address a: 128 bits. The `a` forms fault with #GP(0) when a is not a multiple of 16.
  vld128: 'Da',
  vld128a: 'Da',
  vst128: 'aY',
  vst128a: 'aY',
  // d = lanes of (a, b), numbered through: immediate = a lane number in 4 bits for each lane of the result, lowest first
  vshuf16: 'DXYi',
  vshuf32: 'DXYi',
  /** d = bytes imm.. of (a, b, zeros), a lowest. */
  valign: 'DXYi',
  vzipl8: 'DXY',
  vziph8: 'DXY',
  /** d = bytes of a by number, or 0 where b's bit 7 is set. */
  vpick8: 'DXY',
  // bits
  vand: 'DXY',
  vor: 'DXY',
  vxor: 'DXY',
  vandn: 'DXY', // ~a & b
  vselect: 'DXYZ', // c's bits: 1 takes a, 0 takes b
  /** d = 1 when a has any bit set. */
  vany: 'dX',
  vmask8: 'dX', // sign bits of the lanes
  vmask32: 'dX',
  vmask64: 'dX',
  // integer lanes
  vadd8: 'DXY',
  vadd16: 'DXY',
  vadd32: 'DXY',
  vadd64: 'DXY',
  vsub8: 'DXY',
  vsub16: 'DXY',
  vsub32: 'DXY',
  vsub64: 'DXY',
  vaddsat8s: 'DXY',
  vaddsat8u: 'DXY',
  vaddsat16s: 'DXY',
  vaddsat16u: 'DXY',
  vsubsat8s: 'DXY',
  vsubsat8u: 'DXY',
  vsubsat16s: 'DXY',
  vsubsat16u: 'DXY',
  vmin8s: 'DXY',
  vmin8u: 'DXY',
  vmin16s: 'DXY',
  vmin16u: 'DXY',
  vmin32s: 'DXY',
  vmin32u: 'DXY',
  vmax8s: 'DXY',
  vmax8u: 'DXY',
  vmax16s: 'DXY',
  vmax16u: 'DXY',
  vmax32s: 'DXY',
  vmax32u: 'DXY',
  vavg8: 'DXY',
  vavg16: 'DXY',
  veq8: 'DXY',
  veq16: 'DXY',
  veq32: 'DXY',
  veq64: 'DXY',
  vgt8: 'DXY', // signed
  vgt16: 'DXY',
  vgt32: 'DXY',
  vgt64: 'DXY',
  vabs8: 'DX',
  vabs16: 'DX',
  vabs32: 'DX',
  vmul16: 'DXY',
  vmul32: 'DXY',
  vmulh16s: 'DXY', // high halves of the products
  vmulh16u: 'DXY',
  vmulr16: 'DXY', // (a x b + 2^14) >> 15
  vmulw32s: 'DXY', // lanes 0 and 2 to 64-bit products
  vmulw32u: 'DXY',
  vdot16: 'DXY', // sums of neighbouring products
  vdot8: 'DXY', // unsigned a by signed b, sums saturated
  vsad8: 'DXY', // sums of absolute differences of each half
  // narrowed with saturation: a's lanes, then b's
  vpack16s: 'DXY',
  vpack16u: 'DXY',
  vpack32s: 'DXY',
  vpack32u: 'DXY',
  // low half's lanes widened
  vsx8: 'DX',
  vsx16: 'DX',
  vsx32: 'DX',
  vzx8: 'DX',
  vzx16: 'DX',
  vzx32: 'DX',
  // shifts of all lanes by b: as far as there are bits, not modulo
  vshl16: 'DXB',
  vshl32: 'DXB',
  vshl64: 'DXB',
  vshr16: 'DXB',
  vshr32: 'DXB',
  vshr64: 'DXB',
  vsar16: 'DXB',
  vsar32: 'DXB',
  // MMX registers, in the VP block: d = MM imm; MM imm := a; TOP := 0 and all tags valid, as every MMX instruction leaves them
  mmget: 'di',
  mmput: 'ai',
  mmenter: '',
  /** EMMS: all tags empty; processors set TOP to 0, too. */
  mmleave: '',
  // floats (shared/layout/vector-float): immediate = descriptor. May fault, and change MXCSR
  vfloat: 'DXYi',
  /** General result: integers, flags of comparisons. */
  vfloatg: 'dXYi',
  /** From a general operand. */
  vfloati: 'DXbi',
  /** d = the low two lanes, 32-bit integers, as doubles: always exact. */
  vi32f64: 'DX',
  /** d = a with lane 0, a double, from a 32-bit integer: always exact. */
  vputi32: 'DXb',
} as const;
