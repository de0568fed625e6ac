// A partition's share of the machine: from its configuration into the words that the LPs' schedulers read (layout/schedule), each VP on its home LP.
import { type VpWord, WordBase, writeVpRanges, writeVpWord } from '../../shared/layout/critical-ranges.js';
import { RESERVE_MAX, VpSchedule, vpScheduleAt, WEIGHT_DEFAULT } from '../../shared/layout/schedule.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { CriticalWordConfig, PartitionConfig, SchedulingConfig } from '../../shared/protocol/messages.js';
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

/** Writes what the schedulers read of a new partition, on a machine of so many LPs. */
export const place = (body: PartitionBody, config: PartitionConfig, homes: readonly number[], lps: number): void => {
  const { scheduling = {} } = config;
  const share = shareOf(scheduling);
  const wanted = wantedLps(config, lps);
  writeVpRanges(
    body.views,
    (scheduling.critical ?? []).map(({ from, to }) => ({ from: BigInt(from), to: BigInt(to) })),
  );
  writeVpWord(body.views, scheduling.criticalWord === undefined ? NO_WORD : wordOf(scheduling.criticalWord));
  const [low, high] = [0, 32].map((first) =>
    wanted.reduce((set, lp) => (lp >= first && lp < first + 32 ? set | (1 << (lp - first)) : set), 0),
  );
  for (const [index, home] of homes.entries()) {
    const vp = body.vps[index]!;
    vp.homeLp = home;
    vp.lp = home;
    const record = new VpSchedule(body.views, vpScheduleAt(index));
    Object.assign(record, { ...share, affinityLow: low! >>> 0, affinityHigh: high! >>> 0, displacedBy: -1 });
  }
};
