// `linux,+ref-tsc,-cluster-ipi,spin-retries=4095`: how a partition's Hyper-V interface is named, and the features that follow from it.
// A feature that is taken away takes with it what needs it; one that is added must have what it needs, and must exist.
import { HV_NEVER_NOTIFY } from '../abi/hyperv.js';
import { HYPERV_FEATURE_NAMES, HYPERV_FEATURES, HYPERV_PRESETS, type HypervFeatureName, type HypervPreset } from './features.js';

export interface HypervChoice {
  /** Empty: there is no interface, nor any sign of it. */
  readonly features: ReadonlySet<HypervFeatureName>;
  /** Tries to take a lock before a guest is to notify of a long spin wait. */
  readonly spinRetries: number;
}
/** Why a text names no interface: one sentence. */
export class HypervChoiceError extends Error {}

/** As Windows Server 2016 recommends it. */
const SPIN_RETRIES = 0xfff;
const SPIN = 'spin-retries';

const isPreset = (name: string): name is HypervPreset => Object.hasOwn(HYPERV_PRESETS, name);
const isFeature = (name: string): name is HypervFeatureName => (HYPERV_FEATURE_NAMES as readonly string[]).includes(name);

/** Throws HypervChoiceError. */
export const parseHyperv = (text: string): HypervChoice => {
  const [name, ...changes] = text.split(',').map((part) => part.trim());
  if (!isPreset(name)) throw new HypervChoiceError(`no preset ${show(name)}; there are ${Object.keys(HYPERV_PRESETS).join(', ')}`);
  const wanted = new Set<HypervFeatureName>(HYPERV_PRESETS[name]);
  const added = new Set<HypervFeatureName>();
  let spinRetries = name === 'off' || name === 'minimal' ? HV_NEVER_NOTIFY : SPIN_RETRIES;
  for (const change of changes) {
    if (change.startsWith(`${SPIN}=`)) {
      spinRetries = retriesOf(change.slice(SPIN.length + 1));
      continue;
    }
    const feature = change.slice(1);
    if (!/^[+-]./.test(change)) throw new HypervChoiceError(`expected +feature, -feature or ${SPIN}=N, got ${show(change)}`);
    if (!isFeature(feature)) throw new HypervChoiceError(`no feature ${show(feature)}; there are ${HYPERV_FEATURE_NAMES.join(', ')}`);
    if (change.startsWith('-')) {
      wanted.delete(feature);
      added.delete(feature);
    } else {
      wanted.add(feature);
      added.add(feature);
    }
  }
  settle(wanted, added);
  return { features: wanted, spinRetries };
};

const retriesOf = (text: string): number => {
  const retries = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (retries < 0 || retries > HV_NEVER_NOTIFY)
    throw new HypervChoiceError(`expected ${SPIN}= a number up to ${HV_NEVER_NOTIFY}, which is never, got ${show(text)}`);
  return retries;
};

/** Takes out what lacks something that it needs, until nothing does. */
const settle = (wanted: Set<HypervFeatureName>, added: ReadonlySet<HypervFeatureName>): void => {
  for (let changed = true; changed; ) {
    changed = false;
    for (const { name, needs } of HYPERV_FEATURES) {
      const lacks = needs.find((need) => !wanted.has(need));
      if (lacks === undefined || !wanted.has(name)) continue;
      if (added.has(name)) throw new HypervChoiceError(`${name} needs ${lacks}, which is not there: +${lacks}`);
      wanted.delete(name);
      changed = true;
    }
  }
};

const show = (text: string): string => JSON.stringify(text).slice(0, 60);

/** The interface of partitions that name none. */
export const NO_HYPERV: HypervChoice = parseHyperv('off');

/** Whether its guests find a VMBus: they can ask for one and be answered. */
export const hasVmbus = ({ features }: HypervChoice): boolean => features.has('synic') && features.has('post-messages');

/** As people write it: the nearest preset, and how it differs. */
export const hypervText = ({ features, spinRetries }: HypervChoice): string => {
  const changes = (preset: HypervPreset): string[] => {
    const own: ReadonlySet<HypervFeatureName> = new Set(HYPERV_PRESETS[preset]);
    const differing = HYPERV_FEATURE_NAMES.filter((name) => own.has(name) !== features.has(name));
    return differing.map((name) => (own.has(name) ? `-${name}` : `+${name}`));
  };
  if (features.size === 0) return 'off';
  const presets = (Object.keys(HYPERV_PRESETS) as HypervPreset[]).filter((preset) => preset !== 'off');
  const [best] = presets.map((preset) => [preset, ...changes(preset)]).sort((a, b) => a.length - b.length);
  const usual = parseHyperv(best[0]).spinRetries;
  return [...best, ...(usual === spinRetries ? [] : [`${SPIN}=${spinRetries}`])].join(',');
};
