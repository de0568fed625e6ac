// The Hyper-V interface in a partition's memory: root writes what the partition has, every LP reads it. Everything else of the interface is as after a reset then.
import { HYPERV_SIZE, HypervState, overlayPagesOf } from '../layout/hyperv.js';
import { PartitionHeader, PartitionMap } from '../layout/partition.js';
import type { Views } from '../layout/struct.js';
import { HYPERV_FEATURES, type HypervFeatureName } from './features.js';
import type { HypervChoice } from './hyperv-choice.js';

const bitOf = (bit: number | undefined, word: number): number => (bit === undefined || bit >>> 5 !== word ? 0 : 1 << (bit & 31));

/** Memory behind guest RAM that a partition's overlay pages take, bytes. */
export const overlayBytesOf = ({ features }: HypervChoice, vpCount: number): number =>
  features.size === 0 ? 0 : overlayPagesOf(vpCount) * 4096;

/** Number of VPs and size of RAM must be in the header. */
export const writeHyperv = (views: Views, { features, spinRetries }: HypervChoice): void => {
  views.u8.fill(0, PartitionMap.HYPERV, PartitionMap.HYPERV + HYPERV_SIZE);
  const state = new HypervState(views, PartitionMap.HYPERV);
  const header = new PartitionHeader(views, PartitionMap.HEADER);
  header.overlayPages = features.size === 0 ? 0 : overlayPagesOf(header.vpCount);
  state.enabled = features.size === 0 ? 0 : 1;
  for (const { name, privilege, feature, recommendation } of HYPERV_FEATURES as readonly (Bits & { readonly name: HypervFeatureName })[]) {
    if (!features.has(name)) continue;
    state.privilegesLow |= bitOf(privilege, 0);
    state.privilegesHigh |= bitOf(privilege, 1);
    state.features |= bitOf(feature, 0);
    state.recommendations |= bitOf(recommendation, 0);
  }
  state.spinRetries = spinRetries;
};

interface Bits {
  readonly privilege?: number;
  readonly feature?: number;
  readonly recommendation?: number;
}

/** What `writeHyperv` was given. */
export const readHyperv = (views: Views): HypervChoice => {
  const state = new HypervState(views, PartitionMap.HYPERV);
  const has = ({ privilege, feature, recommendation }: Bits): boolean => {
    const privileges = privilege === undefined ? 0 : privilege < 32 ? state.privilegesLow : state.privilegesHigh;
    if (privilege !== undefined && ((privileges >>> (privilege & 31)) & 1) === 0) return false;
    if (feature !== undefined && ((state.features >>> feature) & 1) === 0) return false;
    return recommendation === undefined || ((state.recommendations >>> recommendation) & 1) !== 0;
  };
  const features = state.enabled === 0 ? [] : HYPERV_FEATURES.filter(has).map(({ name }) => name);
  return { features: new Set(features), spinRetries: state.spinRetries };
};
