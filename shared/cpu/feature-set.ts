// A set of processor features as words of bits, as the partition header holds it.
import { FEATURE_NAMES, FEATURES, Feature, type FeatureLeaf, type FeatureName } from './features.js';

/** Words of a set; a header has room for as many. */
export const FEATURE_WORDS = 4;

export class FeatureSet {
  readonly #words: Uint32Array;

  constructor(words: Uint32Array) {
    this.#words = words;
  }

  static of(names: Iterable<FeatureName>): FeatureSet {
    const words = new Uint32Array(FEATURE_WORDS);
    for (const name of names) words[Feature[name] >>> 5] |= 1 << (Feature[name] & 31);
    return new FeatureSet(words);
  }
  /** Reads what `store` has written. */
  static load(u32: Uint32Array, at: number): FeatureSet {
    return new FeatureSet(u32.slice(at, at + FEATURE_WORDS));
  }
  store(u32: Uint32Array, at: number): void {
    u32.set(this.#words, at);
  }

  has(name: FeatureName): boolean {
    const number = Feature[name];
    return ((this.#words[number >>> 5] >>> (number & 31)) & 1) !== 0;
  }
  names(): FeatureName[] {
    return FEATURE_NAMES.filter((name) => this.has(name));
  }
  equals(other: FeatureSet): boolean {
    return this.#words.every((word, i) => word === other.#words[i]);
  }
  /** The bits that a CPUID register shows of the set. */
  register(leaf: FeatureLeaf): number {
    let value = 0;
    for (const feature of FEATURES) if (feature.leaf === leaf && this.has(feature.name)) value |= 1 << feature.bit;
    return value >>> 0;
  }
}

/** All that the simulated processor has. */
export const IMPLEMENTED: FeatureSet = FeatureSet.of(FEATURES.filter((feature) => feature.implemented).map((feature) => feature.name));
