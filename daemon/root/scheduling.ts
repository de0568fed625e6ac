// A partition's share of the machine: from its configuration into the words that the LPs' schedulers read (layout/schedule), each VP on its home LP.
import { type VpWord, WordBase, writeVpRanges, writeVpWord } from '../../shared/layout/critical-ranges.js';
import { RESERVE_MAX, VpSchedule, vpScheduleAt, WEIGHT_DEFAULT } from '../../shared/layout/schedule.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type {
  CriticalWordConfig,
  PartitionConfig,
  SchedulingChange,
  SchedulingConfig,
  SchedulingInfo,
} from '../../shared/protocol/messages.js';
import type { Partition } from './partition.js';
import type { PartitionBody } from './partition-body.js';
import { placeVps, type Standing } from './placement.js';

const shareOf = ({ weight = WEIGHT_DEFAULT, reserve = 0, limit = 100 }: SchedulingConfig) => ({ weight, reserve, limit });

const NO_WORD: VpWord = { base: WordBase.NONE, offset: 0n, stride: 0, mask: 0 };
const wordOf = ({ at, stride = 0, mask = '0xffffffff' }: CriticalWordConfig): VpWord => ({
  base: at.startsWith('gs:') ? WordBase.GS : at.startsWith('fs:') ? WordBase.FS : WordBase.LINEAR,
  offset: BigInt(at.replace(/^.s:/, '')),
  stride,
  mask: Number(mask),
});

/** What the VPs of all partitions have of each LP. */
export const standings = (lps: number, bodies: readonly PartitionBody[]): Standing[] => {
  const all = Array.from({ length: lps }, () => ({ vps: 0, reserved: 0 }));
  for (const { views, vps } of bodies)
    for (const { homeLp, index } of vps) {
      const at = all[homeLp];
      if (at === undefined) continue;
      at.vps++;
      at.reserved += new VpSchedule(views, vpScheduleAt(index)).reserve;
    }
  return all;
};

/** LPs that the partition's VPs may run on, of so many. */
const wantedLps = ({ scheduling }: PartitionConfig, lps: number): readonly number[] => scheduling?.lps ?? [...Array(lps).keys()];

/** Home LPs of a new partition's VPs. `alive`: LPs that work. Throws vm.affinity, vm.reserve. */
export const homesOf = (config: PartitionConfig, alive: readonly number[], standing: readonly Standing[]): number[] => {
  const { name, vps, scheduling = {} } = config;
  const share = shareOf(scheduling);
  const wanted = wantedLps(config, standing.length);
  const missing = wanted.find((lp) => standing[lp] === undefined);
  if (missing !== undefined) throw new HvdError('vm.affinity', { name, lp: missing, last: standing.length - 1 });
  const allowed = alive.filter((lp) => wanted.includes(lp));
  if (allowed.length === 0) throw new HvdError('vm.affinity-dead', { name, lps: wanted.join(', ') });
  const homes = placeVps(vps, share.reserve, allowed, standing);
  if (homes.length < vps) {
    const free = allowed.map((lp) => `${RESERVE_MAX - standing[lp]!.reserved} of LP ${lp}`).join(', ');
    throw new HvdError('vm.reserve', { name, vps, reserve: share.reserve, free });
  }
  return homes;
};

/** A partition's share with what is changed of it. Throws vm.limit. */
export const changedShare = ({ name, scheduling = {} }: PartitionConfig, change: SchedulingChange): SchedulingConfig => {
  const { lps, ...share } = change;
  const given = Object.fromEntries(Object.entries(share).filter(([, value]) => value !== undefined));
  const changed: SchedulingConfig = { ...scheduling, ...given };
  if (lps === 'all') delete changed.lps;
  else if (lps !== undefined) changed.lps = lps;
  const { reserve, limit } = shareOf(changed);
  if (limit < reserve) throw new HvdError('vm.limit', { name, limit, reserve });
  return changed;
};

/** Home LPs under a share that has been changed: those that the VPs have, where these will do. Throws as homesOf. */
export const homesAfter = (
  config: PartitionConfig,
  body: PartitionBody,
  alive: readonly number[],
  standing: readonly Standing[],
): number[] => {
  const wanted = homesOf(config, alive, standing);
  const allowed = wantedLps(config, standing.length);
  const { reserve } = shareOf(config.scheduling ?? {});
  const reserved = standing.map((one) => one.reserved);
  for (const { homeLp } of body.vps) {
    if (!alive.includes(homeLp) || !allowed.includes(homeLp)) return wanted;
    reserved[homeLp] = reserved[homeLp]! + reserve;
    if (reserve > 0 && reserved[homeLp]! > RESERVE_MAX) return wanted;
  }
  return body.vps.map(({ homeLp }) => homeLp);
};

export const schedulingOf = ({ config, body }: Partition, lps: number): SchedulingInfo => ({
  ...shareOf(config.scheduling ?? {}),
  lps: [...wantedLps(config, lps)],
  homes: body.vps.map(({ homeLp }) => homeLp),
});

/** Writes what the schedulers read of a new partition, on a machine of so many LPs. */
export const place = (body: PartitionBody, config: PartitionConfig, homes: readonly number[], lps: number): void => {
  const { scheduling = {} } = config;
  writeVpRanges(
    body.views,
    (scheduling.critical ?? []).map(({ from, to }) => ({ from: BigInt(from), to: BigInt(to) })),
  );
  writeVpWord(body.views, scheduling.criticalWord === undefined ? NO_WORD : wordOf(scheduling.criticalWord));
  for (const [index, home] of homes.entries()) {
    body.vps[index]!.lp = home;
    new VpSchedule(body.views, vpScheduleAt(index)).displacedBy = -1;
  }
  writeShare(body, config, homes, lps);
};

/** Weight, reserve, limit, affinity and homes. LPs may be reading: each word holds by itself, and where a VP must go is there before that it must. */
export const writeShare = (body: PartitionBody, config: PartitionConfig, homes: readonly number[], lps: number): void => {
  const share = shareOf(config.scheduling ?? {});
  const wanted = wantedLps(config, lps);
  const [low, high] = [0, 32].map((first) =>
    wanted.reduce((set, lp) => (lp >= first && lp < first + 32 ? set | (1 << (lp - first)) : set), 0),
  );
  for (const [index, home] of homes.entries()) {
    body.vps[index]!.homeLp = home;
    const record = new VpSchedule(body.views, vpScheduleAt(index));
    Object.assign(record, { ...share, affinityLow: low! >>> 0, affinityHigh: high! >>> 0 });
  }
};
