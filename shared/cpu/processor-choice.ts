// `x86-64-v2,+aes,-smap`: how a partition's processor is named, and the features that follow from it.
// A feature that is taken away takes with it what needs it; one that is added must have what it needs, and must exist.

import { FeatureSet, IMPLEMENTED } from './feature-set.js';
import { FEATURE_NAMES, FEATURES, type FeatureName } from './features.js';
import { CPU_MODELS, type CpuModel, DEFAULT_MODEL } from './models.js';

export interface ProcessorChoice {
  readonly model: CpuModel;
  readonly features: FeatureSet;
}
/** Why a text names no processor: one sentence. */
export class ChoiceError extends Error {}

const isFeature = (name: string): name is FeatureName => (FEATURE_NAMES as readonly string[]).includes(name);

/** Throws ChoiceError. */
export const parseProcessor = (text: string): ProcessorChoice => {
  const [name, ...changes] = text.split(',').map((part) => part.trim());
  const model = CPU_MODELS.find((candidate) => candidate.name === name);
  if (model === undefined) throw new ChoiceError(`no processor ${show(name)}; there are ${CPU_MODELS.map((m) => m.name).join(', ')}`);
  const wanted = new Set<FeatureName>(model.features.filter((feature) => IMPLEMENTED.has(feature)));
  const added = new Set<FeatureName>();
  for (const change of changes) {
    const feature = change.slice(1);
    if (!/^[+-]./.test(change)) throw new ChoiceError(`expected +feature or -feature, got ${show(change)}`);
    if (!isFeature(feature)) throw new ChoiceError(`no feature ${show(feature)}; there are ${IMPLEMENTED.names().join(', ')}`);
    if (change.startsWith('-')) {
      wanted.delete(feature);
      added.delete(feature);
    } else {
      if (!IMPLEMENTED.has(feature)) throw new ChoiceError(`the simulated processor has no ${feature} yet`);
      wanted.add(feature);
      added.add(feature);
    }
  }
  settle(wanted, added);
  return { model, features: FeatureSet.of(wanted) };
};

/** Takes out what lacks something that it needs, until nothing does. */
const settle = (wanted: Set<FeatureName>, added: ReadonlySet<FeatureName>): void => {
  for (let changed = true; changed; ) {
    changed = false;
    for (const { name, needs } of FEATURES) {
      const lacks = needs.find((need) => !wanted.has(need));
      if (lacks === undefined || !wanted.has(name)) continue;
      if (added.has(name)) throw new ChoiceError(`${name} needs ${lacks}, which this processor has not: +${lacks}`);
      wanted.delete(name);
      changed = true;
    }
  }
};

const show = (text: string | undefined): string => JSON.stringify(text ?? '').slice(0, 60);

/** The processor of partitions that name none. */
export const DEFAULT_PROCESSOR: ProcessorChoice = parseProcessor(DEFAULT_MODEL.name);

/** As people write it: the model, and what it has not of its own or has beside. */
export const processorText = ({ model, features }: ProcessorChoice): string => {
  const own = new Set<FeatureName>(model.features);
  const more = features.names().filter((name) => !own.has(name));
  const less = FEATURE_NAMES.filter((name) => own.has(name) && !features.has(name) && IMPLEMENTED.has(name));
  return [model.name, ...more.map((name) => `+${name}`), ...less.map((name) => `-${name}`)].join(',');
};
