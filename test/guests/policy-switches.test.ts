// Policies of every family and shares of partitions are changed at any moment while guests run that check what they are promised.
// `POLICY_SWITCHES=2,3,4` runs other seeds.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { readConsole } from '../../daemon/root/console.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import type { Partition } from '../../daemon/root/partition.js';
import type { PartitionConfig, SchedulingChange } from '../../shared/protocol/messages.js';
import { POLICIES, type Policy } from '../../shared/protocol/policies.js';
import { seeded } from '../rig/seeded.js';

const MIB = 1 << 20;
const LPS = 2;
const SEEDS = (process.env.POLICY_SWITCHES ?? '1').split(',').map(Number);

type Draw = (below: number) => number;
const settingOf = ({ values, set }: Policy, draw: Draw): string => {
  const words = set?.filter(() => draw(2) === 1) ?? [];
  return set === undefined ? values[draw(values.length)]! : words.join('+') || 'off';
};
const LPS_CHOICES: readonly SchedulingChange['lps'][] = ['all', [0], [1], [0, 1]];
const shareOf = (draw: Draw): SchedulingChange => {
  const reserve = draw(2) * 15;
  return { weight: 1 + draw(400), reserve, limit: reserve + 20 + draw(81 - reserve), lps: LPS_CHOICES[draw(LPS_CHOICES.length)] };
};

const guest = (name: string, image: string, append: string): PartitionConfig => ({
  name,
  image: resolveImage(image, ''),
  vps: 3,
  memory: 32 * MIB,
  hv: { features: 'linux' },
  append: `${append} milliseconds=12`,
});
const GUESTS = [
  guest('a', 'workload64', 'vp0=spinlock:off=1 vp1=spinlock:off=1 vp2=pagechurn:reload=1,pages=8'),
  guest('b', 'workload32', 'vp0=ipi:mode=1 vp1=ipi:mode=1 vp2=switch:spaces=4,pages=4'),
];

for (const clock of ['deterministic', 'quantum'] as const)
  for (const seed of SEEDS)
    test.serial(`guests find nothing broken while all policies are switched: ${clock}, seed ${seed}`, async (t) => {
      t.timeout(600_000);
      const draw = seeded(seed);
      const config = { ...defaultMachine(), lps: LPS, pin: false, clock, idle: 'skip' as const };
      const machine = await Machine.start({ config, log: silentLog() });
      try {
        const partitions: Partition[] = [];
        for (const one of GUESTS) partitions.push(await machine.add(one));
        const said = (): (string | undefined)[] =>
          partitions.map((one) => /DONE errors=\d+/.exec(Buffer.from(readConsole(one, 0).bytes).toString('latin1'))?.[0]);
        let switches = 0;
        while (said().includes(undefined)) {
          const policy = POLICIES[draw(POLICIES.length)]!;
          const vm = policy.perPartition === true && draw(2) === 0 ? GUESTS[draw(GUESTS.length)]!.name : undefined;
          await machine.enter('policy', { name: policy.name, value: settingOf(policy, draw), vm });
          if (draw(4) === 0) await machine.enter('vm.schedule', { name: GUESTS[draw(GUESTS.length)]!.name, change: shareOf(draw) });
          switches++;
          await sleep(1 + draw(5));
          for (const { body } of partitions) if (body.reason !== null && !body.reason.includes('debug')) throw new Error(body.reason);
        }
        t.deepEqual(said(), ['DONE errors=0', 'DONE errors=0']);
        t.true(switches > 20, String(switches));
      } finally {
        await machine.stop();
      }
    });
