// What was done by hand as the text of a script that does it again. Pure.
import { stringify } from 'yaml';
import type { Events, LoadSpec, PartitionConfig } from '../../../shared/protocol/messages.js';

type Told = Events['deed'];

/** What is done within so much of the host's time is one phase: a person's keys, one after the other. */
const TOGETHER_MS = 250;
const LEAST_MS = 1;

interface Group {
  readonly first: Told;
  readonly deeds: Told[];
}

/** `there`: partitions that were there when recording began. `end`: when it ended. `imageName`: what a partition's image is called in a file. */
export const scriptTextOf = (
  name: string,
  there: readonly string[],
  deeds: readonly Told[],
  end: { readonly clock: number; readonly at: number },
  frequencyHz: number,
  imageName: (image: string) => string,
): string => {
  const groups: Group[] = [];
  for (const deed of deeds) {
    const last = groups.at(-1);
    if (last !== undefined && deed.at - last.deeds.at(-1)!.at < TOGETHER_MS) last.deeds.push(deed);
    else groups.push({ first: deed, deeds: [deed] });
  }
  // A clock that stood still (nobody ran) says nothing of how long it was: then the host's does.
  const lengthMs = (from: Told, to: { readonly clock: number; readonly at: number }): number => {
    const cycles = to.clock - from.clock;
    return Math.max(LEAST_MS, cycles > 0 ? (cycles / frequencyHz) * 1e3 : to.at - from.at);
  };
  const created = new Set<string>();
  const partitions: object[] = [];
  const phases = groups.map(({ first, deeds: all }, index) => {
    const policies: Record<string, string> = {};
    const policiesOf: Record<string, Record<string, string>> = {};
    const verbs: Record<string, string> = {};
    const jobs: Record<string, LoadSpec[] | 'stop'> = {};
    for (const deed of all) {
      switch (deed.kind) {
        case 'create':
          // Scripts make partitions at the beginning; one that comes later is started when it came.
          partitions.push(fileOf(deed.config, index > 0, imageName));
          created.add(deed.config.name);
          if (index > 0 && deed.config.autostart !== false) verbs[deed.config.name] = 'start';
          break;
        case 'verb':
          verbs[deed.vm] = deed.verb;
          break;
        case 'policy':
          if (deed.vm === undefined) policies[deed.name] = deed.value;
          else policiesOf[deed.vm] = { ...policiesOf[deed.vm], [deed.name]: deed.value };
          break;
        case 'load':
        case 'idle': {
          const load = deed.kind === 'load' ? plain(deed.load) : deed.vps === undefined ? undefined : { job: 'idle', vps: deed.vps };
          const before = jobs[deed.vm];
          // A job for all VPs is in place of what was set before.
          if (load === undefined) jobs[deed.vm] = 'stop';
          else jobs[deed.vm] = load.vps === undefined || !Array.isArray(before) ? [load] : [...before, load];
        }
      }
    }
    return {
      name: `step-${index + 1}`,
      for: `${Number(lengthMs(first, groups[index + 1]?.first ?? end).toFixed(3))}ms`,
      ...(Object.keys(policies).length === 0 ? {} : { policies }),
      ...(Object.keys(policiesOf).length === 0 ? {} : { policiesOf }),
      ...(Object.keys(verbs).length === 0 ? {} : { partitions: verbs }),
      ...(Object.keys(jobs).length === 0 ? {} : { jobs }),
    };
  });
  const used = new Set(deeds.flatMap((deed) => ('vm' in deed && deed.vm !== undefined ? [deed.vm] : [])));
  const needs = there.filter((vm) => used.has(vm) && !created.has(vm));
  const about = needs.length === 0 ? 'Recorded.' : `Recorded. Needs partitions that are there already: ${needs.join(', ')}.`;
  return stringify({ name, about, ...(partitions.length === 0 ? {} : { partitions }), phases }, { lineWidth: 140 });
};

const plain = ({ job, vps, parameters }: LoadSpec): LoadSpec => ({
  job,
  ...(vps === undefined ? {} : { vps }),
  ...(parameters === undefined || Object.keys(parameters).length === 0 ? {} : { parameters }),
});

const fileOf = (config: PartitionConfig, isLater: boolean, imageName: (image: string) => string): object => {
  const { image, bios, ...rest } = config;
  return { ...rest, ...(bios === undefined ? { image: imageName(image) } : { bios }), ...(isLater ? { autostart: false } : {}) };
};
