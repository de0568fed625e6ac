// `npm run bench -- --suite eoi`: how interrupts end under each policy (eoi-experiments.ts), and how long those of devices that are passed through stay in service, with
// hardware that can end a named vector and without.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readMachineFile } from '../../daemon/root/config/machine-file.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import type { DeviceInfo } from '../../shared/protocol/messages.js';

export interface PassThroughRow {
  readonly physicalSeoi: string;
  readonly device: DeviceInfo;
  /** Mean cycles from the LP's taking to the end there, and of these after the guest had finished. */
  readonly served: number;
  readonly deferred: number;
}

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
      const end = performance.now() + LIMIT_MS;
      while (machine.devices.list().every(({ ended }) => ended < INTERRUPTS)) {
        if (performance.now() > end) throw new Error('the devices are not served');
        await sleep(20);
      }
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
