// Deliberate faults in how interrupts are posted to a virtual APIC and pulled by its owner, as in mutants.ts.
import { post, pull } from '../../daemon/hypervisor/apic/post.js';
import { type VpBlock, VpLayout } from '../../shared/layout/vp.js';

const AT = VpLayout.at;
const WORDS = 8;

export interface ApicParts {
  readonly post: typeof post;
  readonly pull: typeof pull;
}
export const APIC_PARTS: ApicParts = { post, pull };

const wordOf = (vp: VpBlock, field: 'newIrr' | 'newTmr' | 'newAuto', vector: number): number =>
  ((vp.base + AT[field]) >>> 2) + (vector >>> 5);
const put = (i32: Int32Array, word: number, bit: number, set: boolean): number =>
  set ? Atomics.or(i32, word, bit) : Atomics.and(i32, word, ~bit);

/** The request before what kind it is of. */
const requestFirst: ApicParts['post'] = (vp, vector, level, auto = false) => {
  const { i32 } = vp.views;
  const bit = 1 << (vector & 31);
  const isNew = (Atomics.or(i32, wordOf(vp, 'newIrr', vector), bit) & bit) === 0;
  put(i32, wordOf(vp, 'newTmr', vector), bit, level);
  put(i32, wordOf(vp, 'newAuto', vector), bit, auto && !level);
  return isNew;
};
/** Only what is so is told, not what is so no longer. */
const kindIsNotTakenBack: ApicParts['post'] = (vp, vector, level, auto = false) => {
  const { i32 } = vp.views;
  const bit = 1 << (vector & 31);
  if (level) Atomics.or(i32, wordOf(vp, 'newTmr', vector), bit);
  else if (auto) Atomics.or(i32, wordOf(vp, 'newAuto', vector), bit);
  return (Atomics.or(i32, wordOf(vp, 'newIrr', vector), bit) & bit) === 0;
};
const tornRequest: ApicParts['post'] = (vp, vector, level, auto = false) => {
  const { i32 } = vp.views;
  const bit = 1 << (vector & 31);
  put(i32, wordOf(vp, 'newTmr', vector), bit, level);
  put(i32, wordOf(vp, 'newAuto', vector), bit, auto && !level);
  const before = Atomics.load(i32, wordOf(vp, 'newIrr', vector));
  Atomics.store(i32, wordOf(vp, 'newIrr', vector), before | bit);
  return (before & bit) === 0;
};

/** As `pull`, with the steps that are given. */
const pulling =
  (take: (i32: Int32Array, word: number) => number, kindFirst: boolean): ApicParts['pull'] =>
  (vp) => {
    const { i32 } = vp.views;
    const base = vp.base >>> 2;
    for (let word = base; word < base + WORDS; word++) {
      if (Atomics.load(i32, word + (AT.newIrr >>> 2)) === 0) continue;
      let tmr = Atomics.load(i32, word + (AT.newTmr >>> 2));
      let auto = Atomics.load(i32, word + (AT.newAuto >>> 2));
      const bits = take(i32, word + (AT.newIrr >>> 2));
      if (!kindFirst) {
        tmr = Atomics.load(i32, word + (AT.newTmr >>> 2));
        auto = Atomics.load(i32, word + (AT.newAuto >>> 2));
      }
      i32[word + (AT.tmr >>> 2)] = (i32[word + (AT.tmr >>> 2)] & ~bits) | (tmr & bits);
      i32[word + (AT.autoEoi >>> 2)] = (i32[word + (AT.autoEoi >>> 2)] & ~bits) | (auto & bits);
      i32[word + (AT.irr >>> 2)] |= bits;
    }
  };
const exchange = (i32: Int32Array, word: number): number => Atomics.exchange(i32, word, 0);
const tornTake = (i32: Int32Array, word: number): number => {
  const bits = Atomics.load(i32, word);
  Atomics.store(i32, word, 0);
  return bits;
};

export const APIC_MUTANTS: readonly { readonly name: string; readonly apic: ApicParts }[] = [
  { name: 'an interrupt is requested before its kind is told', apic: { post: requestFirst, pull } },
  { name: 'the kind of an earlier interrupt is not taken back', apic: { post: kindIsNotTakenBack, pull } },
  { name: 'an interrupt is requested by a load and a store', apic: { post: tornRequest, pull } },
  { name: 'requests are pulled by a load and a store', apic: { post, pull: pulling(tornTake, false) } },
  { name: 'the kind is looked at before requests are pulled', apic: { post, pull: pulling(exchange, true) } },
];
