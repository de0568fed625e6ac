// The processor in a partition's header: root writes it, every LP reads it.
import { PartitionHeader, PartitionLayout, PartitionMap } from '../layout/partition.js';
import type { Views } from '../layout/struct.js';
import { FeatureSet } from './feature-set.js';
import { CPU_MODELS, DEFAULT_MODEL } from './models.js';
import type { ProcessorChoice } from './processor-choice.js';

const FEATURES_AT = (PartitionMap.HEADER + PartitionLayout.at.cpuFeatures) >>> 2;

export const writeProcessor = (views: Views, { model, features }: ProcessorChoice): void => {
  new PartitionHeader(views, PartitionMap.HEADER).cpuModel = CPU_MODELS.indexOf(model);
  features.store(views.u32, FEATURES_AT);
};
export const readProcessor = (views: Views): ProcessorChoice => ({
  model: CPU_MODELS[new PartitionHeader(views, PartitionMap.HEADER).cpuModel] ?? DEFAULT_MODEL,
  features: FeatureSet.load(views.u32, FEATURES_AT),
});
