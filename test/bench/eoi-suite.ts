// `npm run bench -- --suite eoi`: how interrupts end under each policy (eoi-experiments.ts; messages between guests here), and how long those of devices that are passed through stay in service, with
// hardware that can end a named vector and without.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readMachineFile } from '../../daemon/root/config/machine-file.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import type { DeviceInfo, InterruptsInspect, MachineStats } from '../../shared/protocol/messages.js';

export interface PassThroughRow {
  readonly physicalSeoi: string;
  readonly device: DeviceInfo;
  /** Mean cycles from the LP's taking to the end there, and of these after the guest had finished. */
  readonly served: number;
  readonly deferred: number;
}

/** Two guests that exchange messages: AutoEOI needs a SINT. */
export interface MessageRow {
  readonly policy: string;
  readonly interrupts: number;
  /** EOIs by kind, for each interrupt delivered. */
  readonly ends: Readonly<Record<string, number>>;
  /** Virtual cycles from one answer to the next. */
  readonly cycles: number;
  /** In a second of the guests' time. */
  readonly perSecond: number;
  /** Of the cycles that VPs ran, the part that was no instruction of a guest's. */
  readonly hypervisor: number;
}

const MESSAGES = 'configs/machines/messages.yaml';
const ANSWERS = 1000;

export const measureMessages = async (say: (text: string) => void): Promise<MessageRow[]> => {
  const rows: MessageRow[] = [];
  for (const policy of ['exit', 'assist', 'auto']) {
    say(`\r${'messages'.padEnd(40)} ${policy.padEnd(24)}`);
    const config = readMachineFile(join(packageRoot(), MESSAGES));
    const partitions = config.partitions.map((partition) => ({
      ...partition,
      load: { ...partition.load!, parameters: { ...partition.load!.parameters, auto: policy === 'auto' ? 1 : 0 } },
    }));
    const machine = await Machine.start({
      config: { ...config, partitions, clock: 'deterministic', idle: 'skip', pin: false, policies: { 'apic.eoi': policy } },
      log: silentLog(),
    });
    try {
      const answers = (): number => machine.stats().partitions[0]!.load[0]?.operations ?? 0;
      await until(() => answers() > 0);
      const [before, beforeStats] = [machine.interrupts(undefined), machine.stats()];
      await until(() => answers() >= ANSWERS);
      const [after, afterStats] = [machine.interrupts(undefined), machine.stats()];
      const totals = ({ partitions: all }: InterruptsInspect): Record<string, number> => {
        const sums: Record<string, number> = {};
        for (const { ends } of all) for (const [end, count] of Object.entries(ends)) sums[end] = (sums[end] ?? 0) + count;
        return sums;
      };
      const [from, to] = [totals(before), totals(after)];
      const differences = Object.entries(to).map(([end, count]) => [end, count - (from[end] ?? 0)] as const);
      const interrupts = differences.reduce((sum, [, count]) => sum + count, 0);
      const done = ({ partitions: [first] }: MachineStats): number => first!.load[0]!.operations;
      const ran = ({ partitions: all }: MachineStats, of: 'runCycles' | 'instructions'): number =>
        all.reduce((sum, { vps }) => sum + vps.reduce((total, vp) => total + vp[of], 0), 0);
      const clock = afterStats.lps[0]!.clock - beforeStats.lps[0]!.clock;
      rows.push({
        policy,
        interrupts,
        ends: Object.fromEntries(differences.map(([end, count]) => [end, count / interrupts])),
        cycles: clock / (done(afterStats) - done(beforeStats)),
        perSecond: (interrupts * afterStats.frequencyHz) / clock,
        hypervisor:
          1 -
          (ran(afterStats, 'instructions') - ran(beforeStats, 'instructions')) /
            (ran(afterStats, 'runCycles') - ran(beforeStats, 'runCycles')),
      });
    } finally {
      await machine.stop();
    }
  }
  return rows;
};

export const messagesMarkdown = (rows: readonly MessageRow[]): string =>
  [
    '| messages between two guests | exit, an interrupt | assist | auto | cycles an answer | interrupts/s | cycles in the hypervisor |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows.map(
      ({ policy, ends, cycles: each, perSecond, hypervisor }) =>
        `| \`apic.eoi=${policy}\`${policy === 'auto' ? ', SINTs with AutoEOI' : ''} | ${share(ends.exit)} | ${share(ends.assist)} | ${share(ends.auto)} | ${cycles(each)} | ${cycles(perSecond)} | ${(100 * hypervisor).toFixed(1)} % |`,
    ),
  ].join('\n');

const share = (value = 0): string => (value === 0 ? '0' : value.toPrecision(3));

const until = async (reached: () => boolean): Promise<void> => {
  const end = performance.now() + LIMIT_MS;
  while (!reached()) {
    if (performance.now() > end) throw new Error(`the guests do not get there within ${LIMIT_MS} ms`);
    await sleep(20);
  }
};

const FILE = 'configs/machines/devices.yaml';
const INTERRUPTS = 3000;
const LIMIT_MS = 120_000;

/** The machine of the file under the deterministic clock, until its busiest device has been served often enough. */
export const measurePassThrough = async (say: (text: string) => void): Promise<PassThroughRow[]> => {
  const rows: PassThroughRow[] = [];
  for (const physicalSeoi of ['off', 'on']) {
    say(`\r${'passed through'.padEnd(40)} ${physicalSeoi.padEnd(24)}`);
    const config = readMachineFile(join(packageRoot(), FILE));
    const machine = await Machine.start({
      config: { ...config, clock: 'deterministic', idle: 'skip', pin: false, policies: { 'apic.physicalSeoi': physicalSeoi } },
      log: silentLog(),
    });
    try {
      await until(() => machine.devices.list().some(({ ended }) => ended >= INTERRUPTS));
      for (const device of machine.devices.list())
        rows.push({ physicalSeoi, device, served: device.servedCycles / device.ended, deferred: device.deferredCycles / device.ended });
    } finally {
      await machine.stop();
    }
  }
  say('\r\x1b[K');
  return rows;
};

const cycles = (value: number): string => Math.round(value).toLocaleString('en-US');

export const passThroughMarkdown = (rows: readonly PassThroughRow[]): string =>
  [
    '| device | vector at the LP | for | `apic.physicalSeoi` | in service, cycles | of these deferred |',
    '| --- | --- | --- | --- | ---: | ---: |',
    ...rows.map(
      ({ physicalSeoi, device: { name, trigger, lp, vector, partition }, served, deferred }) =>
        `| ${name}, ${trigger} | 0x${vector.toString(16)} at LP ${lp} | ${partition} | ${physicalSeoi} | ${cycles(served)} | ${cycles(deferred)} |`,
    ),
  ].join('\n');
