// Guest-visible memory is the same whatever the vTLB's settings: guests that edit page tables and switch address spaces, with free intercepts, so that time is the same too.
// Why one VP: where another one's turn begins depends on which tier runs the code, and that on which of its pages can be looked up just now.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { buildPartition } from '../../daemon/boot/build-partition.js';
import { Guest } from '../../daemon/hypervisor/guest.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { MachineHeader, machineMemorySize } from '../../shared/layout/machine.js';
import { PartitionHeader, PartitionMap, PartitionState } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { POLICIES, writePolicy } from '../../shared/protocol/policies.js';
import { NO_DEVICES } from '../rig/no-devices.js';

const RAM = 32 << 20;
const SLICE = 20_000;
const SLICES_MAX = 20_000;

type Settings = Readonly<Record<string, string>>;

/** Runs the guest on one LP until it ends; `change`: settings that alternate with the first ones while it runs. */
const run = (image: string, commandLine: string, settings: Settings, change?: Settings) => {
  const pages = (PartitionMap.RAM + RAM) / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const views = viewsOf(memory.buffer);
  const bytes = readFileSync(join(packageRoot(), image));
  buildPartition(views, {
    id: 1,
    name: 'g',
    vpCount: 1,
    lpCount: 1,
    nodeCount: 1,
    ramSize: RAM,
    seed: 1,
    image: bytes,
    imageName: 'g',
    commandLine,
  });
  const machine = viewsOf(new SharedArrayBuffer(machineMemorySize(1)));
  const policies = new MachineHeader(machine, 0);
  const set = (wanted: Settings): void => {
    for (const policy of POLICIES) writePolicy(policies, policy, wanted[policy.name] ?? policy.default);
  };
  set(settings);
  const header = new PartitionHeader(views, PartitionMap.HEADER);
  header.state = PartitionState.RUNNING;
  const nothing = (): void => undefined;
  const guest = new Guest({
    lp: 0,
    machine,
    slot: 0,
    memory,
    name: 'g',
    frequencyHz: 1_000_000_000,
    realtime: false,
    hostCycles: () => 0,
    isWanted: () => false,
    costs: {},
    devices: NO_DEVICES,
    withPartner: () => undefined,
    observe: undefined,
    signal: nothing,
    event: nothing,
  });
  let clock = 0;
  for (let slice = 0; slice < SLICES_MAX && header.state === PartitionState.RUNNING; slice++) {
    guest.advance(clock);
    if (guest.runnable(0)) clock += guest.run(0, clock, SLICE);
    else clock = Math.max(clock + 1, guest.deadline());
    if (change !== undefined && slice % 50 === 49) set(slice % 100 === 99 ? settings : change);
  }
  return {
    ended: header.state !== PartitionState.RUNNING,
    hash: createHash('sha256').update(views.u8.slice(PartitionMap.RAM)).digest('hex'),
    counters: vtlbCounters(views),
  };
};

const BASELINE: Settings = { 'vtlb.tags': '1' };
const SETTINGS: readonly Settings[] = [
  { 'vtlb.tags': '2' },
  { 'vtlb.tags': '64' },
  { 'vtlb.untracked': '0' },
  { 'vtlb.track': 'rmap' },
  { 'vtlb.track': 'write' },
];
const GUESTS = [
  { image: 'configs/guests/images/workload64.elf', job: 'job=switch:spaces=5,pages=20 milliseconds=15', settings: SETTINGS },
  { image: 'configs/guests/images/workload64.elf', job: 'job=pagechurn:shared=1 milliseconds=15', settings: SETTINGS.slice(2, 4) },
  { image: 'configs/guests/bench/guest32.elf', job: 'run=cr3sw,ptchurn div=2000', settings: SETTINGS },
] as const;

for (const { image, job, settings: each } of GUESTS)
  test.serial(`${image.split('/').pop()} ${job}: memory does not depend on how translations are kept`, (t) => {
    t.timeout(300_000);
    const reference = run(image, job, BASELINE);
    t.true(reference.ended);
    for (const settings of each) {
      const { hash, counters } = run(image, job, settings);
      t.is(hash, reference.hash, JSON.stringify(settings));
      t.true(counters.fills > 100 && (counters.addressSpaceSwitches > 50 || counters.invalidations > 500), JSON.stringify(counters));
    }
    const changing = run(image, job, SETTINGS[1], SETTINGS[3]);
    t.is(changing.hash, reference.hash);
    t.is(run(image, job, BASELINE, SETTINGS[4]).hash, reference.hash);
    t.true(changing.counters.trackModeChanges > 0);
  });
